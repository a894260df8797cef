package yaml

import "github.com/gitseal/gitseal/formats"

// flowCollection parses the collection whose bracket is at pos.
func (p *parser) flowCollection(path *formats.Path, indent int, q props) bool {
	m := p.openAnchor(path, q.anchor)
	p.noteTag(path, q, noLeaf)
	start, isMap := p.pos, p.s[p.pos] == '{'
	p.pos++
	p.flow++
	n, ok := 0, false
	if isMap {
		n, ok = p.flowMap(path, indent)
	} else {
		n, ok = p.flowList(path, indent)
	}
	if !ok {
		return false
	}
	p.pos++
	p.flow--
	p.ended(path, start, p.pos)
	if n == 0 && path.Parent != nil && !p.emptyLeaf(path, isMap, indent, start) {
		return false
	}
	p.closeAnchor(m)
	return true
}

// emptyLeaf adds the leaf for the collection that begins at start and ends at
// pos. If there are comments in it, which are leaves too, it stays as it is.
func (p *parser) emptyLeaf(path *formats.Path, isMap bool, indent, start int) bool {
	style, end := uint32(indent+1)<<styleIndent, p.pos
	if p.commentBetween(start, end) {
		style, end = style|styleFixed, start+1
	}
	return p.leaf(path, emptyCollection(isMap), style, start, end)
}

func emptyCollection(isMap bool) formats.Scalar {
	if isMap {
		return formats.Scalar{Kind: formats.EmptyMap}
	}
	return formats.Scalar{Kind: formats.EmptyList}
}

// flowMap parses entries up to the closing brace and leaves pos there.
func (p *parser) flowMap(path *formats.Path, indent int) (n int, ok bool) {
	root := path.Parent == nil
	if root {
		p.doc.kind = rootFlow
	}
	if !p.openMap(path) {
		return 0, false
	}
	comma := -1
	for more := true; more; n++ {
		if more, ok = p.flowMore('}'); !ok || !more {
			break
		}
		if !p.flowEntry(path, indent) {
			return 0, false
		}
		before := comma
		if comma, ok = p.flowComma('}'); !ok {
			return 0, false
		}
		if m := p.doc.meta; root && m != nil && m.after == 0 {
			m.before, m.after = before, comma
		}
		more = comma >= 0
	}
	if root {
		p.doc.end, p.doc.entries, p.doc.comma = p.pos, n, comma >= 0
	}
	p.closeMap(path)
	return n, ok
}

// flowMore moves to the next entry and reports whether there is one.
func (p *parser) flowMore(closing byte) (more, ok bool) {
	p.next(true)
	if p.pos >= len(p.s) || p.marker() {
		return false, p.syntax(p.pos, "a bracket that is not closed")
	}
	return p.s[p.pos] != closing, true
}

// flowComma moves behind the comma after an entry and returns its place, or to
// the closing bracket and returns -1.
func (p *parser) flowComma(closing byte) (comma int, ok bool) {
	if more, ok := p.flowMore(closing); !ok || !more {
		return -1, ok
	}
	if p.s[p.pos] != ',' {
		return 0, p.syntax(p.pos, "expected a comma or a closing bracket")
	}
	p.pos++
	return p.pos - 1, true
}

// flowEntry parses one entry of a map.
func (p *parser) flowEntry(path *formats.Path, indent int) bool {
	k := key{at: p.pos}
	explicit := p.s[p.pos] == '?'
	if explicit {
		p.pos++
		p.next(true)
	}
	var ok bool
	if k.props, ok = p.flowProps(); !ok {
		return false
	}
	switch p.peek(0) {
	case '*', '[', '{', ':', ',', '}':
		return p.fail(formats.ErrNotSealable, p.pos, "keys must be plain strings")
	}
	line := p.lineStart
	if k.scalarToken, ok = p.scalar(indent); !ok {
		return false
	}
	p.next(true)
	if p.peek(0) == ':' && !explicit && (p.lineStart != line || k.at < line) {
		return p.syntax(p.pos, "a key must be on one line with its colon")
	}
	return p.flowValue(path, indent, &k, explicit)
}

// flowValue parses what follows the key k.
func (p *parser) flowValue(path *formats.Path, indent int, k *key, explicit bool) bool {
	colon := p.peek(0) == ':'
	if colon {
		if !explicit && !p.keyLength(k.at) {
			return false
		}
		p.pos++
	}
	child, ok := p.beginEntry(path, k)
	if !ok {
		return false
	}
	style := uint32(indent+1) << styleIndent
	if !colon {
		return p.absentValue(child, style|styleNoColon, props{}, k.end) && p.endEntry(child, k)
	}
	empty := p.pos
	p.next(true)
	if c := p.peek(0); c == ',' || c == '}' || c == ']' {
		return p.absentValue(child, style, props{}, empty) && p.endEntry(child, k)
	}
	q, ok := p.flowProps()
	if !ok {
		return false
	}
	colonAgain, ok := p.flowNode(child, indent, q)
	if colonAgain != nil {
		return p.syntax(p.pos, "a colon behind a value")
	}
	return ok && p.endEntry(child, k)
}

// flowProps parses properties, which in flow may be on several lines.
func (p *parser) flowProps() (q props, ok bool) {
	for {
		one, newLine, ok := p.props()
		if !ok {
			return q, false
		}
		if q, ok = p.join(q, one); !ok || !newLine {
			return q, ok
		}
	}
}

// flowNode parses a node behind its properties. It returns the token, without
// adding a leaf, if the node is a scalar and a colon follows.
func (p *parser) flowNode(path *formats.Path, indent int, q props) (tok *scalarToken, ok bool) {
	style := uint32(indent+1) << styleIndent
	switch p.peek(0) {
	case ',', ']', '}':
		if q.empty() {
			return nil, p.syntax(p.pos, "expected a value")
		}
		return nil, p.absentValue(path, style, q, p.pos)
	case '[', '{':
		return nil, p.flowCollection(path, indent, q) && p.noFlowKey()
	case '*':
		if !q.empty() {
			return nil, p.syntax(p.pos, "an alias with an anchor or tag")
		}
		return nil, p.alias(path, style) && p.noFlowKey()
	}
	t, ok := p.scalar(indent)
	if !ok {
		return nil, false
	}
	p.next(true)
	if p.peek(0) == ':' {
		return &t, true
	}
	return nil, p.scalarLeaf(path, style, q, t)
}

func (p *parser) noFlowKey() bool {
	p.next(true)
	if p.peek(0) == ':' {
		return p.fail(formats.ErrNotSealable, p.pos, "keys must be plain strings")
	}
	return true
}

// flowList parses items up to the closing bracket and leaves pos there.
func (p *parser) flowList(path *formats.Path, indent int) (n int, ok bool) {
	if path.Parent == nil {
		return 0, p.fail(formats.ErrNotSealable, p.pos, "the file is a list instead of a map of keys to values")
	}
	if !p.enter(path) {
		return 0, false
	}
	kind := mapsNode
	for more := true; more; n++ {
		if more, ok = p.flowMore(']'); !ok || !more {
			break
		}
		item := p.path(path, "", n)
		if p.rec != nil {
			p.rec.item(item, p.pos, p.pos)
		}
		if !p.flowItem(item, indent) {
			return 0, false
		}
		if p.lastKind != mapNode {
			kind = otherNode
		}
		comma, ok := p.flowComma(']')
		if !ok {
			return 0, false
		}
		more = comma >= 0
	}
	p.leave(path)
	p.lastKind = kind
	return n, ok
}

// flowItem parses an item of a list, which may be a map of one entry without
// braces.
func (p *parser) flowItem(path *formats.Path, indent int) bool {
	start, line := p.pos, p.lineStart
	if p.s[p.pos] == '?' {
		return p.openMap(path) && p.flowEntry(path, indent) && p.closePair(path, start)
	}
	q, ok := p.flowProps()
	if !ok {
		return false
	}
	tok, ok := p.flowNode(path, indent, q)
	if tok == nil || !ok {
		return ok
	}
	if p.lineStart != line {
		return p.syntax(p.pos, "a key must be on one line with its colon")
	}
	k := key{scalarToken: *tok, props: q, at: start}
	return p.openMap(path) && p.flowValue(path, indent, &k, false) && p.closePair(path, start)
}

func (p *parser) closePair(path *formats.Path, start int) bool {
	p.closeMap(path)
	p.ended(path, start, p.nodeEnd)
	return true
}
