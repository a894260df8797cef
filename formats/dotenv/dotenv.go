// Package dotenv finds and replaces the values of dotenv files.
//
// It reads what sops reads in the way sops does: a line that begins with # is a
// comment, any other has a key before its first = and a value after it, spaces,
// quotes, inline comments, the word export and a carriage return included; \n in
// a value stands for a line feed. Beyond that it accepts what sops stumbles over,
// and what a sealed file may hold only in another form (see [Format.Rewrite]):
//
//   - a value in quotes that goes on over several lines is one value;
//   - an indented comment, or a line of white space alone (in a file with CRLF:
//     every blank line), is a comment whose text is the whole line.
//
// Carriage returns stay in the values although nobody means them: sops hashes
// them, and it takes KEY=\r for a value, so a sealed file that left them standing
// would not open in sops. They come back when the file is unsealed.
package dotenv

import (
	"bytes"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// Format is dotenv. Keys that begin with "sops_" are the metadata block. A byte
// order mark is skipped, and dropped when a block is set. All values are strings;
// the folds of an edit are ignored.
type Format struct{}

var _ formats.Format = Format{}

const metaPrefix = "sops_"

// shape is what Parse leaves for Rewrite.
type shape struct {
	// bom is the length of the byte order mark.
	bom int
	// lines are those of the metadata block.
	lines []metaLine
}

// metaLine is one line of the block: source[start:end] with its line feed, the
// value from value on.
type metaLine struct {
	key               string
	start, value, end int
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
	if r.lineEndsChanged() {
		return nil, formats.ErrorAt(formats.ErrLineEnds, src, r.lines[0].start, nil, "the lines of the sealed file end in CRLF: git (core.autocrlf) or an editor has changed them")
	}
	if len(r.pairs) > 0 {
		meta, err := formats.Unflatten(r.pairs)
		if err != nil {
			return nil, err
		}
		r.doc.Meta = meta
	}
	r.doc.Shape = &r.shape
	return r.doc, nil
}

// Spell implements [formats.Format]. A comment is spelled with its #, from the
// begin of its line: what sops does not take for a comment becomes one.
func (Format) Spell(d *formats.Document, i int, s formats.Scalar) string {
	text := strings.ReplaceAll(s.Text, "\n", `\n`)
	switch {
	case d.Leaves[i].Kind == formats.Comment:
		return "#" + s.Text
	case s.Kind == formats.Bool:
		return strings.ToLower(text)
	}
	return text
}

// Rewrite implements [formats.Format]. Where a metadata block is set, it refuses
// values over several lines and the odd comments that are neither sealed nor given
// anew: sops could not read them. It refuses whatever would not read back as the
// same keys.
func (f Format) Rewrite(d *formats.Document, e formats.Edit) ([]byte, error) {
	patches, err := d.Patches(f, e.Values)
	if err != nil {
		return nil, err
	}
	for _, v := range e.Values {
		isComment := d.Leaves[v.Leaf].Kind == formats.Comment
		if v.Kind != formats.Sealed && (v.Kind == formats.Comment) != isComment || v.Kind.Empty() {
			return nil, &formats.Error{Cause: formats.ErrNotSealable, Msg: "dotenv cannot hold a value of this kind here"}
		}
	}
	sh := d.Shape.(*shape)
	switch {
	case e.Meta.Set != nil:
		if err := oneLineEach(d, e.Values); err != nil {
			return nil, err
		}
		block, err := sh.set(d, e.Meta.Set)
		if err != nil {
			return nil, err
		}
		patches = append(patches, block...)
	case e.Meta.Remove:
		patches = append(patches, sh.remove()...)
	}
	out, err := formats.Splice(d.Source, patches)
	if err != nil {
		return nil, err
	}
	return out, f.readsBack(d, out, e)
}

// oneLineEach refuses leaves that sops could not read unless they have new values.
func oneLineEach(d *formats.Document, values []formats.Value) error {
	given := make([]bool, len(d.Leaves))
	for _, v := range values {
		given[v.Leaf] = v.Raw == ""
	}
	for i, l := range d.Leaves {
		switch {
		case given[i]:
		case l.Kind == formats.Comment && d.Source[l.Start] != '#':
			return formats.ErrorAt(formats.ErrNotSealable, d.Source, l.Start, nil,
				"an indented comment or a line of white space must be sealed itself")
		case bytes.IndexByte(d.Source[l.Start:l.End], '\n') >= 0:
			return formats.ErrorAt(formats.ErrNotSealable, d.Source, l.Start, nil,
				"a value over several lines must be sealed itself")
		}
	}
	return nil
}

// readsBack checks that out has the leaves of d, with the new values. A value with
// a line feed or a lone quote could run into its neighbours.
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
	if d.Meta != nil {
		old, err := formats.Flatten(d.Meta)
		if err != nil {
			return nil, err
		}
		if sameKeys(old, pairs) {
			return append(patches, sh.changes(d.Source, pairs)...), nil
		}
	}
	var b strings.Builder
	at := len(d.Source)
	switch {
	case len(sh.lines) > 0:
		at = sh.lines[0].start
		patches = append(patches, sh.remove()...)
	case at > sh.bom && d.Source[at-1] != '\n':
		b.WriteByte('\n')
	}
	for _, p := range pairs {
		b.WriteString(metaPrefix + p.Key + "=" + strings.ReplaceAll(p.Text, "\n", `\n`) + "\n")
	}
	return append([]formats.Patch{{Start: at, End: at, Text: b.String()}}, patches...), nil
}

// changes returns patches for the lines whose values differ from pairs, which have
// the same keys.
func (sh *shape) changes(src []byte, pairs []formats.Pair) []formats.Patch {
	texts := make(map[string]string, len(pairs))
	for _, p := range pairs {
		texts[metaPrefix+p.Key] = strings.ReplaceAll(p.Text, "\n", `\n`)
	}
	var patches []formats.Patch
	for _, l := range sh.lines {
		end := l.value + len(bytes.TrimSuffix(src[l.value:l.end], []byte("\n")))
		if text := texts[l.key]; text != string(src[l.value:end]) {
			patches = append(patches, formats.Patch{Start: l.value, End: end, Text: text})
		}
	}
	return patches
}

func (sh *shape) remove() []formats.Patch {
	var patches []formats.Patch
	for _, l := range sh.lines {
		patches = append(patches, formats.Patch{Start: l.start, End: l.end})
	}
	return patches
}

func sameKeys(a, b []formats.Pair) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key {
			return false
		}
	}
	return true
}
