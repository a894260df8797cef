// Package keysourcestest holds the laws that every key source must pass.
package keysourcestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gitseal/gitseal/keysources"
)

// Source is a key source under test: one reader, and somebody else.
type Source struct {
	// Recipient and Identity are the two sides of one reader.
	Recipient keysources.Recipient
	Identity  keysources.Identity
	// Stranger is an identity of the same kind for which Recipient does not wrap.
	Stranger keysources.Identity
	// Secrets are texts that no message and no print form may hold: the private
	// key in every form in which it is written down.
	Secrets []string
}

// Run checks the laws, in a subtest each.
func (s Source) Run(t *testing.T) {
	t.Helper()
	laws := []struct {
		name string
		hold func(*testing.T)
	}{
		{"unwrapping gives what was wrapped", s.roundTrip},
		{"a stanza names its reader", s.namesReader},
		{"wrapping twice gives two stanzas", s.isRandomized},
		{"others' stanzas are not for me", s.notForMe},
		{"a damaged stanza never gives another key", s.damaged},
		{"nothing prints a private key", s.printsNoSecret},
		{"several goroutines may use it", s.concurrent},
		{"a cancelled context does no harm", s.cancelled},
	}
	for _, law := range laws {
		t.Run(law.name, law.hold)
	}
}

// dataKey returns n bytes that are no text and have no pattern that padding could
// be taken for.
func dataKey(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*37 + 200)
	}
	return b
}

func (s Source) wrap(t *testing.T, key []byte) keysources.Stanza {
	t.Helper()
	st, err := s.Recipient.Wrap(t.Context(), key)
	if err != nil {
		t.Fatalf("wrapping: %v", err)
	}
	return st
}

// roundTrip tries data keys and shares of them, which are one byte longer.
func (s Source) roundTrip(t *testing.T) {
	for _, size := range []int{32, 33} {
		key := dataKey(size)
		st := s.wrap(t, key)
		clear(key) // the stanza must not refer to it
		got, err := s.Identity.Unwrap(t.Context(), st)
		if err != nil || !bytes.Equal(got, dataKey(size)) {
			t.Errorf("%d bytes: got %d bytes, error %v", size, len(got), err)
		}
	}
}

func (s Source) namesReader(t *testing.T) {
	st := s.wrap(t, dataKey(32))
	if got, want := st.Reader(), s.Recipient.String(); got != want {
		t.Errorf("reader: got %q, want %q", got, want)
	}
	if !slices.Contains(keysources.Types(), st.Type) {
		t.Errorf("type %q is not a known one", st.Type)
	}
	if st.Get("enc") == "" {
		t.Error("the stanza has no enc")
	}
}

func (s Source) isRandomized(t *testing.T) {
	a, b := s.wrap(t, dataKey(32)), s.wrap(t, dataKey(32))
	if a.Get("enc") == b.Get("enc") {
		t.Error("the same data key was wrapped the same way twice")
	}
}

func (s Source) notForMe(t *testing.T) {
	st := s.wrap(t, dataKey(32))
	if key, err := s.Stranger.Unwrap(t.Context(), st); !errors.Is(err, keysources.ErrNotForMe) || key != nil {
		t.Errorf("a stranger: got %d bytes, error %v, want ErrNotForMe", len(key), err)
	}
	for _, typ := range append(keysources.Types(), "", "unknown") {
		if typ == st.Type {
			continue
		}
		other := keysources.Stanza{Type: typ, Fields: st.Fields}
		if key, err := s.Identity.Unwrap(t.Context(), other); !errors.Is(err, keysources.ErrNotForMe) || key != nil {
			t.Errorf("a stanza of type %q: got %d bytes, error %v, want ErrNotForMe", typ, len(key), err)
		}
	}
}

// damaged changes enc at every byte in several ways. What is wrong with it may
// go unnoticed only if the data key is the right one all the same (white space
// around an armor, say).
func (s Source) damaged(t *testing.T) {
	want := dataKey(32)
	st := s.wrap(t, want)
	enc := st.Get("enc")
	tried := 0
	for i := range len(enc) {
		if testing.Short() && i%7 != 0 {
			continue
		}
		for _, bad := range damage(enc, i) {
			tried++
			if err := s.unwrapDamaged(withEnc(st, bad), want); err != nil {
				t.Fatalf("enc damaged at byte %d of %d: %v", i, len(enc), err)
			}
		}
	}
	for _, bad := range []string{"", "\n", enc + enc, enc[:len(enc)/2], strings.Repeat(enc, 3), "A" + enc} {
		tried++
		if err := s.unwrapDamaged(withEnc(st, bad), want); err != nil {
			t.Errorf("enc replaced: %v", err)
		}
	}
	if tried < len(enc)/2 {
		t.Errorf("only %d damaged stanzas were tried", tried)
	}
}

// damage returns variants of s with another byte i, without it, and cut off there.
func damage(s string, i int) []string {
	flipped := []byte(s)
	flipped[i] ^= 1
	other := []byte(s)
	other[i] = '!'
	return []string{string(flipped), string(other), s[:i] + s[i+1:], s[:i]}
}

func (s Source) unwrapDamaged(st keysources.Stanza, want []byte) error {
	key, err := s.Identity.Unwrap(context.Background(), st)
	switch {
	case err == nil && !bytes.Equal(key, want):
		return errors.New("it gives another data key")
	case err != nil && key != nil:
		return errors.New("it gives a data key and an error")
	case err != nil:
		return s.saysNoSecret(err.Error())
	}
	return nil
}

func withEnc(st keysources.Stanza, enc string) keysources.Stanza {
	fields := slices.Clone(st.Fields)
	for i := range fields {
		if fields[i].Name == "enc" {
			fields[i].Value = enc
		}
	}
	st.Fields = fields
	return st
}

func (s Source) printsNoSecret(t *testing.T) {
	if len(s.Secrets) == 0 {
		t.Skip("no secrets are known for this source")
	}
	st := s.wrap(t, dataKey(32))
	for _, v := range []any{s.Identity, &s.Identity, []keysources.Identity{s.Identity}, s.Recipient, st} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if err := s.saysNoSecret(fmt.Sprintf(verb, v)); err != nil {
				t.Errorf("%s of %T: %v", verb, v, err)
			}
		}
	}
	_, err := s.Stranger.Unwrap(t.Context(), st)
	if err := s.saysNoSecret(err.Error()); err != nil {
		t.Errorf("the error of a stranger: %v", err)
	}
}

func (s Source) saysNoSecret(text string) error {
	key := string(dataKey(32))
	for _, secret := range append([]string{key, key[:8], fmt.Sprintf("%x", key[:8])}, s.Secrets...) {
		if secret != "" && strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
			return errors.New("it shows key material")
		}
	}
	return nil
}

func (s Source) concurrent(t *testing.T) {
	want := dataKey(32)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			st, err := s.Recipient.Wrap(t.Context(), want)
			if err != nil {
				t.Errorf("wrapping: %v", err)
				return
			}
			if got, err := s.Identity.Unwrap(t.Context(), st); err != nil || !bytes.Equal(got, want) {
				t.Errorf("unwrapping: %d bytes, error %v", len(got), err)
			}
			if _, err := s.Stranger.Unwrap(t.Context(), st); !errors.Is(err, keysources.ErrNotForMe) {
				t.Errorf("a stranger: got error %v, want ErrNotForMe", err)
			}
		})
	}
	wg.Wait()
}

// cancelled allows both answers: a source that needs no network may ignore the
// context, one that asks somebody must give up.
func (s Source) cancelled(t *testing.T) {
	st := s.wrap(t, dataKey(32))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := s.Identity.Unwrap(ctx, st)
	if err == nil && !bytes.Equal(got, dataKey(32)) || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("unwrapping: got %d bytes, error %v", len(got), err)
	}
	if _, err := s.Recipient.Wrap(ctx, dataKey(32)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("wrapping: got error %v", err)
	}
}
