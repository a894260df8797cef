package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/vault"
	"github.com/gitseal/gitseal/keysources/vault/vaulttest"
)

// server starts a server of the test's own: half of the tests break it.
func server(t *testing.T) *vaulttest.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a server")
	}
	return vaulttest.Start(t)
}

func dataKey() []byte { return bytes.Repeat([]byte{0xa5, 0x01, 0xff, 0x3c}, 8) }

func stanza(address, engine, key, enc string) keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypeVault, Fields: []keysources.Field{
		{Name: "created_at", Value: "2026-01-02T03:04:05Z"}, {Name: "enc", Value: enc},
		{Name: "engine_path", Value: engine}, {Name: "key_name", Value: key}, {Name: "vault_address", Value: address},
	}}
}

func key(t *testing.T, uri string) keysources.Stanza {
	t.Helper()
	k, err := vault.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func recipient(t *testing.T, s *vault.Source, k keysources.Stanza) keysources.Recipient {
	t.Helper()
	r, err := s.Recipient(k)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wrap(t *testing.T, s *vault.Source, uri string) keysources.Stanza {
	t.Helper()
	st, err := recipient(t, s, key(t, uri)).Wrap(t.Context(), dataKey())
	if err != nil {
		t.Fatalf("wrapping: %v", err)
	}
	return st
}

func env(kv ...string) func(string) string {
	vars := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		vars[kv[i]] = kv[i+1]
	}
	return func(name string) string { return vars[name] }
}

// with returns an environment with some variables added to another.
func with(base func(string) string, kv ...string) func(string) string {
	more := env(kv...)
	return func(name string) string {
		if v := more(name); v != "" {
			return v
		}
		return base(name)
	}
}

// wantReason checks an error of a source and that no key comes with it.
func wantReason(t *testing.T, err error, want keysources.Reason) *keysources.Error {
	t.Helper()
	var e *keysources.Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Fatalf("got error %v (reason %q), want the reason %q", err, keysources.ReasonOf(err), want)
	}
	return e
}

// denied is a source whose token the server does not let unwrap anything. The laws
// want that said as ErrNotForMe.
type denied struct{ keysources.Identity }

func (d denied) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	key, err := d.Identity.Unwrap(ctx, s)
	if keysources.ReasonOf(err) == keysources.Denied {
		return key, fmt.Errorf("%w: %w", keysources.ErrNotForMe, err)
	}
	return key, err
}

// eventually tries until f is true, for at most ten seconds.
func eventually(f func() bool) bool {
	for range 100 {
		if f() {
			return true
		}
		time.Sleep(100 * time.Millisecond)
	}
	return false
}

// parallel runs f in n goroutines and returns the errors that are not nil.
func parallel(n int, f func() error) []error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var out []error
	for range n {
		wg.Go(func() {
			if err := f(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				out = append(out, err)
			}
		})
	}
	wg.Wait()
	return out
}

// writeFile puts a file into a new folder, whose path it returns.
func writeFile(t *testing.T, name, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
