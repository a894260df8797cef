package vault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/vault"
)

const token = "hvs.the-token-of-these-tests"

// seen records what a server is asked.
type seen struct {
	mu       sync.Mutex // guards requests
	requests []string
}

func (s *seen) add(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	s.requests = append(s.requests, fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("X-Vault-Token"), body))
}

func (s *seen) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// hostile is a server that does what f says.
func hostile(t *testing.T, f http.HandlerFunc) (string, *seen) {
	t.Helper()
	s := &seen{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.add(r)
		f(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, s
}

// TestTokenDoesNotFollowRedirects: not to another server, with whatever status,
// and not to another port either.
func TestTokenDoesNotFollowRedirects(t *testing.T) {
	other, asked := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":{"plaintext":"AAAA"}}`)
	})
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{other, other + "/v1/transit/decrypt/k", strings.Replace(other, "http:", "", 1) + "/x", "https://vault.invalid/"} {
			address, _ := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", to)
				w.WriteHeader(status)
			})
			_, err := vault.New(env("VAULT_TOKEN", token)).Unwrap(t.Context(), stanza(address, "transit", "k", "vault:v1:AAAA"))
			wantReason(t, err, keysources.Unreachable)
		}
	}
	if r := asked.all(); len(r) != 0 {
		t.Errorf("the other server was asked: %q", r)
	}
}

// TestRedirectWithinTheServer: one is followed, a circle is not.
func TestRedirectWithinTheServer(t *testing.T) {
	address, asked := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/transit/decrypt/circle") {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/v1/moved") {
			http.Redirect(w, r, "/v1/moved", http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprint(w, `{"data":{"plaintext":"AAAA"}}`)
	})
	source := vault.New(env("VAULT_TOKEN", token))
	if got, err := source.Unwrap(t.Context(), stanza(address, "transit", "k", "vault:v1:AAAA")); err != nil || len(got) != 3 {
		t.Errorf("got %d bytes, error %v", len(got), err)
	}
	if _, err := source.Unwrap(t.Context(), stanza(address, "transit", "circle", "vault:v1:AAAA")); err == nil {
		t.Error("a circle: no error")
	}
	if n := len(asked.all()); n > 6 {
		t.Errorf("%d requests", n)
	}
}

// TestSilentServerEndsWithTheDeadline: a server that takes the connection and says
// nothing, one that never ends its answer, and one that is not there.
func TestSilentServerEndsWithTheDeadline(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	endless, _ := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"data":`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	for name, address := range map[string]string{"silent": "http://" + silent.Addr().String(), "endless": endless} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := vault.New(env("VAULT_TOKEN", token)).Unwrap(ctx, stanza(address, "transit", "k", "vault:v1:AAAA"))
			wantReason(t, err, keysources.Timeout)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	t.Run("the variable's deadline", func(t *testing.T) {
		source := vault.New(env("VAULT_TOKEN", token, "VAULT_CLIENT_TIMEOUT", "300ms", "VAULT_MAX_RETRIES", "0"))
		_, err := source.Unwrap(t.Context(), stanza(endless, "transit", "k", "vault:v1:AAAA"))
		wantReason(t, err, keysources.Timeout)
	})
}

// TestPassingTroubleIsRetried: what will pass by itself is tried again, what will
// not is asked once.
func TestPassingTroubleIsRetried(t *testing.T) {
	tests := []struct {
		status, times int
		retryAfter    string
		retried       bool
	}{
		{429, 1, "", true}, {429, 2, "0", true}, {500, 1, "", true}, {502, 2, "", true}, {503, 1, "", true}, {412, 1, "", true},
		{400, 1, "", false}, {403, 1, "", false}, {404, 1, "", false}, {501, 1, "", false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status, "x", tt.times), func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			address, _ := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
				if calls.Add(1) > int64(tt.times) {
					fmt.Fprint(w, `{"data":{"plaintext":"AAAA"}}`)
					return
				}
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.status)
			})
			got, err := vault.New(env("VAULT_TOKEN", token)).Unwrap(t.Context(), stanza(address, "transit", "k", "vault:v1:AAAA"))
			if tt.retried != (err == nil && len(got) == 3) {
				t.Errorf("got %d bytes, error %v, want it retried: %v", len(got), err, tt.retried)
			}
			if !tt.retried && calls.Load() != 1 {
				t.Errorf("%d calls", calls.Load())
			}
		})
	}
}

// TestNothingOfTheAnswerIsRepeated: an answer may hold anything, the data key too.
func TestNothingOfTheAnswerIsRepeated(t *testing.T) {
	const canary = "Y2FuYXJ5Y2FuYXJ5"
	for _, tt := range []struct {
		name string
		f    http.HandlerFunc
	}{
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, canary) }},
		{"an error text", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"errors":[%q]}`, canary)
		}},
		{"an error page", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			fmt.Fprint(w, canary)
		}},
		{"no base64", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"data":{"plaintext":"%s!"}}`, canary)
		}},
		{"no text", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"data":{"plaintext":[%q]}}`, canary) }},
		{"a warning", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"warnings":[%q],"data":{}}`, canary) }},
		{"far too much", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"data":{"plaintext":"%s"}}`, strings.Repeat(canary, 1<<20))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address, asked := hostile(t, tt.f)
			source := vault.New(env("VAULT_TOKEN", token, "VAULT_MAX_RETRIES", "0"))
			got, err := source.Unwrap(t.Context(), stanza(address, "transit", "k", "vault:v1:AAAA"))
			if err == nil || got != nil {
				t.Fatalf("got %d bytes, error %v, want an error", len(got), err)
			}
			if keysources.ReasonOf(err) == "" {
				t.Errorf("the error %q has no reason", err)
			}
			sayNothingSecret(t, err, canary, token)
			if len(asked.all()) != 1 {
				t.Errorf("asked: %q", asked.all())
			}
		})
	}
}

// TestWhatIsAsked holds the requests to the letter.
func TestWhatIsAsked(t *testing.T) {
	address, asked := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "encrypt") {
			fmt.Fprint(w, `{"data":{"ciphertext":"vault:v1:BBBB"}}`)
			return
		}
		fmt.Fprint(w, `{"data":{"plaintext":"AAAA"}}`)
	})
	source := vault.New(env("VAULT_TOKEN", token, "VAULT_ADDR", "http://127.0.0.1:1"))
	if _, err := source.Unwrap(t.Context(), stanza(address, "a/b", "k.1_x", "vault:v1:AAAA")); err != nil {
		t.Error(err)
	}
	if _, err := source.Unwrap(t.Context(), stanza(address+"/proxied/", "transit", "k", "vault:v1:AAAA")); err != nil {
		t.Error(err)
	}
	st, err := recipient(t, source, key(t, address+"/v1/transit/keys/k")).Wrap(t.Context(), []byte{1, 2, 3, 250})
	if err != nil || st.Get("enc") != "vault:v1:BBBB" {
		t.Errorf("got %v, error %v", st, err)
	}
	want := []string{
		"PUT /v1/a/b/decrypt/k.1_x " + token + ` {"ciphertext":"vault:v1:AAAA"}`,
		"PUT /proxied/v1/transit/decrypt/k " + token + ` {"ciphertext":"vault:v1:AAAA"}`,
		"PUT /v1/transit/encrypt/k " + token + ` {"plaintext":"AQID+g=="}`,
	}
	got := asked.all()
	for i := range want {
		if i >= len(got) || strings.TrimSpace(got[i]) != want[i] {
			t.Fatalf("requests: got %q, want %q", got, want)
		}
	}
}

// TestServerThatEchoesThePlaintext: what came back must not be taken for sealed.
func TestServerThatEchoesThePlaintext(t *testing.T) {
	address, _ := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":{"ciphertext":"AQID+g=="}}`)
	})
	_, err := recipient(t, vault.New(env("VAULT_TOKEN", token)), key(t, address+"/v1/transit/keys/k")).Wrap(t.Context(), []byte{1, 2, 3, 250})
	if err == nil || errors.Is(err, keysources.ErrNotForMe) {
		t.Errorf("got error %v", err)
	}
}

// FuzzAnswer: whatever a server answers, there is a key or an error with a reason,
// and the error repeats nothing of it.
func FuzzAnswer(f *testing.F) {
	for _, s := range []struct {
		status int
		body   string
	}{
		{200, `{"data":{"plaintext":"AAAA"}}`}, {200, `{"data":{"plaintext":5}}`}, {200, `null`}, {200, ``}, {204, ``}, {400, `{"errors":["invalid ciphertext: x"]}`},
		{403, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`}, {404, `{"errors":[]}`}, {404, `{"warnings":["w"]}`}, {429, `{`}, {503, `{"sealed":true}`}, {307, `x`},
	} {
		f.Add(s.status, s.body)
	}
	var status int
	var body string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	f.Cleanup(srv.Close)
	source := vault.New(env("VAULT_TOKEN", token, "VAULT_MAX_RETRIES", "0"))
	f.Fuzz(func(t *testing.T, s int, b string) {
		if s < 200 || s > 599 {
			return
		}
		status, body = s, b
		key, err := source.Unwrap(t.Context(), stanza(srv.URL, "transit", "k", "vault:v1:AAAA"))
		if (err == nil) != (len(key) > 0) || err != nil && keysources.ReasonOf(err) == "" {
			t.Fatalf("got %d bytes, error %v", len(key), err)
		}
		if err != nil && len(b) > 12 && strings.Contains(err.Error(), b) {
			t.Errorf("the error repeats the answer: %v", err)
		}
	})
}
