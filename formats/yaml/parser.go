package yaml

import (
	"hash/maphash"
	"strings"
	"unsafe"

	"github.com/gitseal/gitseal/formats"
)

// parser walks over a file once and collects its leaves. Its functions return
// false after an error, which is in err.
type parser struct {
	src []byte
	s   string // src
	pos int
	// lineStart is the offset of the first byte of pos's line.
	lineStart int
	// broke is set if a line break was consumed behind the last token.
	broke bool
	// tokenAt is where the last call of next ended and tokenNew what it said.
	tokenAt  int
	tokenNew bool
	// nodeEnd is where the last scalar or flow collection ends; lastKind is what
	// the last node is.
	nodeEnd  int
	lastKind nodeKind
	// blockEnd is where the last block scalar that keeps its line break ends.
	blockEnd int
	flow     int // flow collections around pos
	depth    int // collections around pos
	err      *formats.Error

	leaves   []formats.Leaf
	paths    []formats.Path // a chunk to allocate paths from
	comments []comment
	ignored  []comment // those inside the metadata block
	aliases  []formats.Alias
	anchors  map[string]*anchor
	handles  map[string]string // %TAG directives of this document
	seed     maphash.Seed
	sets     []keyset // one for each open map
	open     int      // maps open
	// at is the path of the innermost collection around pos.
	at *formats.Path

	docs []document
	tags []formats.Tag
	doc  *document // the one being parsed
	// inMeta is set inside the metadata block.
	inMeta bool
	work   aliasWork
	// quotes are those of long texts that aliases repeat.
	quotes map[sharedText]form
	// repeatedPaths counts the path steps made for aliases.
	repeatedPaths int
	// onNode, if set, is told of every node where it ends.
	onNode func(p *formats.Path, start, end int)
	// rec, if set, notes where keys and nodes stand.
	rec *recorder
}

func newParser(src []byte) *parser {
	p := &parser{
		src: src,
		// The source must not change while a Document is in use (formats.Document),
		// so that texts can share its memory.
		s:       unsafe.String(unsafe.SliceData(src), len(src)),
		anchors: map[string]*anchor{},
		seed:    maphash.MakeSeed(),
		tokenAt: -1,
	}
	p.leaves = make([]formats.Leaf, 0, strings.Count(p.s, "\n")+1)
	if strings.HasPrefix(p.s, "\xef\xbb\xbf") {
		p.pos, p.lineStart = 3, 3
	}
	return p
}

// fail records an error at offset off.
func (p *parser) fail(cause error, off int, msg string) bool {
	if p.err == nil {
		p.err = formats.ErrorAt(cause, p.src, off, p.at, msg)
	}
	return false
}

func (p *parser) syntax(off int, msg string) bool { return p.fail(formats.ErrSyntax, off, msg) }

// path returns a new path below parent.
func (p *parser) path(parent *formats.Path, key string, index int) *formats.Path {
	const chunk = 512
	if len(p.paths) == cap(p.paths) {
		p.paths = make([]formats.Path, 0, chunk)
	}
	p.paths = append(p.paths, formats.Path{Parent: parent, Key: key, Index: index})
	return &p.paths[len(p.paths)-1]
}

func (p *parser) leaf(path *formats.Path, s formats.Scalar, style uint32, start, end int) bool {
	if len(p.leaves) >= formats.MaxLeaves {
		return p.fail(formats.ErrLimit, start, "too many values")
	}
	if len(s.Text) > formats.MaxValue {
		return p.fail(formats.ErrLimit, start, "value too long")
	}
	if p.flow > 0 {
		style |= styleFlow
	}
	p.leaves = append(p.leaves, formats.Leaf{Path: path, Scalar: s, Style: style, Start: start, End: end})
	return true
}

// ended notes that a scalar or flow collection ends.
func (p *parser) ended(path *formats.Path, start, end int) {
	p.nodeEnd = end
	if p.onNode != nil {
		p.onNode(path, start, end)
	}
	if p.rec != nil {
		p.rec.ended(path, start, end)
	}
}

// enter opens a collection at path.
func (p *parser) enter(path *formats.Path) bool {
	if p.depth++; p.depth > formats.MaxDepth {
		return p.fail(formats.ErrLimit, p.pos, "nested too deeply")
	}
	p.at = path
	return true
}

func (p *parser) leave(path *formats.Path) {
	p.depth--
	if path.Parent != nil {
		p.at = path.Parent
	}
}

// peek returns the byte n behind pos, 0 at the end.
func (p *parser) peek(n int) byte {
	if p.pos+n < len(p.s) {
		return p.s[p.pos+n]
	}
	return 0
}

func (p *parser) column() int { return p.pos - p.lineStart }

// lineBreak consumes the line break at pos.
func (p *parser) lineBreak() {
	if p.s[p.pos] == '\r' && p.peek(1) == '\n' {
		p.pos++
	}
	p.pos++
	p.lineStart = p.pos
	p.broke = true
}

// next skips blanks, comments and line breaks up to the next token and reports
// whether a line break was among them. Tabs count as blanks in flow collections
// and, up to the end of the line, if tabs is set.
func (p *parser) next(tabs bool) (newLine bool) {
	if p.pos == p.tokenAt && !p.broke {
		return p.tokenNew
	}
	for p.pos < len(p.s) {
		c := p.s[p.pos]
		switch {
		case c == ' ', c == '\t' && (p.flow > 0 || tabs && !p.broke):
			p.pos++
		case c == '\t' && p.tabsBeforeComment():
		case c == '#':
			p.comment()
		case isBreak(c):
			p.lineBreak()
		default:
			return p.token()
		}
	}
	return p.token()
}

func (p *parser) token() (newLine bool) {
	p.tokenAt, p.tokenNew, p.broke = p.pos, p.broke, false
	return p.tokenNew
}

// comment consumes the comment at pos.
func (p *parser) comment() {
	start := p.pos + 1
	for p.pos < len(p.s) && !isBreak(p.s[p.pos]) {
		p.pos++
	}
	p.comments = append(p.comments, comment{start: start, end: p.pos, at: p.at, leaf: len(p.leaves)})
}

// tabsBeforeComment consumes blank lines and indentation with tabs if a comment
// stands before and behind: only there does yaml.v3 allow it.
func (p *parser) tabsBeforeComment() bool {
	n := len(p.comments)
	if n == 0 || !p.broke {
		return false
	}
	last := p.comments[n-1].end
	const reach = 512 // how far yaml.v3 looks
	i := p.pos
	for i < len(p.s) && (isBlank(p.s[i]) || isBreak(p.s[i])) {
		i++
	}
	if i >= len(p.s) || p.s[i] != '#' || i-last >= reach || strings.Trim(p.s[last:i], " \t\r\n") != "" {
		return false
	}
	for p.pos < i {
		if isBreak(p.s[p.pos]) {
			p.lineBreak()
		} else {
			p.pos++
		}
	}
	return true
}

// marker reports whether a document marker or directive stands at pos, which
// ends the document.
func (p *parser) marker() bool {
	if p.column() != 0 {
		return false
	}
	return p.peek(0) == '%' || p.documentMark()
}

// documentMark reports whether --- or ... stands at pos, the start of a line.
func (p *parser) documentMark() bool {
	if p.pos+3 > len(p.s) {
		return false
	}
	m := p.s[p.pos : p.pos+3]
	return (m == "---" || m == "...") && blankAt(p.s, p.pos+3)
}

// keyset opens the set of keys of a map.
func (p *parser) openKeys() {
	if p.open == len(p.sets) {
		p.sets = append(p.sets, keyset{})
	}
	p.sets[p.open].reset()
	p.open++
}

func (p *parser) closeKeys() { p.open-- }
