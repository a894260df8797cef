package yaml

import "github.com/gitseal/gitseal/formats"

// openMap opens the map at path.
func (p *parser) openMap(path *formats.Path) bool {
	if !p.enter(path) {
		return false
	}
	p.openKeys()
	p.work.node()
	return true
}

func (p *parser) closeMap(path *formats.Path) {
	p.closeKeys()
	p.leave(path)
	p.lastKind = mapNode
}

// beginEntry checks the key k of the map at path and returns the path of its
// value. endEntry must follow that.
func (p *parser) beginEntry(path *formats.Path, k *key) (child *formats.Path, ok bool) {
	child = p.path(path, k.text, formats.InMap)
	if !p.keyAllowed(child, k) {
		return nil, false
	}
	if isMeta(child) {
		p.beginMeta(k.at)
	}
	if p.rec != nil {
		p.rec.item(child, k.at, p.pos)
	}
	return child, true
}

// isMeta reports whether the metadata block is at path.
func isMeta(path *formats.Path) bool { return path.Parent.Parent == nil && path.Key == metaKey }

func (p *parser) endEntry(child *formats.Path, k *key) bool {
	if isMeta(child) {
		return p.endMeta(child)
	}
	if p.lastKind == otherNode && k.merges() {
		p.at = child
		return p.fail(formats.ErrNotSealable, k.at, "a merge key needs a map or a list of maps")
	}
	return true
}

// keyAllowed refuses keys that are not strings and duplicates.
func (p *parser) keyAllowed(child *formats.Path, k *key) bool {
	s, ok := resolve(k.props.tag, k.text, k.form == formPlain)
	if !ok {
		return p.syntax(k.at, "a key that does not fit its tag")
	}
	if s.Kind != formats.String || s.Text != k.text {
		return p.fail(formats.ErrNotSealable, k.at, "keys must be strings; quote this one")
	}
	if !p.sets[p.open-1].add(p.seed, k.text) {
		p.at = child
		return p.fail(formats.ErrDuplicate, k.at, "duplicate key")
	}
	if k.text == mergeKey && !k.merges() {
		// Quoted or not, the path is the same and the meaning is another.
		p.at = child
		return p.fail(formats.ErrNotSealable, k.at, "a key << that is no merge key")
	}
	p.noteKeyTag(child, k.props)
	p.work.node()
	if k.props.anchor != "" {
		p.anchors[k.props.anchor] = &anchor{path: child, scalar: &formats.Scalar{Kind: s.Kind, Text: s.Text}}
	}
	return true
}

const mergeKey = "<<"

// merges reports whether yaml.v3 takes k for a merge key.
func (k *key) merges() bool {
	tag := k.props.tag
	return k.text == mergeKey && (tag == tagMerge || k.form == formPlain && (tag == "" || tag == "!"))
}

// absentValue adds the leaf for a value of which there is nothing but its
// properties q.
func (p *parser) absentValue(path *formats.Path, style uint32, q props, at int) bool {
	s, ok := resolve(q.tag, "", true)
	if !ok {
		return p.syntax(at, "a value that does not fit its tag")
	}
	m := p.openAnchor(path, q.anchor)
	start, end := at, at
	if !q.empty() {
		start, end = q.end, q.end
	}
	switch {
	case q.tag == tagStr:
		style |= styleStr
	case q.tagged && (q.anchor == "" || q.anchorAt < q.tagAt):
		start = q.tagAt
	case q.tagged:
		style |= styleFixed
	}
	if !p.leaf(path, s, style, start, end) {
		return false
	}
	p.noteTag(path, q, p.leafFrom(q, start))
	p.ended(path, start, end)
	p.lastKind = otherNode
	p.work.node()
	p.closeAnchor(m)
	return true
}

// scalarLeaf adds the leaf for the scalar tok with the properties q.
func (p *parser) scalarLeaf(path *formats.Path, style uint32, q props, tok scalarToken) bool {
	s, ok := resolve(q.tag, tok.text, tok.form == formPlain)
	if !ok {
		return p.syntax(tok.start, "a value that does not fit its tag")
	}
	m := p.openAnchor(path, q.anchor)
	style |= uint32(tok.form) | tok.style
	start := tok.start
	if tok.style&styleBody != 0 {
		start = tok.body
	}
	switch {
	case q.end == tok.start && !q.empty():
		style |= styleFixed
	case q.tag == tagStr:
		style |= styleStr
	case !q.tagged:
	case q.anchor != "" && q.anchorAt > q.tagAt, tok.style&styleBody != 0, p.commentBetween(q.tagAt, tok.start):
		style |= styleFixed
	default:
		start = q.tagAt
	}
	if !p.leaf(path, s, style, start, max(start, tok.end)) {
		return false
	}
	p.noteTag(path, q, p.leafFrom(q, start))
	p.ended(path, start, max(start, tok.end))
	p.lastKind = otherNode
	p.work.node()
	p.closeAnchor(m)
	return true
}

func (p *parser) commentBetween(from, to int) bool {
	for i := len(p.comments) - 1; i >= 0 && p.comments[i].start > from; i-- {
		if p.comments[i].start <= to {
			return true
		}
	}
	return false
}
