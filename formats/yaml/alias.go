package yaml

import (
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/gitseal/gitseal/formats"
)

// anchor is a node that aliases can repeat.
type anchor struct {
	path        *formats.Path
	first, last int // its leaves
	depth       int // collections around it
	kind        nodeKind
	open        bool // the node has not ended yet
	decoded     int  // yaml.v3's decoding steps for the node
	scalar      *formats.Scalar
}

// openAnchor begins the node of an anchor; with no name it does nothing.
func (p *parser) openAnchor(path *formats.Path, name string) *anchor {
	if name == "" {
		return nil
	}
	a := &anchor{path: path, first: len(p.leaves), depth: p.depth, open: true, decoded: p.work.decoded}
	p.anchors[name] = a
	return a
}

// closeAnchor ends the node of a; nil is no anchor.
func (p *parser) closeAnchor(a *anchor) {
	if a == nil {
		return
	}
	a.open, a.last, a.kind = false, len(p.leaves), p.lastKind
	a.decoded = p.work.decoded - a.decoded
}

// alias parses the alias at pos and repeats the leaves of its anchor.
func (p *parser) alias(path *formats.Path, style uint32) bool {
	start := p.pos
	name, ok := p.name("an alias")
	if !ok {
		return false
	}
	a := p.anchors[name]
	switch {
	case path.Parent == nil:
		return p.fail(formats.ErrNotSealable, start, "the file is one value instead of a map of keys to values")
	case p.inMeta:
		return p.fail(formats.ErrMetadata, start, "an alias inside the metadata block")
	case a == nil:
		return p.syntax(start, "an alias without an anchor before it in its document")
	case a.open:
		return p.fail(formats.ErrNotSealable, start, "an alias to something that it lies in")
	}
	p.work.node()
	p.work.repeat(a.decoded)
	if !p.work.check() {
		return p.fail(formats.ErrLimit, start, "aliases repeat too much")
	}
	al := formats.Alias{Path: path, Text: p.s[start:p.pos], First: len(p.leaves)}
	if p.flow > 0 {
		style |= styleFlow
	}
	spot := formats.Leaf{Path: path, Style: style, Start: start, End: p.pos}
	if a.scalar != nil {
		ok = p.repeatKey(a, spot, &al)
	} else {
		ok = p.repeatNode(a, spot, &al)
	}
	al.Last = len(p.leaves)
	p.aliases = append(p.aliases, al)
	p.ended(path, start, p.pos)
	p.lastKind = a.kind
	if a.kind == mapsNode {
		p.lastKind = otherNode
	}
	return ok
}

// repeatKey repeats an anchored key, which is no leaf: the alias's leaf is then
// its own target.
func (p *parser) repeatKey(a *anchor, spot formats.Leaf, al *formats.Alias) bool {
	al.Target = []int{len(p.leaves)}
	return p.leaf(spot.Path, *a.scalar, spot.Style|uint32(p.quotesFor(*a.scalar)), spot.Start, spot.End)
}

func (p *parser) repeatNode(a *anchor, spot formats.Leaf, al *formats.Alias) bool {
	paths := map[*formats.Path]*formats.Path{a.path: spot.Path}
	al.Target = make([]int, 0, min(a.last-a.first, formats.MaxLeaves))
	for i := a.first; i < a.last; i++ {
		l := p.leaves[i]
		path, ok := p.rebase(paths, l.Path)
		if !ok {
			return p.fail(formats.ErrLimit, spot.Start, "aliases repeat too much")
		}
		style := spot.Style
		if l.Path != a.path {
			style |= styleFlow
		}
		if !p.leaf(path, l.Scalar, style|uint32(p.quotesFor(l.Scalar)), spot.Start, spot.End) {
			return false
		}
		al.Target = append(al.Target, p.target(i))
	}
	return true
}

// sharedText tells a text by where it is in memory: what an alias repeats is shared
// with what it stands for.
type sharedText struct {
	data *byte
	size int
}

// quotesFor returns the quotes in which a written-out value stands. Long texts are
// looked at once, however often they are repeated.
func (p *parser) quotesFor(s formats.Scalar) form {
	const long = 256
	if len(s.Text) < long {
		return quotesFor(s)
	}
	text := sharedText{unsafe.StringData(s.Text), len(s.Text)}
	q, known := p.quotes[text]
	if !known {
		if p.quotes == nil {
			p.quotes = map[sharedText]form{}
		}
		q = quotesFor(s)
		p.quotes[text] = q
	}
	return q
}

func quotesFor(s formats.Scalar) form {
	switch {
	case s.Kind != formats.String:
		return formSingle
	case !utf8.ValidString(s.Text), !oneLine(s.Text):
		return formDouble
	}
	return formSingle
}

// oneLine reports whether text can stand in quotes without an escape.
func oneLine(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return !printable(r) }) < 0
}

// target returns the leaf that leaf i stands for: itself unless it is part of an
// alias.
func (p *parser) target(i int) int {
	lo, hi := 0, len(p.aliases)
	for lo < hi {
		if mid := (lo + hi) / 2; p.aliases[mid].Last <= i {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(p.aliases) && p.aliases[lo].First <= i {
		return p.aliases[lo].Target[i-p.aliases[lo].First]
	}
	return i
}

// rebase returns old with the anchor's path replaced by the alias's; paths holds
// what is known of that.
func (p *parser) rebase(paths map[*formats.Path]*formats.Path, old *formats.Path) (*formats.Path, bool) {
	if path, ok := paths[old]; ok {
		return path, true
	}
	// Long chains of aliases to aliases could make paths without end.
	const mostPaths = 4 * formats.MaxLeaves
	if p.repeatedPaths++; p.repeatedPaths > mostPaths {
		return nil, false
	}
	parent, ok := p.rebase(paths, old.Parent)
	if !ok || depthOf(parent) >= formats.MaxDepth {
		return nil, false
	}
	path := p.path(parent, old.Key, old.Index)
	paths[old] = path
	return path, true
}

func depthOf(p *formats.Path) (n int) {
	for ; p.Parent != nil; p = p.Parent {
		n++
	}
	return n
}

// aliasWork counts what yaml.v3 does to decode a document: it gives up if too
// much of that is for aliases, and then so must we.
type aliasWork struct{ decoded, repeated int }

func (w *aliasWork) node() { w.decoded++ }

func (w *aliasWork) repeat(n int) {
	w.decoded += n
	w.repeated += n
}

// check reports whether yaml.v3 would still go on.
func (w *aliasWork) check() bool {
	const few, some, low, high = 100, 1000, 400_000, 4_000_000
	if w.repeated <= few || w.decoded <= some {
		return true
	}
	allowed := 0.99
	switch {
	case w.decoded >= high:
		allowed = 0.10
	case w.decoded > low:
		allowed -= 0.89 * float64(w.decoded-low) / (high - low)
	}
	return float64(w.repeated) <= allowed*float64(w.decoded)
}
