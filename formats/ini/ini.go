// Package ini finds and replaces the values of INI files.
//
// It reads what sops reads in the way of gopkg.in/ini.v1, which sops uses: = and :
// as delimiters, values in single, double, back or triple quotes, values that a
// backslash continues, comments after # and ;. Keys before the first section
// belong to the section DEFAULT. It refuses what that library would garble or
// guess: sections and keys that stand twice, text behind a quoted value or a
// section, # and ; inside a value that is not in back or triple quotes.
//
// sops takes the comment lines before a key or section for one comment, and so do
// we: they are one leaf, sealed as one line. A comment behind the value or section
// is a leaf of its own. sops would join the two; it shows the first one only. It
// also drops comments at the end of a file.
package ini

import (
	"bytes"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// Format is INI. The section "sops" is the metadata block. A byte order mark is
// skipped, and dropped when a block is set. All values are strings; the folds of
// an edit are ignored.
type Format struct{}

var _ formats.Format = Format{}

const (
	metaSection    = "sops"
	defaultSection = "DEFAULT"
)

// styleBehindSection marks a comment on the line of a section. sops takes the last
// ] of such a line for the end of the section's name, and every sealed text has one.
const styleBehindSection = 1

// shape is what Parse leaves for Rewrite.
type shape struct {
	// bom is the length of the byte order mark.
	bom int
	// start is where the line of the block's header begins, end where its last
	// line ends, with the line feed.
	start, end int
	// values are the spans of the block's values in the order of the file.
	values [][2]int
}

// Parse implements [formats.Format]. Errors name the line alone: in a damaged
// file a part of a secret may stand where a key belongs.
func (Format) Parse(src []byte) (*formats.Document, error) {
	if len(src) > formats.MaxSealed {
		return nil, &formats.Error{Cause: formats.ErrLimit, Msg: "file too large"}
	}
	r := newReader(src)
	for r.at < len(src) {
		if err := r.line(); err != nil {
			return nil, err
		}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	if r.hasMeta {
		meta, err := formats.Unflatten(r.pairs)
		if err != nil {
			return nil, err
		}
		r.doc.Meta = meta
	}
	r.doc.Shape = &r.shape
	return r.doc, nil
}

// Spell implements [formats.Format]. Values are quoted only if they have to be.
func (Format) Spell(d *formats.Document, i int, s formats.Scalar) string {
	switch {
	case d.Leaves[i].Kind == formats.Comment, s.Kind == formats.Sealed:
		return s.Text
	case s.Kind == formats.Bool:
		return strings.ToLower(s.Text)
	}
	return quote(s.Text)
}

// Rewrite implements [formats.Format]. It refuses whatever would not read back as
// the same keys with the values given.
func (f Format) Rewrite(d *formats.Document, e formats.Edit) ([]byte, error) {
	patches, err := d.Patches(f, e.Values)
	if err != nil {
		return nil, err
	}
	for _, v := range e.Values {
		l := d.Leaves[v.Leaf]
		if l.Style == styleBehindSection && strings.Contains(v.Text, "]") {
			return nil, formats.ErrorAt(formats.ErrNotSealable, d.Source, l.Start, nil,
				"a comment behind a section cannot be sealed: put it on the line above")
		}
		isComment := l.Kind == formats.Comment
		if v.Kind != formats.Sealed && (v.Kind == formats.Comment) != isComment || v.Kind.Empty() {
			return nil, &formats.Error{Cause: formats.ErrNotSealable, Msg: "INI cannot hold a value of this kind here"}
		}
	}
	sh := d.Shape.(*shape)
	switch {
	case e.Meta.Set != nil:
		block, err := sh.set(d, e.Meta.Set)
		if err != nil {
			return nil, err
		}
		patches = append(patches, block...)
	case e.Meta.Remove && d.Meta != nil:
		patches = append(patches, formats.Patch{Start: sh.start - blankBefore(d.Source, sh.bom, sh.start), End: sh.end})
	}
	out, err := formats.Splice(d.Source, patches)
	if err != nil {
		return nil, err
	}
	return out, f.readsBack(d, out, e)
}

// readsBack checks that out has the leaves of d, with the new values.
func (f Format) readsBack(d *formats.Document, out []byte, e formats.Edit) error {
	if len(e.Values) == 0 && e.Meta.Set == nil && !e.Meta.Remove {
		return nil
	}
	bad := &formats.Error{Cause: formats.ErrNotSealable, Msg: "a value cannot be written so that it reads back"}
	got, err := f.Parse(out)
	if err != nil || len(got.Leaves) != len(d.Leaves) {
		return bad
	}
	for i, l := range d.Leaves {
		if !got.Leaves[i].Path.Equal(l.Path) || got.Leaves[i].Kind != l.Kind {
			return bad
		}
	}
	for _, v := range e.Values {
		want := v.Text
		if v.Kind == formats.Bool {
			want = strings.ToLower(want)
		}
		if v.Raw == "" && got.Leaves[v.Leaf].Text != want {
			return bad
		}
	}
	return nil
}

// set returns the patches that make m the block.
func (sh *shape) set(d *formats.Document, m *formats.Meta) ([]formats.Patch, error) {
	pairs, err := formats.Flatten(m)
	if err != nil {
		return nil, err
	}
	var patches []formats.Patch
	if sh.bom > 0 {
		patches = append(patches, formats.Patch{End: sh.bom})
	}
	block, err := blockText(pairs, newline(d.Source))
	if err != nil {
		return nil, err
	}
	if d.Meta == nil {
		at := len(d.Source)
		before := newline(d.Source)
		if at > sh.bom && d.Source[at-1] != '\n' {
			before += newline(d.Source)
		}
		return append(patches, formats.Patch{Start: at, End: at, Text: before + block}), nil
	}
	if changes, ok := sh.changes(d, pairs); ok {
		return append(patches, changes...), nil
	}
	return append(patches, formats.Patch{Start: sh.start, End: sh.end, Text: block}), nil
}

// changes returns patches for the values in which pairs differ from the block, if
// they have the same keys in the order of the file.
func (sh *shape) changes(d *formats.Document, pairs []formats.Pair) ([]formats.Patch, bool) {
	r := newReader(d.Source)
	for r.at < len(d.Source) {
		if err := r.line(); err != nil {
			return nil, false
		}
	}
	if len(r.pairs) != len(pairs) {
		return nil, false
	}
	var patches []formats.Patch
	for i, p := range pairs {
		if r.pairs[i].Key != p.Key {
			return nil, false
		}
		if r.pairs[i].Text != p.Text {
			patches = append(patches, formats.Patch{Start: sh.values[i][0], End: sh.values[i][1], Text: metaText(p.Text)})
		}
	}
	return patches, true
}

func blockText(pairs []formats.Pair, nl string) (string, error) {
	var b strings.Builder
	b.WriteString("[" + metaSection + "]" + nl)
	for _, p := range pairs {
		key, ok := quoteKey(p.Key)
		if !ok {
			return "", &formats.Error{Cause: formats.ErrMetadata, Msg: "INI cannot hold a key of the metadata block"}
		}
		b.WriteString(key + " = " + metaText(p.Text) + nl)
	}
	return b.String(), nil
}

func metaText(text string) string { return quote(strings.ReplaceAll(text, "\n", `\n`)) }

// newline returns how the first line of src ends.
func newline(src []byte) string {
	if i := bytes.IndexByte(src, '\n'); i > 0 && src[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// blankBefore returns the length of the blank line before offset at, 0 if there is
// none.
func blankBefore(src []byte, bom, at int) int {
	for _, nl := range []string{"\n", "\r\n"} {
		before, ok := bytes.CutSuffix(src[bom:at], []byte(nl))
		if ok && (len(before) == 0 || before[len(before)-1] == '\n') {
			return len(nl)
		}
	}
	return 0
}
