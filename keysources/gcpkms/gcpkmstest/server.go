// Package gcpkmstest is a Google Cloud KMS for tests: a server that holds real
// keys, and refuses what the real one would refuse.
package gcpkmstest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// State is what a key version can be.
type State string

// The states.
const (
	Enabled  State = "ENABLED"
	Disabled State = "DISABLED"
)

// Server is a Cloud KMS with its authorization server. Its methods may be called
// while it answers.
type Server struct {
	// URL is its address on the loopback, for SOPS_GCP_KMS_ENDPOINT.
	URL string
	// Auth signs service accounts and users in.
	Auth *Auth

	mu       sync.Mutex // guards what follows
	keys     map[string]*key
	failures []failure
	silent   bool
	latency  time.Duration
	corrupt  bool
	careless bool
	calls    int
	inFlight int
	most     int
	projects []string
}

type key struct {
	aead   cipher.AEAD
	state  State
	denied bool
}

type failure struct {
	status int
	code   string
	header map[string]string
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{keys: map[string]*key{}, Auth: newAuth(tb)}
	mux := http.NewServeMux()
	s.Auth.handle(mux)
	mux.Handle("/v1/", http.HandlerFunc(s.serve))
	server := httptest.NewServer(mux)
	tb.Cleanup(func() {
		s.Silence(false)
		server.CloseClientConnections()
		server.Close()
	})
	s.URL = server.URL
	s.Auth.url = server.URL
	return s
}

// AddKey makes a symmetric key with this resource id.
func (s *Server) AddKey(id string) {
	block, err := aes.NewCipher(random(32))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id] = &key{aead: aead, state: Enabled}
}

// SetState enables or disables the key's only version.
func (s *Server) SetState(id string, state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id].state = state
}

// Deny takes the permission to use a key away from everybody.
func (s *Server) Deny(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id].denied = true
}

// Fail lets the next n calls fail with a status and its code.
func (s *Server) Fail(n, status int, code string, header map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.failures = append(s.failures, failure{status, code, header})
	}
}

// Silence lets calls wait for an answer until they are given up, or until it ends.
func (s *Server) Silence(on bool) { s.set(func() { s.silent = on }) }

// Delay lets each call take this long.
func (s *Server) Delay(d time.Duration) { s.set(func() { s.latency = d }) }

// Corrupt lets answers arrive with one bit changed.
func (s *Server) Corrupt(on bool) { s.set(func() { s.corrupt = on }) }

// Careless lets the server not look at checksums, nor say that it did.
func (s *Server) Careless(on bool) { s.set(func() { s.careless = on }) }

func (s *Server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// Calls returns how often keys were used or failed to be, and how many calls were
// under way at the same time at most.
func (s *Server) Calls() (total, atOnce int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls, s.most
}

// QuotaProjects returns the quota project of each call.
func (s *Server) QuotaProjects() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.projects...)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // cannot fail
	return b
}

// apiError is an answer in the form of Google's APIs.
type apiError struct {
	status        int
	code, message string
	header        map[string]string
}

func (e *apiError) write(w http.ResponseWriter) {
	for k, v := range e.header {
		w.Header().Set(k, v)
	}
	writeJSON(w, e.status, map[string]any{"error": map[string]any{"code": e.status, "message": e.message, "status": e.code}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	// A client that has gone away needs no answer.
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.enter(r)
	defer s.set(func() { s.inFlight-- })
	for s.isSilent() {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	answer, fail := s.answer(r)
	if fail != nil {
		fail.write(w)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) enter(r *http.Request) {
	s.mu.Lock()
	s.calls++
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	s.projects = append(s.projects, r.Header.Get("X-Goog-User-Project"))
	latency := s.latency
	s.mu.Unlock()
	time.Sleep(latency)
}

func (s *Server) isSilent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent
}

func (s *Server) nextFailure() *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) == 0 {
		return nil
	}
	f := s.failures[0]
	s.failures = s.failures[1:]
	return &apiError{f.status, f.code, "a message that repeats the request: " + s.Auth.Token(), f.header}
}

var method = regexp.MustCompile(`^/v1/(projects/[^/:]+(?::[^/:]+)?/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/:]+)(/cryptoKeyVersions/[0-9]+)?:(encrypt|decrypt)$`)

func (s *Server) answer(r *http.Request) (any, *apiError) {
	if f := s.nextFailure(); f != nil {
		return nil, f
	}
	m := method.FindStringSubmatch(r.URL.Path)
	if m == nil || r.Method != http.MethodPost || strings.Contains(r.URL.EscapedPath(), "%") {
		return nil, &apiError{status: 404, code: "NOT_FOUND", message: "no such method"}
	}
	if !s.Auth.valid(r.Header.Get("Authorization")) {
		return nil, &apiError{status: 401, code: "UNAUTHENTICATED", message: "Request had invalid authentication credentials: " + r.Header.Get("Authorization")}
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return nil, invalid("the request is not JSON")
	}
	return s.use(m[1], m[2], m[3], r.Body)
}

func invalid(message string) *apiError {
	return &apiError{status: 400, code: "INVALID_ARGUMENT", message: message}
}

func (s *Server) use(id, version, verb string, body io.Reader) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[id]
	switch {
	case k == nil || version != "" && version != "/cryptoKeyVersions/1":
		return nil, &apiError{status: 404, code: "NOT_FOUND", message: "CryptoKey " + id + " not found."}
	case k.denied:
		return nil, &apiError{status: 403, code: "PERMISSION_DENIED", message: "Permission denied on resource " + id}
	case verb == "decrypt" && version != "":
		return nil, invalid("name has to be that of a CryptoKey")
	}
	if verb == "encrypt" {
		return s.encrypt(id, k, body)
	}
	return s.decrypt(id, k, body)
}

// input is the body of both methods. Unknown fields are refused.
type input struct {
	// Name repeats the address, in what Google's own client sends.
	Name                              string
	Plaintext, Ciphertext             string
	PlaintextCrc32c, CiphertextCrc32c *json.Number
	AdditionalAuthenticatedData       string
}

func read(id string, body io.Reader) (*input, *apiError) {
	in := &input{}
	dec := json.NewDecoder(io.LimitReader(body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(in); err != nil {
		return nil, invalid("malformed body")
	}
	if in.Name != "" && in.Name != id {
		return nil, invalid("the name in the body is not the one in the address")
	}
	return in, nil
}

// verify compares data with the checksum that came with it, if one did.
func verify(text string, sum *json.Number) ([]byte, bool, *apiError) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, false, invalid("malformed base64")
	}
	if sum == nil {
		return data, false, nil
	}
	if sum.String() != crc(data) {
		return nil, false, invalid("the checksum does not match the data")
	}
	return data, true, nil
}

func crc(b []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), 10)
}

func (s *Server) encrypt(id string, k *key, body io.Reader) (any, *apiError) {
	in, fail := read(id, body)
	if fail != nil {
		return nil, fail
	}
	plaintext, verified, fail := verify(in.Plaintext, in.PlaintextCrc32c)
	switch {
	case fail != nil:
		return nil, fail
	case len(plaintext) == 0 || len(plaintext) > 64<<10 || in.Ciphertext != "":
		return nil, invalid("plaintext has to have 1 to 65536 bytes")
	case k.state != Enabled:
		return nil, notEnabled(id, k)
	}
	nonce := random(k.aead.NonceSize())
	out := k.aead.Seal(nonce, nonce, plaintext, []byte(id+"\x00"+in.AdditionalAuthenticatedData))
	answer := map[string]any{
		"name": id + "/cryptoKeyVersions/1", "ciphertext": base64.StdEncoding.EncodeToString(out),
		"ciphertextCrc32c": crc(out), "protectionLevel": "SOFTWARE",
	}
	if verified && !s.careless {
		answer["verifiedPlaintextCrc32c"] = true
	}
	if s.corrupt {
		out[0] ^= 1
		answer["ciphertext"] = base64.StdEncoding.EncodeToString(out)
	}
	return answer, nil
}

func (s *Server) decrypt(id string, k *key, body io.Reader) (any, *apiError) {
	in, fail := read(id, body)
	if fail != nil {
		return nil, fail
	}
	enc, _, fail := verify(in.Ciphertext, in.CiphertextCrc32c)
	if fail != nil {
		return nil, fail
	}
	size := k.aead.NonceSize()
	if len(enc) < size+k.aead.Overhead() {
		return nil, invalid("Decryption failed: the ciphertext is invalid.")
	}
	plaintext, err := k.aead.Open(nil, enc[:size], enc[size:], []byte(id+"\x00"+in.AdditionalAuthenticatedData))
	if err != nil {
		return nil, invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.")
	}
	if k.state != Enabled {
		return nil, notEnabled(id, k)
	}
	answer := map[string]any{"plaintextCrc32c": crc(plaintext), "usedPrimary": true, "protectionLevel": "SOFTWARE"}
	if s.corrupt {
		plaintext[0] ^= 1
	}
	answer["plaintext"] = base64.StdEncoding.EncodeToString(plaintext)
	return answer, nil
}

func notEnabled(id string, k *key) *apiError {
	return &apiError{status: 400, code: "FAILED_PRECONDITION", message: fmt.Sprintf("%s/cryptoKeyVersions/1 is not enabled, current state is: %s.", id, k.state)}
}
