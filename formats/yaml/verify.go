package yaml

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// verify reads out and compares it with what it should hold.
func (r *rewriter) verify(out []byte, e formats.Edit) error {
	d, err := Format{}.Parse(out)
	if err != nil {
		return &formats.Error{Cause: formats.ErrNotSealable, Msg: "the changed file could not be read: " + err.Error()}
	}
	if r.loose {
		return nil
	}
	if len(d.Leaves) != len(r.d.Leaves) {
		return &formats.Error{Cause: formats.ErrNotSealable, Msg: "the change would add or take away values"}
	}
	want := make([]formats.Leaf, len(r.d.Leaves))
	copy(want, r.d.Leaves)
	for _, v := range e.Values {
		want[v.Leaf].Scalar = v.Scalar
	}
	for i := range want {
		if !want[i].Path.Equal(d.Leaves[i].Path) || !reads(want[i].Scalar, &d.Leaves[i]) {
			return formats.ErrorAt(formats.ErrNotSealable, out, d.Leaves[i].Start, want[i].Path, "the value cannot be written here")
		}
	}
	return nil
}

// reads reports whether l holds s.
func reads(s formats.Scalar, l *formats.Leaf) bool {
	if s.Kind != formats.Sealed {
		return l.Scalar == s
	}
	if l.Kind == formats.Comment {
		return l.Text == s.Text
	}
	return l.Kind == formats.String && strings.TrimSuffix(l.Text, "\n") == s.Text
}
