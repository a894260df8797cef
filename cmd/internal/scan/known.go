package scan

import (
	"sync"

	"github.com/gitseal/gitseal/cipher"
)

// span is where a secret stands; weak as in [Hit].
type span struct {
	start, end int
	weak       bool
}

// finder looks at src where a pattern's literal begins.
type finder func(src []byte, at int) (span, bool)

// pattern is one form of secret.
type pattern struct {
	id, title string
	// literal is what every secret of this form has in it, of two bytes at least.
	literal string
	find    finder
}

// Known finds what has the form of a known kind of secret. Sealed values are passed
// over.
func Known(src []byte) []Hit {
	c := &collector{src: src}
	known(src, c)
	return c.hits
}

func known(src []byte, c *collector) {
	m := theMatcher()
	for i := 0; i+1 < len(src); i++ {
		group := m.byPair[uint16(src[i])<<8|uint16(src[i+1])]
		if group == 0 {
			continue
		}
		p, s, ok := findOneOf(m.groups[group], src, i)
		if !ok {
			continue
		}
		if p.id != "" && !c.add(Hit{Pattern: p.id, Title: p.title, Weak: s.weak, Start: s.start, End: s.end}) {
			return
		}
		i = max(i, s.end-1)
	}
}

func findOneOf(group []pattern, src []byte, at int) (pattern, span, bool) {
	for _, p := range group {
		if len(src)-at < len(p.literal) || string(src[at:at+len(p.literal)]) != p.literal {
			continue
		}
		if s, ok := p.find(src, at); ok {
			return p, s, true
		}
	}
	return pattern{}, span{}, false
}

// matcher finds literals by their first two bytes, in one pass over the text.
type matcher struct {
	// byPair leads from two bytes to the group of patterns that begin with them; the
	// group 0 is empty.
	byPair [1 << 16]uint8
	groups [][]pattern
}

var theMatcher = sync.OnceValue(func() *matcher {
	m := &matcher{groups: make([][]pattern, 1)}
	for _, p := range allPatterns() {
		group := &m.byPair[uint16(p.literal[0])<<8|uint16(p.literal[1])]
		if *group == 0 {
			*group = uint8(len(m.groups)) // there are far fewer than 256
			m.groups = append(m.groups, nil)
		}
		m.groups[*group] = append(m.groups[*group], p)
	}
	return m
})

func allPatterns() []pattern {
	list := []pattern{{literal: cipher.SealedPrefix, find: skipSealed}}
	for _, t := range tokens() {
		list = append(list, pattern{t.id, t.title, t.literal, t.find})
	}
	return append(list, special()...)
}

// skipSealed spans a sealed value.
func skipSealed(src []byte, at int) (span, bool) {
	for end := at + len(cipher.SealedPrefix); end < len(src); end++ {
		switch c := src[end]; {
		case c == ']':
			return span{start: at, end: end + 1}, true
		case !isBase64(c) && c != ':' && c != ',' && c != '_' && c != '-':
			return span{}, false
		}
	}
	return span{}, false
}

// token is a secret that is a literal and a run of characters behind it.
type token struct {
	id, title, literal string
	in                 func(byte) bool
	least, most        int
	// more, if there is one, decides about the run.
	more func(run []byte) bool
}

func (t token) find(src []byte, at int) (span, bool) {
	// A dot before a token that may have dots in it is a part of it: without that,
	// ya29.ya29.ya29. … would be looked through from each of them to the end.
	if !startsHere(src, at) || at > 0 && src[at-1] == '.' && t.in('.') {
		return span{}, false
	}
	begin := at + len(t.literal)
	end := begin
	for end < len(src) && t.in(src[end]) && end-begin <= t.most {
		end++
	}
	run := src[begin:end]
	if len(run) < t.least || len(run) > t.most || !looksRandom(run) || t.more != nil && !t.more(run) {
		return span{}, false
	}
	return span{start: at, end: end}, true
}

// startsHere reports whether a word can begin at an offset: it is not the middle of
// one. The n of an escaped line feed is no letter.
func startsHere(src []byte, at int) bool {
	if at == 0 || !isWordDash(src[at-1]) {
		return true
	}
	return at > 1 && src[at-2] == '\\' && (src[at-1] == 'n' || src[at-1] == 'r' || src[at-1] == 't')
}

func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isUpper(c byte) bool    { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool    { return 'a' <= c && c <= 'z' }
func isAlnum(c byte) bool    { return isDigit(c) || isUpper(c) || isLower(c) }
func isWord(c byte) bool     { return isAlnum(c) || c == '_' }
func isWordDash(c byte) bool { return isWord(c) || c == '-' }
func isDotted(c byte) bool   { return isWordDash(c) || c == '.' }
func isHex(c byte) bool      { return isDigit(c) || 'a' <= c && c <= 'f' }
func isBase64(c byte) bool   { return isAlnum(c) || c == '+' || c == '/' || c == '=' }
func isBase32(c byte) bool   { return isUpper(c) || '2' <= c && c <= '7' }
func isBech32(c byte) bool   { return isUpper(c) || isDigit(c) }
