package pgp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
	"github.com/gitseal/gitseal/keysources/pgp"
	"github.com/gitseal/gitseal/keysources/pgp/pgptest"
)

func dataKey() []byte { return bytes.Repeat([]byte{0xa5, 0x01, 0xff, 0x0d}, 8) }

func key(fp string) keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypePGP, Fields: []keysources.Field{{Name: "fp", Value: fp}}}
}

func stanza(fp, enc string) keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypePGP, Fields: []keysources.Field{
		{Name: "created_at", Value: "2026-01-02T03:04:05Z"}, {Name: "enc", Value: enc}, {Name: "fp", Value: fp},
	}}
}

func recipient(t *testing.T, s *pgp.Source, fp string) keysources.Recipient {
	t.Helper()
	r, err := s.Recipient(key(fp))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wrap(t *testing.T, s *pgp.Source, fp string) keysources.Stanza {
	t.Helper()
	st, err := recipient(t, s, fp).Wrap(t.Context(), dataKey())
	if err != nil {
		t.Fatalf("wrapping: %v", err)
	}
	return st
}

// unwraps checks that a stanza opens.
func unwraps(t *testing.T, s *pgp.Source, st keysources.Stanza) {
	t.Helper()
	if got, err := s.Unwrap(t.Context(), st); err != nil || !bytes.Equal(got, dataKey()) {
		t.Errorf("unwrapping: got %d bytes, error %v", len(got), err)
	}
}

func wantReason(t *testing.T, err error, want keysources.Reason) *keysources.Error {
	t.Helper()
	var e *keysources.Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Fatalf("got error %v (reason %q), want the reason %q", err, keysources.ReasonOf(err), want)
	}
	return e
}

// with returns an environment with some variables added to another.
func with(base func(string) string, kv ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(kv); i += 2 {
			if kv[i] == name {
				return kv[i+1]
			}
		}
		return base(name)
	}
}

// stranger is a source without the secret key. The laws want that said as
// ErrNotForMe.
type stranger struct{ keysources.Identity }

func (s stranger) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	key, err := s.Identity.Unwrap(ctx, st)
	if keysources.ReasonOf(err) == keysources.NotFound {
		return key, fmt.Errorf("%w: %w", keysources.ErrNotForMe, err)
	}
	return key, err
}

func TestLaws(t *testing.T) {
	for _, rsa := range []bool{false, true} {
		t.Run(fmt.Sprintf("RSA=%v", rsa), func(t *testing.T) {
			h := pgptest.NewHome(t)
			fp := h.Generate(t, pgptest.Key{Name: "me", RSA: rsa})
			me := pgp.New(h.Env)
			keysourcestest.Source{
				Recipient: recipient(t, me, fp),
				Identity:  me,
				Stranger:  stranger{pgp.New(pgptest.NewHome(t).Env)},
				Secrets:   secretsIn(t, h),
			}.Run(t)
		})
	}
}

// secretsIn returns the secret parts of a home's keys.
func secretsIn(t *testing.T, h *pgptest.Home) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.Dir, "private-keys-v1.d", "*.key"))
	if err != nil || len(files) < 2 {
		t.Fatalf("got %d files of secret keys, error %v", len(files), err)
	}
	var out []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text[len(text)/2:len(text)/2+8]))
	}
	return out
}

func TestSourceAsksNoOtherMachine(t *testing.T) {
	if keysources.IsRemote(pgp.New(func(string) string { return "" })) {
		t.Error("it says that it does")
	}
}

func TestStanzaIsWhatSopsWrites(t *testing.T) {
	h := pgptest.NewHome(t)
	fp := h.Generate(t, pgptest.Key{Name: "me"})
	st := wrap(t, pgp.New(h.Env), fp)
	var names []string
	for _, f := range st.Fields {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "created_at enc fp" {
		t.Errorf("fields: got %q", got)
	}
	if at, err := time.Parse(time.RFC3339, st.Get("created_at")); err != nil || at.Location() != time.UTC || time.Since(at) > time.Minute {
		t.Errorf("created_at: got %q", st.Get("created_at"))
	}
	enc := st.Get("enc")
	if !strings.HasPrefix(enc, "-----BEGIN PGP MESSAGE-----\n\n") || !strings.HasSuffix(enc, "\n-----END PGP MESSAGE-----") {
		t.Errorf("enc: got %q", enc)
	}
}

// TestWaysToNameAKey: as people copy them, and one subkey of several.
func TestWaysToNameAKey(t *testing.T) {
	h := pgptest.NewHome(t)
	fp := h.Generate(t, pgptest.Key{Name: "me"})
	subkey := h.Fingerprints(t, "me")[1]
	s := pgp.New(h.Env)
	for _, name := range []string{fp, strings.ToLower(fp), "0x" + fp, fp[24:], "0x" + fp[24:], subkey + "!", subkey, fp[:20] + " " + fp[20:]} {
		st := wrap(t, s, name)
		if got, want := st.Get("fp"), strings.ReplaceAll(name, " ", ""); got != want {
			t.Errorf("fp: got %q, want %q", got, want)
		}
		unwraps(t, s, st)
		if !keysources.IsFor(recipient(t, s, name), st) {
			t.Errorf("%s: what was wrapped for it is not for it", name)
		}
	}
}

func TestRecipientRefuses(t *testing.T) {
	s := pgp.New(func(string) string { return "" })
	for _, fp := range []string{
		"", "me", "me@example.com", "--output=/tmp/x", "-o", "--", "85D77543", "0x85D77543", strings.Repeat("A", 39), strings.Repeat("A", 41),
		strings.Repeat("G", 40), strings.Repeat("A", 40) + "!!", "=" + strings.Repeat("A", 40), strings.Repeat("A", 40) + "\n", strings.Repeat("A", 40) + ",B", "!", strings.Repeat("A", 40) + "\x00",
	} {
		_, err := s.Recipient(key(fp))
		wantReason(t, err, keysources.Malformed)
	}
	if _, err := s.Recipient(keysources.Stanza{Type: keysources.TypeAge}); !errors.Is(err, keysources.ErrNotForMe) {
		t.Errorf("another type: got error %v, want ErrNotForMe", err)
	}
}

func TestSeveralKeys(t *testing.T) {
	h := pgptest.NewHome(t)
	a, b := h.Generate(t, pgptest.Key{Name: "a"}), h.Generate(t, pgptest.Key{Name: "b"})
	s := pgp.New(h.Env)
	forA, forB := wrap(t, s, a), wrap(t, s, b)
	unwraps(t, s, forA)
	unwraps(t, s, forB)
	onlyB := pgptest.NewHome(t)
	onlyB.Import(t, h.ExportSecret(t, b))
	unwraps(t, pgp.New(onlyB.Env), forB)
	_, err := pgp.New(onlyB.Env).Unwrap(t.Context(), forA)
	wantReason(t, err, keysources.NotFound)
}

// TestManyCallsAtATime opens 64 at once, with a key whose agent needs much locked
// memory for each.
func TestManyCallsAtATime(t *testing.T) {
	h := pgptest.NewHome(t)
	fp := h.Generate(t, pgptest.Key{Name: "me", RSA: true})
	s := pgp.New(h.Env)
	st := wrap(t, s, fp)
	errs := make(chan error)
	for range 64 {
		go func() {
			got, err := s.Unwrap(context.Background(), st)
			if err == nil && !bytes.Equal(got, dataKey()) {
				err = errors.New("another key")
			}
			errs <- err
		}()
	}
	for range 64 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
