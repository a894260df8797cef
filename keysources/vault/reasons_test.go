package vault_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/vault"
	"github.com/gitseal/gitseal/keysources/vault/vaulttest"
)

// makeOddKeys makes another key, keys of other types, and an engine of another type.
func makeOddKeys(t *testing.T, s *vaulttest.Server) {
	t.Helper()
	s.CreateKey(t, "other")
	s.Mount(t, "kv", "kv")
	s.Write(t, "transit/keys/signing", map[string]any{"type": "ed25519"})
	s.Write(t, "transit/keys/rsa", map[string]any{"type": "rsa-2048"})
	s.Write(t, "transit/keys/rsa2", map[string]any{"type": "rsa-2048"})
	s.Write(t, "transit/keys/derived", map[string]any{"derived": true})
}

// TestUnwrapSaysWhyItFailed asks the real server for everything that can go wrong
// with a key or token.
func TestUnwrapSaysWhyItFailed(t *testing.T) {
	s := server(t)
	good := wrap(t, vault.New(s.Env(s.Root)), s.CreateKey(t, "k"))
	enc := good.Get("enc")
	makeOddKeys(t, s)
	limited := s.Token(t, time.Hour, "transit/decrypt/other=update")
	revoked := s.Token(t, time.Hour, "transit/decrypt/k=update")
	s.Revoke(t, revoked)

	tests := []struct {
		name   string
		stanza keysources.Stanza
		token  string
		want   keysources.Reason
	}{
		{"no token", good, "", keysources.Unauthenticated},
		{"an unknown token", good, "hvs.nobody", keysources.Unauthenticated},
		{"a revoked token", good, revoked, keysources.Unauthenticated},
		{"a token that holds a line feed", good, "hvs.a\nb", keysources.Unauthenticated},
		{"another key's token", good, limited, keysources.Denied},
		{"no such key", stanza(s.Addr, "transit", "missing", enc), s.Root, keysources.NotFound},
		{"no such engine", stanza(s.Addr, "nothing/here", "k", enc), s.Root, keysources.NotFound},
		{"an engine of another type", stanza(s.Addr, "sys", "k", enc), s.Root, keysources.NotFound},
		{"an engine that stores what it gets", stanza(s.Addr, "kv", "k", enc), s.Root, keysources.NotFound},
		{"an RSA key", stanza(s.Addr, "transit", "rsa", enc), s.Root, keysources.Damaged},
		{"another RSA key", stanza(s.Addr, "transit", "rsa", wrap(t, vault.New(s.Env(s.Root)), s.URI("rsa2")).Get("enc")), s.Root, keysources.Damaged},
		{"another key", stanza(s.Addr, "transit", "other", enc), s.Root, keysources.Damaged},
		{"a version that the key never had", stanza(s.Addr, "transit", "k", strings.Replace(enc, ":v1:", ":v7:", 1)), s.Root, keysources.Damaged},
		{"no ciphertext of Vault's", stanza(s.Addr, "transit", "k", "AAAA"), s.Root, keysources.Damaged},
		{"cut off", stanza(s.Addr, "transit", "k", enc[:len(enc)/2]), s.Root, keysources.Damaged},
		{"nothing but a prefix", stanza(s.Addr, "transit", "k", "vault:v1:"), s.Root, keysources.Damaged},
		{"a key that signs", stanza(s.Addr, "transit", "signing", enc), s.Root, keysources.Malformed},
		{"a key that needs a context", stanza(s.Addr, "transit", "derived", enc), s.Root, keysources.Malformed},
		{"empty", stanza(s.Addr, "transit", "k", ""), s.Root, keysources.Malformed},
		{"too long", stanza(s.Addr, "transit", "k", "vault:v1:"+strings.Repeat("A", 10<<10)), s.Root, keysources.Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := vault.New(s.Env(tt.token)).Unwrap(t.Context(), tt.stanza)
			e := wantReason(t, err, tt.want)
			if got != nil {
				t.Errorf("got a key of %d bytes, too", len(got))
			}
			if e.Reader != tt.stanza.Reader() {
				t.Errorf("reader: got %q, want %q", e.Reader, tt.stanza.Reader())
			}
			sayNothingSecret(t, err, tt.token, enc)
			t.Log(err)
		})
	}
	if got, err := vault.New(s.Env(s.Root)).Unwrap(t.Context(), good); err != nil || string(got) != string(dataKey()) {
		t.Errorf("the control: got %d bytes, error %v", len(got), err)
	}
}

func sayNothingSecret(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if len(s) > 4 && strings.Contains(err.Error(), s) {
			t.Errorf("the error %q shows a token or what is wrapped", err)
		}
	}
}

func TestWrapSaysWhyItFailed(t *testing.T) {
	s := server(t)
	s.CreateKey(t, "k")
	s.Write(t, "transit/keys/signing", map[string]any{"type": "ed25519"})
	update := s.Token(t, time.Hour, "transit/encrypt/*=update")
	tests := []struct {
		name, uri, token string
		want             keysources.Reason
	}{
		{"no token", s.URI("k"), "", keysources.Unauthenticated},
		{"a token that may only unwrap", s.URI("k"), s.Token(t, time.Hour, "transit/decrypt/k=update"), keysources.Denied},
		{"no such key, and a token that makes none", s.URI("missing"), update, keysources.Denied},
		{"no such engine", s.Addr + "/v1/nothing/keys/k", s.Root, keysources.NotFound},
		{"a key that signs", s.URI("signing"), s.Root, keysources.Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := recipient(t, vault.New(s.Env(tt.token)), key(t, tt.uri)).Wrap(t.Context(), dataKey())
			wantReason(t, err, tt.want)
			sayNothingSecret(t, err, tt.token)
			t.Log(err)
		})
	}
}

// TestKeyVersions: old versions open until the key's owner says otherwise.
func TestKeyVersions(t *testing.T) {
	s := server(t)
	source := vault.New(s.Env(s.Root))
	uri := s.CreateKey(t, "k")
	first := wrap(t, source, uri)
	s.Rotate(t, "k")
	second := wrap(t, source, uri)
	if !strings.HasPrefix(second.Get("enc"), "vault:v2:") {
		t.Fatalf("after the rotation: got %.9q", second.Get("enc"))
	}
	for _, st := range []keysources.Stanza{first, second} {
		if got, err := source.Unwrap(t.Context(), st); err != nil || string(got) != string(dataKey()) {
			t.Errorf("%.9s: got %d bytes, error %v", st.Get("enc"), len(got), err)
		}
	}
	s.Configure(t, "k", map[string]any{"min_decryption_version": 2})
	_, err := source.Unwrap(t.Context(), first)
	wantReason(t, err, keysources.Disabled)
	t.Log(err)
	if _, err := source.Unwrap(t.Context(), second); err != nil {
		t.Errorf("the newer version: %v", err)
	}
	s.DeleteKey(t, "k")
	_, err = source.Unwrap(t.Context(), second)
	wantReason(t, err, keysources.NotFound)
}

func TestExpiredTokenIsNoToken(t *testing.T) {
	s := server(t)
	uri := s.CreateKey(t, "k")
	short := vault.New(s.Env(s.Token(t, 2*time.Second, "transit/encrypt/k=update", "transit/decrypt/k=update")))
	st := wrap(t, short, uri) // it was good at first
	var err error
	if !eventually(func() bool { _, err = short.Unwrap(t.Context(), st); return err != nil }) {
		t.Fatal("the token did not expire")
	}
	wantReason(t, err, keysources.Unauthenticated)
}

func TestSealedServerIsUnreachable(t *testing.T) {
	s := server(t)
	source := vault.New(with(s.Env(s.Root), "VAULT_MAX_RETRIES", "0"))
	st := wrap(t, source, s.CreateKey(t, "k"))
	s.Seal(t)
	_, err := source.Unwrap(t.Context(), st)
	if e := wantReason(t, err, keysources.Unreachable); !strings.Contains(e.Detail, "sealed") {
		t.Errorf("detail: got %q, want a word about the seal", e.Detail)
	}
}

func TestStoppedServerIsUnreachable(t *testing.T) {
	s := server(t)
	source := vault.New(s.Env(s.Root))
	st := wrap(t, source, s.CreateKey(t, "k"))
	s.Stop()
	start := time.Now()
	_, err := source.Unwrap(t.Context(), st)
	wantReason(t, err, keysources.Unreachable)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s to say so", took)
	}
}

// TestRateLimitIsThrottling: a quota of the server is first waited for, and named
// when it does not end.
func TestRateLimitIsThrottling(t *testing.T) {
	s := server(t)
	st := wrap(t, vault.New(s.Env(s.Root)), s.CreateKey(t, "k"))
	s.Write(t, "sys/quotas/rate-limit/q", map[string]any{"path": "transit/", "rate": 1, "interval": "30s", "block_interval": "60s"})
	source := vault.New(with(s.Env(s.Root), "VAULT_MAX_RETRIES", "1"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var err error
	for range 5 {
		if _, err = source.Unwrap(ctx, st); err != nil {
			break
		}
	}
	wantReason(t, err, keysources.Throttled)
	t.Log(err)
}

func TestTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	s := vaulttest.StartTLS(t)
	uri := s.CreateKey(t, "k")
	st := wrap(t, vault.New(s.Env(s.Root)), uri)

	_, err := vault.New(env("VAULT_TOKEN", s.Root, "VAULT_MAX_RETRIES", "0")).Unwrap(t.Context(), st)
	if e := wantReason(t, err, keysources.Unreachable); !strings.Contains(e.Detail, "VAULT_CACERT") {
		t.Errorf("an unknown authority: got %q, want VAULT_CACERT in it", e.Detail)
	}
	for _, vars := range [][]string{
		{"VAULT_CACERT", s.CACert, "VAULT_TOKEN", s.Root},
		{"BAO_CACERT", s.CACert, "BAO_TOKEN", s.Root},
		{"VAULT_SKIP_VERIFY", "true", "VAULT_TOKEN", s.Root},
	} {
		if _, err := vault.New(env(vars...)).Unwrap(t.Context(), st); err != nil {
			t.Errorf("%s: %v", vars[0], err)
		}
	}
	_, err = vault.New(env("VAULT_CACERT", "/nonexistent/ca.pem", "VAULT_TOKEN", s.Root)).Unwrap(t.Context(), st)
	wantReason(t, err, keysources.Malformed)
}

func TestCancelledCallIsNoTimeout(t *testing.T) {
	s := server(t)
	source := vault.New(s.Env(s.Root))
	st := wrap(t, source, s.CreateKey(t, "k"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Unwrap(ctx, st); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that of the context", err)
	}
}
