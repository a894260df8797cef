package yaml

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/gitseal/gitseal/formats"
)

// Spell returns the text for the scalar s at leaf i: see [formats.Format]. It
// keeps quotes and block headers where they can hold s.
func (Format) Spell(d *formats.Document, i int, s formats.Scalar) string {
	l := &d.Leaves[i]
	if l.Kind == formats.Comment {
		return s.Text
	}
	if s.Kind == formats.Comment {
		return "#" + s.Text
	}
	sh, _ := d.Shape.(*shape)
	if start, end, ok := sh.betweenQuotes(l, s); ok && sh.src[start:end] == s.Text {
		return sh.src[l.Start:l.End]
	}
	at := spot{style: l.Style, newline: sh.newline, eof: l.End == len(d.Source)}
	if formOf(l.Style).block() || strings.IndexByte(s.Text, '\n') >= 0 {
		at.lookAround(d, i)
	}
	return at.spell(s)
}

// spot is the place of a leaf, as far as spelling depends on it.
type spot struct {
	style   uint32
	text    string // what stands there, of a block scalar
	newline string
	// eof: the file ends behind the leaf. last: no other leaf of the document
	// follows. free: nothing follows on its line.
	eof, last, free bool
}

// lookAround sets what depends on the text of leaf i and on what follows it. Only
// block scalars and texts with line feeds need that.
func (s *spot) lookAround(d *formats.Document, i int) {
	l := &d.Leaves[i]
	s.last = true
	if formOf(l.Style).block() {
		s.text = string(d.Source[l.Start:l.End])
	}
	for _, next := range d.Leaves[i+1:] {
		if next.Kind != formats.Comment {
			s.last = next.Path.Document() != l.Path.Document()
			break
		}
	}
	rest := d.Source[l.End:]
	for len(rest) > 0 && isBlank(rest[0]) {
		rest = rest[1:]
	}
	s.free = len(rest) == 0 || isBreak(rest[0])
}

// spell returns the text for s.
func (at spot) spell(s formats.Scalar) string {
	if at.style&styleBody != 0 {
		return at.body(s)
	}
	switch s.Kind {
	case formats.Sealed:
		return at.sealed(s.Text)
	case formats.String:
		return at.str(s)
	}
	return canonical(s)
}

// canonical spells scalars that are no strings.
func canonical(s formats.Scalar) string {
	switch s.Kind {
	case formats.Null:
		return "null"
	case formats.EmptyMap:
		return "{}"
	case formats.EmptyList:
		return "[]"
	case formats.Bool:
		return strings.ToLower(s.Text)
	case formats.Float:
		return canonicalFloat(s.Text)
	}
	return s.Text
}

// canonicalFloat makes sure that the text of a float is not taken for an int.
func canonicalFloat(text string) string {
	switch {
	case text == "+Inf":
		return ".inf"
	case text == "-Inf":
		return "-.inf"
	case text == "NaN":
		return ".nan"
	case !strings.Contains(text, "."):
		return text + ".0"
	}
	return text
}

func (at spot) flow() bool { return at.style&styleFlow != 0 }

// sealed spells an ENC[…] text.
func (at spot) sealed(text string) string {
	switch f := formOf(at.style); {
	case f == formDouble:
		return `"` + text + `"`
	case f == formSingle, at.flow():
		return "'" + text + "'"
	case f.block():
		header, column := at.header()
		return header + at.newline + strings.Repeat(" ", column) + text
	}
	return text
}

// str spells a string.
func (at spot) str(s formats.Scalar) string {
	if !utf8.ValidString(s.Text) {
		return `!!binary "` + base64.StdEncoding.EncodeToString([]byte(s.Text)) + `"`
	}
	f := formOf(at.style)
	switch {
	case f == formDouble:
		return quoteDouble(s.Text)
	case f.block():
		if text, ok := at.block(s.Text); ok {
			return text
		}
	case f == formSingle && !at.flow():
		if oneLine(s.Text) {
			return quoteSingle(s.Text)
		}
	default:
		return at.plain(s)
	}
	return quoteDouble(s.Text)
}

// plain spells a string plainly if that means the same, and in another way if
// not. In flow, single quotes are no different: sealing puts them there.
func (at spot) plain(s formats.Scalar) string {
	if plainSafe(s.Text, at.flow()) && (at.style&styleStr != 0 || resolvePlain(s.Text) == s && !ambiguous(s.Text)) {
		return s.Text
	}
	if at.flow() {
		if oneLine(s.Text) {
			return quoteSingle(s.Text)
		}
		return quoteDouble(s.Text)
	}
	if breaks := strings.Count(s.Text, "\n"); breaks > 0 && at.free && !(at.last && strings.HasSuffix(s.Text, "\n")) {
		const step = 2
		b := blockText{text: s.Text, form: formLiteral, newline: at.newline, indent: parentIndent(at.style)}
		b.column = max(b.indent, 0) + step
		if text, ok := b.spell(); ok {
			return text
		}
	}
	return quoteDouble(s.Text)
}

// block spells a string as a block scalar with the header that stands there.
func (at spot) block(text string) (string, bool) {
	header, column := at.header()
	b := blockText{
		text: text, form: formOf(at.style), indent: parentIndent(at.style), column: column,
		newline: at.newline, header: header[1:], last: at.eof || at.last && at.style&styleStrip != 0,
	}
	return b.spell()
}

// body spells s for a block scalar of which only the lines can be replaced.
func (at spot) body(s formats.Scalar) string {
	_, column := at.header()
	text := s.Text
	if s.Kind != formats.String && s.Kind != formats.Sealed {
		text = canonical(s)
	}
	b := blockText{text: text, form: formOf(at.style), column: column, newline: at.newline}
	return b.lines()
}

// header returns the header of the block scalar that stands here, with its | or
// >, and the column of its content.
func (at spot) header() (header string, column int) {
	text := at.text
	if at.style&styleBody == 0 {
		if strings.HasPrefix(text, "!") {
			text = text[strings.IndexAny(text, " \t\r\n"):]
		}
		text = strings.TrimLeft(text, " \t\r\n")
		header, text, _ = strings.Cut(text, "\n")
		header = strings.TrimRight(header, " \t\r")
	}
	base := max(parentIndent(at.style), 0)
	if digit := int(at.style>>styleDigit) & 15; digit > 0 {
		return header, base + digit
	}
	for line := range strings.SplitSeq(text, "\n") {
		if trimmed := strings.TrimLeft(line, " "); strings.TrimRight(trimmed, "\r") != "" {
			return header, len(line) - len(trimmed)
		}
	}
	const step = 2
	return header, base + step
}
