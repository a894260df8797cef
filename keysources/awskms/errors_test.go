package awskms_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/awskms"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
)

// fails unwraps, or wraps if st has no enc, and checks why that fails.
func fails(t *testing.T, s *awskms.Source, st keysources.Stanza, want keysources.Reason, says ...string) {
	t.Helper()
	var got []byte
	var err error
	if st.Get("enc") == "" {
		_, err = tryWrap(t.Context(), s, st)
	} else {
		got, err = s.Unwrap(t.Context(), st)
	}
	checkError(t, err, st, want, says...)
	if got != nil {
		t.Error("it gives a data key as well")
	}
}

func checkError(t *testing.T, err error, st keysources.Stanza, want keysources.Reason, says ...string) {
	t.Helper()
	if got := keysources.ReasonOf(err); got != want {
		t.Fatalf("got reason %q, want %q: %v", got, want, err)
	}
	text := err.Error()
	if arn := st.Get("arn"); len(arn) <= 100 { // longer ones are abbreviated
		says = append(says, arn)
	}
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("%q does not say %q", text, s)
		}
	}
	secrets := []string{os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN"),
		st.Get("enc"), string(dataKey), "injected", "not authorized to", "something in between", "RequestID"}
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("%q repeats %q", text, s)
		}
	}
	if strings.ContainsAny(text, "\n\r") || len(text) > 300 {
		t.Errorf("not one short line: %q", text)
	}
}

func TestFailuresOfKeys(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	good := wrap(t, source, withContext(key(awskmstest.DefaultKey), "app", "x"))
	enc := good.Get("enc")
	other := wrap(t, source, key(otherKey)).Get("enc")
	const unknown = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-0000000000ff"
	elsewhere := strings.Replace(awskmstest.DefaultKey, "us-east-1", "eu-central-1", 1)
	tests := []struct {
		name string
		st   keysources.Stanza
		want keysources.Reason
		says string
	}{
		{"no such key", key(unknown), keysources.NotFound, "NotFoundException in region us-east-1"},
		{"no such key, unwrapping", key(unknown, "enc", enc), keysources.NotFound, "us-east-1"},
		{"wrong region", key(elsewhere, "enc", enc), keysources.NotFound, "in region eu-central-1"},
		{"no such alias", key(aliasARN + "x"), keysources.NotFound, ""},
		{"not allowed", key(roleKey), keysources.Denied, "AccessDeniedException"},
		{"of another key", key(awskmstest.DefaultKey, "enc", other), keysources.Damaged, "IncorrectKeyException"},
		{"another context", withContext(key(awskmstest.DefaultKey, "enc", enc), "app", "y"), keysources.Damaged, "encryption context"},
		{"no context", key(awskmstest.DefaultKey, "enc", enc), keysources.Damaged, ""},
		{"more context", withContext(key(awskmstest.DefaultKey, "enc", enc), "app", "x", "b", ""), keysources.Damaged, ""},
		{"context twice", withContext(key(awskmstest.DefaultKey, "enc", enc), "app", "x", "app", "x"), keysources.Malformed, "context"},
		{"bare id", key("00000000-0000-4000-8000-000000000001", "enc", enc), keysources.Malformed, "ARN"},
		{"bare alias", key("alias/app"), keysources.Malformed, "ARN"},
		{"other service", key("arn:aws:iam::111122223333:role/x"), keysources.Malformed, "ARN"},
		{"host in region", key("arn:aws:kms:x.example/#:111122223333:key/x"), keysources.Malformed, "ARN"},
		{"key and role in one", key(roleKey + "+" + sealerRole), keysources.Malformed, "ARN"},
		{"nothing", key("", "enc", enc), keysources.Malformed, "ARN"},
		{"role that is none", key(roleKey, "role", "sealer"), keysources.Malformed, "role"},
		{"not base64", key(awskmstest.DefaultKey, "enc", "hunter2*hunter2"), keysources.Malformed, "enc"},
		{"line feed", key(awskmstest.DefaultKey, "enc", "\n"), keysources.Malformed, "enc"},
		{"too long", key(awskmstest.DefaultKey, "enc", strings.Repeat("AAAA", 3000)), keysources.Malformed, "enc"},
		{"noise", key(awskmstest.DefaultKey, "enc", base64.StdEncoding.EncodeToString([]byte("hunter2 hunter2"))), keysources.Damaged, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { fails(t, source, tt.st, tt.want, tt.says) })
	}
	unwrap(t, source, good)
	if n := s.Calls("Decrypt"); n > len(tests) {
		t.Errorf("%d calls: something was tried more than once", n)
	}
}

func TestDisabledKeys(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	st := wrap(t, source, key(aliasARN))
	for state, says := range map[awskmstest.State]string{
		awskmstest.Disabled: "DisabledException", awskmstest.PendingDeletion: "to be deleted",
	} {
		s.SetState(awskmstest.DefaultKey, state)
		fails(t, source, st, keysources.Disabled, says)
		fails(t, source, key(awskmstest.DefaultKey), keysources.Disabled, says)
	}
	s.SetState(awskmstest.DefaultKey, awskmstest.Enabled)
	unwrap(t, source, st)
}

func TestAliasThatPointsElsewhereNow(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	st := wrap(t, source, key(aliasARN))
	s.PointAlias(aliasARN, otherKey)
	fails(t, source, st, keysources.Damaged, "points to another key now")
	// What was wrapped is not lost: the key itself opens it.
	unwrap(t, source, key(awskmstest.DefaultKey, "enc", st.Get("enc")))
}

func TestForeignStanzasAreNotForMe(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	for _, typ := range []string{"", "age", "gcp_kms", "hckms", "KMS"} {
		k := key(awskmstest.DefaultKey, "enc", "AAAA")
		k.Type = typ
		if _, err := source.Unwrap(t.Context(), k); !errors.Is(err, keysources.ErrNotForMe) {
			t.Errorf("unwrapping for type %q: got error %v", typ, err)
		}
		if _, err := source.Recipient(k); !errors.Is(err, keysources.ErrNotForMe) {
			t.Errorf("recipient of type %q: got error %v", typ, err)
		}
	}
	if s.Calls("Decrypt") != 0 {
		t.Error("KMS was asked")
	}
}

// TestFaults answers with each fault for as long as it is asked.
func TestFaults(t *testing.T) {
	tests := []struct {
		fault awskmstest.Fault
		want  keysources.Reason
		tries int
	}{
		{awskmstest.Fault{Status: 400, Code: "ThrottlingException"}, keysources.Throttled, 3},
		{awskmstest.Fault{Status: 400, Code: "LimitExceededException"}, keysources.Throttled, 3},
		{awskmstest.Fault{Status: 500, Code: "KMSInternalException"}, keysources.Unreachable, 3},
		{awskmstest.Fault{Status: 500, Code: "KeyUnavailableException"}, keysources.Unreachable, 3},
		{awskmstest.Fault{Status: 503}, keysources.Unreachable, 3},
		{awskmstest.Fault{Status: 400, Code: "ExpiredTokenException"}, keysources.Unauthenticated, 1},
		{awskmstest.Fault{Status: 400, Code: "UnrecognizedClientException"}, keysources.Unauthenticated, 1},
		{awskmstest.Fault{Status: 400, Code: "InvalidKeyUsageException"}, keysources.Malformed, 1},
		{awskmstest.Fault{Status: 400, Code: "ValidationException"}, keysources.Malformed, 1},
		{awskmstest.Fault{Status: 400, Code: "OptInRequired"}, keysources.Denied, 1},
		{awskmstest.Fault{Status: 403, Code: "SomethingNew"}, keysources.Denied, 1},
		{awskmstest.Fault{Status: 400, Code: "SomethingNew"}, keysources.Unreachable, 1},
		{awskmstest.Fault{Status: 400, Code: "secret text: hunter2"}, keysources.Unreachable, 1},
		{awskmstest.Fault{Status: 404}, keysources.Unreachable, 1},
	}
	s := start(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "3")
	source := awskms.New(os.Getenv)
	st := wrap(t, source, key(awskmstest.DefaultKey))
	for _, tt := range tests {
		t.Run(tt.fault.Code, func(t *testing.T) {
			s.FailNext(100, tt.fault)
			before := s.Calls("Decrypt")
			_, err := source.Unwrap(t.Context(), st)
			checkError(t, err, st, tt.want, "in region us-east-1")
			if got := s.Calls("Decrypt") - before; got != tt.tries {
				t.Errorf("tried %d times, want %d", got, tt.tries)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error %q repeats what is no code", err)
			}
		})
	}
	s.FailNext(0, awskmstest.Fault{})
	unwrap(t, source, st)
}

func TestThrottledThenFine(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	for _, tt := range []struct {
		fault awskmstest.Fault
		times int
	}{
		{awskmstest.Fault{Status: 400, Code: "ThrottlingException"}, 3},
		{awskmstest.Fault{Status: 500, Code: "KMSInternalException"}, 1},
		{awskmstest.Fault{Status: 502}, 1},
	} {
		st := wrap(t, source, key(awskmstest.DefaultKey))
		before := s.Calls("Decrypt")
		s.FailNext(tt.times, tt.fault)
		unwrap(t, source, st)
		if got := s.Calls("Decrypt") - before; got != tt.times+1 {
			t.Errorf("%v: %d calls, want %d", tt.fault, got, tt.times+1)
		}
	}
}

// TestSilentServer has one that is silent from the start, before credentials of a
// role are there, and one that falls silent later.
func TestSilentServer(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	st := wrap(t, source, key(awskmstest.DefaultKey))
	s.SetSilent(true)
	for _, st := range []keysources.Stanza{st, key(roleKey, "role", sealerRole, "enc", st.Get("enc"))} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := source.Unwrap(ctx, st)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("it took %v", took)
		}
		checkError(t, err, st, keysources.Timeout, "us-east-1")
	}
	s.SetSilent(false)
	unwrap(t, source, st)
}

func TestDeadlineDuringRetries(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	st := wrap(t, source, key(awskmstest.DefaultKey))
	s.FailNext(1000, awskmstest.Fault{Status: 400, Code: "ThrottlingException"})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := source.Unwrap(ctx, st); keysources.ReasonOf(err) != keysources.Timeout {
		t.Errorf("got error %v", err)
	}
}

func TestCancelledCallIsCancelled(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	st := wrap(t, source, key(awskmstest.DefaultKey))
	s.SetSilent(true)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := source.Unwrap(ctx, st); !errors.Is(err, context.Canceled) || keysources.ReasonOf(err) != "" {
		t.Errorf("got error %v, want context.Canceled", err)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	s := awskmstest.New(t, options())
	for _, tt := range []struct{ name, url, says string }{
		{"nobody listens", "http://" + nobody, nobody},
		{"no such host", "http://kms.invalid", "kms.invalid"},
		{"no TLS", strings.Replace(s.URL(), "http:", "https:", 1), "region us-east-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			use(t, append(s.Env(), "AWS_MAX_ATTEMPTS=2", "AWS_ENDPOINT_URL_KMS="+tt.url)...)
			fails(t, awskms.New(os.Getenv), key(awskmstest.DefaultKey), keysources.Unreachable, tt.says)
		})
	}
}
