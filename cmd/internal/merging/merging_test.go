package merging_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/merging"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// person is somebody with a key.
type person struct{ id age.Identity }

func newPerson(t *testing.T) person {
	t.Helper()
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	return person{id}
}

func formatOf(t *testing.T, name string) formats.Format {
	t.Helper()
	f, ok := all.ByName(name)
	if !ok {
		t.Fatalf("no format %q", name)
	}
	return f
}

func (p person) seal(t *testing.T, name, plain string) []byte {
	t.Helper()
	s, err := cipher.Seal(t.Context(), formatOf(t, name), []byte(plain), cipher.SealOptions{Recipients: []keysources.Recipient{p.id.Recipient()}, Now: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return s.Bytes
}

func (p person) driver(t *testing.T, name string, ids ...keysources.Identity) *merging.Driver {
	return &merging.Driver{
		Format: formatOf(t, name), MarkerSize: 7, Labels: merge.Labels{Ours: "ours", Theirs: "theirs"},
		Options: cipher.MergeOptions{
			Open:      cipher.OpenOptions{Identities: ids},
			Recipient: func(s keysources.Stanza) keysources.Recipient { return keysources.WithKey(p.id.Recipient(), s.Key()) },
			Record:    cipher.MergeRecord{Ours: strings.Repeat("a", 40), Theirs: strings.Repeat("b", 40)},
		},
	}
}

func TestPlainFilesAreMergedByKey(t *testing.T) {
	v := merge.Versions{Base: []byte("a: 1\nb: 1\n"), Ours: []byte("a: 2\nb: 1\n"), Theirs: []byte("a: 1\nb: 2\n")}
	out, err := newPerson(t).driver(t, "yaml").Merge(t.Context(), v)
	if err != nil || !out.Clean() || out.HalfMerged || string(out.Text) != "a: 2\nb: 2\n" {
		t.Errorf("got %v, %q", err, out.Text)
	}
	v.Theirs = []byte("a: 3\nb: 1\n")
	out, err = newPerson(t).driver(t, "yaml").Merge(t.Context(), v)
	if diff := cmp.Diff("<<<<<<< ours\na: 2\n=======\na: 3\n>>>>>>> theirs\nb: 1\n", string(out.Text)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestWhatCannotBeMergedByKey(t *testing.T) {
	p := newPerson(t)
	sealed := p.seal(t, "yaml", "a: canary-1\n")
	headless, _, _ := strings.Cut(string(sealed), "sops:")
	for _, tt := range []struct {
		name, format string
		v            merge.Versions
		whole        string
		marked       bool
	}{
		{"one side sealed", "yaml", merge.Versions{Ours: sealed, Theirs: []byte("a: 1\n")}, "one side is sealed and the other is not", true},
		{"a side lost its block", "yaml", merge.Versions{Ours: []byte(headless), Theirs: []byte("a: 1\n")}, "a sealed version cannot be read", true},
		{"different keys", "yaml", merge.Versions{Ours: sealed, Theirs: p.seal(t, "yaml", "b: canary-2\n")}, "different data keys", true},
		{"not text", "binary", merge.Versions{Ours: p.seal(t, "binary", "x"), Theirs: []byte("\x00")}, "one side is sealed and the other is not", false},
	} {
		out, err := p.driver(t, tt.format).Merge(t.Context(), tt.v)
		if err != nil || !strings.Contains(out.Whole, tt.whole) || out.Clean() {
			t.Errorf("%s: got %v, %+v", tt.name, err, out)
			continue
		}
		ours, theirs, ok := merge.Split(out.Text)
		if ok != tt.marked || ok && (!bytes.Equal(ours, tt.v.Ours) || !bytes.Equal(theirs, tt.v.Theirs)) {
			t.Errorf("%s: both sides cannot be told from the result", tt.name)
		}
		if !tt.marked && !bytes.Equal(out.Text, tt.v.Ours) {
			t.Errorf("%s: not ours as it was", tt.name)
		}
	}
	if _, err := p.driver(t, "yaml").Merge(t.Context(), merge.Versions{Ours: []byte("- a\n"), Theirs: []byte("- b\n")}); !errors.Is(err, merging.ErrByLine) {
		t.Errorf("a list at the top: got %v, want ErrByLine", err)
	}
}

func TestKeyDecidesHowItIsMerged(t *testing.T) {
	p := newPerson(t)
	base := p.seal(t, "yaml", "a: canary-1\nb: canary-1\nc: canary-1\n")
	o, err := cipher.Open(t.Context(), formatOf(t, "yaml"), base, cipher.OpenOptions{Identities: []keysources.Identity{p.id}})
	if err != nil {
		t.Fatal(err)
	}
	next := func(plain string) []byte {
		s, err := cipher.Seal(t.Context(), formatOf(t, "yaml"), []byte(plain), cipher.SealOptions{Recipients: []keysources.Recipient{p.id.Recipient()}, Previous: o})
		if err != nil {
			t.Fatal(err)
		}
		return s.Bytes
	}
	v := merge.Versions{Base: base, Ours: next("a: canary-2\nb: canary-1\nc: canary-1\n"), Theirs: next("a: canary-1\nb: canary-1\nc: canary-2\n")}
	out, err := p.driver(t, "yaml", p.id).Merge(t.Context(), v)
	if err != nil || !out.Clean() || out.HalfMerged || out.NoKey != nil {
		t.Errorf("with the key: %v, %+v", err, out)
	}
	stranger := newPerson(t)
	out, err = p.driver(t, "yaml", stranger.id).Merge(t.Context(), v)
	if err != nil || !out.Clean() || !out.HalfMerged || !errors.As(out.NoKey, new(*cipher.NoIdentityError)) {
		t.Errorf("without: %v, %+v", err, out)
	}
	v.Theirs = bytes.Replace(v.Theirs, []byte("type:str"), []byte("type:int"), 1)
	if _, err := p.driver(t, "yaml", p.id).Merge(t.Context(), v); !errors.Is(err, cipher.ErrTampered) {
		t.Errorf("tampered: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out, err := p.driver(t, "yaml", stranger.id).Merge(ctx, v); err == nil {
		t.Errorf("interrupted: got %v", out)
	}
}

func TestOutcomePrintsNothing(t *testing.T) {
	o := merging.Outcome{Text: []byte("canary")}
	if s := fmt.Sprintf("%v %+v %#v", o, o, o); strings.Contains(s, "canary") {
		t.Error("an outcome prints its text")
	}
}
