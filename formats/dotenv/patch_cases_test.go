package dotenv_test

import (
	"errors"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/dotenv"
)

func text(s string) formats.Node {
	return formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: s}}
}

func patchText(t *testing.T, src string, c formats.Change) (string, error) {
	t.Helper()
	d, err := dotenv.Format{}.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	out, err := dotenv.Format{}.Patch(d, c)
	return string(out), err
}

func TestPatch(t *testing.T) {
	root := formats.Root(0)
	number := formats.Node{Scalar: formats.Scalar{Kind: formats.Int, Text: "123456789012345678901234567890"}}
	on := formats.Node{Scalar: formats.Scalar{Kind: formats.Bool, Text: "True"}}
	gone := func(key string) formats.Change { return formats.Change{Path: root.At(key), Remove: true} }
	set := func(key string, v formats.Node) formats.Change { return formats.Change{Path: root.At(key), Value: v} }
	for _, tt := range []struct {
		name, source string
		change       formats.Change
		want         string
	}{
		{"a value", "A=b\nC=d\n", set("A", text("x y")), "A=x y\nC=d\n"},
		{"a value over several lines", "A=b\n", set("A", text("x\ny")), "A=x\\ny\n"},
		{"a number", "A=b\n", set("A", number), "A=123456789012345678901234567890\n"},
		{"a boolean", "A=b\n", set("A", on), "A=true\n"},
		{"export stays", "export A=b\n", set("A", text("x")), "export A=x\n"},
		{"export is part of a key", "export A=b\n", set("export A", text("x")), "export A=x\n"},
		{"a new key, comment behind stays", "A=b\n# c\n", set("D", text("e")), "A=b\nD=e\n# c\n"},
		{"no line feed at the end", "A=b", set("C", text("d")), "A=b\nC=d"},
		{"CRLF", "A=b\r\nC=d\r\n", set("A", text("x")), "A=x\r\nC=d\r\n"},
		{"a new key with CRLF", "A=b\r\n", set("C", text("d")), "A=b\r\nC=d\r\n"},
		{"CRLF, none at the end", "A=b\r\nC=d", set("E", text("f")), "A=b\r\nC=d\nE=f"},
		{"in nothing", "", set("A", text("b")), "A=b\n"},
		{"removes a key", "# a\nA=b\n# c\nC=d\n", gone("A"), "# a\n# c\nC=d\n"},
		{"removes the last key", "A=b\nC=d", gone("C"), "A=b"},
		{"removes several lines", "A=\"b\nc\"\nD=e\n", gone("A"), "D=e\n"},
		{"removes an exported key", "export A=b\nC=d\n", gone("A"), "C=d\n"},
	} {
		got, err := patchText(t, tt.source, tt.change)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestPatchRefuses(t *testing.T) {
	root := formats.Root(0)
	for _, tt := range []struct {
		name, source string
		change       formats.Change
		want         error
	}{
		{"null", "A=b\n", formats.Change{Path: root.At("A")}, formats.ErrNotSealable},
		{"a map", "A=b\n", formats.Change{Path: root.At("A"), Value: formats.Node{Kind: formats.MapNode}}, formats.ErrNotSealable},
		{"a list", "A=b\n", formats.Change{Path: root.At("C").Item(0), Value: text("x")}, formats.ErrNotSealable},
		{"below a value", "A=b\n", formats.Change{Path: root.At("A").At("B"), Value: text("x")}, formats.ErrPlace},
		{"a backslash and an n", "A=b\n", formats.Change{Path: root.At("A"), Value: text(`x\ny`)}, formats.ErrNotSealable},
		{"a quote that runs into what follows", "A=b\nC=d\"\n", formats.Change{Path: root.At("A"), Value: text(`"x`)}, formats.ErrNotSealable},
		{"a key that cannot be", "A=b\n", formats.Change{Path: root.At("x=y"), Value: text("x")}, formats.ErrNotSealable},
		{"a key like a comment", "A=b\n", formats.Change{Path: root.At("#x"), Value: text("x")}, formats.ErrNotSealable},
		{"a key of the metadata", "A=b\n", formats.Change{Path: root.At("sops_mac"), Value: text("x")}, formats.ErrPlace},
		{"an absent key", "A=b\n", formats.Change{Path: root.At("B"), Remove: true}, formats.ErrNoSuchKey},
		{"a sealed file", "A=b\nsops_mac=x\n", formats.Change{Path: root.At("A"), Value: text("x")}, formats.ErrMetadata},
	} {
		got, err := patchText(t, tt.source, tt.change)
		var typed *formats.Error
		if !errors.As(err, &typed) || !errors.Is(err, tt.want) {
			t.Errorf("%s: got %q, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}
