// Package json finds and replaces the values of JSON files.
//
// It reads RFC 8259 as sops 3.13 does through encoding/json, but refuses what
// sops passes over: keys that stand twice in one object, bytes after the root
// object, a root object that does not end.
package json

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/gitseal/gitseal/formats"
)

// Format is JSON. The root must be an object; its member "sops" is the metadata
// block. A byte order mark is skipped, and dropped when a block is set. JSON has
// no aliases, so the folds of an edit are ignored.
type Format struct {
	// MaxValue is the longest single value in bytes, [formats.MaxValue] if it is 0.
	MaxValue int
}

var _ formats.Format = Format{}

const byteOrderMark = "\ufeff"

// Parse implements [formats.Format]. It takes linear time.
func (f Format) Parse(src []byte) (*formats.Document, error) {
	if len(src) > formats.MaxSealed {
		return nil, &formats.Error{Cause: formats.ErrLimit, Msg: "file too large"}
	}
	// The texts of most leaves are parts of the source, which must not change
	// while the document is in use: no need to copy it.
	leaves := min(bytes.Count(src, []byte{','})+1, len(src)/8, formats.MaxLeaves)
	s := scanner{src: unsafe.String(unsafe.SliceData(src), len(src)), maxValue: cmp.Or(f.MaxValue, formats.MaxValue)}
	s.doc = &formats.Document{Source: src, Leaves: make([]formats.Leaf, 0, leaves)}
	if err := s.document(); err != nil {
		return nil, err
	}
	s.doc.Meta, s.doc.Shape = s.root.meta, &s.root
	return s.doc, nil
}

// Spell implements [formats.Format]. Strings get no more escapes than they need.
func (Format) Spell(_ *formats.Document, _ int, s formats.Scalar) string {
	switch s.Kind {
	case formats.Null:
		return "null"
	case formats.EmptyMap:
		return "{}"
	case formats.EmptyList:
		return "[]"
	case formats.Bool:
		return strings.ToLower(s.Text)
	case formats.Int:
		return s.Text
	case formats.Float:
		// What reads as an integer would become one.
		if _, err := strconv.ParseInt(s.Text, 10, 64); err == nil {
			return s.Text + ".0"
		}
		return s.Text
	default:
		return quote(s.Text)
	}
}

// Narrow returns what lies between the quotes of leaf i if s needs no escapes;
// see [formats.Document.Patches].
func (Format) Narrow(d *formats.Document, i int, s formats.Scalar) (start, end int, ok bool) {
	l := &d.Leaves[i]
	isText := s.Kind == formats.String || s.Kind == formats.Sealed
	return l.Start + 1, l.End - 1, isText && d.Source[l.Start] == '"' && !needsEscape(s.Text)
}

// Rewrite implements [formats.Format]. A new value of the kind comment takes the
// list item that it is for out of its list: that is how sops hides comments in
// JSON.
func (f Format) Rewrite(d *formats.Document, e formats.Edit) ([]byte, error) {
	var values, comments []formats.Value
	for _, v := range e.Values {
		switch {
		case v.Kind == formats.Comment:
			comments = append(comments, v)
		case v.Raw == "" && !representable(v.Scalar):
			return nil, &formats.Error{Cause: formats.ErrNotSealable, Msg: "JSON cannot hold this value"}
		default:
			values = append(values, v)
		}
	}
	patches, err := d.Patches(f, values)
	if err != nil {
		return nil, err
	}
	gone, err := removals(d, comments)
	if err != nil {
		return nil, err
	}
	patches = append(patches, gone...)
	root := d.Shape.(*rootObject)
	switch {
	case e.Meta.Set != nil:
		patches = append(patches, root.setMeta(d.Source, e.Meta.Set)...)
	case e.Meta.Remove && root.meta != nil:
		patches = append(patches, root.removeMeta())
	}
	return formats.Splice(d.Source, patches)
}

// representable reports whether there is JSON that means s.
func representable(s formats.Scalar) bool {
	switch s.Kind {
	case formats.Int:
		_, err := strconv.ParseInt(s.Text, 10, 64)
		return err == nil
	case formats.Float:
		f, err := strconv.ParseFloat(s.Text, 64)
		return err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) && len(s.Text) == len(scanNumber(s.Text))
	case formats.Bool:
		return s.Text == "True" || s.Text == "False"
	case formats.Null, formats.EmptyMap, formats.EmptyList:
		return true
	}
	return utf8.ValidString(s.Text)
}

// removals takes the list items that become comments out of their lists, each
// run of neighbours with the comma after it or else the one before it.
func removals(d *formats.Document, values []formats.Value) ([]formats.Patch, error) {
	var gone []int
	for _, v := range values {
		if v.Leaf < 0 || v.Leaf >= len(d.Leaves) {
			return nil, &formats.Error{Cause: formats.ErrSyntax, Msg: "a change names no leaf"}
		}
		if l := d.Leaves[v.Leaf]; l.Path.Index == formats.InMap || l.Kind != formats.String {
			return nil, &formats.Error{Cause: formats.ErrNotSealable, Path: l.Path, Msg: "JSON cannot hold a comment here"}
		}
		gone = append(gone, v.Leaf)
	}
	slices.Sort(gone)
	var patches []formats.Patch
	for len(gone) > 0 {
		n := 1
		for n < len(gone) && follows(d, gone[n-1], gone[n]) {
			n++
		}
		patches = append(patches, removal(d.Source, d.Leaves[gone[0]].Start, d.Leaves[gone[n-1]].End))
		gone = gone[n:]
	}
	return patches, nil
}

// follows reports whether leaf j is the list item next to i.
func follows(d *formats.Document, i, j int) bool {
	comma := skipSpace(d.Source, d.Leaves[i].End)
	return d.Source[comma] == ',' && skipSpace(d.Source, comma+1) == d.Leaves[j].Start
}

func removal(src []byte, start, end int) formats.Patch {
	if comma := skipSpace(src, end); src[comma] == ',' {
		return formats.Patch{Start: start, End: skipSpace(src, comma+1)}
	}
	if comma := skipSpaceBack(src, start) - 1; src[comma] == ',' {
		start = comma
	}
	return formats.Patch{Start: start, End: end}
}
