package yaml_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

// Characters are checked eight at a time: what is wrong must be found wherever
// among the eight it stands, and whatever stands beside it.
func TestBadCharactersAreFoundAtEveryOffset(t *testing.T) {
	bad := map[string]error{
		"\x00": formats.ErrSyntax, "\x01": formats.ErrSyntax, "\x1f": formats.ErrSyntax, "\x7f": formats.ErrSyntax,
		"\x80": formats.ErrSyntax, "\xff": formats.ErrSyntax, "\xc2\x85": formats.ErrNotSealable, "\u2028": formats.ErrNotSealable,
	}
	for text, want := range bad {
		for _, beside := range []string{"a", "~", " x", "é", "\ufffd", "!"} {
			for at := range 24 {
				before := "k: \"" + strings.Repeat(beside, at)
				_, err := yaml.Format{}.Parse([]byte(before + text + strings.Repeat(beside, 9) + "\"\n"))
				var e *formats.Error
				if !errors.As(err, &e) || !errors.Is(err, want) || e.Column != len(before)+1 {
					t.Fatalf("%q after %q: got %v, want %v in column %d", text, before, err, want, len(before)+1)
				}
			}
		}
	}
}

func TestGoodCharactersPassAtEveryOffset(t *testing.T) {
	for _, text := range []string{" ", "~", "\t", "é", "\u00a0", "😀", "\ufffd"} {
		for at := range 24 {
			src := "k: \"" + strings.Repeat("x", at) + text + "yyyyyyyyy\"\n"
			d, err := yaml.Format{}.Parse([]byte(src))
			if err != nil || d.Leaves[0].Text != src[4:len(src)-2] {
				t.Errorf("%q: got %v", src, err)
			}
		}
	}
}
