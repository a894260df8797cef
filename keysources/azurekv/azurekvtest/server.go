// Package azurekvtest is an Azure Key Vault for tests: a server that holds real RSA
// keys, challenges whoever has no token, and refuses what the real one would
// refuse; and the managed identity endpoint that gives the tokens.
package azurekvtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a vault. Its methods may be called while it answers.
type Server struct {
	// URL is the vault's address, https on the loopback.
	URL string
	// Transport trusts the vault's certificate, which is also in CertFile.
	Transport http.RoundTripper
	CertFile  string

	identity string // address of the managed identity endpoint
	header   string // what proves to it that the caller runs here
	private  *rsa.PrivateKey

	mu        sync.Mutex // guards what follows
	resource  string
	challenge string
	keys      map[string]*key // :: name → key
	tokens    map[string]bool
	failures  []failure
	refuse    int
	silent    bool
	latency   time.Duration
	calls     int
	requests  int
	inFlight  int
	most      int
}

type key struct {
	versions         []string
	private          *rsa.PrivateKey
	disabled, denied bool
}

type failure struct {
	status int
	header map[string]string
	body   string
}

// New starts a vault that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	const bits = 2048
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{private: private, header: random(16), keys: map[string]*key{}, tokens: map[string]bool{}}
	vault := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	vault.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that trust nobody are part of the tests
	vault.StartTLS()
	identity := httptest.NewServer(http.HandlerFunc(s.token))
	tb.Cleanup(func() {
		s.Silence(false)
		for _, server := range []*httptest.Server{vault, identity} {
			server.CloseClientConnections()
			server.Close()
		}
	})
	s.URL, s.identity = vault.URL, identity.URL
	transport := vault.Client().Transport.(*http.Transport).Clone()
	const parallel = 64
	transport.MaxIdleConnsPerHost = parallel
	s.Transport = transport
	// A vault's resource is the domain that its host is in: for 127.0.0.1 that is
	// 0.0.1, and the client's check of it needs no exception. The rest tells servers
	// apart that get the same port: clients remember tokens by resource.
	s.resource = "https://" + strings.TrimPrefix(s.URL, "https://127.") + "/" + random(4)
	s.challenge = `Bearer authorization="https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000", resource="` + s.resource + `"`
	s.CertFile = filepath.Join(tb.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: vault.Certificate().Raw})
	if err := os.WriteFile(s.CertFile, block, 0o600); err != nil {
		tb.Fatal(err)
	}
	return s
}

// Env returns the variables of an App Service with a managed identity.
func (s *Server) Env() map[string]string {
	return map[string]string{"IDENTITY_ENDPOINT": s.identity + "/msi/token", "IDENTITY_HEADER": s.header}
}

// AddKey makes a key, or another version of it, and returns the version. All keys
// of a server share their RSA key, except those of AddOtherKey.
func (s *Server) AddKey(name string) (version string) {
	version = random(16)
	s.set(func() {
		if s.keys[name] == nil {
			s.keys[name] = &key{private: s.private}
		}
		s.keys[name].versions = append(s.keys[name].versions, version)
	})
	return version
}

// AddOtherKey makes a key whose RSA key is its own.
func (s *Server) AddOtherKey(tb testing.TB, name string) (version string) {
	tb.Helper()
	const bits = 2048
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	version = s.AddKey(name)
	s.set(func() { s.keys[name].private = private })
	return version
}

// Disable disables a key.
func (s *Server) Disable(name string) { s.set(func() { s.keys[name].disabled = true }) }

// Deny takes the permission to use a key away.
func (s *Server) Deny(name string) { s.set(func() { s.keys[name].denied = true }) }

// Delete deletes a key.
func (s *Server) Delete(name string) { s.set(func() { delete(s.keys, name) }) }

// Challenge changes what the vault asks those without a token for.
func (s *Server) Challenge(header string) { s.set(func() { s.challenge = header }) }

// Revoke ends all tokens that were given out.
func (s *Server) Revoke() { s.set(func() { clear(s.tokens) }) }

// Refuse lets requests for tokens fail with a status, 0 ends it.
func (s *Server) Refuse(status int) { s.set(func() { s.refuse = status }) }

// Fail lets the next n calls that carry a token fail with a status.
func (s *Server) Fail(n, status int, header map[string]string, body string) {
	s.set(func() {
		for range n {
			s.failures = append(s.failures, failure{status, header, body})
		}
	})
}

// Silence lets calls wait for an answer until they are given up, or until it ends.
func (s *Server) Silence(on bool) { s.set(func() { s.silent = on }) }

// Delay lets each call take this long.
func (s *Server) Delay(d time.Duration) { s.set(func() { s.latency = d }) }

// Calls returns how many calls carried a token, how many were under way at the same
// time at most, and how many tokens were asked for.
func (s *Server) Calls() (total, atOnce, tokens int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls, s.most, s.requests
}

// Secrets returns what nobody may show.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{s.header}
	for t := range s.tokens {
		out = append(out, t)
	}
	return out
}

func (s *Server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // cannot fail
	return hex.EncodeToString(b)
}

// token is the managed identity endpoint of an App Service.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	q := r.URL.Query()
	switch {
	case s.refuse != 0:
		writeJSON(w, s.refuse, map[string]string{"error": "what you sent: " + s.header})
	case r.Method != http.MethodGet || r.URL.Path != "/msi/token" || q.Get("api-version") != "2019-08-01" || r.Header.Get("X-IDENTITY-HEADER") != s.header:
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "what you sent: " + s.header})
	case q.Get("resource") != s.resource:
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_resource", "error_description": "AADSTS500011: what you sent"})
	default:
		t := "token-" + random(20)
		s.tokens[t] = true
		writeJSON(w, http.StatusOK, map[string]string{
			"access_token": t, "token_type": "Bearer", "resource": s.resource, "expires_on": strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10),
		})
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// A client that has gone away needs no answer.
	_ = json.NewEncoder(w).Encode(v)
}

// apiError is an answer in the form of Key Vault.
type apiError struct {
	status      int
	code, inner string
}

func (e *apiError) write(w http.ResponseWriter) {
	body := map[string]any{"code": e.code, "message": "what you sent"}
	if e.inner != "" {
		body["innererror"] = map[string]string{"code": e.inner}
	}
	writeJSON(w, e.status, map[string]any{"error": body})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !s.tokens[token] {
		w.Header().Set("WWW-Authenticate", s.challenge)
		s.mu.Unlock()
		(&apiError{http.StatusUnauthorized, "Unauthorized", ""}).write(w)
		return
	}
	s.calls++
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	latency := s.latency
	s.mu.Unlock()
	defer s.set(func() { s.inFlight-- })
	time.Sleep(latency)
	for s.isSilent() {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	if f, ok := s.nextFailure(); ok {
		for k, v := range f.header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(f.status)
		w.Write([]byte(f.body)) // a client that has gone away
		return
	}
	answer, fail := s.answer(r)
	if fail != nil {
		fail.write(w)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) isSilent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent
}

func (s *Server) nextFailure() (failure, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) == 0 {
		return failure{}, false
	}
	f := s.failures[0]
	s.failures = s.failures[1:]
	return f, true
}

var method = regexp.MustCompile(`^(GET|POST) /keys/([0-9A-Za-z-]{1,127})(?:/([0-9a-f]{32})?)?(?:/(encrypt|decrypt))?$`)

func (s *Server) answer(r *http.Request) (any, *apiError) {
	m := method.FindStringSubmatch(r.Method + " " + r.URL.Path)
	if m == nil || r.URL.Query().Get("api-version") == "" || (m[1] == "GET") != (m[4] == "") {
		return nil, &apiError{http.StatusNotFound, "NotFound", ""}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[m[2]]
	switch {
	case k == nil:
		return nil, &apiError{http.StatusNotFound, "KeyNotFound", ""}
	case k.denied:
		return nil, &apiError{http.StatusForbidden, "Forbidden", "ForbiddenByRbac"}
	}
	version := m[3]
	if version == "" {
		version = k.versions[len(k.versions)-1]
	}
	if !slices.Contains(k.versions, version) {
		return nil, &apiError{http.StatusNotFound, "KeyNotFound", ""}
	}
	kid := s.URL + "/keys/" + m[2] + "/" + version
	if m[4] == "" {
		return describe(kid, k), nil
	}
	if k.disabled {
		return nil, &apiError{http.StatusForbidden, "Forbidden", "KeyDisabled"}
	}
	return use(k, kid, m[4], r)
}

func describe(kid string, k *key) any {
	b64 := base64.RawURLEncoding
	return map[string]any{
		"key": map[string]any{
			"kid": kid, "kty": "RSA", "key_ops": []string{"encrypt", "decrypt"},
			"n": b64.EncodeToString(k.private.N.Bytes()), "e": b64.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
		},
		"attributes": map[string]any{"enabled": !k.disabled},
	}
}

func use(k *key, kid, verb string, r *http.Request) (any, *apiError) {
	var in struct {
		Alg   string `json:"alg"`
		Value string `json:"value"`
	}
	bad := &apiError{http.StatusBadRequest, "BadParameter", ""}
	dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if dec.Decode(&in) != nil || in.Alg != "RSA-OAEP-256" {
		return nil, bad
	}
	value, err := base64.RawURLEncoding.Strict().DecodeString(in.Value)
	if err != nil || len(value) == 0 {
		return nil, bad
	}
	var out []byte
	if verb == "encrypt" {
		out, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.private.PublicKey, value, nil)
	} else {
		out, err = rsa.DecryptOAEP(sha256.New(), nil, k.private, value, nil)
	}
	if err != nil {
		return nil, bad
	}
	return map[string]string{"kid": kid, "value": base64.RawURLEncoding.EncodeToString(out)}, nil
}
