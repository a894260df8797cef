package manifest

import (
	"bytes"
	"slices"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// Inside returns the file that a SealedManifest holds in spec.document, sealed or plain, and
// its format. Of any other text, and of one that cannot be read as such, it returns f and
// src themselves.
func Inside(f formats.Format, src []byte) (formats.Format, []byte) {
	if !MayBe(src) {
		return f, src
	}
	if d, err := f.Parse(src); err != nil || d.Meta != nil || !Of(d).HasDocument {
		return f, src
	}
	held, err := Held(f, src)
	if err != nil {
		return f, src
	}
	format, ok := all.ByName(held.Format)
	if !ok {
		return f, src
	}
	return format, held.Text
}

// documentLeaf returns the leaf that is spec.document, -1 if there is none.
func documentLeaf(d *formats.Document) int {
	path := formats.Root(0).At("spec").At("document")
	return slices.IndexFunc(d.Leaves, func(l formats.Leaf) bool { return l.Kind == formats.String && l.Path.Equal(path) })
}

// WithText returns the SealedManifest src with another file in spec.document, in the style
// in which that is written as far as it can hold it, and every other byte as it was. What is
// returned was read back. The error is a [*Problem] or wraps a [formats.Error].
func WithText(f formats.Format, src, text []byte) ([]byte, error) {
	held, err := Held(f, src)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(held.Text, text) {
		return src, nil
	}
	d, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	i := documentLeaf(d)
	out, err := f.Rewrite(d, formats.Edit{Values: []formats.Value{{Leaf: i, Scalar: formats.Scalar{Kind: formats.String, Text: string(text)}}}})
	if err != nil || !onlyLeafDiffers(f, d, i, out) {
		return nil, notHeld(d.Leaves[i].Path)
	}
	if now, err := Held(f, out); err != nil || !bytes.Equal(now.Text, text) {
		return nil, notHeld(d.Leaves[i].Path)
	}
	return out, nil
}

func notHeld(path *formats.Path) *Problem {
	return &Problem{Path: path, Msg: "the sealed file cannot be written where this manifest holds it",
		Hint: "write it as a block (document: |) without a comment behind the |, and without an anchor (&) or an alias (*)"}
}

// onlyLeafDiffers reports whether out is the source of d with another value for leaf i.
func onlyLeafDiffers(f formats.Format, d *formats.Document, i int, out []byte) bool {
	l := &d.Leaves[i]
	before, behind := d.Source[:l.Start], d.Source[l.End:]
	if len(out) < len(before)+len(behind) || !bytes.HasPrefix(out, before) || !bytes.HasSuffix(out, behind) {
		return false
	}
	now, err := f.Parse(out)
	if err != nil || now.Documents != d.Documents || now.Meta != nil || len(now.Leaves) != len(d.Leaves) {
		return false
	}
	for n := range d.Leaves {
		was, is := &d.Leaves[n], &now.Leaves[n]
		if !was.Path.Equal(is.Path) || was.Kind != is.Kind || n != i && was.Text != is.Text {
			return false
		}
	}
	return true
}
