package hckms_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/gitseal/gitseal/keysources/hckms"
	"github.com/gitseal/gitseal/keysources/hckms/hckmstest"
)

// nowhere is a network where nobody can be reached.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: errors.New("nobody there")}
}

const dataKey = "0123456789abcdef0123456789abcdef"

// wrapped returns a new key of the server and a stanza of it.
func wrapped(t *testing.T, server *hckmstest.Server) (string, keysources.Stanza) {
	t.Helper()
	id := server.AddKey()
	st, err := recipient(t, hckms.New(hckms.Options{}), id).Wrap(t.Context(), []byte(dataKey))
	if err != nil {
		t.Fatal(err)
	}
	return id, st
}

// within gives calls less time than all retries would take.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestReasons(t *testing.T) {
	const echo = `{"error_code":"APIGW.0308","error_msg":"what you sent"}`
	for _, tt := range []struct {
		name   string
		harm   func(*hckmstest.Server, string)
		unwrap keysources.Reason
		wrap   keysources.Reason
	}{
		{"disabled", (*hckmstest.Server).Disable, keysources.Disabled, keysources.Disabled},
		{"denied", (*hckmstest.Server).Deny, keysources.Denied, keysources.Denied},
		{"deleted", (*hckmstest.Server).Delete, keysources.NotFound, keysources.NotFound},
		{"refused", func(s *hckmstest.Server, _ string) { s.Fail(2, 401, nil, echo) }, keysources.Unauthenticated, keysources.Unauthenticated},
		{"refused as invalid", func(s *hckmstest.Server, _ string) { s.Fail(2, 400, nil, echo) }, keysources.Damaged, keysources.Malformed},
		{"throttled for good", func(s *hckmstest.Server, _ string) { s.Fail(100, 429, nil, echo) }, keysources.Throttled, keysources.Throttled},
		{"told to come back too late", func(s *hckmstest.Server, _ string) {
			s.Fail(100, 429, map[string]string{"Retry-After": "30"}, echo)
		}, keysources.Throttled, keysources.Throttled},
		{"broken for good", func(s *hckmstest.Server, _ string) { s.Fail(100, 503, nil, "what you sent") }, keysources.Unreachable, keysources.Unreachable},
		{"a redirect", func(s *hckmstest.Server, _ string) {
			s.Fail(2, 307, map[string]string{"Location": s.URL + "/x"}, "what you sent")
		}, keysources.Unreachable, keysources.Unreachable},
		{"no JSON", func(s *hckmstest.Server, _ string) { s.Fail(2, 200, nil, "what you sent") }, keysources.Unreachable, keysources.Unreachable},
		{"nothing in it", func(s *hckmstest.Server, _ string) { s.Fail(2, 200, nil, "{}") }, keysources.Unreachable, keysources.Unreachable},
		{"odd JSON", func(s *hckmstest.Server, _ string) {
			s.Fail(2, 200, nil, `{"plain_text":"what you sent","cipher_text":"what you sent"}`)
		}, keysources.Unreachable, keysources.Unreachable},
		{"silent", func(s *hckmstest.Server, _ string) { s.Silence(true) }, keysources.Timeout, keysources.Timeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := newServer(t)
			id, st := wrapped(t, server)
			s := hckms.New(hckms.Options{})
			tt.harm(server, id)
			key, err := s.Unwrap(within(t, 2*time.Second), st)
			check(t, server, err, tt.unwrap)
			if key != nil {
				t.Error("it gave a key")
			}
			_, err = recipient(t, s, id).Wrap(within(t, 2*time.Second), []byte(dataKey))
			check(t, server, err, tt.wrap)
		})
	}
}

// check wants an error with a reason that names the key and shows no secret.
func check(t *testing.T, server *hckmstest.Server, err error, want keysources.Reason) {
	t.Helper()
	if got := keysources.ReasonOf(err); got != want || (err == nil) != (want == "") {
		t.Errorf("got reason %q (%v), want %q", got, err, want)
	}
	if err == nil {
		return
	}
	if !strings.HasPrefix(err.Error(), hckmstest.Region+":") {
		t.Errorf("the error does not name the key: %v", err)
	}
	for _, secret := range []string{server.AccessKey, server.SecretKey, "what you sent", "Signature", "verify aksk", dataKey[:8]} {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
			t.Errorf("the error shows %q: %v", secret, err)
		}
	}
}

func TestAnotherKeysCiphertextIsDamaged(t *testing.T) {
	server := newServer(t)
	_, st := wrapped(t, server)
	_, err := hckms.New(hckms.Options{}).Unwrap(t.Context(), stanza(server.AddKey(), st.Get("enc")))
	check(t, server, err, keysources.Damaged)
}

func TestRetriesWhatMayPass(t *testing.T) {
	for _, status := range []int{429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			server := newServer(t)
			_, st := wrapped(t, server)
			before, _, _ := server.Calls()
			server.Fail(2, status, nil, "{}")
			if _, err := hckms.New(hckms.Options{}).Unwrap(t.Context(), st); err != nil {
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
	_, st := wrapped(t, server)
	server.Silence(true)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := hckms.New(hckms.Options{}).Unwrap(ctx, st); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	// The request ends, too, and not only the wait for it.
	for deadline := time.Now().Add(5 * time.Second); server.Left() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the connection is still open")
		}
	}
}

// TestCredentialsFileIsReadOnce takes keys from the SDK's file, which is gone when
// they are used again.
func TestCredentialsFileIsReadOnce(t *testing.T) {
	server := newServer(t)
	_, st := wrapped(t, server)
	file := filepath.Join(t.TempDir(), "credentials")
	text := "[basic]\nak = " + server.AccessKey + "\nsk = " + server.SecretKey + "\nproject_id = " + server.Project + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", file)
	t.Setenv("HUAWEICLOUD_SDK_AK", "")
	t.Setenv("HUAWEICLOUD_SDK_SK", "")
	t.Setenv("HUAWEICLOUD_SDK_PROJECT_ID", "")
	s := hckms.New(hckms.Options{})
	for range 2 {
		if _, err := s.Unwrap(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWrongCredentials(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"another secret key": {"HUAWEICLOUD_SDK_SK": "wrong"},
		"another access key": {"HUAWEICLOUD_SDK_AK": "wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			_, st := wrapped(t, server)
			for k, v := range env {
				t.Setenv(k, v)
			}
			_, err := hckms.New(hckms.Options{}).Unwrap(t.Context(), st)
			check(t, server, err, keysources.Unauthenticated)
		})
	}
}

func TestNoCredentials(t *testing.T) {
	if testing.Short() {
		t.Skip("looking for a metadata server takes seconds")
	}
	server := newServer(t)
	_, st := wrapped(t, server)
	t.Setenv("HUAWEICLOUD_SDK_AK", "")
	s, ctx := hckms.New(hckms.Options{}), within(t, 20*time.Second)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := s.Unwrap(ctx, st)
			check(t, server, err, keysources.Unauthenticated)
		})
	}
	wg.Wait()
}

func TestAddresses(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	for name, tt := range map[string]struct {
		address string
		want    keysources.Reason
	}{
		"nobody listens":                        {closed.URL, keysources.Unreachable},
		"no such host":                          {"does-not-exist.invalid", keysources.Unreachable},
		"a certificate that nobody vouches for": {secure.URL, keysources.Unreachable},
		"plain HTTP beyond this machine":        {"http://192.0.2.1", keysources.Malformed},
		"user and password":                     {"https://u:p@192.0.2.1", keysources.Malformed},
		"one of two is plain HTTP":              {"https://192.0.2.1,http://192.0.2.1", keysources.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			_, st := wrapped(t, server)
			t.Setenv("HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1", tt.address)
			_, err := hckms.New(hckms.Options{}).Unwrap(t.Context(), st)
			check(t, server, err, tt.want)
		})
	}
}

func TestUnknownRegion(t *testing.T) {
	newServer(t)
	_, err := hckms.New(hckms.Options{Transport: nowhere{}}).Unwrap(t.Context(), stanza("no-where-9:key", "AAAA"))
	if got := keysources.ReasonOf(err); got != keysources.NotFound {
		t.Errorf("got %v", err)
	}
}

func TestTheIdentityServicesTroubles(t *testing.T) {
	const echo = `{"error":{"code":403,"message":"what you sent","title":"Forbidden"}}`
	for name, tt := range map[string]struct {
		harm func(*hckmstest.Server)
		want keysources.Reason
	}{
		"no project":   {func(s *hckmstest.Server) { s.Projects() }, keysources.Unauthenticated},
		"two projects": {func(s *hckmstest.Server) { s.Projects("a", "b") }, keysources.Unauthenticated},
		"forbidden":    {func(s *hckmstest.Server) { s.Fail(1, 403, nil, echo) }, keysources.Denied},
		"invalid":      {func(s *hckmstest.Server) { s.Fail(1, 400, nil, echo) }, keysources.Unauthenticated},
		"no JSON":      {func(s *hckmstest.Server) { s.Fail(1, 200, nil, "what you sent") }, keysources.Unauthenticated},
		"odd JSON":     {func(s *hckmstest.Server) { s.Fail(1, 200, nil, "{}") }, keysources.Unauthenticated},
		"broken":       {func(s *hckmstest.Server) { s.Fail(100, 500, nil, echo) }, keysources.Unreachable},
		"broken once":  {func(s *hckmstest.Server) { s.Fail(1, 500, nil, echo) }, ""},
		"silent":       {func(s *hckmstest.Server) { s.Silence(true) }, keysources.Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			_, st := wrapped(t, server)
			address, transport, _ := server.TLS()
			t.Setenv("HUAWEICLOUD_SDK_PROJECT_ID", "")
			t.Setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", address)
			tt.harm(server)
			_, err := hckms.New(hckms.Options{Transport: transport}).Unwrap(within(t, 2*time.Second), st)
			check(t, server, err, tt.want)
		})
	}
}

func TestSixtyFourCallsAtATime(t *testing.T) {
	server, o, _ := newIAM(t)
	id := server.AddKey()
	s := hckms.New(o)
	server.Delay(100 * time.Millisecond)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			st, err := recipient(t, s, id).Wrap(t.Context(), []byte(dataKey))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Unwrap(t.Context(), st); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	_, atOnce, lookups := server.Calls()
	if atOnce < 32 || lookups != 1 {
		t.Errorf("%d calls were under way at the same time, and %d look-ups of the project made", atOnce, lookups)
	}
}
