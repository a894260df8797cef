package gcpkmstest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Auth is an authorization server, a token exchange for workload identity
// federation and a metadata server. It gives access tokens to whoever proves to
// be one of its accounts.
type Auth struct {
	url    string
	key    *rsa.PrivateKey
	static string

	mu       sync.Mutex // guards what follows
	tokens   map[string]bool
	subject  string
	requests int
	refuse   int
}

const serviceAccount = "sealer@test-project.iam.gserviceaccount.com"

func newAuth(tb testing.TB) *Auth {
	tb.Helper()
	const bits = 2048
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	a := &Auth{key: key, tokens: map[string]bool{}, subject: secret("subject.")}
	a.static = a.issue()
	return a
}

func secret(prefix string) string { return prefix + hex.EncodeToString(random(20)) }

// Token returns an access token that is valid until Revoke.
func (a *Auth) Token() string { return a.static }

// Revoke ends all tokens that were given out.
func (a *Auth) Revoke() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.tokens)
}

// Refuse lets all requests for tokens fail with a status, 0 ends it.
func (a *Auth) Refuse(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse = status
}

// Requests returns how often a token was asked for.
func (a *Auth) Requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// Secrets returns what nobody may show.
func (a *Auth) Secrets() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := []string{a.static, a.subject}
	for t := range a.tokens {
		out = append(out, t)
	}
	return out
}

// ServiceAccount returns a service account's key file.
func (a *Auth) ServiceAccount() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		panic(err) // it is a key of ours
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return encode(map[string]string{
		"type": "service_account", "project_id": "test-project", "private_key_id": "1", "private_key": string(block),
		"client_email": serviceAccount, "client_id": "1", "token_uri": a.url + "/token",
	})
}

// Federated returns a workload identity configuration whose subject token is in a
// file, and what that file has to hold.
func (a *Auth) Federated(file string) (config []byte, subjectToken string) {
	return encode(map[string]any{
		"type":               "external_account",
		"audience":           "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url":          a.url + "/sts",
		"credential_source":  map[string]string{"file": file},
	}), a.subject
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts
	}
	return data
}

func (a *Auth) valid(header string) bool {
	token, ok := strings.CutPrefix(header, "Bearer ")
	a.mu.Lock()
	defer a.mu.Unlock()
	return ok && a.tokens[token]
}

func (a *Auth) issue() string {
	t := secret("ya29.")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[t] = true
	return t
}

func (a *Auth) handle(mux *http.ServeMux) {
	mux.HandleFunc("POST /token", a.grant(a.signedByAccount))
	mux.HandleFunc("POST /sts", a.grant(a.hasSubject))
	mux.HandleFunc("GET /computeMetadata/v1/", a.metadata)
}

// grant answers with a token if the request proves who it is from.
func (a *Auth) grant(proves func(*http.Request) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.requests++
		refuse := a.refuse
		a.mu.Unlock()
		switch {
		case refuse != 0:
			writeJSON(w, refuse, map[string]string{"error": "temporarily_unavailable", "error_description": "you sent " + a.static})
		case r.ParseForm() != nil || !proves(r):
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": "you sent " + a.static})
		default:
			writeJSON(w, http.StatusOK, a.answer())
		}
	}
}

func (a *Auth) answer() map[string]any {
	return map[string]any{
		"access_token": a.issue(), "token_type": "Bearer", "expires_in": 3600,
		"issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
	}
}

// signedByAccount checks the assertion of RFC 7523.
func (a *Auth) signedByAccount(r *http.Request) bool {
	parts := strings.Split(r.PostForm.Get("assertion"), ".")
	const fields = 3
	if r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != fields {
		return false
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&a.key.PublicKey, crypto.SHA256, sum[:], sig) != nil {
		return false
	}
	var claims struct {
		Iss, Aud, Scope string
		Exp             int64
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(data, &claims) != nil {
		return false
	}
	scopes := strings.Fields(claims.Scope)
	good := slices.Contains(scopes, "https://www.googleapis.com/auth/cloudkms") || slices.Contains(scopes, "https://www.googleapis.com/auth/cloud-platform")
	return good && claims.Iss == serviceAccount && claims.Aud == a.url+"/token" && claims.Exp > time.Now().Unix()
}

// hasSubject checks the exchange of RFC 8693.
func (a *Auth) hasSubject(r *http.Request) bool {
	return r.PostForm.Get("grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange" &&
		r.PostForm.Get("subject_token") == a.subject && r.PostForm.Get("audience") != ""
}

// metadata is what a virtual machine asks, where GCE_METADATA_HOST says so.
func (a *Auth) metadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Metadata-Flavor", "Google")
	if r.Header.Get("Metadata-Flavor") != "Google" {
		http.Error(w, "", http.StatusForbidden)
		return
	}
	switch strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/") {
	case "project/project-id":
		w.Write([]byte("test-project")) // a client that has gone away
	case "universe/universe_domain":
		w.Write([]byte("googleapis.com")) // a client that has gone away
	case "instance/service-accounts/default/token":
		a.mu.Lock()
		a.requests++
		a.mu.Unlock()
		writeJSON(w, http.StatusOK, a.answer())
	default:
		http.NotFound(w, r)
	}
}
