package cipher_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// TestFilesEditedWithoutTheKey: the mark keeps a file from being opened, and what
// is under it is taken for what it is: values of the version before, and nobody's
// plain values.
func TestFilesEditedWithoutTheKey(t *testing.T) {
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	f, recipients := yaml.Format{}, []keysources.Recipient{id.Recipient()}
	seal := func(plain string, previous *cipher.Opened) []byte {
		t.Helper()
		s, err := cipher.Seal(t.Context(), f, []byte(plain), cipher.SealOptions{Recipients: recipients, Previous: previous})
		if err != nil {
			t.Fatal(err)
		}
		return s.Bytes
	}
	opts := cipher.OpenOptions{Identities: []keysources.Identity{id}}
	const plain = "a: one\nb: 0x1F\nl: [p, q]\nopen_unencrypted: yes\n"
	src := seal(plain, nil)
	o, err := cipher.Open(t.Context(), f, src, opts)
	if err != nil {
		t.Fatal(err)
	}
	later := seal(strings.Replace(plain, "one", "two", 1), o)
	const blob = "ce013625030ba8dba906f756967f9e9ca394464a"
	mark := func(text []byte) []byte {
		t.Helper()
		marked, err := cipher.MarkEdited(f, text, src, blob)
		if err != nil {
			t.Fatal(err)
		}
		return marked
	}
	text, _, _ := bytes.Cut(src, []byte("sops:\n"))
	line := func(src []byte, prefix string) string {
		at := bytes.Index(src, []byte(prefix))
		return string(src[at : at+bytes.IndexByte(src[at:], '\n')])
	}

	marked := mark(bytes.Replace(text, []byte("yes"), []byte("no"), 1))
	if _, err := cipher.Open(t.Context(), f, marked, opts); !errors.Is(err, cipher.ErrHalfMerged) {
		t.Errorf("opening it: got %v, want %v", err, cipher.ErrHalfMerged)
	}
	e, err := cipher.OpenEdited(t.Context(), f, marked, src, opts)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(e.Plain); got != strings.Replace(plain, "yes", "no", 1) {
		t.Errorf("got\n%s", got)
	}
	if len(e.Changed) != 1 || e.Changed[0].String() != "open_unencrypted" {
		t.Errorf("changed: %v", e.Changed)
	}
	for name, bad := range map[string]struct{ old, new string }{
		"a later value of the same key":  {line(text, "a: "), line(later, "a: ")},
		"a value of another key":         {line(text, "a: "), "a: " + strings.TrimPrefix(line(text, "b: "), "b: ")},
		"a copy":                         {line(text, "b: "), line(text, "b: ") + "\nc: " + strings.TrimPrefix(line(text, "b: "), "b: ")},
		"a plain value":                  {line(text, "a: "), "a: guess"},
		"a value that is sealed no more": {line(text, "a: "), "a_unencrypted: " + strings.TrimPrefix(line(text, "a: "), "a: ")},
	} {
		edited := bytes.Replace(text, []byte(bad.old), []byte(bad.new), 1)
		_, err := cipher.OpenEdited(t.Context(), f, mark(edited), src, opts)
		if !errors.Is(err, cipher.ErrTampered) {
			t.Errorf("%s: got %v, want %v", name, err, cipher.ErrTampered)
		}
	}
	other := bytes.Replace(marked, []byte("unencrypted_suffix: _unencrypted"), []byte("unencrypted_suffix: _unencryptee"), 1)
	if _, err := cipher.OpenEdited(t.Context(), f, other, src, opts); bytes.Equal(other, marked) || !errors.Is(err, cipher.ErrTampered) {
		t.Errorf("another selector: got %v", err)
	}
	if _, err := o.Restore(src); !errors.Is(err, cipher.ErrAlreadySealed) {
		t.Errorf("restoring a whole file: got %v", err)
	}
}

// Nobody could vouch for what a merge makes of a side that was edited without its key. Versions
// that were merged all the same say so, and nothing of tampering.
func TestEditedSidesAreNotMerged(t *testing.T) {
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	f := yaml.Format{}
	seal := func(plain string, previous *cipher.Opened) []byte {
		t.Helper()
		s, err := cipher.Seal(t.Context(), f, []byte(plain), cipher.SealOptions{Recipients: []keysources.Recipient{id.Recipient()}, Previous: previous})
		if err != nil {
			t.Fatal(err)
		}
		return s.Bytes
	}
	opts := cipher.MergeOptions{Open: cipher.OpenOptions{Identities: []keysources.Identity{id}}}
	const plain = "a: one\nb: two\nopen_unencrypted: yes\n"
	base := seal(plain, nil)
	o, err := cipher.Open(t.Context(), f, base, opts.Open)
	if err != nil {
		t.Fatal(err)
	}
	ours := seal(strings.Replace(plain, "one", "1", 1), o)
	unmarked := bytes.Replace(base, []byte("unencrypted: yes"), []byte("unencrypted: no"), 1)
	rec := cipher.MergeRecord{Base: strings.Repeat("b", 40), Ours: strings.Repeat("0", 40), Theirs: strings.Repeat("1", 40)}
	text, _, _ := bytes.Cut(unmarked, []byte("sops:\n"))
	edited, err := cipher.MarkEdited(f, text, base, rec.Base)
	if err != nil {
		t.Fatal(err)
	}
	opts.Blob = func(id string) ([]byte, error) {
		return map[string][]byte{rec.Base: base, rec.Ours: ours, rec.Theirs: edited}[id], nil
	}

	for _, v := range []merge.Versions{{Base: base, Ours: ours, Theirs: edited}, {Base: base, Ours: edited, Theirs: ours}} {
		var un *cipher.UnmergeableError
		if _, err := cipher.MergeSealed(f, v, rec); !errors.As(err, &un) || !errors.Is(err, cipher.ErrEdited) {
			t.Errorf("without a key: got %v, want %v", err, cipher.ErrEdited)
		}
		if _, err := cipher.Merge(t.Context(), f, v, opts); !errors.As(err, &un) || !errors.Is(err, cipher.ErrEdited) || errors.Is(err, cipher.ErrTampered) {
			t.Errorf("with a key: got %v, want %v", err, cipher.ErrEdited)
		}
	}
	if m, err := cipher.MergeSealed(f, merge.Versions{Base: base, Ours: base, Theirs: edited}, rec); err != nil || !bytes.Equal(m.Ours, edited) {
		t.Errorf("the only side that has changed: %v", err)
	}

	m, err := cipher.MergeSealed(f, merge.Versions{Base: base, Ours: ours, Theirs: unmarked}, rec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cipher.Reseal(t.Context(), f, m.Ours, opts); !errors.Is(err, cipher.ErrEdited) || errors.Is(err, cipher.ErrTampered) {
		t.Errorf("resealing: got %v, want %v", err, cipher.ErrEdited)
	}
	// A file that its versions do not give is tampered with, as ever.
	edited = ours
	if _, err := cipher.Reseal(t.Context(), f, m.Ours, opts); !errors.Is(err, cipher.ErrTampered) {
		t.Errorf("another version: got %v, want %v", err, cipher.ErrTampered)
	}
}
