package ini

import (
	"bytes"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

var _ formats.Patcher = Format{}

// Patch implements [formats.Patcher]. A path is a section and a key in it; that of
// keys before the first section is DEFAULT. Numbers and booleans become their
// texts. A new section comes at the end of the file, behind a blank line, which
// goes when it is removed; when its last key goes, it stays.
func (f Format) Patch(d *formats.Document, c formats.Change) ([]byte, error) {
	if _, ok := d.Shape.(*shape); !ok {
		return nil, &formats.Error{Cause: formats.ErrSyntax, Msg: "not a document of this format"}
	}
	pt := patcher{d: d, src: d.Source, c: c, newline: newline(d.Source)}
	for p := c.Path; p.Parent != nil; p = p.Parent {
		pt.depth++
	}
	if !c.Remove {
		if err := pt.texts(); err != nil {
			return nil, err
		}
	}
	site, err := d.Site(pt.c)
	if err != nil {
		return nil, err
	}
	if site.Same {
		return bytes.Clone(d.Source), nil
	}
	if err := pt.read(); err != nil {
		return nil, err
	}
	return pt.first(pt.edits(site))
}

// patcher works out one change.
type patcher struct {
	d        *formats.Document
	src      []byte
	c        formats.Change
	depth    int // of the path
	newline  string
	bom      int
	sections []section
	// delimiter stands between keys and values.
	delimiter string
}

// section is where a section stands: its header's line and its keys' lines, each
// with the line feed.
type section struct {
	name           string
	start, content int
	keys           []keyLines
	// implicit: the keys before the first header.
	implicit bool
}

type keyLines struct {
	start, end int
	indent     string
}

// end returns where the last key of the section ends, or its header.
func (s *section) end() int {
	if len(s.keys) > 0 {
		return s.keys[len(s.keys)-1].end
	}
	return s.content
}

// read finds the sections.
func (pt *patcher) read() error {
	r := newReader(pt.src)
	pt.bom = r.bom
	pt.sections = []section{{name: defaultSection, start: r.bom, content: r.bom, implicit: true}}
	for r.at < len(pt.src) {
		before, headerEnd, keys := r.at, r.headerEnd, len(r.keys)
		peek := *r
		start, end := peek.next()
		if err := r.line(); err != nil {
			return err
		}
		last := &pt.sections[len(pt.sections)-1]
		switch {
		case r.headerEnd != headerEnd:
			pt.sections = append(pt.sections, section{name: r.name, start: before, content: r.headerEnd})
		case len(r.keys) != keys:
			last.keys = append(last.keys, keyLines{start: before, end: r.at, indent: string(pt.src[before:start])})
			if pt.delimiter == "" {
				pt.delimiter = r.delimiter(start, end)
			}
		}
	}
	if pt.delimiter == "" {
		pt.delimiter = " = "
	}
	return nil
}

// delimiter returns what stands between the key and the value of a line.
func (r *reader) delimiter(start, end int) string {
	_, at, err := r.key(start, end)
	if err != nil {
		return ""
	}
	text := string(r.src[at])
	if at > 0 && isBlank(r.src[at-1]) {
		text = " " + text
	}
	if at+1 < len(r.src) && isBlank(r.src[at+1]) {
		text += " "
	}
	return text
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// texts makes texts of the new value's scalars.
func (pt *patcher) texts() error {
	v := &pt.c.Value
	switch {
	case pt.depth == 2:
		return pt.text(v)
	case pt.depth != 1 || v.Kind != formats.MapNode:
		return nil // refused later
	}
	v.Items = append([]formats.Node(nil), v.Items...)
	for i := range v.Items {
		if err := pt.text(&v.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

// text makes n a text.
func (pt *patcher) text(n *formats.Node) error {
	text := n.Scalar.Text
	switch {
	case n.Kind != formats.ScalarNode || n.Scalar.Kind == formats.Null:
		return &formats.Error{Cause: formats.ErrNotSealable, Path: pt.c.Path, Msg: "INI holds nothing but texts in sections"}
	case n.Scalar.Kind == formats.Bool:
		text = strings.ToLower(text)
	case n.Literal() != "":
		text = n.Literal()
	}
	*n = formats.Node{Key: n.Key, Scalar: formats.Scalar{Kind: formats.String, Text: text}}
	return nil
}

// first returns the result of the first edit that means what it should.
func (pt *patcher) first(edits []formats.Patch) ([]byte, error) {
	var err error = &formats.Error{Cause: formats.ErrNotSealable, Path: pt.c.Path, Msg: "INI has no place for this"}
	for _, edit := range edits {
		out, failed := formats.Splice(pt.src, []formats.Patch{edit})
		if failed != nil {
			return nil, failed
		}
		after, failed := Format{}.Parse(out)
		if failed != nil {
			err = &formats.Error{Cause: formats.ErrNotSealable, Path: pt.c.Path, Msg: "INI cannot hold this"}
			continue
		}
		if err = formats.CheckPatch(pt.d, after, pt.c); err == nil {
			return out, nil
		}
	}
	return nil, err
}

// section returns the one with a name. DEFAULT may have a header.
func (pt *patcher) section(name string) *section {
	var found *section
	for i := range pt.sections {
		if pt.sections[i].name == name {
			found = &pt.sections[i]
		}
	}
	return found
}

func (pt *patcher) edits(site formats.Site) []formats.Patch {
	if pt.depth == 0 || pt.depth > 2 || pt.depth == 1 && !pt.c.Remove && pt.c.Value.Kind != formats.MapNode {
		return nil
	}
	name := pt.c.Path.Key
	if pt.depth == 2 {
		name = pt.c.Path.Parent.Key
	}
	s := pt.section(name)
	switch {
	case pt.c.Remove && pt.depth == 1:
		return pt.removeSection(s)
	case pt.c.Remove:
		return pt.removeKey(s, site.Leaf)
	case s == nil && pt.depth == 1:
		return pt.addSection(&pt.c.Value)
	case s == nil:
		return pt.addSection(&site.Insert)
	case pt.depth == 1:
		return pt.replaceKeys(s)
	case site.Leaf >= 0:
		l := &pt.d.Leaves[site.Leaf]
		text := quote(pt.c.Value.Scalar.Text)
		if l.End < len(pt.src) && (pt.src[l.End] == '#' || pt.src[l.End] == ';') {
			text += " " // a comment may not follow at once
		}
		return []formats.Patch{{Start: l.Start, End: l.End, Text: text}}
	}
	return pt.addKey(s)
}

// lines returns lines for keys, false if there is no spelling for one.
func (pt *patcher) lines(items []formats.Node, indent string) (string, bool) {
	text := ""
	for i := range items {
		key, ok := quoteKey(items[i].Key)
		if !ok {
			return "", false
		}
		delimiter := pt.delimiter
		if items[i].Scalar.Text == "" {
			delimiter = strings.TrimRight(delimiter, " ")
		}
		text += indent + key + delimiter + quote(items[i].Scalar.Text) + pt.newline
	}
	return text, true
}

// addKey adds a line behind that of the last key.
func (pt *patcher) addKey(s *section) []formats.Patch {
	indent := ""
	if n := len(s.keys); n > 0 {
		indent = s.keys[n-1].indent
	}
	n := pt.c.Value
	n.Key = pt.c.Path.Key
	text, ok := pt.lines([]formats.Node{n}, indent)
	if !ok {
		return nil
	}
	edits := []formats.Patch{pt.atEnd(s.end(), text)}
	if len(s.keys) > 0 {
		// Behind a backslash nothing can be added.
		last := s.keys[len(s.keys)-1].start
		edits = append(edits, formats.Patch{Start: last, End: last, Text: text})
	}
	return edits
}

// atEnd inserts lines at an offset. If the file ends there without a line feed it
// goes on to do so.
func (pt *patcher) atEnd(at int, text string) formats.Patch {
	if at > pt.bom && pt.src[at-1] != '\n' {
		text = pt.newline + strings.TrimSuffix(text, pt.newline)
	}
	return formats.Patch{Start: at, End: at, Text: text}
}

func (pt *patcher) addSection(v *formats.Node) []formats.Patch {
	name := pt.c.Path.Key
	if pt.depth == 2 {
		name = pt.c.Path.Parent.Key
	}
	text, ok := pt.lines(v.Items, "")
	if !ok || name == "" || strings.ContainsAny(name, "]\n\r") {
		return nil
	}
	text = "[" + name + "]" + pt.newline + text
	if len(pt.src) > pt.bom {
		text = pt.newline + text
	}
	return []formats.Patch{pt.atEnd(len(pt.src), text)}
}

// replaceKeys replaces all keys of a section, from the first to the last.
func (pt *patcher) replaceKeys(s *section) []formats.Patch {
	text, ok := pt.lines(pt.c.Value.Items, "")
	if !ok {
		return nil
	}
	start, end := s.content, s.end()
	if len(s.keys) == 0 {
		return []formats.Patch{pt.atEnd(end, text)}
	}
	if pt.src[end-1] != '\n' {
		text = strings.TrimSuffix(text, pt.newline)
	}
	return []formats.Patch{{Start: start, End: end, Text: text}}
}

// removeKey removes the lines of the key of leaf i.
func (pt *patcher) removeKey(s *section, i int) []formats.Patch {
	if s == nil || i < 0 {
		return nil
	}
	for _, k := range s.keys {
		if l := pt.d.Leaves[i]; k.start <= l.Start && l.End <= k.end {
			return pt.removeLines(k.start, k.end)
		}
	}
	return nil
}

// removeSection removes a section with the blank line before it.
func (pt *patcher) removeSection(s *section) []formats.Patch {
	if s == nil {
		return nil
	}
	start := s.start
	if s.implicit && len(s.keys) > 0 {
		start = s.keys[0].start
	}
	blank := start - blankBefore(pt.src, pt.bom, start)
	return append(pt.removeLines(blank, s.end()), pt.removeLines(start, s.end())...)
}

// removeLines removes whole lines. If the file ends there without a line feed it
// goes on to do so.
func (pt *patcher) removeLines(start, end int) []formats.Patch {
	edit := formats.Patch{Start: start, End: end}
	if end < len(pt.src) || start == pt.bom || pt.src[end-1] == '\n' || pt.src[start-1] != '\n' {
		return []formats.Patch{edit}
	}
	before := start - 1
	if pt.newline == "\r\n" && before > pt.bom && pt.src[before-1] == '\r' {
		before--
	}
	return []formats.Patch{{Start: before, End: end}, edit}
}
