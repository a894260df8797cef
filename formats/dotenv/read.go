package dotenv

import (
	"bytes"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// reader reads one file line by line. at is where the next line begins.
type reader struct {
	shape
	src  []byte
	at   int
	doc  *formats.Document
	root *formats.Path
	keys map[string]struct{}
	// sealed says that the file has a metadata block. sops splits such a file at
	// every line feed, and so do we.
	sealed bool
	pairs  []formats.Pair
	// unclosed holds the quotes of which no closing one follows: looking for one
	// again and again would take quadratic time.
	unclosed map[byte]bool
}

func newReader(src []byte) *reader {
	r := &reader{
		src: src, doc: &formats.Document{Source: src}, root: formats.Root(0),
		keys: map[string]struct{}{}, unclosed: map[byte]bool{},
	}
	if bytes.HasPrefix(src, byteOrderMark) {
		r.bom, r.at = len(byteOrderMark), len(byteOrderMark)
	}
	for line := range bytes.Lines(src[r.bom:]) {
		if bytes.HasPrefix(line, []byte(metaPrefix)) && bytes.IndexByte(line, '=') >= 0 {
			r.sealed = true
			break
		}
	}
	return r
}

// line reads a line, or the lines of one value.
func (r *reader) line() error {
	start, end := r.at, lineEnd(r.src, r.at)
	line := r.src[start:end]
	r.at = min(end+1, len(r.src))
	assign := bytes.IndexByte(line, '=')
	switch {
	case len(line) == 0:
		return nil
	case line[0] == '#':
		return r.leaf(formats.Comment, r.root, string(line[1:]), start, end)
	case assign >= 0:
		return r.pair(start, start+assign, end)
	}
	if text := bytes.TrimLeft(line, " \t\r\v\f"); len(text) == 0 || text[0] == '#' {
		return r.leaf(formats.Comment, r.root, string(line), start, end)
	}
	return r.fail(formats.ErrSyntax, start, "neither a comment nor KEY=value")
}

// pair reads the line source[start:end] with its = at assign.
func (r *reader) pair(start, assign, end int) error {
	key := string(r.src[start:assign])
	if _, twice := r.keys[key]; twice {
		return r.fail(formats.ErrDuplicate, start, "the key stands twice")
	}
	r.keys[key] = struct{}{}
	if !r.sealed {
		if last := r.closingLine(assign+1, end); last > end {
			end = last
			r.at = min(end+1, len(r.src))
		}
	}
	text := strings.ReplaceAll(string(r.src[assign+1:end]), `\n`, "\n")
	if strings.HasPrefix(key, metaPrefix) {
		r.lines = append(r.lines, metaLine{key: key, start: start, value: assign + 1, end: r.at})
		r.pairs = append(r.pairs, formats.Pair{Key: key[len(metaPrefix):], Text: text})
		return nil
	}
	return r.leaf(formats.String, r.root.At(key), text, assign+1, end)
}

func (r *reader) leaf(k formats.Kind, p *formats.Path, text string, start, end int) error {
	if len(r.doc.Leaves) >= formats.MaxLeaves {
		return r.fail(formats.ErrLimit, start, "too many values")
	}
	if len(text) > formats.MaxValue {
		return r.fail(formats.ErrLimit, start, "value too long")
	}
	r.doc.Leaves = append(r.doc.Leaves, formats.Leaf{
		Path: p, Scalar: formats.Scalar{Kind: k, Text: text}, Start: start, End: end,
	})
	return nil
}

// lineEndsChanged reports whether all lines of the metadata block end in CRLF, which
// nobody writes: values would end in carriage returns that are none of theirs.
func (r *reader) lineEndsChanged() bool {
	for _, l := range r.lines {
		if !bytes.HasSuffix(r.src[l.start:l.end], []byte("\r\n")) {
			return false
		}
	}
	return len(r.lines) > 0
}

// closingLine returns the end of the line in which the value that begins at value,
// on the line that ends at end, closes the quote that it opens; end if it opens
// none or closes it at once, or if other text follows where it closes: then it is
// no quote but a character.
func (r *reader) closingLine(value, end int) int {
	open := value + len(r.src[value:end]) - len(bytes.TrimLeft(r.src[value:end], " \t"))
	if open == end || r.src[open] != '"' && r.src[open] != '\'' {
		return end
	}
	quote := r.src[open]
	if closing(r.src[open+1:end], quote) >= 0 || r.unclosed[quote] {
		return end
	}
	at := closing(r.src[end:], quote)
	if at < 0 {
		r.unclosed[quote] = true
		return end
	}
	last := lineEnd(r.src, end+at)
	if rest := bytes.TrimLeft(r.src[end+at+1:last], " \t\r"); len(rest) > 0 && rest[0] != '#' {
		return end
	}
	return last
}

// closing returns the index of the first quote in s that no backslash escapes, or
// -1. Single quotes cannot be escaped.
func closing(s []byte, quote byte) int {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i
		case s[i] == '\\' && quote == '"':
			i++
		}
	}
	return -1
}

// lineEnd returns the offset of the line feed that ends the line of offset i, or
// the length of src.
func lineEnd(src []byte, i int) int {
	if n := bytes.IndexByte(src[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(src)
}

func (r *reader) fail(cause error, at int, msg string) *formats.Error {
	return formats.ErrorAt(cause, r.src, at, nil, msg)
}
