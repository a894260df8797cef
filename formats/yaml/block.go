package yaml

import (
	"unicode/utf8"

	"github.com/gitseal/gitseal/formats"
)

// nodeKind is as much as merge keys need to know of a node.
type nodeKind uint8

const (
	otherNode nodeKind = iota
	mapNode
	mapsNode // a list of nothing but maps
)

// blockSpot is a place for a node in a block collection.
type blockSpot struct {
	path   *formats.Path
	indent int // column of the collection, -1 for none
	// newLine: the node's first token is the first of its line.
	newLine bool
	// inline: a block collection may begin on the line of the indicator before.
	inline bool
	// list: a list may stand at the column of the collection (the map).
	list  bool
	style uint32
	// empty is where an absent value would be put.
	empty int
}

// styleBits returns the style of a leaf at the spot.
func (at blockSpot) styleBits() uint32 {
	return at.style | uint32(at.indent+1)<<styleIndent
}

// blockNode parses the node at pos, which is at a token.
func (p *parser) blockNode(at blockSpot) bool {
	var outer props
	for !p.absent(at) {
		start := p.pos
		q, newLine, ok := p.props()
		if !ok {
			return false
		}
		if !newLine {
			return p.blockContent(at, outer, q, start)
		}
		if outer, ok = p.join(outer, q); !ok {
			return false
		}
		at.newLine = true
	}
	return p.absentValue(at.path, at.styleBits(), outer, at.empty)
}

// absent reports whether the token at pos belongs to an outer collection.
func (p *parser) absent(at blockSpot) bool {
	if p.pos >= len(p.s) || at.newLine && p.marker() {
		return true
	}
	if !at.newLine || p.column() > at.indent {
		return false
	}
	return !at.list || p.column() < at.indent || !p.dash()
}

// dash reports whether the indicator of a list item is at pos.
func (p *parser) dash() bool { return p.peek(0) == '-' && blankAt(p.s, p.pos+1) }

// blockContent parses a node without the properties q on its line, which begins
// at start, and outer on lines before.
func (p *parser) blockContent(at blockSpot, outer, q props, start int) bool {
	keys := at.newLine || at.inline
	switch c := p.peek(0); {
	case (c == '-' || c == '?' || c == ':') && blankAt(p.s, p.pos+1):
		if !keys || !q.empty() {
			return p.syntax(p.pos, "a list item or key that may not begin here")
		}
		if c == '-' {
			return p.blockList(at, outer)
		}
		return p.blockMap(at, outer, nil)
	case c == '*':
		if !outer.empty() || !q.empty() {
			return p.syntax(p.pos, "an alias with an anchor or tag")
		}
		return p.alias(at.path, at.styleBits()) && p.noKey(keys)
	case c == '[' || c == '{':
		q, ok := p.join(outer, q)
		return ok && p.flowCollection(at.path, at.indent, q) && p.noKey(keys)
	}
	tok, ok := p.scalar(at.indent)
	if !ok {
		return false
	}
	if keys && !tok.multi && p.colon() {
		return p.blockMap(at, outer, &key{scalarToken: tok, props: q, at: start})
	}
	q, ok = p.join(outer, q)
	return ok && p.scalarLeaf(at.path, at.styleBits(), q, tok)
}

// colon reports whether a key ends before pos, and moves to its colon if so.
func (p *parser) colon() bool {
	if p.broke {
		return false
	}
	i := p.pos
	for i < len(p.s) && isBlank(p.s[i]) {
		i++
	}
	if i >= len(p.s) || p.s[i] != ':' || !blankAt(p.s, i+1) {
		return false
	}
	p.pos = i
	return true
}

// noKey refuses a colon behind an alias or collection.
func (p *parser) noKey(keys bool) bool {
	if keys && p.colon() {
		return p.fail(formats.ErrNotSealable, p.pos, "keys must be plain strings")
	}
	return true
}

// key is a key of a map.
type key struct {
	scalarToken
	props props
	at    int // where it begins, properties included
}

// maxKey is how many characters before its colon a key may begin.
const maxKey = 1024

// keyLength refuses implicit keys that yaml.v3 would not see; pos is at the
// colon.
func (p *parser) keyLength(start int) bool {
	if p.pos-start > maxKey && utf8.RuneCountInString(p.s[start:p.pos]) > maxKey {
		return p.fail(formats.ErrLimit, start, "key too long")
	}
	return true
}

// blockMap parses the map whose first key is first, with pos at its colon, or
// begins at pos.
func (p *parser) blockMap(at blockSpot, outer props, first *key) bool {
	start := p.pos
	if first != nil {
		start = first.at
	}
	col := start - p.lineStart
	if col > maxColumn {
		return p.fail(formats.ErrLimit, start, "indented too far")
	}
	if at.path.Parent == nil {
		p.doc.kind, p.doc.indent = rootBlock, col
	}
	m := p.openAnchor(at.path, outer.anchor)
	p.noteTag(at.path, outer, noLeaf)
	if !p.openMap(at.path) {
		return false
	}
	for more := true; more; {
		if at.path.Parent == nil {
			p.doc.lastEntry = max(p.pos, start) - col
			if first != nil {
				p.doc.lastEntry = start - col
			}
		}
		if !p.blockEntry(at.path, col, first) {
			return false
		}
		first = nil
		more = p.next(true) && p.pos < len(p.s) && p.column() == col && !p.marker()
	}
	p.closeMap(at.path)
	p.closeAnchor(m)
	if p.rec != nil {
		p.rec.block(at, col, blockSpan{start: start, end: p.nodeEnd, props: outer})
	}
	return true
}

// blockEntry parses a key, unless its colon is at pos already, and its value.
func (p *parser) blockEntry(path *formats.Path, col int, k *key) bool {
	var own key
	if k == nil {
		if p.peek(0) == '?' && blankAt(p.s, p.pos+1) {
			return p.explicitEntry(path, col)
		}
		if !p.blockKey(&own, col) {
			return false
		}
		k = &own
	}
	if !p.keyLength(k.at) {
		return false
	}
	p.pos++
	child, ok := p.beginEntry(path, k)
	if !ok {
		return false
	}
	at := blockSpot{path: child, indent: col, list: true, empty: p.pos}
	at.newLine = p.next(true)
	return p.blockNode(at) && p.endEntry(child, k)
}

// blockKey parses a key of one line into k and leaves pos at its colon.
func (p *parser) blockKey(k *key, col int) bool {
	k.at = p.pos
	var ok, newLine bool
	if k.props, newLine, ok = p.props(); !ok {
		return false
	}
	switch c := p.peek(0); {
	case newLine || p.pos >= len(p.s):
		return p.syntax(k.at, "expected a key")
	case c == '-' && blankAt(p.s, p.pos+1):
		return p.syntax(p.pos, "a list item among the keys of a map")
	case c == '*', c == '[', c == '{', c == ':' && blankAt(p.s, p.pos+1):
		return p.fail(formats.ErrNotSealable, p.pos, "keys must be plain strings")
	}
	if k.scalarToken, ok = p.scalar(col); !ok {
		return false
	}
	if k.multi || !p.colon() {
		return p.syntax(k.at, "expected a key with a colon")
	}
	return true
}

// explicitEntry parses "? key" and, if there is one, ": value".
func (p *parser) explicitEntry(path *formats.Path, col int) bool {
	k := key{at: p.pos}
	p.pos++
	outside := func(newLine bool) bool {
		return newLine && (p.pos >= len(p.s) || p.column() <= col || p.marker())
	}
	before := outside(p.next(false)) // yaml.v3 allows it at the end of a file alone
	var again, ok bool
	if k.props, again, ok = p.props(); !ok {
		return false
	}
	if before || outside(again) {
		return p.fail(formats.ErrNotSealable, k.at, "keys must be plain strings")
	}
	if c := p.peek(0); c == '*' || c == '[' || c == '{' || (c == '-' || c == '?' || c == ':') && blankAt(p.s, p.pos+1) {
		return p.fail(formats.ErrNotSealable, p.pos, "keys must be plain strings")
	}
	if k.scalarToken, ok = p.scalar(col); !ok {
		return false
	}
	if p.colon() {
		return p.fail(formats.ErrNotSealable, k.at, "keys must be plain strings")
	}
	end := p.pos
	if !k.form.block() {
		end = k.end
	}
	if !p.next(true) && p.pos < len(p.s) {
		return p.syntax(p.pos, "unexpected text behind a key")
	}
	value := p.pos < len(p.s) && p.column() == col && p.peek(0) == ':' && blankAt(p.s, p.pos+1)
	if value {
		p.pos++
	}
	child, ok := p.beginEntry(path, &k)
	if !ok {
		return false
	}
	at := blockSpot{path: child, indent: col, list: true, inline: true, empty: p.pos}
	if !value {
		return p.absentValue(child, at.styleBits()|styleNoColon, props{}, end) && p.endEntry(child, &k)
	}
	at.newLine = p.next(false)
	return p.blockNode(at) && p.endEntry(child, &k)
}

// blockList parses the list whose first dash is at pos.
func (p *parser) blockList(at blockSpot, outer props) bool {
	if at.path.Parent == nil {
		return p.fail(formats.ErrNotSealable, p.pos, "the file is a list instead of a map of keys to values")
	}
	start, col := p.pos, p.column()
	if col > maxColumn {
		return p.fail(formats.ErrLimit, p.pos, "indented too far")
	}
	m := p.openAnchor(at.path, outer.anchor)
	p.noteTag(at.path, outer, noLeaf)
	if !p.enter(at.path) {
		return false
	}
	kind := mapsNode
	for i, more := 0, true; more; i++ {
		p.pos++
		item := blockSpot{path: p.path(at.path, "", i), indent: col, inline: true, style: styleItem, empty: p.pos}
		if p.rec != nil {
			p.rec.item(item.path, p.pos-1, p.pos)
		}
		item.newLine = p.next(false)
		if !p.blockNode(item) {
			return false
		}
		if p.lastKind != mapNode {
			kind = otherNode
		}
		more = p.next(true) && p.pos < len(p.s) && p.column() == col && p.dash()
	}
	p.leave(at.path)
	p.lastKind = kind
	p.closeAnchor(m)
	if p.rec != nil {
		p.rec.block(at, col, blockSpan{start: start, end: p.nodeEnd, props: outer, list: true})
	}
	return true
}
