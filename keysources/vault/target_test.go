package vault_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/vault"
)

func TestParseURI(t *testing.T) {
	for _, tt := range []struct{ uri, address, engine, key string }{
		{"https://vault.example.com:8200/v1/transit/keys/k", "https://vault.example.com:8200", "transit", "k"},
		{"http://127.0.0.1:8200/v1/sops/team-a/keys/first.key_1/", "http://127.0.0.1:8200", "sops/team-a", "first.key_1"},
		{"https://[::1]:8200/v1/keys/keys/keys", "https://[::1]:8200", "keys", "keys"},
		{"https://v/v1/a/keys/b/keys/c", "https://v", "a/keys/b", "c"},
	} {
		got, err := vault.ParseURI(tt.uri)
		if err != nil {
			t.Errorf("%s: %v", tt.uri, err)
			continue
		}
		if diff := cmp.Diff([]string{tt.address, tt.engine, tt.key}, []string{got.Get("vault_address"), got.Get("engine_path"), got.Get("key_name")}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.uri, diff)
		}
		if got.Reader() != strings.TrimRight(tt.uri, "/") {
			t.Errorf("%s: reader %q", tt.uri, got.Reader())
		}
	}
}

func TestParseURIRefuses(t *testing.T) {
	for _, uri := range []string{
		"", "k", "vault.example.com/v1/transit/keys/k", "ftp://v/v1/transit/keys/k", "https:///v1/transit/keys/k",
		"https://v", "https://v/v1/transit/keys/", "https://v/v1/keys/k", "https://v/v2/transit/keys/k", "https://v/v1/transit/encrypt/k",
		"https://v/prefix/v1/transit/keys/k", "https://v/v1/transit/../sys/keys/k", "https://v/v1/transit/keys/..", "https://v/v1/./keys/k",
		"https://v/v1/transit/keys/k?x=y", "https://v/v1/transit/keys/k?", "https://v/v1/transit/keys/k#f", "https://v/v1/transit/keys/k#",
		"https://me:hunter2@v/v1/transit/keys/k", "https://v/v1/tran%2fsit/keys/k", "https://v/v1/transit/keys/k%00", "https://v/v1/transit//keys/k",
		"https://v/v1/transit/keys/k\n", "https://v /v1/transit/keys/k", "unix:///run/vault/v1/transit/keys/k", "https://v\\@w/v1/transit/keys/k",
	} {
		if got, err := vault.ParseURI(uri); err == nil {
			t.Errorf("%q: got %v, want an error", uri, got)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

// TestStanzaCannotLeadElsewhere: nothing is asked for a stanza whose fields could
// make another request than the one they seem to make.
func TestStanzaCannotLeadElsewhere(t *testing.T) {
	address, asked := hostile(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	source := vault.New(env("VAULT_TOKEN", token))
	for _, s := range []keysources.Stanza{
		stanza(address, "transit/../sys", "k", "e"), stanza(address, "transit", "..", "e"), stanza(address, ".", "k", "e"),
		stanza(address, "transit", "../../sys/seal", "e"), stanza(address, "transit", "k?x=y", "e"), stanza(address, "transit", "k#", "e"),
		stanza(address, "", "k", "e"), stanza(address, "transit", "", "e"), stanza(address, "/transit", "k", "e"), stanza(address, "transit/", "k", "e"),
		stanza(address, "transit", "k%2f..", "e"), stanza(address, "transit\\..", "k", "e"), stanza(address, "transit", "k\r\nX: y", "e"),
		stanza(address+"?x=", "transit", "k", "e"), stanza(address+"#", "transit", "k", "e"), stanza(address+"/..", "transit", "k", "e"),
		stanza(strings.Replace(address, "http://", "http://u:p@", 1), "transit", "k", "e"), stanza("", "transit", "k", "e"),
		stanza("unix:///run/x", "transit", "k", "e"), stanza("127.0.0.1:8200", "transit", "k", "e"), stanza("file:///etc/passwd", "transit", "k", "e"),
		stanza("http://", "transit", "k", "e"), stanza(address+"/%2e%2e", "transit", "k", "e"),
	} {
		_, err := source.Unwrap(t.Context(), s)
		wantReason(t, err, keysources.Malformed)
		_, err = source.Recipient(s.Key())
		wantReason(t, err, keysources.Malformed)
	}
	if r := asked.all(); len(r) != 0 {
		t.Errorf("it was asked: %q", r)
	}
}

func TestAnotherTypeIsNotForMe(t *testing.T) {
	_, err := vault.New(env()).Recipient(keysources.Stanza{Type: keysources.TypeAge})
	if !errors.Is(err, keysources.ErrNotForMe) {
		t.Errorf("got error %v, want ErrNotForMe", err)
	}
}

// TestAllowlist: sops's list holds here, too, whatever else is allowed.
func TestAllowlist(t *testing.T) {
	address, asked := hostile(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	for _, tt := range []struct {
		list    string
		refused bool
	}{
		{"", false}, {"all", false}, {address, false}, {address + "/", false}, {"https://other, " + address, false},
		{"none", true}, {"https://other", true}, {address + "0", true}, {address[:len(address)-1], true}, {address + ",", true},
		{"all," + address, false}, {"all,https://other", true}, // as in sops, all is a word of its own only alone
	} {
		before := len(asked.all())
		_, err := vault.New(env("VAULT_TOKEN", token, "SOPS_HC_VAULT_ALLOWLIST", tt.list)).Unwrap(t.Context(), stanza(address, "transit", "k", "vault:v1:AAAA"))
		want, calls := keysources.Denied, 1
		if tt.refused {
			want, calls = keysources.Refused, 0
		}
		e := wantReason(t, err, want)
		if tt.refused && e.Use != (keysources.Use{Kind: keysources.UseVault, Value: address}) {
			t.Errorf("%q: use: got %v", tt.list, e.Use)
		}
		if got := len(asked.all()) - before; got != calls {
			t.Errorf("%q: %d calls, want %d", tt.list, got, calls)
		}
	}
}

// TestWhichTokenIsSent: the variables of the program whose address it is come
// first, the file comes last.
func TestWhichTokenIsSent(t *testing.T) {
	address, asked := hostile(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".vault-token"), []byte("from-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		env  []string
		want string
	}{
		{"the file's", []string{"HOME", home}, "from-the-file"},
		{"Windows", []string{"USERPROFILE", home}, "from-the-file"},
		{"the variable's", []string{"HOME", home, "VAULT_TOKEN", "v"}, "v"},
		{"OpenBao's", []string{"HOME", home, "BAO_TOKEN", "b"}, "b"},
		{"OpenBao's first", []string{"VAULT_TOKEN", "v", "BAO_TOKEN", "b"}, "b"},
		{"Vault's for Vault's address", []string{"VAULT_TOKEN", "v", "BAO_TOKEN", "b", "VAULT_ADDR", address + "/"}, "v"},
		{"OpenBao's for both's address", []string{"VAULT_TOKEN", "v", "BAO_TOKEN", "b", "VAULT_ADDR", address, "BAO_ADDR", address}, "b"},
		{"none", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(asked.all())
			_, err := vault.New(env(tt.env...)).Unwrap(t.Context(), stanza(address, "transit", "k", "vault:v1:AAAA"))
			if err == nil {
				t.Fatal("no error")
			}
			all := asked.all()[before:]
			if len(all) != 1 || strings.Fields(all[0] + " -")[2] != orBody(tt.want) {
				t.Errorf("asked: %q, want the token %q", all, tt.want)
			}
		})
	}
}

// orBody returns the third word of a recorded request: the token, or the body if
// there was none.
func orBody(token string) string {
	if token == "" {
		return `{"ciphertext":"vault:v1:AAAA"}`
	}
	return token
}

// TestNamespaceIsSent: the header is all that there is to it without Enterprise.
func TestNamespaceIsSent(t *testing.T) {
	for _, name := range []string{"VAULT_NAMESPACE", "BAO_NAMESPACE"} {
		var got string
		address, _ := hostile(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Get("X-Vault-Namespace")
			w.WriteHeader(http.StatusForbidden)
		})
		_, _ = vault.New(env("VAULT_TOKEN", token, name, "team/a")).Unwrap(t.Context(), stanza(address, "transit", "k", "vault:v1:AAAA"))
		if strings.Trim(got, "/") != "team/a" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestAgentGetsAllRequests: an agent with a token of its own needs none from us.
func TestAgentGetsAllRequests(t *testing.T) {
	agent, asked := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"data":{"plaintext":"AAAA"}}`))
	})
	_, err := vault.New(env("VAULT_AGENT_ADDR", agent)).Unwrap(t.Context(), stanza("https://vault.invalid:8200", "transit", "k", "vault:v1:AAAA"))
	if err != nil || len(asked.all()) != 1 {
		t.Errorf("got error %v, requests %q", err, asked.all())
	}
}

func TestMalformedVariablesAreNamed(t *testing.T) {
	for _, name := range []string{"VAULT_CLIENT_TIMEOUT", "VAULT_MAX_RETRIES", "VAULT_SKIP_VERIFY", "VAULT_PROXY_ADDR"} {
		_, err := vault.New(env("VAULT_TOKEN", token, name, "hunter2 ")).Unwrap(t.Context(), stanza("http://127.0.0.1:1", "transit", "k", "vault:v1:AAAA"))
		e := wantReason(t, err, keysources.Malformed)
		if !strings.Contains(e.Detail, name) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzParseURI: what is accepted leads where it says, and no further.
func FuzzParseURI(f *testing.F) {
	for _, s := range []string{"https://vault.example.com:8200/v1/transit/keys/k", "http://v/v1/a/../b/keys/..", "https://u:p@v/v1/t/keys/k?x#y", "//v/v1/t/keys/k", "https://v/v1/%2e%2e/keys/k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		k, err := vault.ParseURI(uri)
		if err != nil {
			return
		}
		r, err := vault.New(env()).Recipient(k)
		if err != nil {
			t.Fatalf("%q was accepted, but makes no recipient: %v", uri, err)
		}
		if r.String() != strings.TrimSuffix(uri, "/") {
			t.Errorf("%q became %q", uri, r)
		}
		if again, err := vault.ParseURI(r.String()); err != nil || again.Reader() != k.Reader() {
			t.Errorf("%q read again: %v, error %v", uri, again, err)
		}
		for _, bad := range []string{"..", "?", "#", "%", "\\", " ", "\n"} {
			if strings.Contains(k.Get("engine_path")+"/"+k.Get("key_name")+"/", "/"+bad+"/") || bad != ".." && strings.Contains(uri, bad) && bad != "%" {
				t.Errorf("%q was accepted with %q in it", uri, bad)
			}
		}
	})
}
