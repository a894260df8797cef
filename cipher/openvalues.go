package cipher

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// openValues fills in the scalars, several leaves at a time.
func (o *Opened) openValues() error {
	leaves := o.content.doc.Leaves
	errs := inParallel(len(leaves), func(from, to int) error {
		w := leafOpener{o: o, values: newValueOpener(o.key)}
		for i := from; i < to; i++ {
			if err := w.leaf(i); err != nil {
				return err
			}
		}
		return w.badComment
	})
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || isCommentError(first) && !isCommentError(err)) {
			first = err
		}
	}
	o.warnOfUnprotected()
	return first
}

func isCommentError(err error) bool {
	t, ok := err.(*TamperedError)
	return ok && t.Reason == ReasonComments
}

// leafOpener opens a range of leaves.
type leafOpener struct {
	o      *Opened
	values *valueOpener
	texts  textArena
	aad    aadEncoder
	// badComment is the first comment that does not open. What is wrong with a
	// value says more, so it is kept until all values were tried.
	badComment error
}

func (w *leafOpener) leaf(i int) error {
	l := &w.o.content.doc.Leaves[i]
	w.o.content.scalars[i] = l.Scalar
	if !w.o.content.selected[i] || l.Kind.Empty() || l.Text == "" {
		return nil
	}
	if l.Kind == formats.Comment {
		if err := w.comment(i); err != nil && w.badComment == nil {
			w.badComment = err
		}
		return nil
	}
	if l.Kind != formats.String || !looksSealed(l.Text) {
		return &TamperedError{Reason: ReasonPlainValue, Path: l.Path}
	}
	v, ok := parseValue(l.Text)
	if !ok {
		return &TamperedError{Reason: ReasonMalformedValue, Path: l.Path}
	}
	text, reason := w.values.openBytes(v, w.aad.of(l.Path))
	if reason != "" {
		return &TamperedError{Reason: reason, Path: l.Path}
	}
	kind, known := kindOf(v.typ)
	s := formats.Scalar{Kind: kind, Text: w.texts.keep(text)}
	if !known || !canonical(s) || kind == formats.Comment && (l.Path.Index == formats.InMap || w.o.Metadata.Seal != nil) {
		return &TamperedError{Reason: ReasonType, Path: l.Path}
	}
	w.o.content.scalars[i] = s
	w.o.values[i] = strings.TrimSuffix(l.Text, "\n")
	return nil
}

// comment opens a sealed comment. Which map or list a comment belongs to is
// guesswork on the part of YAML libraries, and what sops bound it to may have
// been another one nearby.
func (w *leafOpener) comment(i int) error {
	l := &w.o.content.doc.Leaves[i]
	if w.o.moved != nil {
		return w.moved(i)
	}
	if !looksSealed(l.Text) {
		return nil // commentsMAC, or a warning, deals with it
	}
	v, ok := parseValue(l.Text)
	if ok && v.typ == "comment" {
		for _, p := range w.containersAround(i) {
			if text, reason := w.values.openBytes(v, appendAAD(nil, p)); reason == "" {
				w.o.content.scalars[i].Text = w.texts.keep(text)
				w.o.values[i] = l.Text
				return nil
			}
		}
	}
	if w.o.Metadata.Seal == nil {
		return nil // sops takes it for plain text, with a warning, and so do we
	}
	return &TamperedError{Reason: ReasonComments, Path: l.Path}
}

func (w *leafOpener) containersAround(i int) []*formats.Path {
	leaves := w.o.content.doc.Leaves
	var out []*formats.Path
	for p := leaves[i].Path; p != nil; p = p.Parent {
		out = append(out, p)
	}
	for _, j := range []int{i - 1, i + 1} {
		if j < 0 || j >= len(leaves) || leaves[j].Path.Document() != leaves[i].Path.Document() {
			continue
		}
		for p := leaves[j].Path.Parent; p != nil; p = p.Parent {
			out = append(out, p)
		}
	}
	return out
}
