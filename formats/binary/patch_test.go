package binary_test

import (
	"errors"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/binary"
)

func content(text string) formats.Node {
	return formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: text}}
}

func TestPatchReplacesTheContent(t *testing.T) {
	root := formats.Root(0)
	for _, p := range []*formats.Path{root, root.At("data")} {
		for _, text := range []string{"x", "\x00\xff\r\n", "old", "{\"data\":\"x\"}"} {
			d, err := binary.Format{}.Parse([]byte("old"))
			if err != nil {
				t.Fatal(err)
			}
			out, err := binary.Format{}.Patch(d, formats.Change{Path: p, Value: content(text)})
			if err != nil || string(out) != text {
				t.Errorf("%s: got %q, %v, want %q", p, out, err, text)
			}
		}
	}
}

func TestPatchRefuses(t *testing.T) {
	root := formats.Root(0)
	number := formats.Node{Scalar: formats.Scalar{Kind: formats.Int, Text: "5"}}
	sealed := `{"data":"ENC[x]","sops":{"mac":"m"}}`
	for _, tt := range []struct {
		name, source string
		change       formats.Change
		want         error
	}{
		{"a key", "x", formats.Change{Path: root.At("k"), Value: content("y")}, formats.ErrPlace},
		{"below the content", "x", formats.Change{Path: root.At("data").At("k"), Value: content("y")}, formats.ErrPlace},
		{"another document", "x", formats.Change{Path: formats.Root(1), Value: content("y")}, formats.ErrPlace},
		{"removal", "x", formats.Change{Path: root, Remove: true}, formats.ErrPlace},
		{"a number", "x", formats.Change{Path: root, Value: number}, formats.ErrNotSealable},
		{"a map", "x", formats.Change{Path: root, Value: formats.Node{Kind: formats.MapNode}}, formats.ErrNotSealable},
		{"nothing", "x", formats.Change{Path: root, Value: content("")}, formats.ErrNotSealable},
		{"a content that looks sealed", "x", formats.Change{Path: root, Value: content(sealed)}, formats.ErrPlace},
		{"a sealed file", sealed, formats.Change{Path: root, Value: content("y")}, formats.ErrMetadata},
	} {
		d, err := binary.Format{}.Parse([]byte(tt.source))
		if err != nil {
			t.Fatal(err)
		}
		var typed *formats.Error
		if out, err := (binary.Format{}).Patch(d, tt.change); !errors.As(err, &typed) || !errors.Is(err, tt.want) {
			t.Errorf("%s: got %q, %v, want %v", tt.name, out, err, tt.want)
		}
	}
}
