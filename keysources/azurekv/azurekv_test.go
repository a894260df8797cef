package azurekv_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/azurekv"
	"github.com/gitseal/gitseal/keysources/azurekv/azurekvtest"
	"github.com/gitseal/gitseal/keysources/hckms"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
)

// newServer starts a vault and points the process's environment, which the SDK
// reads, at its managed identity. Tests that use it cannot run in parallel.
func newServer(t *testing.T) *azurekvtest.Server {
	t.Helper()
	server := azurekvtest.New(t)
	for _, name := range []string{
		"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TOKEN_CREDENTIALS",
		"IMDS_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT", "MSI_ENDPOINT", "MSI_SECRET",
	} {
		// Empty is not the same as unset, for some of them.
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
	return server
}

func source(server *azurekvtest.Server) *azurekv.Source {
	return azurekv.New(azurekv.Options{Transport: server.Transport})
}

func key(vault, name, version string) keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypeAzure, Fields: []keysources.Field{
		{Name: "vault_url", Value: vault}, {Name: "name", Value: name}, {Name: "version", Value: version},
	}}
}

func withEnc(st keysources.Stanza, enc string) keysources.Stanza {
	st = st.Key()
	st.Fields = append(st.Fields, keysources.Field{Name: "enc", Value: enc})
	return st
}

func recipient(t *testing.T, s *azurekv.Source, k keysources.Stanza) keysources.Recipient {
	t.Helper()
	r, err := s.Recipient(k)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLaws(t *testing.T) {
	server := newServer(t)
	s := source(server)
	r := recipient(t, s, key(server.URL, "k", server.AddKey("k")))
	if _, err := r.Wrap(t.Context(), []byte("k")); err != nil {
		t.Fatal(err)
	}
	keysourcestest.Source{
		Recipient: r, Identity: s,
		// Whoever has no key of this kind: what a key is for is the service's secret.
		Stranger: hckms.New(hckms.Options{}),
		Secrets:  server.Secrets(),
	}.Run(t)
}

func TestTheNewestVersionIsUsedIfNoneIsNamed(t *testing.T) {
	server := newServer(t)
	old := server.AddKey("k")
	s := source(server)
	r := recipient(t, s, key(server.URL, "k", ""))
	if got, want := r.String(), server.URL+"/keys/k/"; got != want {
		t.Errorf("its name: got %q, want %q", got, want)
	}
	if calls, _, _ := server.Calls(); calls != 0 {
		t.Errorf("the vault was asked %d times before there was something to wrap", calls)
	}
	first, err := r.Wrap(t.Context(), []byte("data key"))
	if err != nil {
		t.Fatal(err)
	}
	newer := server.AddKey("k")
	second, err := r.Wrap(t.Context(), []byte("data key"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Get("version") != old || second.Get("version") != newer {
		t.Errorf("versions: got %q and %q, want %q and %q", first.Get("version"), second.Get("version"), old, newer)
	}
	for _, st := range []keysources.Stanza{first, second} {
		if k, err := s.Unwrap(t.Context(), st); err != nil || string(k) != "data key" {
			t.Errorf("unwrapping: %d bytes, error %v", len(k), err)
		}
	}
}

const vault = "https://v.vault.azure.net"

func TestRecipientRefusesWhatIsNoKey(t *testing.T) {
	s := azurekv.New(azurekv.Options{})
	for _, k := range []keysources.Stanza{
		key("", "k", "1"), key("http://v.vault.azure.net", "k", "1"), key("v.vault.azure.net", "k", "1"), key("https://u:p@v.vault.azure.net", "k", "1"),
		key(vault+"/x", "k", "1"), key(vault+"?x", "k", "1"), key(vault+"#", "k", "1"), key("https://", "k", "1"), key("https://a b", "k", "1"), key(vault+"\n", "k", "1"),
		key(vault, "", "1"), key(vault, "..", "1"), key(vault, "a/b", "1"), key(vault, "a%2f", "1"), key(vault, strings.Repeat("a", 128), "1"),
		key(vault, "k", ".."), key(vault, "k", "1/decrypt"), key(vault, "k", "1\n"), key(vault, "k", strings.Repeat("1", 65)),
	} {
		if _, err := s.Recipient(k); keysources.ReasonOf(err) != keysources.Malformed {
			t.Errorf("%q: got error %v, want malformed", k.Fields, err)
		}
	}
	for _, k := range []keysources.Stanza{key(vault, "k", "1"), key(vault+"/", "K-1", ""), key("https://127.0.0.1:8443", "k", "0123456789abcdef0123456789abcdef")} {
		if r, err := s.Recipient(k); err != nil || r.String() != k.Reader() {
			t.Errorf("%q: got %v, error %v", k.Fields, r, err)
		}
	}
	if _, err := s.Recipient(keysources.Stanza{Type: keysources.TypeKMS}); !errors.Is(err, keysources.ErrNotForMe) {
		t.Errorf("another type: got error %v", err)
	}
}

func TestMalformedStanzasAreNotSent(t *testing.T) {
	server := newServer(t)
	k := key(server.URL, "k", server.AddKey("k"))
	for name, st := range map[string]keysources.Stanza{
		"no fields":     {Type: keysources.TypeAzure},
		"no enc":        k,
		"no base64":     withEnc(k, "not base64"),
		"padding":       withEnc(k, "AA=="),
		"trailing bits": withEnc(k, "AB"),
		"too long":      withEnc(k, strings.Repeat("AAAA", 1<<12)),
	} {
		if key, err := source(server).Unwrap(t.Context(), st); keysources.ReasonOf(err) != keysources.Malformed || key != nil {
			t.Errorf("%s: got error %v, want malformed", name, err)
		}
	}
	if _, _, tokens := server.Calls(); tokens != 0 {
		t.Errorf("%d tokens were asked for", tokens)
	}
}

func TestStanzaSaysWhenItWasMade(t *testing.T) {
	server := newServer(t)
	st, err := recipient(t, source(server), key(server.URL, "k", server.AddKey("k"))).Wrap(t.Context(), []byte("k"))
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
	f.Add(vault, "k", "1", "AAAA")
	f.Add("https://127.0.0.1:1/", "k", "", "")
	f.Add("https://v.vault.azure.net@evil.example", "../x", "?", "!")
	s := azurekv.New(azurekv.Options{Transport: nowhere{}, Credential: &noToken{}})
	f.Fuzz(func(t *testing.T, vault, name, version, enc string) {
		k, err := s.Unwrap(t.Context(), withEnc(key(vault, name, version), enc))
		if err == nil || k != nil || errors.Is(err, keysources.ErrNotForMe) {
			t.Fatalf("got %d bytes, error %v", len(k), err)
		}
		if strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 2000 {
			t.Fatalf("the error is not one short line: %q", err)
		}
	})
}
