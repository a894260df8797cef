package cipher_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// TestChangingOneValueChangesNothingElse changes each value of each sample in turn.
func TestChangingOneValueChangesNothingElse(t *testing.T) {
	t.Parallel()
	changed := 0
	for _, name := range all.Names() {
		for _, s := range samples(name) {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				src := []byte(s.source)
				sealed := mustSeal(t, name, src, cipher.SealOptions{Selector: cipher.DefaultSelector()})
				plain := parse(t, name, src)
				for i := range plain.Leaves {
					if testing.Short() && i%3 != 0 {
						continue
					}
					edited, ok := editLeaf(t, name, plain, i)
					if !ok {
						continue
					}
					changed++
					if err := onlyLeafChanged(t, name, sealed.Bytes, edited, i); err != nil {
						t.Errorf("%s: %v", plain.Leaves[i].Path, err)
					}
				}
			})
		}
	}
	if changed < 100 {
		t.Errorf("only %d values were changed", changed)
	}
}

// editLeaf gives leaf i another value of the kind String, as an editor would. It
// returns false for leaves of which nothing can be said: comments, and what
// aliases are about.
func editLeaf(tb testing.TB, name string, plain *formats.Document, i int) ([]byte, bool) {
	tb.Helper()
	l := plain.Leaves[i]
	if l.Kind == formats.Comment || l.Text == "" || len(plain.Aliases) > 0 {
		return nil, false
	}
	if i == len(plain.Leaves)-1 && strings.HasPrefix(plain.Text(i), "|") && l.End == len(plain.Source) && !strings.HasSuffix(l.Text, "\n") {
		// A block scalar that ends with the file, without a line feed, would get
		// one if anything stood behind it; so the metadata block stands before it,
		// and moves once it is another kind of scalar.
		return nil, false
	}
	edit := formats.Edit{Values: []formats.Value{{Leaf: i, Scalar: formats.Scalar{Kind: formats.String, Text: "another value"}}}}
	out, err := format(tb, name).Rewrite(plain, edit)
	if err != nil {
		return nil, false
	}
	if again, err := format(tb, name).Parse(out); err != nil || len(again.Leaves) != len(plain.Leaves) {
		return nil, false
	}
	return out, true
}

// mayChange are the metadata fields that an edit may change.
var mayChange = []string{"lastmodified", "mac", "seal.mac", "seal.comments", "seal.spelling"}

// onlyLeafChanged seals the edited file upon the sealed one and compares: the
// other ciphertexts, the metadata fields, and all bytes around them.
func onlyLeafChanged(tb testing.TB, name string, before, edited []byte, i int) error {
	tb.Helper()
	previous := mustOpen(tb, name, before)
	sealed := mustSeal(tb, name, edited, cipher.SealOptions{
		Selector: cipher.DefaultSelector(), Previous: previous, Now: now.AddDate(0, 1, 0),
	})
	if sealed.NewKey || sealed.Unchanged || sealed.Reused != sealed.Values-1 {
		return fmt.Errorf("new key %v, unchanged %v, reused %d of %d", sealed.NewKey, sealed.Unchanged, sealed.Reused, sealed.Values)
	}
	a, b := parse(tb, name, before), parse(tb, name, sealed.Bytes)
	for j := range a.Leaves {
		if same := a.Leaves[j].Scalar == b.Leaves[j].Scalar; same == (i == j) {
			return fmt.Errorf("leaf %d of which leaf %d was edited: same %v", j, i, same)
		}
	}
	old, fresh := metaFields(a.Meta), metaFields(b.Meta)
	for k := range union(old, fresh) {
		if old[k] != fresh[k] && !slices.Contains(mayChange, k) {
			return fmt.Errorf("metadata field %s was changed", k)
		}
	}
	// With the old metadata put back, all bytes but the value's are the old ones.
	back := changeMeta(tb, name, sealed.Bytes, func(m *formats.Meta) { *m = *a.Meta })
	only := make([]bool, len(a.Leaves))
	only[i] = true
	if want, got := skeleton(a, only), skeleton(parse(tb, name, back), only); want != got {
		return fmt.Errorf("bytes around were changed:\ngot  %q\nwant %q", clip([]byte(got)), clip([]byte(want)))
	}
	return nil
}

// metaFields returns the scalars of a block by their dotted names.
func metaFields(m *formats.Meta) map[string]string {
	out := map[string]string{}
	var walk func(prefix string, m *formats.Meta)
	walk = func(prefix string, m *formats.Meta) {
		for i := range m.Items {
			it := &m.Items[i]
			name := prefix + it.Key
			if m.Kind == formats.MetaList {
				name = fmt.Sprintf("%s%d", prefix, i)
			}
			if it.Kind == formats.MetaMap || it.Kind == formats.MetaList {
				walk(name+".", it)
				continue
			}
			out[name] = it.Text
		}
	}
	walk("", m)
	return out
}

func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// TestChangedLinesAreFew counts the lines that an edit of one value changes: its
// own, and those of three or four metadata fields.
func TestChangedLinesAreFew(t *testing.T) {
	tests := []struct {
		format, before, after string
		want                  int
	}{
		{"yaml", "a: one\nb: two\nc: 0x1F\n", "a: one\nb: three\nc: 0x1F\n", 4},
		{"yaml", "a: |\n  x\n  y\nb: two\n", "a: |\n  x\n  z\nb: two\n", 4},
		{"yaml", "a: 0x1F\nb: 0x2F\n", "a: 0x1F\nb: 0x3F\n", 5}, // spelling too
		{"json", "{\n  \"a\": \"one\",\n  \"b\": \"two\"\n}\n", "{\n  \"a\": \"one\",\n  \"b\": \"three\"\n}\n", 4},
		{"dotenv", "A=one\nB=two\n# c\n", "A=one\nB=three\n# c\n", 4},
		{"ini", "[s]\na = one\nb = two\n", "[s]\na = one\nb = three\n", 4},
		{"binary", "one", "three", 4},
	}
	for _, tt := range tests {
		before := mustSeal(t, tt.format, []byte(tt.before), cipher.SealOptions{})
		after := mustSeal(t, tt.format, []byte(tt.after), cipher.SealOptions{
			Previous: mustOpen(t, tt.format, before.Bytes), Now: now.AddDate(0, 0, 3),
		})
		old, fresh := lines(before.Bytes), lines(after.Bytes)
		if len(old) != len(fresh) {
			t.Errorf("%s: %d lines became %d", tt.format, len(old), len(fresh))
			continue
		}
		changed := 0
		for i := range old {
			changed += count(old[i] != fresh[i])
		}
		if changed != tt.want {
			t.Errorf("%s: %d lines changed, want %d\nbefore:\n%s\nafter:\n%s", tt.format, changed, tt.want, before.Bytes, after.Bytes)
		}
	}
}

// moveBase is the document in which things are moved.
func moveBase(name string) *node {
	switch name {
	case "dotenv":
		return mapOf("", str("a", "1"), str("b", "2"), str("c", "2"), comment(" note"))
	case "ini":
		return mapOf("", mapOf("s", str("a", "1"), str("b", "2")), mapOf("t", str("a", "1")))
	}
	return mapOf("", str("a", "1"), str("b", "2"),
		listOf("l", str("", "x"), str("", "y"), str("", "x"), value(formats.Int, "5")),
		mapOf("m", str("a", "1"), listOf("l", mapOf("", str("k", "v")), mapOf("", str("k", "w")))))
}

// moves are edits that move things.
var moves = []struct {
	name string
	list bool
	edit func(root *node)
	// fresh is how many ciphertexts must be new.
	fresh int
}{
	{"add a key", false, func(r *node) { inner(r).add(str("z", "9")) }, 1},
	{"add a key in front", false, func(r *node) { in := inner(r); in.items = slices.Insert(in.items, 0, str("z", "9")) }, 1},
	{"remove a key", false, func(r *node) { inner(r).remove("a") }, 0},
	{"reorder keys", false, func(r *node) { slices.Reverse(inner(r).items) }, 0},
	{"reorder the top", false, func(r *node) { slices.Reverse(r.items) }, 0},
	{"add an item in front", true, func(r *node) { l := r.at("l"); l.items = slices.Insert(l.items, 0, str("", "new")) }, 1},
	{"add an equal item", true, func(r *node) { r.at("l").add(str("", "x")) }, 1},
	{"remove the first item", true, func(r *node) { l := r.at("l"); l.items = l.items[1:] }, 0},
	{"reorder items", true, func(r *node) { slices.Reverse(r.at("l").items) }, 0},
	{"reorder maps in a list", true, func(r *node) { slices.Reverse(r.at("m", "l").items) }, 0},
	{"swap two values", true, func(r *node) { r.at("a").text, r.at("b").text = "2", "1" }, 2},
	{"same text, other kind", true, func(r *node) { *r.at("a") = *value(formats.Int, "1").named("a") }, 1},
}

// TestMovingValuesKeepsCiphertexts adds, removes and reorders keys and items: what
// stays under its keys keeps its ciphertext, what is new has one of its own.
func TestMovingValuesKeepsCiphertexts(t *testing.T) {
	for _, name := range []string{"yaml", "json", "dotenv", "ini"} {
		for _, e := range moves {
			if e.list && name != "yaml" && name != "json" {
				continue
			}
			t.Run(name+"/"+e.name, func(t *testing.T) {
				root := moveBase(name)
				before := mustSeal(t, name, emit(name, []*node{root}), cipher.SealOptions{})
				e.edit(root)
				after := mustSeal(t, name, emit(name, []*node{root}), cipher.SealOptions{Previous: mustOpen(t, name, before.Bytes)})
				old := sealedTexts(parse(t, name, before.Bytes))
				fresh := 0
				for text, n := range sealedTexts(parse(t, name, after.Bytes)) {
					fresh += count(old[text] == 0)
					if n > 1 {
						t.Errorf("a ciphertext stands %d times", n)
					}
				}
				if fresh != e.fresh {
					t.Errorf("%d ciphertexts are new, want %d", fresh, e.fresh)
				}
			})
		}
	}
}

// inner returns the map in which the edits happen: a section, where there are.
func inner(r *node) *node {
	for _, key := range []string{"s", "m"} {
		if n := r.at(key); n != nil {
			return n
		}
	}
	return r
}

// TestEqualValuesDoNotLookEqual: no two ciphertexts of a file are equal, even
// after many edits.
func TestEqualValuesDoNotLookEqual(t *testing.T) {
	src := []byte("l: [x, x, x, x]\nm: {a: x, b: x}\n")
	sealed := mustSeal(t, "yaml", src, cipher.SealOptions{})
	for range 5 {
		o := mustOpen(t, "yaml", sealed.Bytes)
		src = bytes.Replace(o.PlaintextBytes(), []byte("l: [x"), []byte("l: [x, x"), 1)
		sealed = mustSeal(t, "yaml", src, cipher.SealOptions{Previous: o})
		for text, n := range sealedTexts(parse(t, "yaml", sealed.Bytes)) {
			if n > 1 {
				t.Fatalf("%s stands %d times", strings.SplitN(text, ",", 3)[1], n)
			}
		}
	}
	if d := parse(t, "yaml", sealed.Bytes); len(d.Leaves) != 11 {
		t.Errorf("got %d leaves, want 11", len(d.Leaves))
	}
}

// TestSettingsChangesKeepTheKey: selector, mac_only_encrypted and context may
// change without a new key, and must not be ignored.
func TestSettingsChangesKeepTheKey(t *testing.T) {
	src := []byte("a: one\nb: two\n")
	before := mustSeal(t, "yaml", src, cipher.SealOptions{})
	o := mustOpen(t, "yaml", before.Bytes)
	for name, opts := range map[string]cipher.SealOptions{
		"selector":           {Selector: selector(t, cipher.EncryptedRegex, "^a$")},
		"mac_only_encrypted": {MACOnlyEncrypted: true},
		"context":            {Context: "k8s:prod/db"},
	} {
		opts.Previous = o
		after := mustSeal(t, "yaml", src, opts)
		if after.NewKey || after.Unchanged || after.Reused != after.Values {
			t.Errorf("%s: new key %v, unchanged %v, reused %d of %d", name, after.NewKey, after.Unchanged, after.Reused, after.Values)
		}
		if got := mustOpen(t, "yaml", after.Bytes).PlaintextBytes(); !bytes.Equal(got, src) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
