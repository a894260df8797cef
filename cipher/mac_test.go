package cipher_test

import (
	"bytes"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// macs returns both MACs of YAML, all of it selected, with equal metadata.
func macs(t *testing.T, src string) (sops, seal, comments string) {
	t.Helper()
	meta := &formats.Meta{Items: []formats.Meta{{Key: "version", Kind: formats.MetaString, Text: "3.13.3"}}}
	return cipher.MACs(parse(t, "yaml", []byte(src)), cipher.DefaultSelector(), false, meta)
}

// TestSealMACTellsApartWhatSopsMACConfuses: the pairs have the same values for
// sops, and are not the same file.
func TestSealMACTellsApartWhatSopsMACConfuses(t *testing.T) {
	for _, tt := range []struct{ name, a, b string }{
		{"bytes shifted", "a: \"12\"\nb: \"3\"\n", "a: \"1\"\nb: \"23\"\n"},
		{"key renamed", "a: x\n", "b: x\n"},
		{"keys swapped", "a: x\nb: x\n", "b: x\na: x\nc: \"\"\n"},
		{"split in two", "a: xy\n", "a: x\nb: y\n"},
		{"integer and string", "a: 1\n", "a: \"1\"\n"},
		{"integer and float", "a: 1\n", "a: 1.0\n"},
		{"boolean and string", "a: true\n", "a: \"True\"\n"},
		{"time and string", "a: 2020-01-02\n", "a: \"2020-01-02T00:00:00Z\"\n"},
		{"empty value added", "a: x\n", "a: x\nb: \"\"\n"},
		{"null added", "a: x\n", "a: x\nb:\n"},
		{"null and empty string", "a: x\nb:\n", "a: x\nb: \"\"\n"},
		{"null and empty map", "a: x\nb:\n", "a: x\nb: {}\n"},
		{"empty map and empty list", "a: x\nb: {}\n", "a: x\nb: []\n"},
		{"wrapped in a list", "a: x\n", "a: [x]\n"},
		{"nested lists", "a: [[x], y]\n", "a: [[x, y]]\n"},
		{"list and map", "a: [x]\n", "a: {\"0\": x}\n"},
		{"nested and joined keys", "a: {b: x}\n", "\"a:b\": x\n"},
		{"nested and dotted keys", "a: {b: x}\n", "a.b: x\n"},
		{"keys of other lengths", "ab: {c: x}\n", "a: {bc: x}\n"},
		{"another document", "a: x\nb: y\n", "a: x\n---\nb: y\n"},
		{"an empty document", "a: x\n", "a: x\n---\n{}\n"},
		{"an empty document in front", "a: x\n---\n{}\n", "{}\n---\na: x\n"},
		{"a key that looks like an encoded one", "a: {k: x}\n", "a: {i: x}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sopsA, sealA, _ := macs(t, tt.a)
			sopsB, sealB, _ := macs(t, tt.b)
			if sopsA != sopsB {
				t.Errorf("sops's MACs differ already")
			}
			if sealA == sealB {
				t.Errorf("our MACs are equal")
			}
		})
	}
}

func TestSealMACDoesNotDependOnTheOrderOfKeys(t *testing.T) {
	_, a, _ := macs(t, "a: x\nb: {c: y, d: z}\nl: [1, 2]\n")
	_, b, _ := macs(t, "l: [1, 2]\nb: {d: z, c: y}\na: x\n")
	if a != b {
		t.Error("another order of the keys gives another MAC")
	}
	_, c, _ := macs(t, "l: [2, 1]\nb: {d: z, c: y}\na: x\n")
	if a == c {
		t.Error("another order of the items gives the same MAC")
	}
}

func TestCommentsMACTellsApart(t *testing.T) {
	sources := []string{
		"# x\na: b\nc: d\n", "# y\na: b\nc: d\n", "a: b\n# x\nc: d\n", "# x\n# x\na: b\nc: d\n", "# xx\na: b\nc: d\n",
		"# x\n#\na: b\nc: d\n", "a: b\nc: d\n", "a: b\nc: d\n# x\n", "#x\na: b\nc: d\n",
	}
	seen := map[string]string{}
	for _, s := range sources {
		_, _, mac := macs(t, s)
		if before, ok := seen[mac]; ok {
			t.Errorf("%q and %q have the same MAC", s, before)
		}
		seen[mac] = s
	}
	if _, _, mac := macs(t, "a: b\n"); mac != "" {
		t.Errorf("without comments: got %q", mac)
	}
	_, withComment, _ := macs(t, "# x\na: b\n")
	if _, without, _ := macs(t, "a: b\n"); without != withComment {
		t.Error("a comment changes the MAC of the values")
	}
}

// TestSealMACCoversMetadata: whatever is in the block, but for the two MACs and
// the fields for what is added without the key.
func TestSealMACCoversMetadata(t *testing.T) {
	d := parse(t, "yaml", []byte("a: x\n"))
	text := func(k, v string) formats.Meta { return formats.Meta{Key: k, Kind: formats.MetaString, Text: v} }
	list := func(k string, items ...formats.Meta) formats.Meta {
		return formats.Meta{Key: k, Kind: formats.MetaList, Items: items}
	}
	object := func(k string, items ...formats.Meta) formats.Meta { return formats.Meta{Key: k, Items: items} }
	mac := func(items ...formats.Meta) string {
		_, seal, _ := cipher.MACs(d, cipher.DefaultSelector(), false, &formats.Meta{Items: items})
		return seal
	}
	base := mac(text("a", "1"), list("l", object("", text("k", "v"))), object("seal", text("v", "1")))
	same := map[string]string{
		"order":       mac(object("seal", text("v", "1")), list("l", object("", text("k", "v"))), text("a", "1")),
		"mac":         mac(text("a", "1"), text("mac", "x"), list("l", object("", text("k", "v"))), object("seal", text("v", "1"))),
		"seal.mac":    mac(text("a", "1"), list("l", object("", text("k", "v"))), object("seal", text("mac", "x"), text("v", "1"))),
		"seal.sigs":   mac(text("a", "1"), list("l", object("", text("k", "v"))), object("seal", text("sigs", "x"), text("v", "1"))),
		"typed":       mac(formats.Meta{Key: "a", Kind: formats.MetaInt, Text: "1"}, list("l", object("", text("k", "v"))), object("seal", text("v", "1"))),
		"proposals":   mac(text("a", "1"), list("l", object("", text("k", "v"))), object("seal", list("proposals"), text("v", "1"))),
		"block's key": mac(text("a", "1"), list("l", object("", text("k", "v"))), object("seal", text("v", "1"))),
	}
	for name, m := range same {
		if m != base {
			t.Errorf("%s changes the MAC", name)
		}
	}
	seen := map[string]string{base: "base"}
	for name, m := range map[string]string{
		"text":                 mac(text("a", "2"), list("l", object("", text("k", "v"))), object("seal", text("v", "1"))),
		"key":                  mac(text("b", "1"), list("l", object("", text("k", "v"))), object("seal", text("v", "1"))),
		"item added":           mac(text("a", "1"), list("l", object("", text("k", "v")), object("")), object("seal", text("v", "1"))),
		"list and map":         mac(text("a", "1"), object("l", text("k", "v")), object("seal", text("v", "1"))),
		"mac elsewhere":        mac(text("a", "1"), list("l", object("", text("k", "v"), text("mac", "x"))), object("seal", text("v", "1"))),
		"sigs elsewhere":       mac(text("a", "1"), text("sigs", "x"), list("l", object("", text("k", "v"))), object("seal", text("v", "1"))),
		"seal.comments":        mac(text("a", "1"), list("l", object("", text("k", "v"))), object("seal", text("comments", "x"), text("v", "1"))),
		"empty text and none":  mac(text("a", ""), list("l", object("", text("k", "v"))), object("seal", text("v", "1"))),
		"bytes shifted":        mac(text("a1", ""), list("l", object("", text("k", "v"))), object("seal", text("v", "1"))),
		"nested one level out": mac(text("a", "1"), list("l"), text("k", "v"), object("seal", text("v", "1"))),
	} {
		if before, ok := seen[m]; ok {
			t.Errorf("%s and %s have the same MAC", name, before)
		}
		seen[m] = name
	}
}

// TestEncodedPathsAreUnambiguous decodes what is encoded, and holds that no two
// paths have one encoding.
func TestEncodedPathsAreUnambiguous(t *testing.T) {
	root := formats.Root(0)
	paths := []*formats.Path{
		root, formats.Root(1), formats.Root(300), root.At(""), root.At("a"), root.At("a").At("b"), root.At("a\x01b"), root.At("ab"),
		root.Item(0), root.Item(1), root.Item(200), root.At("a").Item(0), root.Item(0).At("a"), root.At("i"), root.At("k\x01a"),
		formats.Root(1).At("a"), root.At(string(bytes.Repeat([]byte("x"), 200))), root.At("a").At("").At("b"),
	}
	for i, p := range paths {
		again, ok := cipher.ReadPath(cipher.EncodePath(p))
		if !ok || !bytes.Equal(again, cipher.EncodePath(p)) {
			t.Errorf("%s does not read back", p)
		}
		for _, q := range paths[:i] {
			a, b := cipher.EncodePath(p), cipher.EncodePath(q)
			if bytes.Equal(a, b) || bytes.HasPrefix(a, b) || bytes.HasPrefix(b, a) {
				t.Errorf("the encodings of %s and %s are not apart", p, q)
			}
		}
	}
}

// TestAdditionalDataIsTheOneOfSops: the keys on the way, a colon behind each.
func TestAdditionalDataIsTheOneOfSops(t *testing.T) {
	root := formats.Root(0)
	for _, tt := range []struct {
		path *formats.Path
		want string
	}{
		{root, ":"}, {root.At("a"), "a:"}, {root.At("a").At("b").At("c"), "a:b:c:"}, {root.At("l").Item(3), "l:"},
		{root.At("l").Item(3).At("k"), "l:k:"}, {root.Item(0), ":"}, {root.At(""), ":"}, {root.At("a:b"), "a:b:"},
		{formats.Root(2).At("a"), "a:"}, {root.At("l").Item(0).Item(1), "l:"}, {root.At("").At("a"), ":a:"},
	} {
		alone, among := cipher.AAD(tt.path)
		if alone != tt.want || among != tt.want {
			t.Errorf("%s: got %q alone and %q among others, want %q", tt.path, alone, among, tt.want)
		}
	}
}
