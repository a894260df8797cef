package hckms_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/gcpkms"
	"github.com/gitseal/gitseal/keysources/hckms"
	"github.com/gitseal/gitseal/keysources/hckms/hckmstest"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
)

// newServer starts a server and points the process's environment, which the SDK
// reads, at it. Tests that use it cannot run in parallel.
func newServer(t *testing.T) *hckmstest.Server {
	t.Helper()
	server := hckmstest.New(t)
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", none)
	t.Setenv("HUAWEICLOUD_SDK_REGIONS_FILE", none)
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
	return server
}

func key(id string) keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypeHCKMS, Fields: []keysources.Field{{Name: "key_id", Value: id}}}
}

func stanza(id, enc string) keysources.Stanza {
	st := key(id)
	st.Fields = append(st.Fields, keysources.Field{Name: "enc", Value: enc})
	return st
}

func recipient(t *testing.T, s *hckms.Source, id string) keysources.Recipient {
	t.Helper()
	r, err := s.Recipient(key(id))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLaws(t *testing.T) {
	server := newServer(t)
	s := hckms.New(hckms.Options{})
	keysourcestest.Source{
		Recipient: recipient(t, s, server.AddKey()), Identity: s,
		// Whoever has no key of this kind: what a key is for is the service's secret.
		Stranger: gcpkms.New(func(string) string { return "" }),
		Secrets:  []string{server.AccessKey, server.SecretKey},
	}.Run(t)
}

const sampleKey = "tr-west-1:0d0466b0-e727-4d9c-b35d-f84bb474a37f"

func TestRecipientRefusesWhatIsNoKey(t *testing.T) {
	s := hckms.New(hckms.Options{})
	for _, id := range []string{
		"", "tr-west-1", ":", "tr-west-1:", ":key", "TR-WEST-1:key", "tr:key", "tr-west-1:a b", "tr-west-1:a\nb", "tr-west-1\n:a",
		"../x-y:key", "tr-west-1=x:key", "tr-west-1:" + strings.Repeat("a", 256), "arn:aws:kms:us-east-1:1:key/x",
	} {
		if _, err := s.Recipient(key(id)); keysources.ReasonOf(err) != keysources.Malformed {
			t.Errorf("%q: got error %v, want malformed", id, err)
		}
	}
	for _, id := range []string{sampleKey, " tr-west-1 : key ", "cn-north-4:alias/x"} {
		if r, err := s.Recipient(key(id)); err != nil || r.String() != id {
			t.Errorf("%q: got %v, error %v", id, r, err)
		}
	}
	if _, err := s.Recipient(keysources.Stanza{Type: keysources.TypeKMS}); !errors.Is(err, keysources.ErrNotForMe) {
		t.Errorf("another type: got error %v", err)
	}
}

func TestMalformedStanzasAreNotSent(t *testing.T) {
	server := newServer(t)
	s := hckms.New(hckms.Options{})
	for name, st := range map[string]keysources.Stanza{
		"no fields":     {Type: keysources.TypeHCKMS},
		"no enc":        key(sampleKey),
		"no ciphertext": stanza(sampleKey, "not a ciphertext"),
		"two lines":     stanza(sampleKey, "AAAA\nAAAA"),
		"too long":      stanza(sampleKey, strings.Repeat("AAAA", 1<<14)),
	} {
		if k, err := s.Unwrap(t.Context(), st); keysources.ReasonOf(err) != keysources.Malformed || k != nil {
			t.Errorf("%s: got error %v, want malformed", name, err)
		}
	}
	if calls, _, _ := server.Calls(); calls != 0 {
		t.Errorf("the service was asked %d times", calls)
	}
}

func TestStanzaSaysWhenItWasMade(t *testing.T) {
	server := newServer(t)
	st, err := recipient(t, hckms.New(hckms.Options{}), server.AddKey()).Wrap(t.Context(), []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	made, err := time.Parse(time.RFC3339, st.Get("created_at"))
	if err != nil || time.Since(made).Abs() > time.Minute || !strings.HasSuffix(st.Get("created_at"), "Z") {
		t.Errorf("got %q, error %v", st.Get("created_at"), err)
	}
}

// FuzzStanza reads entries of files: they end in an error of one short line.
func FuzzStanza(f *testing.F) {
	f.Add(sampleKey, "AAAA")
	f.Add("cn-north-4:alias/x", "")
	f.Add("us-east-1=http://evil.example:x", "!")
	for name, value := range map[string]string{
		"HUAWEICLOUD_SDK_AK": "ak", "HUAWEICLOUD_SDK_SK": "sk", "HUAWEICLOUD_SDK_PROJECT_ID": "p", "HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1": "http://127.0.0.1:1",
	} {
		f.Setenv(name, value)
	}
	s := hckms.New(hckms.Options{Transport: nowhere{}})
	f.Fuzz(func(t *testing.T, id, enc string) {
		key, err := s.Unwrap(t.Context(), stanza(id, enc))
		if err == nil || key != nil || errors.Is(err, keysources.ErrNotForMe) {
			t.Fatalf("got %d bytes, error %v", len(key), err)
		}
		if strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 1000 {
			t.Fatalf("the error is not one short line: %q", err)
		}
	})
}
