package ini

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/gitseal/gitseal/formats"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// reader reads one file line by line. at is where the next line begins.
type reader struct {
	shape
	src []byte
	at  int
	doc *formats.Document

	// name and section are the section that the lines belong to.
	name     string
	section  *formats.Path
	sections map[string]struct{}
	keys     map[string]struct{}
	hasKeys  bool
	// headerEnd is where the line after the section's header begins.
	headerEnd int

	// block is the comment lines read since the last key or section.
	block comment

	hasMeta bool
	pairs   []formats.Pair
}

// comment is what sops takes for one comment: from its first # or ; on.
type comment struct {
	found      bool
	start, end int
	// text leaves out blank lines and indentation.
	text []byte
}

func newReader(src []byte) *reader {
	r := &reader{
		src: src, doc: &formats.Document{Source: src}, name: defaultSection,
		section:  formats.Root(0).At(defaultSection),
		sections: map[string]struct{}{}, keys: map[string]struct{}{},
	}
	if bytes.HasPrefix(src, byteOrderMark) {
		r.bom, r.at = len(byteOrderMark), len(byteOrderMark)
	}
	return r
}

// next reads a line and returns its bounds without white space around it.
func (r *reader) next() (start, end int) {
	start, end = r.at, len(r.src)
	if n := bytes.IndexByte(r.src[r.at:], '\n'); n >= 0 {
		end = r.at + n + 1
	}
	r.at = end
	return r.trim(start, end)
}

func (r *reader) trim(start, end int) (int, int) {
	end = start + len(bytes.TrimRightFunc(r.src[start:end], unicode.IsSpace))
	return end - len(bytes.TrimLeftFunc(r.src[start:end], unicode.IsSpace)), end
}

// line reads a comment line, a section, or a key with its value.
func (r *reader) line() error {
	lineStart := r.at
	start, end := r.next()
	if lineStart == 0 && (bytes.HasPrefix(r.src, []byte("\xff\xfe")) || bytes.HasPrefix(r.src, []byte("\xfe\xff"))) {
		return r.fail(formats.ErrSyntax, 0, "UTF-16")
	}
	if start == end {
		return nil
	}
	switch r.src[start] {
	case '#', ';':
		if !r.block.found {
			r.block = comment{found: true, start: start}
		} else {
			r.block.text = append(r.block.text, '\n')
		}
		// White space before the line feed stays, as in sops, except at the end.
		r.block.end = end
		r.block.text = append(r.block.text, bytes.TrimSuffix(r.src[start:r.at], []byte("\n"))...)
		return nil
	case '[':
		return r.header(lineStart, start, end)
	}
	return r.pair(start, end)
}

// header reads the line of a section.
func (r *reader) header(lineStart, start, end int) error {
	n := bytes.IndexByte(r.src[start:end], ']')
	if n < 0 {
		return r.fail(formats.ErrSyntax, start, "the section does not end")
	}
	if bytes.LastIndexByte(r.src[start:end], ']') != n {
		return r.fail(formats.ErrNotSealable, start, "more than one ] in the line of a section")
	}
	name := string(r.src[start+1 : start+n])
	if name == "" {
		return r.fail(formats.ErrSyntax, start, "the section has no name")
	}
	if _, twice := r.sections[name]; twice || name == defaultSection && r.hasKeys {
		return r.fail(formats.ErrDuplicate, start, "the section stands twice")
	}
	behind, err := r.behind(start+n+1, end)
	if err != nil {
		return err
	}
	if err := r.emptySection(); err != nil {
		return err
	}
	if name == metaSection {
		// Comments before the block stay where they are when it goes.
		if err := r.comments(r.block); err != nil {
			return err
		}
		r.block = comment{}
		r.hasMeta, r.start, r.end = true, lineStart, r.at
	}
	r.sections[name] = struct{}{}
	r.keys = map[string]struct{}{}
	r.name, r.section, r.headerEnd = name, formats.Root(0).At(name), r.at
	above := r.block
	r.block = comment{}
	n = len(r.doc.Leaves)
	if err := r.comments(above, behind); err != nil {
		return err
	}
	if len(r.doc.Leaves) > n && behind.found {
		r.doc.Leaves[len(r.doc.Leaves)-1].Style = styleBehindSection
	}
	return nil
}

// emptySection adds a leaf for the section that ends here if it has no keys: that
// it is there means something to most programs. The unnamed section always is.
func (r *reader) emptySection() error {
	if len(r.keys) > 0 || r.name == defaultSection || r.name == metaSection {
		return nil
	}
	return r.leaf(formats.EmptyMap, r.section, "", r.headerEnd, r.headerEnd)
}

// behind reads what follows a section or a quoted value on its line: nothing or a
// comment.
func (r *reader) behind(start, end int) (comment, error) {
	start, end = r.trim(start, end)
	if start == end {
		return comment{}, nil
	}
	if c := r.src[start]; c != '#' && c != ';' {
		return comment{}, r.fail(formats.ErrNotSealable, start, "text behind a section or a quoted value")
	}
	return comment{found: true, start: start, end: end, text: r.src[start:end]}, nil
}

// comments adds leaves for those that were found. Comments in the metadata block
// are none.
func (r *reader) comments(found ...comment) error {
	for _, c := range found {
		if !c.found || r.name == metaSection {
			continue
		}
		text := strings.TrimRightFunc(string(c.text), unicode.IsSpace)
		// sops strips the comment character with all its repetitions.
		stripped := strings.TrimLeft(text, text[:1]+" ")
		start := c.start + len(text) - len(stripped)
		if start > c.end {
			start = c.end
		}
		if err := r.leaf(formats.Comment, r.section, stripped, start, c.end); err != nil {
			return err
		}
	}
	return nil
}

// pair reads a key and its value, of which source[start:end] is the first line.
func (r *reader) pair(start, end int) error {
	key, delimiter, err := r.key(start, end)
	if err != nil {
		return err
	}
	if key == "" || key == "-" {
		return r.fail(formats.ErrNotSealable, start, "a key without a name")
	}
	if _, twice := r.keys[key]; twice {
		return r.fail(formats.ErrDuplicate, start, "the key stands twice")
	}
	r.keys[key] = struct{}{}
	v, err := r.value(delimiter+1, end)
	if err != nil {
		return err
	}
	if r.name == metaSection {
		r.block = comment{}
		r.end = r.at
		r.values = append(r.values, [2]int{v.start, v.end})
		r.pairs = append(r.pairs, formats.Pair{Key: key, Text: strings.ReplaceAll(v.text, `\n`, "\n")})
		return nil
	}
	r.hasKeys = true
	if err := r.leaf(formats.String, r.section.At(key), v.text, v.start, v.end); err != nil {
		return err
	}
	above := r.block
	r.block = comment{}
	return r.comments(above, v.behind)
}

// key returns the name of a key and the offset of its delimiter.
func (r *reader) key(start, end int) (name string, delimiter int, err error) {
	line := string(r.src[start:end])
	quote := ""
	switch {
	// The limit is the one that counts the line feed, which may be missing.
	case strings.HasPrefix(line, tripleQuote) && len(line) > len(tripleQuote)*2:
		quote = tripleQuote
	case line[0] == '"':
		quote = `"`
	case line[0] == '`':
		quote = backquote
	}
	closed := 0
	if quote != "" {
		n := strings.Index(line[len(quote):], quote)
		if n < 0 {
			return "", 0, r.fail(formats.ErrSyntax, start, "the quote around a key does not end")
		}
		name, closed = line[len(quote):len(quote)+n], n+2*len(quote)
	}
	n := strings.IndexAny(line[closed:], "=:")
	switch {
	case n < 0:
		return "", 0, r.fail(formats.ErrSyntax, start, "neither a section, a comment nor a key with a value")
	case quote == "":
		name = line[:n]
	case strings.TrimSpace(line[closed:closed+n]) != "":
		return "", 0, r.fail(formats.ErrNotSealable, start, "text behind a quoted key")
	}
	return strings.TrimSpace(name), start + closed + n, nil
}

// value is a value as sops reads it, where it stands, and the comment behind it.
type value struct {
	text       string
	start, end int
	behind     comment
}

// value reads the value whose first line is source[from:lineEnd].
func (r *reader) value(from, lineEnd int) (value, error) {
	start, end := r.trim(from, lineEnd)
	line := string(r.src[start:end])
	switch {
	case line == "":
		return value{start: from, end: from}, nil
	case strings.HasPrefix(line, tripleQuote):
		return r.quoted(start, end, tripleQuote)
	case line[0] == '`':
		return r.quoted(start, end, backquote)
	case strings.HasSuffix(line, `\`):
		return r.continued(start, end)
	}
	v := value{text: line, start: start, end: end}
	if n := strings.IndexAny(line, "#;"); n >= 0 {
		v.text = strings.TrimSpace(line[:n])
		if n > 0 && line[n-1] != ' ' && line[n-1] != '\t' || strings.HasPrefix(v.text, `"`) && unquote(v.text) == v.text ||
			strings.HasPrefix(v.text, "'") && unquote(v.text) == v.text {
			return value{}, r.fail(formats.ErrNotSealable, start, "# or ; in a value, where sops would cut it: put the value in backquotes")
		}
		v.end = start + len(v.text)
		v.behind = comment{found: true, start: start + n, end: end, text: r.src[start+n : end]}
		if n == 0 {
			v.start, v.end = from, from
		}
	}
	v.text = unquote(v.text)
	return v, nil
}

// quoted reads a value in back or triple quotes. It ends at the last such quote of
// the first line that has one.
func (r *reader) quoted(start, end int, quote string) (value, error) {
	from := start + len(quote)
	closing := bytes.LastIndex(r.src[from:end], []byte(quote))
	lineStart := from
	for closing < 0 {
		if r.at >= len(r.src) {
			return value{}, r.fail(formats.ErrSyntax, start, "the quote around a value does not end")
		}
		lineStart = r.at
		_, end = r.next()
		end = max(end, lineStart)
		closing = bytes.LastIndex(r.src[lineStart:end], []byte(quote))
	}
	stop := lineStart + closing
	behind, err := r.behind(stop+len(quote), end)
	if err != nil {
		return value{}, err
	}
	if behind.found && bytes.HasSuffix(behind.text, []byte(`\`)) {
		return value{}, r.fail(formats.ErrNotSealable, stop, "a backslash ends the comment behind a quoted value")
	}
	return value{text: string(r.src[from:stop]), start: start, end: stop + len(quote), behind: behind}, nil
}

// continued reads a value of which every line but the last ends in a backslash. It
// has no quotes and no comment.
func (r *reader) continued(start, end int) (value, error) {
	v := value{start: start, end: end}
	text := append([]byte(nil), r.src[start:end-1]...)
	for r.at < len(r.src) {
		from, to := r.next()
		if from == to {
			break
		}
		text, v.end = append(text, r.src[from:to]...), to
		if text[len(text)-1] != '\\' {
			break
		}
		text = text[:len(text)-1]
	}
	v.text = string(text)
	return v, nil
}

// finish takes the comments behind the last key for leaves of its section. Those
// behind the metadata block are a part of it.
func (r *reader) finish() error {
	if err := r.emptySection(); err != nil {
		return err
	}
	if r.block.found && r.name == metaSection {
		r.end = len(r.src)
	}
	return r.comments(r.block)
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

func (r *reader) fail(cause error, at int, msg string) *formats.Error {
	return formats.ErrorAt(cause, r.src, at, nil, msg)
}
