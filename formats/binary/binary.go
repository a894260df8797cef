// Package binary seals a file of any content as a whole.
package binary

import (
	"bytes"
	"unicode/utf8"
	"unsafe"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/json"
)

// Format is a file without structure. A plain file is one string under the key
// "data". The sealed form is a JSON object with that key and the metadata block,
// laid out as sops writes it; whatever else is a plain file. An empty file has
// nothing to seal and is refused, as in sops.
type Format struct{}

var _ formats.Format = Format{}

// MaxPlain is the largest plain file in bytes.
const MaxPlain = 64 << 20

const dataKey = "data"

// template is the sealed form before it has data and a metadata block.
const template = "{\n\t\"" + dataKey + "\": \"\"\n}\n"

// envelope reads the sealed form, whose one value may be a long one.
var envelope = json.Format{MaxValue: formats.MaxSealed}

// Parse implements [formats.Format].
func (Format) Parse(src []byte) (*formats.Document, error) {
	if d := parseSealed(src); d != nil {
		return d, nil
	}
	switch {
	case len(src) > MaxPlain:
		return nil, &formats.Error{Cause: formats.ErrLimit, Msg: "file too large"}
	case len(src) == 0:
		return nil, &formats.Error{Cause: formats.ErrNotSealable, Msg: "the file is empty"}
	case damaged(src):
		return nil, &formats.Error{Cause: formats.ErrMetadata, Msg: "this was a sealed file, and is damaged"}
	}
	// The source must not change while the document is in use: no need to copy it.
	text := unsafe.String(unsafe.SliceData(src), len(src))
	return &formats.Document{Source: src, Leaves: []formats.Leaf{{
		Path:   formats.Root(0).At(dataKey),
		Scalar: formats.Scalar{Kind: formats.String, Text: text},
		End:    len(src),
	}}}, nil
}

// damaged reports whether a file that is not the sealed form was one: sealing it
// again would bury what is left of it.
func damaged(src []byte) bool {
	head := bytes.TrimLeft(src[:min(len(src), 4096)], " \t\r\n{")
	return bytes.Contains(head, []byte(`"data": "ENC[AES256_GCM,`)) || bytes.Contains(head, []byte(`"data":"ENC[AES256_GCM,`))
}

// parseSealed returns nil if src is not the sealed form.
func parseSealed(src []byte) *formats.Document {
	// JSON readers replace what is not UTF-8; no sealed file has any.
	if !utf8.Valid(src) {
		return nil
	}
	d, err := envelope.Parse(src)
	if err != nil || d.Meta == nil || len(d.Leaves) != 1 {
		return nil
	}
	l := d.Leaves[0]
	if l.Kind != formats.String || !l.Path.Equal(formats.Root(0).At(dataKey)) {
		return nil
	}
	// The quotes belong to the envelope.
	l.Start, l.End = l.Start+1, l.End-1
	return &formats.Document{Source: src, Leaves: []formats.Leaf{l}, Meta: d.Meta, Shape: d}
}

// Spell implements [formats.Format]. A content is its own spelling; the sealed
// form adds quotes and escapes to it.
func (Format) Spell(_ *formats.Document, _ int, s formats.Scalar) string { return s.Text }

// Rewrite implements [formats.Format]. Without a metadata block the result is the
// content. In the sealed form the content must be sealed or UTF-8.
func (f Format) Rewrite(d *formats.Document, e formats.Edit) ([]byte, error) {
	if _, err := d.Patches(f, e.Values); err != nil {
		return nil, err
	}
	content := d.Leaves[0].Scalar
	for _, v := range e.Values {
		if v.Kind != formats.String && v.Kind != formats.Sealed {
			return nil, &formats.Error{Cause: formats.ErrNotSealable, Msg: "the content of a file must be a string"}
		}
		content = v.Scalar
		if v.Raw != "" {
			content.Text = v.Raw
		}
	}
	inner, _ := d.Shape.(*formats.Document)
	if e.Meta.Set == nil && (e.Meta.Remove || inner == nil) {
		return []byte(content.Text), nil
	}
	if inner == nil {
		var err error
		if inner, err = envelope.Parse([]byte(template)); err != nil {
			return nil, err
		}
	}
	edit := formats.Edit{Meta: e.Meta}
	if inner.Meta == nil || len(e.Values) > 0 {
		edit.Values = []formats.Value{{Leaf: 0, Scalar: content}}
	}
	return envelope.Rewrite(inner, edit)
}

// MaxPlain returns the constant of that name: a file that is sealed as a whole may
// be larger than one with values.
func (Format) MaxPlain() int { return MaxPlain }
