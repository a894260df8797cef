package sealedobject

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

// File opens a file of sealed objects: sealed as a whole, or one by one, or
// SealedManifests whose documents are. Nothing in it may be plain that is no
// SealedManifest ([cipher.ErrNotSealed]).
func (o *Opener) File(ctx context.Context, f formats.Format, src []byte) (*Opened, error) {
	doc, err := f.Parse(src)
	_, isYAML := f.(yaml.Format)
	if isYAML && errors.Is(err, formats.ErrMetadata) {
		return o.oneByOne(ctx, f, src, err)
	}
	if err != nil {
		return nil, err
	}
	if o.Mode == Passthrough {
		return passed(isYAML, doc)
	}
	if doc.Meta == nil {
		return o.manifests(ctx, doc)
	}
	c, err := o.reveal(ctx, f, src, false)
	if err != nil {
		return nil, err
	}
	out := &Opened{Warnings: c.Warnings}
	for i := range c.Documents {
		n := &c.Documents[i]
		if len(n.Items) == 0 && len(c.Documents) > 1 {
			continue // nothing stands between two lines of dashes
		}
		if Text(n, "apiVersion") == "" || Text(n, "kind") == "" {
			return nil, &Error{Err: ErrNoObject, Msg: "the file", Hint: "secrets: in place of files: makes a Secret of any sealed file"}
		}
		if err := o.bind(n, c.Context, placesOf(n)); err != nil {
			return nil, within(n, err)
		}
		out.Objects = append(out.Objects, secretOf(n))
	}
	return out, nil
}

// within names the object that an error is about.
func within(n *formats.Node, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Object != "" {
		return err
	}
	return &Error{Object: NameOf(n), Err: err, Hint: hintOf(err)}
}

// oneByOne opens a file whose documents have different metadata, or only some of them.
func (o *Opener) oneByOne(ctx context.Context, f formats.Format, src []byte, cause error) (*Opened, error) {
	out := &Opened{}
	parts := Split(src)
	n := 0
	for _, p := range parts {
		if p.IsBlank() {
			continue
		}
		n++
		one, err := o.File(ctx, f, p.Text)
		if err != nil {
			return nil, &Error{Msg: fmt.Sprintf("document %d", n), Err: err, Hint: hintOf(err)}
		}
		out.Objects, out.Warnings = append(out.Objects, one.Objects...), append(out.Warnings, one.Warnings...)
	}
	if n < 2 {
		return nil, cause
	}
	return out, nil
}

// manifests opens the documents of SealedManifests in a file that is not sealed itself.
func (o *Opener) manifests(ctx context.Context, doc *formats.Document) (*Opened, error) {
	out := &Opened{}
	for _, root := range roots(doc) {
		if len(root.Items) == 0 {
			continue
		}
		if !isManifest(&root) {
			return nil, cipher.ErrNotSealed
		}
		one, err := o.document(ctx, &root)
		if err != nil {
			return nil, within(&root, err)
		}
		out.Objects, out.Warnings = append(out.Objects, one.Objects...), append(out.Warnings, one.Warnings...)
	}
	if len(out.Objects) == 0 {
		return nil, cipher.ErrNotSealed
	}
	return out, nil
}

// passed are the objects of a file as they stand there.
func passed(isYAML bool, doc *formats.Document) (*Opened, error) {
	var n formats.Node
	var err error
	switch {
	case doc.Documents > 1 && doc.Meta != nil:
		return nil, &Error{Msg: "several documents are sealed as one file, and cannot be passed on one by one",
			Hint: "put each object into a file of its own"}
	case doc.Documents > 1:
		return passedManifests(doc)
	case isYAML:
		n, err = ParseYAML(doc.Source)
	default:
		n, err = formats.NodeFromJSON(doc.Source)
	}
	if err != nil {
		return nil, err
	}
	if !IsSealed(&n) {
		return nil, cipher.ErrNotSealed
	}
	return &Opened{Objects: []formats.Node{n}}, nil
}

func passedManifests(doc *formats.Document) (*Opened, error) {
	out := &Opened{}
	for _, root := range roots(doc) {
		if len(root.Items) == 0 {
			continue
		}
		if !isManifest(&root) {
			return nil, cipher.ErrNotSealed
		}
		out.Objects = append(out.Objects, root)
	}
	return out, nil
}
