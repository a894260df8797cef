package cipher

import (
	"context"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// EditedFrom returns the id of the version that a file was edited from by somebody
// without its key, "" if the record is that of a merge. All three versions of such a
// record are the same: merging them gives that version, and never what stands there.
func (r *MergeRecord) EditedFrom() string {
	if r == nil || r.Base != r.Ours || r.Ours != r.Theirs {
		return ""
	}
	return r.Base
}

// MarkEdited gives a text of sealed values, which somebody without the key has made
// of the sealed file src, the metadata of src, and the mark that it is to be
// resealed. Until then [Open] refuses it ([ErrHalfMerged]). id is what git calls src;
// if src was edited so itself, what it was edited from stays.
//
// Its error is or wraps a [formats.Error], [ErrNotSealed], a [TamperedError],
// [ErrIntegrity] or, for half-merged files, [ErrHalfMerged].
func MarkEdited(f formats.Format, text, src []byte, id string) ([]byte, error) {
	_, m, err := parseSealed(f, src)
	if err != nil {
		return nil, err
	}
	if m.Seal == nil {
		return nil, ErrIntegrity
	}
	if m.Seal.merged != nil {
		if id = m.Seal.merged.EditedFrom(); id == "" {
			return nil, ErrHalfMerged
		}
	}
	marked, seal := *m, *m.Seal
	seal.merged = &MergeRecord{Base: id, Ours: id, Theirs: id}
	marked.Seal = &seal
	return dress(f, text, marked.build())
}

// Edited is a file that was edited without its key. It prints redacted.
type Edited struct {
	// Opened is the verified version that it was edited from, with the proposals of
	// the edited one.
	Opened *Opened
	// Plain is the edited file, unsealed. Nothing vouches for its plain values, its
	// comments and its structure.
	Plain []byte
	// Changed are the places that are not as they were, of both versions.
	Changed []*formats.Path
}

// String says nothing of the content.
func (e Edited) String() string { return "<edited file>" }

// GoString says nothing of the content.
func (e Edited) GoString() string { return "<edited file>" }

// OpenEdited opens a file that was edited without its key. base is the version that
// [MergeRecord.EditedFrom] names; it is opened and verified. Of the edited file, all
// sealed values must be values of base, each where it may stand, and what is to be
// sealed must be; the metadata must be those of base.
//
// Its error is one of [Open], for base, or a [TamperedError].
func OpenEdited(ctx context.Context, f formats.Format, src, base []byte, opts OpenOptions) (*Edited, error) {
	b, err := readBare(f, src)
	if err != nil {
		return nil, err
	}
	opts.PlainOnly = false
	o, err := Open(ctx, f, base, opts)
	if err != nil {
		return nil, err
	}
	if b.meta.Seal == nil || o.Metadata.Seal == nil || !sameBlock(b.meta, o.Metadata) {
		return nil, &TamperedError{Reason: ReasonMetadata, Field: "seal.merged"}
	}
	e := &Edited{Opened: o}
	if err := e.checkValues(b.doc, b.meta.Selector.Select(b.doc)); err != nil {
		return nil, err
	}
	if e.Plain, err = o.Restore(b.text); err != nil {
		return nil, err
	}
	seal := *o.Metadata.Seal
	seal.proposals = b.meta.Seal.proposals
	o.Metadata.Seal = &seal
	return e, nil
}

// sameBlock reports whether two blocks are the same, the mark and proposals aside.
func sameBlock(a, b *Metadata) bool {
	bare := func(m *Metadata) *formats.Meta {
		copied, seal := *m, *m.Seal
		seal.merged, seal.proposals = nil, nil
		copied.Seal = &seal
		return copied.build()
	}
	return bare(a).Equal(bare(b))
}

// checkValues makes sure that the sealed values of an edited document are some of
// those of its base, and finds what is not as it was.
func (e *Edited) checkValues(doc *formats.Document, selected []bool) error {
	type place struct {
		path, text string
		kind       formats.Kind
	}
	at := func(l *formats.Leaf) place {
		return place{l.Path.Text(), strings.TrimSuffix(l.Text, "\n"), l.Kind}
	}
	base := e.Opened.content.doc
	had, left, told := map[place]int{}, map[string]int{}, map[string]bool{}
	for i := range base.Leaves {
		had[at(&base.Leaves[i])]++
		left[e.Opened.values[i]]++
	}
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		text := strings.TrimSuffix(l.Text, "\n")
		sealed := l.Kind == formats.String && looksSealed(text) || l.Kind == formats.Comment && hasSealedLine(text)
		switch {
		case sealed && (left[text] == 0 || !selected[i]):
			return &TamperedError{Reason: ReasonValue, Path: l.Path}
		case sealed:
			left[text]--
		case selected[i] && l.Kind != formats.Comment && !l.Kind.Empty() && l.Text != "":
			return &TamperedError{Reason: ReasonPlainValue, Path: l.Path}
		}
		if had[at(l)]--; had[at(l)] < 0 {
			e.note(l.Path, told)
		}
	}
	for i := range base.Leaves {
		if l := &base.Leaves[i]; had[at(l)] > 0 {
			e.note(l.Path, told)
		}
	}
	return nil
}

// note adds a place to those that have changed, once.
func (e *Edited) note(p *formats.Path, told map[string]bool) {
	if text := p.Text(); !told[text] {
		told[text] = true
		e.Changed = append(e.Changed, p)
	}
}
