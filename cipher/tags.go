package cipher

import (
	"bytes"
	"slices"

	"github.com/gitseal/gitseal/formats"
)

// tags encodes the tags that stand in the sealed file, nothing if there are none:
//
//	U(tags) { path ("k" or "v") S(tag) } …
//
// sorted by their bytes; "k" is for the tag of a key. With mac_only_encrypted only
// those count that stand with or around a selected value.
func (e *encoder) tags(c content) {
	var all [][]byte
	inside := c.aroundSelected()
	for _, t := range c.doc.Tags {
		if c.dropsTag(t) || c.onlySelected && !inside[t.Path] {
			continue
		}
		var one encoder
		one.raw(encodePath(t.Path))
		if t.OfKey {
			one.b = append(one.b, 'k')
		} else {
			one.b = append(one.b, 'v')
		}
		one.text(t.Text)
		all = append(all, one.b)
	}
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, bytes.Compare)
	e.number(len(all))
	for _, b := range all {
		e.raw(b)
	}
}

// dropsTag reports whether sealing takes a tag out of the file: it is part of the
// text of a value that is sealed.
func (c content) dropsTag(t formats.Tag) bool {
	if t.Leaf < 0 || c.doc.Meta != nil {
		return false
	}
	l := &c.doc.Leaves[t.Leaf]
	return c.selected[t.Leaf] && !l.Kind.Empty() && l.Text != ""
}

// aroundSelected returns the paths of selected values and of all that they lie in.
// It is only needed with mac_only_encrypted.
func (c content) aroundSelected() map[*formats.Path]bool {
	in := map[*formats.Path]bool{}
	if !c.onlySelected || len(c.doc.Tags) == 0 {
		return in
	}
	for i := range c.doc.Leaves {
		if !c.selected[i] || c.doc.Leaves[i].Kind == formats.Comment {
			continue
		}
		for p := c.doc.Leaves[i].Path; p != nil && !in[p]; p = p.Parent {
			in[p] = true
		}
	}
	return in
}
