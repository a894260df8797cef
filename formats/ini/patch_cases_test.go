package ini_test

import (
	"errors"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/ini"
)

func text(s string) formats.Node {
	return formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: s}}
}

func patchText(t *testing.T, src string, c formats.Change) (string, error) {
	t.Helper()
	d, err := ini.Format{}.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	out, err := ini.Format{}.Patch(d, c)
	return string(out), err
}

func TestPatch(t *testing.T) {
	root := formats.Root(0)
	set := func(section, key string, v formats.Node) formats.Change {
		return formats.Change{Path: root.At(section).At(key), Value: v}
	}
	gone := func(section, key string) formats.Change {
		return formats.Change{Path: root.At(section).At(key), Remove: true}
	}
	keys := formats.Node{Kind: formats.MapNode, Items: []formats.Node{{Key: "x", Scalar: text("1").Scalar}, {Key: "y", Scalar: text("").Scalar}}}
	for _, tt := range []struct {
		name, source string
		change       formats.Change
		want         string
	}{
		{"a value", "[a]\nb = c ; d\n", set("a", "b", text("x")), "[a]\nb = x ; d\n"},
		{"a value that needs quotes", "[a]\nb=c\n", set("a", "b", text("x#y")), "[a]\nb=`x#y`\n"},
		{"lines", "[a]\nb=c\n", set("a", "b", text("x\ny")), "[a]\nb=`x\ny`\n"},
		{"a number", "[a]\nb=c\n", set("a", "b", formats.Node{Scalar: formats.Scalar{Kind: formats.Int, Text: "5"}}), "[a]\nb=5\n"},
		{"a new key, comment behind stays", "[a]\n  b : c\n; d\n[e]\nf=g\n", set("a", "x", text("y")), "[a]\n  b : c\n  x : y\n; d\n[e]\nf=g\n"},
		{"a new key of an empty section", "[a]\n[b]\nc=d\n", set("a", "x", text("y")), "[a]\nx=y\n[b]\nc=d\n"},
		{"a new section", "[a]\nb=c\n", set("d", "e", text("f")), "[a]\nb=c\n\n[d]\ne=f\n"},
		{"a new section, no line feed at the end", "[a]\nb=c", set("d", "e", text("f")), "[a]\nb=c\n\n[d]\ne=f"},
		{"a new section with CRLF", "[a]\r\nb=c\r\n", set("d", "e", text("f")), "[a]\r\nb=c\r\n\r\n[d]\r\ne=f\r\n"},
		{"in nothing", "", set("a", "b", text("c")), "[a]\nb = c\n"},
		{"a key before the first section", "; a\n[b]\nc=d\n", set("DEFAULT", "x", text("y")), "x=y\n; a\n[b]\nc=d\n"},
		{"a second one", "x=y\n\n[b]\nc=d\n", set("DEFAULT", "z", text("")), "x=y\nz=\n\n[b]\nc=d\n"},
		{"a key of an explicit default section", "[DEFAULT]\nx=y\n", set("DEFAULT", "z", text("1")), "[DEFAULT]\nx=y\nz=1\n"},
		{"a section by another", "[a]\nb=c\n; d\ne=f\n\n[g]\nh=i\n", formats.Change{Path: root.At("a"), Value: keys}, "[a]\nx=1\ny=\n\n[g]\nh=i\n"},
		{"behind a backslash", "[a]\nb=c\\\n", set("a", "d", text("e")), "[a]\nd=e\nb=c\\\n"},
		{"removes a key", "[a]\n; x\nb=c ; d\n; e\nf=g\n", gone("a", "b"), "[a]\n; x\n; e\nf=g\n"},
		{"removes the last key", "[a]\nb=c\n[d]\ne=f\n", gone("a", "b"), "[a]\n[d]\ne=f\n"},
		{"removes several lines", "[a]\nb=`c\nd`\ne=f\n", gone("a", "b"), "[a]\ne=f\n"},
		{"removes a section", "[a]\nb=c\n\n[d]\ne=f\n; g\ng=h\n", formats.Change{Path: root.At("d"), Remove: true}, "[a]\nb=c\n"},
		{"removes the first section", "[a]\nb=c\n\n[d]\ne=f\n", formats.Change{Path: root.At("a"), Remove: true}, "\n[d]\ne=f\n"},
	} {
		got, err := patchText(t, tt.source, tt.change)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestPatchRefuses(t *testing.T) {
	root := formats.Root(0)
	at := root.At("a").At("b")
	for _, tt := range []struct {
		name, source string
		change       formats.Change
		want         error
	}{
		{"null", "[a]\nb=c\n", formats.Change{Path: at}, formats.ErrNotSealable},
		{"a list", "[a]\nb=c\n", formats.Change{Path: at, Value: formats.Node{Kind: formats.ListNode}}, formats.ErrNotSealable},
		{"a map in a section", "[a]\nb=c\n", formats.Change{Path: at.At("x"), Value: text("y")}, formats.ErrPlace},
		{"a text for a section", "[a]\nb=c\n", formats.Change{Path: root.At("a"), Value: text("y")}, formats.ErrNotSealable},
		{"the root", "[a]\nb=c\n", formats.Change{Path: root, Value: formats.Node{Kind: formats.MapNode}}, formats.ErrNotSealable},
		{"what no quotes can hold", "[a]\nb=c\n", formats.Change{Path: at, Value: text("`\"\"\"\n")}, formats.ErrNotSealable},
		{"a key without a spelling", "[a]\nb=c\n", formats.Change{Path: root.At("a").At("x\ny"), Value: text("z")}, formats.ErrNotSealable},
		{"a section without a spelling", "[a]\nb=c\n", formats.Change{Path: root.At("x]y").At("z"), Value: text("z")}, formats.ErrNotSealable},
		{"the metadata's section", "[a]\nb=c\n", formats.Change{Path: root.At("sops").At("mac"), Value: text("x")}, formats.ErrPlace},
		{"an absent key", "[a]\nb=c\n", formats.Change{Path: root.At("a").At("x"), Remove: true}, formats.ErrNoSuchKey},
		{"an absent section", "[a]\nb=c\n", formats.Change{Path: root.At("x"), Remove: true}, formats.ErrNoSuchKey},
		{"a sealed file", "[a]\nb=c\n[sops]\nmac=x\n", formats.Change{Path: at, Value: text("x")}, formats.ErrMetadata},
	} {
		got, err := patchText(t, tt.source, tt.change)
		var typed *formats.Error
		if !errors.As(err, &typed) || !errors.Is(err, tt.want) {
			t.Errorf("%s: got %q, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}
