package formats

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrPath: a text is not the path of a key.
var ErrPath = errors.New("not a key path")

// ParsePath reads a path as people write it:
//
//	db.hosts[2].name           keys and list indexes, which count from 0
//	data."tls.crt"             a key in Go's double quotes, where it has odd characters
//	["data"]["tls.crt"][2]     sops's syntax; both may be mixed, 'single' quotes hold no escapes
//	document 2: a.b, 2:a.b     in another document of the file than the first, counted from 1
//	.                          the root
//
// Without quotes a key is any run of printable characters but white space,
// controls and . : [ ] " ' \. Errors wrap [ErrPath] and name the place and no
// part of the text, which may be a secret that was typed into the wrong field.
// For every path p that leads somewhere, ParsePath(p.Text()) equals p.
func ParsePath(s string) (*Path, error) {
	r := pathReader{text: s}
	p := r.document()
	if r.text[r.at:] == "." {
		return p, nil
	}
	for depth := 0; r.err == nil; depth++ {
		if depth > 0 && r.at == len(s) {
			return p, nil
		}
		if depth == MaxDepth {
			return nil, r.fail("too many steps")
		}
		p = r.step(p, depth == 0)
	}
	return nil, r.err
}

// Text returns the path as String does, with keys of any length in full: for
// machines, and for [ParsePath].
func (p *Path) Text() string { return p.text(fullKey) }

type pathReader struct {
	text string
	at   int
	err  error
}

func (r *pathReader) fail(msg string) error {
	if r.err == nil {
		r.err = &Error{Cause: ErrPath, Msg: "key path, byte " + strconv.Itoa(r.at+1) + ": " + msg}
	}
	return r.err
}

// document reads the number of the document, if there is one. A colon stands in
// no key without quotes, so that nothing else begins like it.
func (r *pathReader) document() *Path {
	rest := strings.TrimPrefix(r.text, "document ")
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	if n == 0 || n == len(rest) || rest[n] != ':' {
		return Root(0)
	}
	number, ok := canonicalInt(rest[:n])
	if !ok || number == 0 {
		r.fail("documents are counted from 1")
		return Root(0)
	}
	r.at = len(r.text) - len(rest) + n + 1
	if r.at < len(r.text) && r.text[r.at] == ' ' {
		r.at++
	}
	return Root(number - 1)
}

// step reads one step below p. No dot stands before the first one, or before a
// bracket.
func (r *pathReader) step(p *Path, first bool) *Path {
	if r.at < len(r.text) && r.text[r.at] == '[' {
		return r.bracket(p)
	}
	if !first {
		if r.text[r.at] != '.' {
			r.fail("expected a dot or a bracket")
			return p
		}
		r.at++
	}
	if r.at < len(r.text) && r.text[r.at] == '"' {
		return p.At(r.quoted())
	}
	start := r.at
	for r.at < len(r.text) {
		c, size := utf8.DecodeRuneInString(r.text[r.at:])
		if !bareRune(c) || c == utf8.RuneError && size == 1 {
			break
		}
		r.at += size
	}
	if r.at == start {
		r.fail("expected a key; put odd characters into double quotes")
	}
	return p.At(r.text[start:r.at])
}

// bareRune reports whether c may stand in a key without quotes.
func bareRune(c rune) bool {
	return unicode.IsPrint(c) && c != ' ' && !strings.ContainsRune(`.:[]"'\`, c)
}

// bracket reads [index] or ["key"].
func (r *pathReader) bracket(p *Path) *Path {
	r.at++
	rest := r.text[r.at:]
	switch {
	case strings.HasPrefix(rest, `"`):
		p = p.At(r.quoted())
	case strings.HasPrefix(rest, "'"):
		n := strings.IndexByte(rest[1:], '\'')
		if n < 0 {
			r.fail("a quote that is not closed")
			return p
		}
		p = p.At(rest[1 : 1+n])
		r.at += n + len("''")
	default:
		n := max(strings.IndexByte(rest, ']'), 0)
		index, ok := canonicalInt(rest[:n])
		if !ok {
			r.fail("expected a list index, or a key in quotes")
			return p
		}
		p = p.Item(index)
		r.at += n
	}
	if r.err == nil && (r.at >= len(r.text) || r.text[r.at] != ']') {
		r.fail("expected a closing bracket")
	}
	r.at++
	return p
}

// quoted reads a key in double quotes.
func (r *pathReader) quoted() string {
	text, err := strconv.QuotedPrefix(r.text[r.at:])
	if err != nil {
		r.fail("a quote that is not closed, or a bad escape in it")
		return ""
	}
	key, err := strconv.Unquote(text)
	if err != nil {
		r.fail("a bad escape in quotes")
	}
	r.at += len(text)
	return key
}

// canonicalInt reads a number that is spelled in the one usual way.
func canonicalInt(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && strconv.Itoa(n) == s
}
