package yaml

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// document is what Rewrite needs to know of one document.
type document struct {
	path *formats.Path
	kind rootKind
	// indent is the column of a block root.
	indent int
	// end is where a metadata block belongs: the start of the line of the marker
	// that ends the document or the end of the file; the } of a flow root.
	end int
	// entries counts the root's keys and comma says that one stands behind the
	// last; only for a flow root.
	entries int
	comma   bool
	// early, if not negative, is where the block belongs instead of end: before
	// the root's last entry, because a line behind it would change its value.
	early int
	// lastEntry is where the line of a block root's last key begins.
	lastEntry int
	meta      *metaBlock
}

type rootKind uint8

const (
	rootEmpty rootKind = iota
	rootBlock
	rootFlow
)

// stream parses the documents of the file.
func (p *parser) stream() bool {
	p.at = formats.Root(0)
	for n := 0; ; n++ {
		p.next(false)
		bare, ok := p.prologue(n)
		if !ok || p.pos >= len(p.s) {
			return ok
		}
		p.at = formats.Root(n)
		p.docs = append(p.docs, document{path: p.at, early: -1})
		p.doc = &p.docs[n]
		p.anchors = map[string]*anchor{}
		if !p.document(bare) {
			return false
		}
	}
}

// prologue parses what stands before a document: ... of the one before it,
// directives and ---. At the end of the file it leaves pos there.
func (p *parser) prologue(n int) (bare, ok bool) {
	p.handles = map[string]string{"!": "!", "!!": longPrefix}
	for n > 0 && p.documentMark() && p.column() == 0 && p.peek(0) == '.' {
		p.pos += 3
		if p.closeMarker(); p.err != nil {
			return false, false
		}
	}
	if p.pos >= len(p.s) {
		return false, true
	}
	seen := map[string]bool{}
	for p.column() == 0 && p.peek(0) == '%' {
		if !p.directive(seen) {
			return false, false
		}
		p.next(false)
	}
	if p.column() == 0 && p.documentMark() && p.peek(0) == '-' {
		p.pos += 3
		return false, true
	}
	if n == 0 && len(seen) == 0 && !(p.column() == 0 && p.documentMark()) {
		return true, true
	}
	return false, p.syntax(p.pos, "expected the start of a document (---)")
}

// closeMarker skips to the token after a "..." and checks that it is on another
// line.
func (p *parser) closeMarker() {
	if !p.next(true) && p.pos < len(p.s) {
		p.syntax(p.pos, "unexpected text after a document's end")
	}
}

// document parses a document's root node.
func (p *parser) document(bare bool) bool {
	start := p.pos
	newLine := p.next(true) || bare
	p.work = aliasWork{decoded: 1}
	path := p.at
	if p.pos >= len(p.s) || newLine && p.marker() {
		return p.endDocument()
	}
	if !p.blockNode(blockSpot{path: path, indent: -1, newLine: newLine, empty: start}) {
		return false
	}
	p.at = path
	if p.doc.kind == rootEmpty {
		return p.fail(formats.ErrNotSealable, start, "the file holds one value instead of a map of keys to values")
	}
	if !p.next(true) && p.pos < len(p.s) {
		return p.syntax(p.pos, "unexpected text behind a value")
	}
	if p.pos < len(p.s) && !p.marker() {
		return p.syntax(p.pos, "expected the end of the document: indentation that fits no line above, or a second value")
	}
	return p.endDocument()
}

func (p *parser) endDocument() bool {
	if p.doc.kind != rootFlow {
		p.doc.end = p.pos
	}
	if p.doc.kind == rootBlock && p.openEnded() {
		p.doc.early = p.doc.lastEntry
	}
	return p.work.check() || p.fail(formats.ErrLimit, p.pos, "aliases repeat too much")
}

// openEnded reports whether the file ends, without a line break, in a block
// scalar whose value would grow by one.
func (p *parser) openEnded() bool {
	if p.pos < len(p.s) || isBreak(p.s[len(p.s)-1]) || p.blockEnd == 0 {
		return false
	}
	tail := p.s[p.blockEnd:]
	return tail == trailingBlanks(tail)
}

// trailingBlanks returns the blanks and line breaks at the end of s.
func trailingBlanks(s string) string { return s[len(strings.TrimRight(s, " \t\r\n")):] }
