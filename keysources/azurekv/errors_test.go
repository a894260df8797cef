package azurekv_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/azurekv"
	"github.com/gitseal/gitseal/keysources/azurekv/azurekvtest"
)

// nowhere is a network where nobody can be reached.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: errors.New("nobody there")}
}

// noToken is a credential that has none, and counts how often it is asked.
type noToken struct{ asked atomic.Int64 }

func (n *noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	n.asked.Add(1)
	return azcore.AccessToken{}, errors.New("what you sent")
}

const dataKey = "0123456789abcdef0123456789abcdef"

// wrapped returns a stanza of a new key k.
func wrapped(t *testing.T, server *azurekvtest.Server) keysources.Stanza {
	t.Helper()
	st, err := recipient(t, source(server), key(server.URL, "k", server.AddKey("k"))).Wrap(t.Context(), []byte(dataKey))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// within gives calls less time than all retries would take.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestReasons(t *testing.T) {
	const echo = `{"error":{"code":"Odd","message":"what you sent"}}`
	for _, tt := range []struct {
		name   string
		harm   func(*azurekvtest.Server)
		unwrap keysources.Reason
		wrap   keysources.Reason
	}{
		{"disabled", func(s *azurekvtest.Server) { s.Disable("k") }, keysources.Disabled, keysources.Disabled},
		{"denied", func(s *azurekvtest.Server) { s.Deny("k") }, keysources.Denied, keysources.Denied},
		{"deleted", func(s *azurekvtest.Server) { s.Delete("k") }, keysources.NotFound, keysources.NotFound},
		{"being deleted", func(s *azurekvtest.Server) { s.Fail(2, 409, nil, echo) }, keysources.Disabled, keysources.Disabled},
		{"refused as invalid", func(s *azurekvtest.Server) { s.Fail(2, 400, nil, echo) }, keysources.Damaged, keysources.Malformed},
		{"throttled for good", func(s *azurekvtest.Server) { s.Fail(100, 429, nil, echo) }, keysources.Throttled, keysources.Throttled},
		{"told to come back too late", func(s *azurekvtest.Server) {
			s.Fail(100, 429, map[string]string{"Retry-After": "30"}, echo)
		}, keysources.Throttled, keysources.Throttled},
		{"broken for good", func(s *azurekvtest.Server) { s.Fail(100, 503, nil, "what you sent") }, keysources.Unreachable, keysources.Unreachable},
		{"a redirect", func(s *azurekvtest.Server) {
			s.Fail(2, 307, map[string]string{"Location": s.URL + "/x"}, "what you sent")
		}, keysources.Unreachable, keysources.Unreachable},
		{"no JSON", func(s *azurekvtest.Server) { s.Fail(2, 200, nil, "what you sent") }, keysources.Unreachable, keysources.Unreachable},
		{"nothing in it", func(s *azurekvtest.Server) { s.Fail(2, 200, nil, "{}") }, keysources.Unreachable, keysources.Unreachable},
		{"silent", func(s *azurekvtest.Server) { s.Silence(true) }, keysources.Timeout, keysources.Timeout},
		{"no challenge", func(s *azurekvtest.Server) { s.Challenge("") }, keysources.Unauthenticated, keysources.Unauthenticated},
		{"a challenge for another domain", func(s *azurekvtest.Server) {
			s.Challenge(`Bearer authorization="https://login.microsoftonline.com/x", resource="https://vault.azure.net"`)
		}, keysources.Unreachable, keysources.Unreachable},
		{"a challenge without a tenant", func(s *azurekvtest.Server) {
			s.Challenge(`Bearer authorization="x", resource="https://` + strings.TrimPrefix(s.URL, "https://127.") + `"`)
		}, keysources.Unreachable, keysources.Unreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := newServer(t)
			st := wrapped(t, server)
			s := source(server) // has no token yet
			tt.harm(server)
			k, err := s.Unwrap(within(t, 2*time.Second), st)
			check(t, server, err, tt.unwrap)
			if k != nil {
				t.Error("it gave a key")
			}
			_, err = recipient(t, s, st.Key()).Wrap(within(t, 2*time.Second), []byte(dataKey))
			check(t, server, err, tt.wrap)
		})
	}
}

// check wants an error with a reason that names the key and shows no secret.
func check(t *testing.T, server *azurekvtest.Server, err error, want keysources.Reason) {
	t.Helper()
	if got := keysources.ReasonOf(err); got != want || (err == nil) != (want == "") {
		t.Errorf("got reason %q (%v), want %q", got, err, want)
	}
	if err == nil {
		return
	}
	if !strings.HasPrefix(err.Error(), "https://") || !strings.Contains(err.Error(), "/keys/k/") || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error does not name the key in one line: %v", err)
	}
	for _, secret := range append(server.Secrets(), "what you sent", "Bearer", dataKey[:8]) {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
			t.Errorf("the error shows %q: %v", secret, err)
		}
	}
}

func TestAnotherKeysCiphertextIsDamaged(t *testing.T) {
	server := newServer(t)
	version := server.AddOtherKey(t, "other")
	st, err := recipient(t, source(server), key(server.URL, "other", version)).Wrap(t.Context(), []byte(dataKey))
	if err != nil {
		t.Fatal(err)
	}
	_, err = source(server).Unwrap(t.Context(), withEnc(key(server.URL, "k", server.AddKey("k")), st.Get("enc")))
	check(t, server, err, keysources.Damaged)
}

// TestTroublesWithTokens has servers that never gave a token: Microsoft's library
// remembers tokens for the whole process.
func TestTroublesWithTokens(t *testing.T) {
	for status, want := range map[int]keysources.Reason{400: keysources.Unauthenticated, 401: keysources.Unauthenticated, 403: keysources.Unauthenticated} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			server := newServer(t)
			server.Refuse(status)
			_, err := source(server).Unwrap(t.Context(), withEnc(key(server.URL, "k", server.AddKey("k")), "AAAA"))
			check(t, server, err, want)
			server.Refuse(0)
			_, err = source(server).Unwrap(t.Context(), withEnc(key(server.URL, "k", server.AddKey("k")), "AAAA"))
			check(t, server, err, keysources.Damaged)
		})
	}
	t.Run("broken until the deadline", func(t *testing.T) {
		server := newServer(t)
		server.Refuse(500)
		_, err := source(server).Unwrap(within(t, 2*time.Second), withEnc(key(server.URL, "k", server.AddKey("k")), "AAAA"))
		check(t, server, err, keysources.Unreachable)
	})
}

func TestARevokedTokenIsAClearError(t *testing.T) {
	server := newServer(t)
	st := wrapped(t, server)
	s := source(server)
	if _, err := s.Unwrap(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	server.Revoke()
	// Microsoft's library would give the same token again, for as long as it lasts.
	_, err := s.Unwrap(t.Context(), st)
	check(t, server, err, keysources.Unauthenticated)
}

func TestRetriesWhatMayPass(t *testing.T) {
	for _, status := range []int{429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			server := newServer(t)
			st := wrapped(t, server)
			before, _, _ := server.Calls()
			server.Fail(2, status, nil, "{}")
			if _, err := source(server).Unwrap(t.Context(), st); err != nil {
				t.Error(err)
			}
			if after, _, _ := server.Calls(); after != before+3 {
				t.Errorf("%d calls, want 3", after-before)
			}
		})
	}
}

func TestCancellingEndsACall(t *testing.T) {
	server := newServer(t)
	st := wrapped(t, server)
	server.Silence(true)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := source(server).Unwrap(ctx, st); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
}

func TestNoCredentials(t *testing.T) {
	server := newServer(t)
	st := wrapped(t, server)
	none := &noToken{}
	s := azurekv.New(azurekv.Options{Transport: server.Transport, Credential: none})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := s.Unwrap(t.Context(), st)
			check(t, server, err, keysources.Unauthenticated)
		})
	}
	wg.Wait()
	if n := none.asked.Load(); n != 1 {
		t.Errorf("the credential was asked %d times, want 1", n)
	}
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
	_, err := source(server).Unwrap(t.Context(), st)
	check(t, server, err, keysources.Unauthenticated)
}

func TestAddresses(t *testing.T) {
	closed := httptest.NewTLSServer(http.NotFoundHandler())
	closed.Close()
	plainText := httptest.NewServer(http.NotFoundHandler())
	defer plainText.Close()
	server := newServer(t)
	for name, tt := range map[string]struct {
		address string
		options azurekv.Options
	}{
		"nobody listens":                        {closed.URL, azurekv.Options{}},
		"no such host":                          {"https://does-not-exist.invalid", azurekv.Options{}},
		"a certificate that nobody vouches for": {server.URL, azurekv.Options{}},
		"plain HTTP where TLS is expected":      {"https://" + strings.TrimPrefix(plainText.URL, "http://"), azurekv.Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := azurekv.New(tt.options).Unwrap(t.Context(), withEnc(key(tt.address, "k", "1"), "AAAA"))
			check(t, server, err, keysources.Unreachable)
		})
	}
}

func TestSixtyFourCallsAtATime(t *testing.T) {
	server := newServer(t)
	st := wrapped(t, server)
	server.Delay(300 * time.Millisecond)
	s := source(server)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if k, err := s.Unwrap(t.Context(), st); err != nil || string(k) != dataKey {
				t.Errorf("got %d bytes, error %v", len(k), err)
			}
		})
	}
	wg.Wait()
	_, atOnce, tokens := server.Calls()
	if atOnce < 32 || tokens != 1 {
		t.Errorf("%d calls were under way at the same time, and %d tokens asked for", atOnce, tokens)
	}
}
