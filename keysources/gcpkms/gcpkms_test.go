package gcpkms_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/gcpkms"
	"github.com/gitseal/gitseal/keysources/gcpkms/gcpkmstest"
	"github.com/gitseal/gitseal/keysources/hckms"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
)

// Keys of the test's server.
const (
	keyA = "projects/test-project/locations/global/keyRings/ring/cryptoKeys/key-a"
	keyB = "projects/example.com:p2/locations/europe-west6/keyRings/ring/cryptoKeys/key_b"
)

func newServer(t *testing.T) *gcpkmstest.Server {
	t.Helper()
	server := gcpkmstest.New(t)
	server.AddKey(keyA)
	server.AddKey(keyB)
	return server
}

// environment returns a getenv for pairs of names and values.
func environment(kv ...string) func(string) string {
	vars := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		vars[kv[i]] = kv[i+1]
	}
	return func(name string) string { return vars[name] }
}

// source returns a source that asks the server.
func source(server *gcpkmstest.Server, kv ...string) *gcpkms.Source {
	return gcpkms.New(environment(append([]string{"SOPS_GCP_KMS_ENDPOINT", server.URL}, kv...)...))
}

func tokenSource(server *gcpkmstest.Server) *gcpkms.Source {
	return source(server, "GOOGLE_OAUTH_ACCESS_TOKEN", server.Auth.Token())
}

func key(id string) keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypeGCP, Fields: []keysources.Field{{Name: "resource_id", Value: id}}}
}

func recipient(t *testing.T, s *gcpkms.Source, id string) keysources.Recipient {
	t.Helper()
	r, err := s.Recipient(key(id))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLaws(t *testing.T) {
	server := newServer(t)
	s := tokenSource(server)
	keysourcestest.Source{
		Recipient: recipient(t, s, keyB), Identity: s,
		// Whoever has no key of this kind: what a key is for is the service's secret.
		Stranger: hckms.New(hckms.Options{}),
		Secrets:  server.Auth.Secrets(),
	}.Run(t)
}

func TestLawsWithAServiceAccount(t *testing.T) {
	server := newServer(t)
	account := server.Auth.ServiceAccount()
	s := source(server, "GOOGLE_CREDENTIALS", string(account))
	r := recipient(t, s, keyA)
	if _, err := r.Wrap(t.Context(), make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	keysourcestest.Source{
		Recipient: r, Identity: s, Stranger: hckms.New(hckms.Options{}),
		Secrets: append(server.Auth.Secrets(), "PRIVATE KEY", string(account[40:80])),
	}.Run(t)
	if got := server.Auth.Requests(); got != 1 {
		t.Errorf("%d tokens were asked for, want 1", got)
	}
}

func TestRecipientRefusesWhatIsNoKey(t *testing.T) {
	s := gcpkms.New(environment())
	for _, id := range []string{
		"", "key", "projects/p/locations/l/keyRings/r/cryptoKeys/", keyA + "/", "/" + keyA, keyA + "/cryptoKeyVersions/1", keyA + ":decrypt", keyA + "?x=y", keyA + "#x",
		"projects/../locations/l/keyRings/r/cryptoKeys/k", "projects/p/locations/../keyRings/r/cryptoKeys/k", "projects/p%2f/locations/l/keyRings/r/cryptoKeys/k",
		"projects/p/locations/l/keyRings/r/cryptoKeys/k\nx", "projects/p/locations/l/keyRings/r s/cryptoKeys/k", "https://evil.example/" + keyA, keyA + strings.Repeat("a", 64),
	} {
		if _, err := s.Recipient(key(id)); keysources.ReasonOf(err) != keysources.Malformed {
			t.Errorf("%q: got error %v, want malformed", id, err)
		}
	}
	for _, id := range []string{keyA, keyB} {
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
	s := tokenSource(server)
	for name, st := range map[string]keysources.Stanza{
		"no fields":     {Type: keysources.TypeGCP},
		"no enc":        key(keyA),
		"another host":  stanza("evil.example/"+keyA, "AAAA"),
		"no base64":     stanza(keyA, "not base64"),
		"trailing bits": stanza(keyA, "AB=="),
		"too long":      stanza(keyA, strings.Repeat("AAAA", 1<<16)),
	} {
		if k, err := s.Unwrap(t.Context(), st); keysources.ReasonOf(err) != keysources.Malformed || k != nil {
			t.Errorf("%s: got error %v, want malformed", name, err)
		}
	}
	if calls, _ := server.Calls(); calls != 0 {
		t.Errorf("the service was asked %d times", calls)
	}
}

// TestKeyVersionsAreFoundByTheService opens what names a version, as tools other
// than sops may write it.
func TestKeyVersionsAreFoundByTheService(t *testing.T) {
	s := tokenSource(newServer(t))
	st, err := recipient(t, s, keyA).Wrap(t.Context(), []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Unwrap(t.Context(), stanza(keyA+"/cryptoKeyVersions/1", st.Get("enc")))
	if err != nil || string(got) != "0123456789abcdef" {
		t.Errorf("got %d bytes, error %v", len(got), err)
	}
}

func stanza(id, enc string) keysources.Stanza {
	st := key(id)
	st.Fields = append(st.Fields, keysources.Field{Name: "enc", Value: enc})
	return st
}

func TestStanzaSaysWhenItWasMade(t *testing.T) {
	st, err := recipient(t, tokenSource(newServer(t)), keyA).Wrap(t.Context(), []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	made, err := time.Parse(time.RFC3339, st.Get("created_at"))
	if err != nil || time.Since(made).Abs() > time.Minute || !strings.HasSuffix(st.Get("created_at"), "Z") {
		t.Errorf("got %q, error %v", st.Get("created_at"), err)
	}
}

// FuzzStanza reads entries of files: they end in an error, never in a request for
// something else than a key.
func FuzzStanza(f *testing.F) {
	f.Add(keyA, "AAAA")
	f.Add(keyB+"/cryptoKeyVersions/12", "")
	f.Add("projects/../locations/l/keyRings/r/cryptoKeys/k", "!")
	s := gcpkms.New(environment("SOPS_GCP_KMS_ENDPOINT", "http://127.0.0.1:1", "GOOGLE_OAUTH_ACCESS_TOKEN", "t"))
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
