package awskms_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/awskms"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
)

// Keys and aliases that the tests' servers have.
const (
	aliasARN    = "arn:aws:kms:us-east-1:111122223333:alias/team/app"
	otherKey    = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000002"
	mrkPrimary  = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	mrkReplica  = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	govKey      = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/00000000-0000-4000-8000-000000000003"
	chinaKey    = "arn:aws-cn:kms:cn-north-1:111122223333:key/00000000-0000-4000-8000-000000000004"
	sealerRole  = "arn:aws:iam::111122223333:role/sealer"
	secretsRole = "arn:aws:iam::111122223333:role/path/secrets"
	roleKey     = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000005"
	chainKey    = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000006"
	hostKey     = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000007"
)

func options() awskmstest.Options {
	return awskmstest.Options{
		Keys: []awskmstest.Key{
			{ARN: awskmstest.DefaultKey, Aliases: []string{aliasARN}},
			{ARN: otherKey}, {ARN: mrkPrimary}, {ARN: mrkReplica}, {ARN: govKey}, {ARN: chinaKey},
			{ARN: roleKey, Users: []string{sealerRole}},
			{ARN: chainKey, Users: []string{secretsRole}},
			{ARN: hostKey, Users: []string{awskmstest.HostRole}},
		},
		Roles: []awskmstest.Role{
			{ARN: sealerRole, TrustedBy: []string{awskmstest.UserARN}, WebIdentity: true},
			{ARN: secretsRole, TrustedBy: []string{sealerRole}},
		},
	}
}

// use makes env the whole of what the environment says to AWS's SDK.
func use(t *testing.T, env ...string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // so that it is put back
			os.Unsetenv(name)
		}
	}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}

// start starts a server and makes the environment use it.
func start(t *testing.T) *awskmstest.Server {
	t.Helper()
	s := awskmstest.New(t, options())
	use(t, s.Env()...)
	return s
}

// key returns the key for an ARN and other fields, name and value by turns.
func key(arn string, fields ...string) keysources.Stanza {
	k := keysources.Stanza{Type: keysources.TypeKMS, Fields: []keysources.Field{{Name: "arn", Value: arn}}}
	for i := 0; i < len(fields); i += 2 {
		k.Fields = append(k.Fields, keysources.Field{Name: fields[i], Value: fields[i+1]})
	}
	return k
}

func withContext(s keysources.Stanza, fields ...string) keysources.Stanza {
	s.Context = nil
	for i := 0; i < len(fields); i += 2 {
		s.Context = append(s.Context, keysources.Field{Name: fields[i], Value: fields[i+1]})
	}
	return s
}

var dataKey = []byte("0123456789abcdef0123456789ABCDEF")

func wrap(t *testing.T, s *awskms.Source, k keysources.Stanza) keysources.Stanza {
	t.Helper()
	st, err := tryWrap(t.Context(), s, k)
	if err != nil {
		t.Fatalf("wrapping: %v", err)
	}
	return st
}

func tryWrap(ctx context.Context, s *awskms.Source, k keysources.Stanza) (keysources.Stanza, error) {
	r, err := s.Recipient(k)
	if err != nil {
		return keysources.Stanza{}, err
	}
	return r.Wrap(ctx, dataKey)
}

func unwrap(t *testing.T, s *awskms.Source, st keysources.Stanza) {
	t.Helper()
	got, err := s.Unwrap(t.Context(), st)
	if err != nil || !bytes.Equal(got, dataKey) {
		t.Fatalf("unwrapping: got %d bytes, error %v", len(got), err)
	}
}

// roundTrip wraps for a key and unwraps with another source, as in another process.
func roundTrip(t *testing.T, k keysources.Stanza) {
	t.Helper()
	unwrap(t, awskms.New(os.Getenv), wrap(t, awskms.New(os.Getenv), k))
}

// TestLaws takes age for the stranger: a source for KMS cannot tell by itself that
// a stanza is somebody else's.
func TestLaws(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	r, err := source.Recipient(withContext(key(aliasARN), "app", "x"))
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, kv := range s.Credentials() {
		_, secret, _ := strings.Cut(kv, "=")
		secrets = append(secrets, secret)
	}
	keysourcestest.Source{
		Recipient: r, Identity: source,
		Stranger: age.NewKeyring(func(string) string { return "" }), Secrets: secrets,
	}.Run(t)
}

func TestStanzasHaveTheFieldsOfSops(t *testing.T) {
	start(t)
	source := awskms.New(os.Getenv)
	before := time.Now().Add(-time.Second)
	tests := []struct {
		name string
		key  keysources.Stanza
		want []string
	}{
		{"key", key(awskmstest.DefaultKey), []string{"arn", "aws_profile", "created_at", "enc"}},
		{"alias and context", withContext(key(aliasARN, "aws_profile", ""), "z", "1", "a", "2"), []string{"arn", "aws_profile", "created_at", "enc"}},
		{"role", key(roleKey, "role", sealerRole), []string{"arn", "aws_profile", "created_at", "enc", "role"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := wrap(t, source, tt.key)
			var names []string
			for _, f := range st.Fields {
				names = append(names, f.Name)
			}
			if diff := cmp.Diff(tt.want, names); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.key.Context, st.Context); diff != "" {
				t.Errorf("context (-want +got):\n%s", diff)
			}
			for _, name := range []string{"arn", "role", "aws_profile"} {
				if got, want := st.Get(name), tt.key.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			at, err := time.Parse(time.RFC3339, st.Get("created_at"))
			if err != nil || at.Before(before) || at.After(time.Now()) || !strings.HasSuffix(st.Get("created_at"), "Z") {
				t.Errorf("created_at %q, error %v", st.Get("created_at"), err)
			}
			if _, err := base64.StdEncoding.Strict().DecodeString(st.Get("enc")); err != nil {
				t.Errorf("enc: %v", err)
			}
		})
	}
}

func TestKeysOfAllKinds(t *testing.T) {
	start(t)
	for _, arn := range []string{awskmstest.DefaultKey, aliasARN, otherKey, mrkPrimary, mrkReplica, govKey, chinaKey} {
		t.Run(arn, func(t *testing.T) { roundTrip(t, key(arn)) })
	}
}

func TestMultiRegionKeyOpensInTheOtherRegion(t *testing.T) {
	start(t)
	source := awskms.New(os.Getenv)
	st := wrap(t, source, key(mrkPrimary))
	replica := key(mrkReplica, "enc", st.Get("enc"))
	unwrap(t, source, replica)
}

func TestRecipientsTellTheirKey(t *testing.T) {
	k := withContext(key(roleKey, "aws_profile", "p", "role", sealerRole), "a", "b")
	r, err := awskms.New(os.Getenv).Recipient(k)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k, r.(awskms.Recipient).Key()); diff != "" {
		t.Errorf("key (-want +got):\n%s", diff)
	}
}

func TestRecipientAsksNobody(t *testing.T) {
	s := start(t)
	if _, err := awskms.New(os.Getenv).Recipient(key(roleKey, "role", sealerRole)); err != nil {
		t.Fatal(err)
	}
	if n := s.Calls("AssumeRole") + s.Calls("Encrypt") + s.Calls("DescribeKey"); n != 0 {
		t.Errorf("%d calls, want none", n)
	}
}

func TestManyCallsAtATime(t *testing.T) {
	s := start(t)
	s.SetLatency(50 * time.Millisecond)
	source := awskms.New(os.Getenv)
	const calls = 64
	stanzas := make([]keysources.Stanza, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			st, err := tryWrap(t.Context(), source, key(roleKey, "role", sealerRole))
			if err != nil {
				t.Errorf("wrapping: %v", err)
			}
			stanzas[i] = st
		})
	}
	wg.Wait()
	begin := time.Now()
	for _, st := range stanzas {
		wg.Go(func() {
			if got, err := source.Unwrap(t.Context(), st); err != nil || !bytes.Equal(got, dataKey) {
				t.Errorf("unwrapping: got %d bytes, error %v", len(got), err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(begin); took > calls*50*time.Millisecond/4 {
		t.Errorf("%d calls of 50 ms took %v", calls, took)
	}
	if n := s.MostAtOnce(); n < calls/4 {
		t.Errorf("at most %d calls at the same time", n)
	}
	if n := s.Calls("AssumeRole"); n != 1 {
		t.Errorf("the role was assumed %d times, want once", n)
	}
	// Some are made and not used, when another one becomes free first.
	if n := s.Connections(); n > calls+calls/4 {
		t.Errorf("%d connections for %d calls at a time: they are not kept", n, calls)
	}
	if d, e := s.Calls("Decrypt"), s.Calls("Encrypt"); d != calls || e != calls {
		t.Errorf("%d and %d calls, want %d each", d, e, calls)
	}
}

func TestPrintsNothingOfItself(t *testing.T) {
	s := start(t)
	source := awskms.New(os.Getenv)
	wrap(t, source, key(awskmstest.DefaultKey)) // so that it holds credentials
	if !keysources.IsRemote(source) {
		t.Error("it is not remote")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		text := fmt.Sprintf(verb, source)
		for _, kv := range s.Credentials() {
			if _, secret, _ := strings.Cut(kv, "="); strings.Contains(text, secret) {
				t.Errorf("%s shows credentials", verb)
			}
		}
	}
}

// FuzzUnwrap gives foreign stanzas to a source that could open a good one.
func FuzzUnwrap(f *testing.F) {
	s, err := awskmstest.Start(options())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	for _, kv := range s.Env() {
		name, value, _ := strings.Cut(kv, "=")
		f.Setenv(name, value)
	}
	source := awskms.New(os.Getenv)
	st, err := tryWrap(context.Background(), source, withContext(key(awskmstest.DefaultKey), "a", "b"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(awskmstest.DefaultKey, st.Get("enc"), "", "a", "b")
	f.Add(aliasARN, st.Get("enc"), sealerRole, "a", "c")
	f.Add("alias/x", "AA==", "arn:aws:iam::1:role/x", "", "")
	f.Add("arn:aws:kms:evil.example/#:1:key/x", "\n", "x", "\x00", "\xff")
	f.Fuzz(func(t *testing.T, arn, enc, role, name, value string) {
		if arn != awskmstest.DefaultKey && arn != aliasARN {
			// Others might name other regions, which the endpoint serves as well, but
			// what counts here is that no request goes astray before the checks.
			_, err := source.Recipient(withContext(key(arn, "role", role), name, value))
			if err != nil && keysources.ReasonOf(err) != keysources.Malformed {
				t.Errorf("got error %v", err)
			}
			return
		}
		got, err := source.Unwrap(t.Context(), withContext(key(arn, "enc", enc), name, value))
		if err == nil && !bytes.Equal(got, dataKey) || err != nil && got != nil {
			t.Errorf("got %d bytes, error %v", len(got), err)
		}
		var e *keysources.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("error %v has no reason", err)
		}
	})
}
