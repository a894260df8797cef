// Package hckmstest is a Huawei Cloud KMS for tests: a server that holds real
// keys, checks signatures, and refuses what the real one would refuse.
package hckmstest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Region is the region that the server is in.
const Region = "tr-west-1"

// Server is a KMS with the part of an identity service that names projects. Its
// methods may be called while it answers.
type Server struct {
	// URL is its address on the loopback.
	URL string
	// AccessKey and SecretKey are the credentials of its only user.
	AccessKey, SecretKey string
	// Project is the user's only project.
	Project string

	tb testing.TB

	mu       sync.Mutex // guards what follows
	keys     map[string]*key
	failures []failure
	silent   bool
	latency  time.Duration
	projects []string
	calls    int
	lookups  int
	left     int
	inFlight int
	most     int
}

type key struct {
	aead             cipher.AEAD
	disabled, denied bool
}

type failure struct {
	status int
	header map[string]string
	body   string
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, keys: map[string]*key{}, AccessKey: "AK" + random(9), SecretKey: random(20), Project: random(16)}
	s.projects = []string{s.Project}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = server.URL
	s.closeAfterTest(server)
	return s
}

func (s *Server) closeAfterTest(server *httptest.Server) {
	s.tb.Cleanup(func() {
		s.Silence(false)
		server.CloseClientConnections()
		server.Close()
	})
}

// TLS starts another listener, for the identity service, which the SDK asks by
// https only. It returns the address, a transport that trusts it, and a file with
// its certificate.
func (s *Server) TLS() (url string, transport http.RoundTripper, certFile string) {
	s.tb.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(s.serve))
	s.closeAfterTest(server)
	certFile = filepath.Join(s.tb.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(certFile, block, 0o600); err != nil {
		s.tb.Fatal(err)
	}
	return server.URL, server.Client().Transport, certFile
}

// Env returns the variables by which the SDK finds the server and signs for it.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"HUAWEICLOUD_SDK_AK": s.AccessKey, "HUAWEICLOUD_SDK_SK": s.SecretKey, "HUAWEICLOUD_SDK_PROJECT_ID": s.Project,
		"HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1": s.URL,
	}
}

// AddKey makes a key and returns its name, region:id.
func (s *Server) AddKey() string {
	block, err := aes.NewCipher(randomBytes(32))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	r := random(16)
	id := fmt.Sprintf("%s-%s-%s-%s-%s", r[:8], r[8:12], r[12:16], r[16:20], r[20:])
	s.set(func() { s.keys[id] = &key{aead: aead} })
	return Region + ":" + id
}

// Disable disables a key, Deny takes the permission to use it away, and Delete
// deletes it.
func (s *Server) Disable(name string) { s.set(func() { s.key(name).disabled = true }) }

// Deny takes the permission to use a key away.
func (s *Server) Deny(name string) { s.set(func() { s.key(name).denied = true }) }

// Delete deletes a key.
func (s *Server) Delete(name string) {
	s.set(func() { delete(s.keys, strings.TrimPrefix(name, Region+":")) })
}

func (s *Server) key(name string) *key { return s.keys[strings.TrimPrefix(name, Region+":")] }

// Fail lets the next n calls fail with a status.
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

// Projects changes which projects the identity service names.
func (s *Server) Projects(ids ...string) { s.set(func() { s.projects = ids }) }

// Calls returns how often keys were used or failed to be, how many calls were under
// way at the same time at most, and how often the project was looked up.
func (s *Server) Calls() (total, atOnce, lookups int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls, s.most, s.lookups
}

// Left returns how many callers have gone away while the server was silent.
func (s *Server) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

func (s *Server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // cannot fail
	return b
}

func random(n int) string { return hex.EncodeToString(randomBytes(n)) }

// apiError is an answer in the form of the gateway, or of the service behind it.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) write(w http.ResponseWriter) {
	body := any(map[string]string{"error_code": e.code, "error_msg": e.message})
	if strings.HasPrefix(e.code, "KMS.") {
		body = map[string]any{"error": body}
	}
	writeJSON(w, e.status, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has gone away needs no answer.
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if strings.HasPrefix(r.URL.Path, "/v3/") {
		s.lookups++
	} else {
		s.calls++
	}
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	latency := s.latency
	s.mu.Unlock()
	defer s.set(func() { s.inFlight-- })
	time.Sleep(latency)
	// A server that has not read the body does not see that the client goes away.
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	for s.isSilent() {
		select {
		case <-r.Context().Done():
			s.set(func() { s.left++ })
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
	body, fail := s.authenticate(r)
	if fail == nil {
		var answer any
		if answer, fail = s.route(r, body); fail == nil {
			writeJSON(w, http.StatusOK, answer)
			return
		}
	}
	fail.write(w)
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

func (s *Server) route(r *http.Request, body []byte) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	prefix := "POST /v1.0/" + s.Project + "/kms/"
	switch r.Method + " " + r.URL.Path {
	case "GET /v3/projects":
		return s.listProjects(r.URL.Query().Get("name"))
	case prefix + "encrypt-data":
		return s.encrypt(body)
	case prefix + "decrypt-data":
		return s.decrypt(body)
	}
	return nil, &apiError{404, "APIGW.0101", "The API does not exist or has not been published in the environment"}
}

func (s *Server) listProjects(name string) (any, *apiError) {
	list := []map[string]any{}
	for _, id := range s.projects {
		if name == Region {
			list = append(list, map[string]any{"id": id, "name": name, "enabled": true, "domain_id": "d", "is_domain": false, "parent_id": "d", "description": ""})
		}
	}
	return map[string]any{"projects": list, "links": map[string]string{"self": "x"}}, nil
}

// input is the body of both methods. Unknown fields are refused.
type input struct {
	KeyID     string `json:"key_id"`
	PlainText string `json:"plain_text"`
	Cipher    string `json:"cipher_text"`
	Algorithm string `json:"encryption_algorithm"`
}

func read(body []byte) (*input, *apiError) {
	in := &input{}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if dec.Decode(in) != nil || in.Algorithm != "" && in.Algorithm != "SYMMETRIC_DEFAULT" {
		return nil, invalid("the request body is not well-formed")
	}
	return in, nil
}

func invalid(message string) *apiError { return &apiError{400, "KMS.0202", message} }

func (s *Server) usable(id string) (*key, *apiError) {
	k := s.keys[id]
	switch {
	case k == nil:
		return nil, &apiError{400, "KMS.0205", "The key does not exist: " + id}
	case k.denied:
		return nil, &apiError{403, "KMS.0306", "no permission"}
	case k.disabled:
		return nil, &apiError{400, "KMS.0402", "The key is disabled: " + id}
	}
	return k, nil
}

func (s *Server) encrypt(body []byte) (any, *apiError) {
	in, fail := read(body)
	if fail != nil {
		return nil, fail
	}
	plaintext, err := base64.StdEncoding.Strict().DecodeString(in.PlainText)
	if err != nil || len(plaintext) == 0 || len(plaintext) > 4096 || in.Cipher != "" {
		return nil, invalid("plain_text has to have 1 to 4096 bytes")
	}
	k, fail := s.usable(in.KeyID)
	if fail != nil {
		return nil, fail
	}
	nonce := randomBytes(k.aead.NonceSize())
	// The service's ciphertexts name their key.
	out := append([]byte(in.KeyID), k.aead.Seal(nonce, nonce, plaintext, []byte(in.KeyID))...)
	return map[string]string{"key_id": in.KeyID, "cipher_text": base64.StdEncoding.EncodeToString(out)}, nil
}

const idSize = 36

func (s *Server) decrypt(body []byte) (any, *apiError) {
	in, fail := read(body)
	if fail != nil {
		return nil, fail
	}
	data, err := base64.StdEncoding.Strict().DecodeString(in.Cipher)
	if err != nil || len(data) < idSize || in.PlainText != "" {
		return nil, invalid("cipher_text is invalid")
	}
	id, sealed := string(data[:idSize]), data[idSize:]
	if in.KeyID != "" && in.KeyID != id {
		return nil, invalid("cipher_text belongs to another key")
	}
	k, fail := s.usable(id)
	if fail != nil {
		return nil, fail
	}
	size := k.aead.NonceSize()
	if len(sealed) < size {
		return nil, invalid("cipher_text is invalid")
	}
	plaintext, err := k.aead.Open(nil, sealed[:size], sealed[size:], []byte(id))
	if err != nil {
		return nil, invalid("cipher_text is invalid")
	}
	return map[string]string{"key_id": id, "plain_text": base64.StdEncoding.EncodeToString(plaintext)}, nil
}
