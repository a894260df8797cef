package gcpkms_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/gcpkms"
	"github.com/gitseal/gitseal/keysources/gcpkms/gcpkmstest"
)

// wrapped returns a stanza of the server's key A.
func wrapped(t *testing.T, server *gcpkmstest.Server) keysources.Stanza {
	t.Helper()
	st, err := recipient(t, tokenSource(server), keyA).Wrap(t.Context(), []byte("0123456789abcdef0123456789abcdef"))
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
	for _, tt := range []struct {
		name   string
		harm   func(*gcpkmstest.Server)
		unwrap keysources.Reason
		wrap   keysources.Reason
	}{
		{"disabled", func(s *gcpkmstest.Server) { s.SetState(keyA, gcpkmstest.Disabled) }, keysources.Disabled, keysources.Disabled},
		{"denied", func(s *gcpkmstest.Server) { s.Deny(keyA) }, keysources.Denied, keysources.Denied},
		{"expired token", func(s *gcpkmstest.Server) { s.Auth.Revoke() }, keysources.Unauthenticated, keysources.Unauthenticated},
		{"another key", func(s *gcpkmstest.Server) { s.AddKey(keyA) }, keysources.Damaged, ""},
		{"throttled for good", func(s *gcpkmstest.Server) { s.Fail(100, 429, "RESOURCE_EXHAUSTED", nil) }, keysources.Throttled, keysources.Throttled},
		{"told to come back too late", func(s *gcpkmstest.Server) {
			s.Fail(100, 429, "RESOURCE_EXHAUSTED", map[string]string{"Retry-After": "30"})
		}, keysources.Throttled, keysources.Throttled},
		{"broken for good", func(s *gcpkmstest.Server) { s.Fail(100, 503, "UNAVAILABLE", nil) }, keysources.Unreachable, keysources.Unreachable},
		{"a redirect", func(s *gcpkmstest.Server) { s.Fail(100, 307, "", map[string]string{"Location": s.URL + "/x"}) }, keysources.Unreachable, keysources.Unreachable},
		{"changed on the way", func(s *gcpkmstest.Server) { s.Corrupt(true) }, keysources.Unreachable, keysources.Unreachable},
		{"careless with checksums", func(s *gcpkmstest.Server) { s.Careless(true) }, "", keysources.Unreachable},
		{"silent", func(s *gcpkmstest.Server) { s.Silence(true) }, keysources.Timeout, keysources.Timeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			s, st := tokenSource(server), wrapped(t, server)
			tt.harm(server)
			key, err := s.Unwrap(within(t, 2*time.Second), st)
			check(t, server, err, tt.unwrap)
			if (key != nil) != (tt.unwrap == "") {
				t.Errorf("it gave %d bytes of a key", len(key))
			}
			_, err = recipient(t, s, keyA).Wrap(within(t, 2*time.Second), []byte("0123456789abcdef"))
			check(t, server, err, tt.wrap)
		})
	}
}

// check wants an error with a reason that names the key and shows no secret.
func check(t *testing.T, server *gcpkmstest.Server, err error, want keysources.Reason) {
	t.Helper()
	if got := keysources.ReasonOf(err); got != want || (err == nil) != (want == "") {
		t.Errorf("got reason %q (%v), want %q", got, err, want)
	}
	if err == nil {
		return
	}
	if !strings.HasPrefix(err.Error(), keyA+": ") {
		t.Errorf("the error does not name the key: %v", err)
	}
	for _, secret := range append(server.Auth.Secrets(), "a message that repeats", "you sent", "0123456789abcdef") {
		if strings.Contains(err.Error(), secret) || strings.Contains(fmt.Sprintf("%+v %#v", err, err), secret) {
			t.Errorf("the error shows %q", secret)
		}
	}
}

func TestNoSuchKey(t *testing.T) {
	server := gcpkmstest.New(t)
	_, err := recipient(t, tokenSource(server), keyA).Wrap(t.Context(), []byte("k"))
	check(t, server, err, keysources.NotFound)
}

func TestRetriesWhatMayPass(t *testing.T) {
	for _, status := range []int{429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			st := wrapped(t, server)
			before, _ := server.Calls()
			server.Fail(2, status, "X", nil)
			if _, err := tokenSource(server).Unwrap(t.Context(), st); err != nil {
				t.Error(err)
			}
			if after, _ := server.Calls(); after != before+3 {
				t.Errorf("%d calls, want 3", after-before)
			}
		})
	}
}

func TestRetriesWaitAsLongAsTheServiceSays(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	st := wrapped(t, server)
	server.Fail(1, 429, "RESOURCE_EXHAUSTED", map[string]string{"Retry-After": "1"})
	start := time.Now()
	if _, err := tokenSource(server).Unwrap(t.Context(), st); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("it came back after %s", took)
	}
}

func TestWhatCannotPassIsNotRetried(t *testing.T) {
	server := newServer(t)
	st := wrapped(t, server)
	server.Deny(keyA)
	before, _ := server.Calls()
	_, err := tokenSource(server).Unwrap(t.Context(), st)
	check(t, server, err, keysources.Denied)
	if after, _ := server.Calls(); after != before+1 {
		t.Errorf("%d calls, want 1", after-before)
	}
}

func TestCancellingEndsACall(t *testing.T) {
	server := newServer(t)
	st := wrapped(t, server)
	server.Silence(true)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := tokenSource(server).Unwrap(ctx, st)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
}

func TestUnreachable(t *testing.T) {
	server := newServer(t)
	st := wrapped(t, server)
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	defer tlsServer.Close()
	tlsServer.Config.ErrorLog = nil
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	notGoogle := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>log in first</html>") }))
	defer notGoogle.Close()
	for name, tt := range map[string]struct {
		endpoint string
		want     keysources.Reason
	}{
		"a certificate that nobody vouches for": {tlsServer.URL, keysources.Unreachable},
		"plain HTTP where TLS is expected":      {"https://" + strings.TrimPrefix(server.URL, "http://"), keysources.Unreachable},
		"nobody listens":                        {closed.URL, keysources.Unreachable},
		"no such host":                          {"https://does-not-exist.invalid", keysources.Unreachable},
		"something else answers":                {notGoogle.URL, keysources.Unreachable},
		"plain HTTP beyond this machine":        {"http://192.0.2.1", keysources.Malformed},
		"user and password":                     {"https://u:p@192.0.2.1", keysources.Malformed},
		"a path":                                {"https://192.0.2.1/x", keysources.Malformed},
		"another scheme":                        {"file:///etc", keysources.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			s := gcpkms.New(environment("SOPS_GCP_KMS_ENDPOINT", tt.endpoint, "GOOGLE_OAUTH_ACCESS_TOKEN", server.Auth.Token()))
			_, err := s.Unwrap(t.Context(), st)
			check(t, server, err, tt.want)
		})
	}
}

// TestSilentSockets has a server that accepts and says nothing, not even in TLS.
func TestSilentSockets(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	server := newServer(t)
	s := gcpkms.New(environment("SOPS_GCP_KMS_ENDPOINT", listener.Addr().String(), "GOOGLE_OAUTH_ACCESS_TOKEN", server.Auth.Token()))
	start := time.Now()
	_, err = s.Unwrap(within(t, 300*time.Millisecond), wrapped(t, server))
	check(t, server, err, keysources.Timeout)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestCredentials(t *testing.T) {
	server := newServer(t)
	st := wrapped(t, server)
	account := string(server.Auth.ServiceAccount())
	other := strings.Replace(account, "sealer@", "other@", 1)
	elsewhere := strings.Replace(account, "{", `{"universe_domain":"example.org",`, 1)
	for _, tt := range []struct {
		name string
		kv   []string
		want keysources.Reason
	}{
		{"a service account", []string{"GOOGLE_CREDENTIALS", account}, ""},
		{"credentials come before a token", []string{"GOOGLE_CREDENTIALS", account, "GOOGLE_OAUTH_ACCESS_TOKEN", "wrong"}, ""},
		{"a wrong token", []string{"GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.wrong"}, keysources.Unauthenticated},
		{"a token of two lines", []string{"GOOGLE_OAUTH_ACCESS_TOKEN", "a\r\nX-Evil: b"}, keysources.Unauthenticated},
		{"another account", []string{"GOOGLE_CREDENTIALS", other}, keysources.Unauthenticated},
		{"no JSON", []string{"GOOGLE_CREDENTIALS", "{you sent"}, keysources.Unauthenticated},
		{"no file", []string{"GOOGLE_CREDENTIALS", "/you sent/a file"}, keysources.Unauthenticated},
		{"an unknown type", []string{"GOOGLE_CREDENTIALS", `{"type":"you sent"}`}, keysources.Unauthenticated},
		{"another cloud's", []string{"GOOGLE_CREDENTIALS", elsewhere}, keysources.Unauthenticated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := source(server, tt.kv...).Unwrap(t.Context(), st)
			check(t, server, err, tt.want)
		})
	}
}

func TestTheAuthorizationServersTroubles(t *testing.T) {
	for status, want := range map[int]keysources.Reason{
		429: keysources.Throttled, 500: keysources.Unreachable, 400: keysources.Unauthenticated, 403: keysources.Unauthenticated,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			st := wrapped(t, server)
			server.Auth.Refuse(status)
			s := source(server, "GOOGLE_CREDENTIALS", string(server.Auth.ServiceAccount()))
			_, err := s.Unwrap(within(t, 2*time.Second), st)
			check(t, server, err, want)
			server.Auth.Refuse(0)
			if _, err := s.Unwrap(t.Context(), st); err != nil {
				t.Errorf("when it is over: %v", err)
			}
		})
	}
}

func TestCallsAreCountedForTheQuotaProject(t *testing.T) {
	server := newServer(t)
	st := wrapped(t, server)
	account := strings.Replace(string(server.Auth.ServiceAccount()), "{", `{"quota_project_id":"from-file",`, 1)
	for _, kv := range [][]string{{}, {"GOOGLE_CLOUD_QUOTA_PROJECT", "from-env"}} {
		s := source(server, append([]string{"GOOGLE_CREDENTIALS", account}, kv...)...)
		if _, err := s.Unwrap(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}
	got := server.QuotaProjects()
	if want := "[from-file from-env]"; fmt.Sprint(got[len(got)-2:]) != want {
		t.Errorf("got %q, want %s last", got, want)
	}
}

func TestSixtyFourCallsAtATime(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	st := wrapped(t, server)
	server.Delay(100 * time.Millisecond)
	s := source(server, "GOOGLE_CREDENTIALS", string(server.Auth.ServiceAccount()))
	var wg sync.WaitGroup
	start := time.Now()
	for range 64 {
		wg.Go(func() {
			if _, err := s.Unwrap(t.Context(), st); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, atOnce := server.Calls(); atOnce < 32 {
		t.Errorf("only %d calls were under way at the same time (%s)", atOnce, time.Since(start))
	}
	if got := server.Auth.Requests(); got != 1 {
		t.Errorf("%d tokens were asked for, want 1", got)
	}
}

// helperEnv makes the test binary a program that opens a stanza, so that what
// Google's library remembers for a process is fresh.
const helperEnv = "GCPKMS_TEST_STANZA"

func TestMain(m *testing.M) {
	if enc := os.Getenv(helperEnv); enc != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		key, err := gcpkms.New(os.Getenv).Unwrap(ctx, stanza(keyA, enc))
		if err != nil {
			fmt.Println(keysources.ReasonOf(err), err)
			os.Exit(1)
		}
		fmt.Println(len(key), "bytes")
		return
	}
	os.Exit(m.Run())
}

func TestMetadataServer(t *testing.T) {
	server := newServer(t)
	host := strings.TrimPrefix(server.URL, "http://")
	got := runHelper(t, server, "GCE_METADATA_HOST="+host)
	if got != "32 bytes" || server.Auth.Requests() != 1 {
		t.Errorf("got %q and %d requests for a token", got, server.Auth.Requests())
	}
}

func TestNoCredentialsAtAll(t *testing.T) {
	if testing.Short() {
		t.Skip("looking for a metadata server takes seconds")
	}
	t.Parallel()
	got := runHelper(t, newServer(t))
	// Where the search for a metadata server takes too long, that is the answer.
	if !strings.HasPrefix(got, string(keysources.Unauthenticated)) && !strings.HasPrefix(got, string(keysources.Timeout)) {
		t.Errorf("got %q", got)
	}
}

func TestGcloudsFileIsFound(t *testing.T) {
	server := newServer(t)
	home := t.TempDir()
	file := filepath.Join(home, ".config", "gcloud", "application_default_credentials.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, server.Auth.ServiceAccount(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := runHelper(t, server, "HOME="+home); got != "32 bytes" {
		t.Errorf("got %q", got)
	}
}
