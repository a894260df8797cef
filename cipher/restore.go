package cipher

import (
	"slices"

	"github.com/gitseal/gitseal/formats"
)

// Restore unseals a text that somebody made of the sealed file: without its metadata
// block, with some of its sealed values, each under the key path that it was sealed
// for, and with plain ones. What comes of it is as much theirs as the file's: nothing
// but the single values is verified. It is there to be sealed anew.
//
// Its error is or wraps a [formats.Error], [ErrAlreadySealed], or, for a sealed value
// that does not belong where it stands or to this file, a [TamperedError].
func (o *Opened) Restore(text []byte) ([]byte, error) {
	doc, err := o.format.Parse(text)
	if err == nil {
		err = checkPaths(doc)
	}
	if err != nil {
		return nil, err
	}
	if doc.Meta != nil {
		return nil, ErrAlreadySealed
	}
	made := &Opened{Metadata: o.Metadata, format: o.format, source: text, key: o.key, spell: o.spell}
	made.content = content{doc: doc, scalars: make([]formats.Scalar, len(doc.Leaves)), selected: make([]bool, len(doc.Leaves))}
	made.values = make([]string, len(doc.Leaves))
	made.moved = &movedComments{pieces: make([][]commentPiece, len(doc.Leaves))}
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		made.content.selected[i] = l.Kind <= formats.String && looksSealed(l.Text) || l.Kind == formats.Comment && hasSealedLine(l.Text)
	}
	if err := made.openValues(); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(made.values, func(v string) bool { return v != "" }) {
		// A spelling belongs to a value; there is none.
		made.spell = &spelling{flags: o.spell.flags}
	}
	return made.restore()
}
