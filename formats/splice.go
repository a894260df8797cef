package formats

import (
	"cmp"
	"slices"
)

// Patch replaces source[Start:End] by Text.
type Patch struct {
	Start, End int
	Text       string
}

// Splice returns src with the patches applied, in whatever order they come.
// Insertions at one place keep their order; a patch that starts there comes after
// them. Patches must not overlap.
func Splice(src []byte, patches []Patch) ([]byte, error) {
	size := len(src)
	for _, p := range patches {
		size += len(p.Text) - (p.End - p.Start)
	}
	order := func(a, b Patch) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	}
	if !slices.IsSortedFunc(patches, order) {
		slices.SortStableFunc(patches, order)
	}
	out := make([]byte, 0, max(size, 0))
	at := 0
	for _, p := range patches {
		if p.Start < at || p.End < p.Start || p.End > len(src) {
			return nil, &Error{Cause: ErrSyntax, Msg: "two changes overlap"}
		}
		out = append(append(out, src[at:p.Start]...), p.Text...)
		at = p.End
	}
	return append(out, src[at:]...), nil
}

// narrower is implemented by formats that can write some values without what
// stands around them, such as their quotes: their text need not be copied then.
type narrower interface {
	// Narrow returns the part of leaf i's span that has to be replaced by the text
	// of s, as it is, to give leaf i what Spell returns for s; ok is false if there
	// is no such part.
	Narrow(d *Document, i int, s Scalar) (start, end int, ok bool)
}

// Patches returns what the values of an edit replace in d, each by its exact
// spelling or else by f's. It refuses leaves that d does not have and two values
// for one leaf.
func (d *Document) Patches(f Format, values []Value) ([]Patch, error) {
	patches := make([]Patch, 0, len(values)+1)
	seen := make([]bool, len(d.Leaves))
	narrow, _ := f.(narrower)
	for _, v := range values {
		if v.Leaf < 0 || v.Leaf >= len(d.Leaves) || seen[v.Leaf] {
			return nil, &Error{Cause: ErrSyntax, Msg: "a change names no leaf, or one that is changed already"}
		}
		seen[v.Leaf] = true
		if narrow != nil && v.Raw == "" {
			if start, end, ok := narrow.Narrow(d, v.Leaf, v.Scalar); ok {
				patches = append(patches, Patch{start, end, v.Text})
				continue
			}
		}
		text := v.Raw
		if text == "" {
			text = f.Spell(d, v.Leaf, v.Scalar)
		}
		patches = append(patches, Patch{d.Leaves[v.Leaf].Start, d.Leaves[v.Leaf].End, text})
	}
	return patches, nil
}
