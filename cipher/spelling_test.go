package cipher_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

func TestSpellingEntryRoundTrips(t *testing.T) {
	root := formats.Root(3)
	entries := []cipher.SpellingText{
		{Tag: [16]byte{1}, Text: "0x1F"}, {Tag: [16]byte{2}, Text: ""}, {Tag: [16]byte{1}, Text: strings.Repeat("long\x00", 1000)},
		{Tag: [16]byte{3}, Path: root.At("a").Item(300).At(""), Text: "*x"}, {Tag: [16]byte{}, Path: root, Text: "*y"},
	}
	for _, e := range [][]cipher.SpellingText{entries, entries[:2], entries[3:], nil} {
		for _, flags := range []uint64{0, 1, 3, 1 << 40} {
			text := cipher.SealSpelling(flags, e)
			if (text == "") != (flags == 0 && len(e) == 0) {
				t.Errorf("flags %d, %d entries: an entry of %d bytes", flags, len(e), len(text))
			}
			gotFlags, got, ok := cipher.OpenSpelling(text)
			equalPaths := cmp.Comparer(func(a, b *formats.Path) bool { return (a == nil) == (b == nil) && (a == nil || a.Equal(b)) })
			if diff := cmp.Diff(e, got, equalPaths, cmp.Transformer("nil", func(s []cipher.SpellingText) []cipher.SpellingText {
				return append([]cipher.SpellingText{}, s...)
			})); diff != "" && len(e)+len(got) > 0 || !ok || gotFlags != flags {
				t.Errorf("flags %d: got %d, %v:\n%s", flags, gotFlags, ok, diff)
			}
		}
	}
}

func TestDamagedSpellingEntriesAreRefused(t *testing.T) {
	text := cipher.SealSpelling(1, []cipher.SpellingText{{Tag: [16]byte{1}, Text: "0x1F"}})
	for i := range text {
		bad := []byte(text)
		bad[i] ^= 1
		if _, _, ok := cipher.OpenSpelling(string(bad)); ok {
			t.Errorf("byte %d changed: it opens", i)
		}
		if _, _, ok := cipher.OpenSpelling(text[:i]); ok && i > 0 {
			t.Errorf("cut to %d bytes: it opens", i)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "flags alone": {0}, "a count without items": {0, 5, 0}, "a huge count": {0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0},
		"bytes at the end": {0, 0, 0, 0}, "a number without an end": {0x80},
		"a number that is too long": {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0, 0},
		"a text that is cut":        append([]byte{0, 1}, append(make([]byte, 16), 9, 'x', 0)...),
		"an unknown step":           append([]byte{0, 0, 1}, append(make([]byte, 16), 0, 1, 'x', 0, 0)...),
	} {
		if _, _, ok := cipher.OpenSpelling(cipher.SealSpellingBytes(b)); ok {
			t.Errorf("%s: it opens", name)
		}
	}
	if _, _, ok := cipher.OpenSpelling(cipher.SealSpellingBytes([]byte{0, 0, 0})); !ok {
		t.Error("an entry without anything does not open")
	}
}

// TestStaleSpellingGivesWay: a value that sops or a merge replaced has another
// ciphertext, and the spelling of the old one must not come back.
func TestStaleSpellingGivesWay(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: 0x1F\nb: 0x2F\n"), cipher.SealOptions{})
	next := mustSeal(t, "yaml", []byte("a: 0x1F\nb: 47\n"), cipher.SealOptions{Previous: mustOpen(t, "yaml", sealed.Bytes)})
	if got := string(mustOpen(t, "yaml", next.Bytes).PlaintextBytes()); got != "a: 0x1F\nb: 47\n" {
		t.Errorf("got %q", got)
	}
}

// TestMovedValuesKeepTheirMeaning: the sealed file is re-indented, its lines are
// wrapped, blank lines come and go. What comes out need not be spelled as before,
// but means the same.
func TestReformattedFilesKeepTheirMeaning(t *testing.T) {
	src := "a:\n  b: |\n    one\n    two\n  c: 0x1F\n  d: >-\n    x\n    y\n  e: [1.10, 'q']\nf: \"\\u0041\"\n"
	sealed := string(mustSeal(t, "yaml", []byte(src), cipher.SealOptions{}).Bytes)
	block := strings.Index(sealed, "sops:")
	wider := strings.ReplaceAll(sealed[:block], "  ", "      ") + sealed[block:]
	spaced := strings.ReplaceAll(sealed[:block], "\nf:", "\n\n# a comment\n\nf:") + sealed[block:]
	flow := strings.Replace(sealed[:block], "f: \"ENC", "f:\n    \"ENC", 1) + sealed[block:]
	want := parse(t, "yaml", []byte(src))
	for name, text := range map[string]string{"wider": wider, "moved to the next line": flow} {
		if text == sealed {
			t.Fatalf("%s: nothing was changed", name)
		}
		o := mustOpen(t, "yaml", []byte(text))
		if got := parse(t, "yaml", o.PlaintextBytes()); !sameData(got, want) {
			t.Errorf("%s: got %q", name, o.PlaintextBytes())
		}
	}
	if _, err := tryOpen(t, "yaml", []byte(spaced), cipher.OpenOptions{}); outcome(err) != "comments" {
		t.Errorf("with a comment: got %v", err)
	}
}
