package yaml

import "strings"

// scalarToken is a scalar as it stands in the source.
type scalarToken struct {
	text       string // without quotes, escapes and folding
	form       form
	style      uint32 // of block scalars
	start, end int
	body       int  // of a block scalar: where the line after its header begins
	multi      bool // it spans lines
}

// scalar parses the scalar at pos in a block collection at column indent.
func (p *parser) scalar(indent int) (scalarToken, bool) {
	switch c := p.peek(0); {
	case c == '\'':
		return p.singleQuoted()
	case c == '"':
		return p.doubleQuoted()
	case (c == '|' || c == '>') && p.flow == 0:
		return p.blockScalar(indent)
	case p.plainStart():
		return p.plain(indent)
	}
	return scalarToken{}, p.syntax(p.pos, "a character that cannot begin a value here (a tab, perhaps)")
}

// plainStart reports whether a plain scalar can begin at pos.
func (p *parser) plainStart() bool {
	if blankAt(p.s, p.pos) {
		return false
	}
	switch c := p.s[p.pos]; c {
	case '-':
		return !blankAt(p.s, p.pos+1)
	case '?', ':':
		return p.flow == 0 && !blankAt(p.s, p.pos+1)
	default:
		return strings.IndexByte(",[]{}#&*!|>'\"%@`", c) < 0
	}
}

// plainLine returns where the part of a plain scalar that begins at i and lies
// on one line ends.
func (p *parser) plainLine(i int) int {
	mask := plainStop
	if p.flow > 0 {
		mask |= flowStop
	}
	s := p.s
	for i < len(s) {
		c := s[i]
		if classes[c]&mask == 0 {
			i++
			continue
		}
		switch {
		case c == ':' && !blankAt(s, i+1):
			i++
		case isBlank(c):
			end := i
			for i < len(s) && isBlank(s[i]) {
				i++
			}
			if i == len(s) || s[i] == '#' || isBreak(s[i]) || p.plainEnds(i) {
				return end
			}
		default:
			return i
		}
	}
	return i
}

// plainEnds reports whether the byte at i, not a blank, ends a plain scalar.
func (p *parser) plainEnds(i int) bool {
	return p.s[i] == ':' && blankAt(p.s, i+1) || p.flow > 0 && classes[p.s[i]]&flowStop != 0
}

// plain parses the plain scalar at pos.
func (p *parser) plain(indent int) (scalarToken, bool) {
	t := scalarToken{form: formPlain, start: p.pos}
	t.end = p.plainLine(p.pos)
	p.pos = t.end
	t.text = p.s[t.start:t.end]
	var b strings.Builder
	for {
		breaks, ok := p.plainGap(indent)
		if !ok {
			return t, false
		}
		if breaks == 0 || !p.plainContinues(indent) {
			break
		}
		start := p.pos
		p.pos = p.plainLine(start)
		if !t.multi {
			b.WriteString(t.text)
			t.multi = true
		}
		fold(&b, breaks)
		b.WriteString(p.s[start:p.pos])
		t.end = p.pos
		p.broke = false
	}
	if t.multi {
		t.text = b.String()
	}
	return t, true
}

// plainGap moves over line breaks and indentation behind a line of a plain
// scalar and returns how many breaks there were. If there are none it does not
// move.
func (p *parser) plainGap(indent int) (breaks int, ok bool) {
	i := p.pos
	for i < len(p.s) && isBlank(p.s[i]) {
		i++
	}
	if i >= len(p.s) || !isBreak(p.s[i]) {
		return 0, true
	}
	p.pos = i
	for p.pos < len(p.s) {
		switch c := p.s[p.pos]; {
		case isBreak(c):
			p.lineBreak()
			breaks++
		case c == '\t' && p.column() <= indent:
			return 0, p.syntax(p.pos, "a tab where indentation is expected")
		case isBlank(c):
			p.pos++
		default:
			return breaks, true
		}
	}
	return breaks, true
}

// plainContinues reports whether a plain scalar goes on at pos, on a new line.
func (p *parser) plainContinues(indent int) bool {
	if p.pos >= len(p.s) || p.flow == 0 && p.column() <= indent {
		return false
	}
	return p.s[p.pos] != '#' && !p.plainEnds(p.pos) && !(p.column() == 0 && p.documentMark())
}

// fold writes what n line breaks between two lines mean.
func fold(b *strings.Builder, n int) {
	if n == 1 {
		b.WriteByte(' ')
	}
	for ; n > 1; n-- {
		b.WriteByte('\n')
	}
}

// singleQuoted parses the scalar in single quotes at pos.
func (p *parser) singleQuoted() (scalarToken, bool) {
	t := scalarToken{form: formSingle, start: p.pos}
	p.pos++
	from := p.pos
	if n := strings.IndexByte(p.s[from:], '\''); n >= 0 && !hasBreak(p.s[from:from+n]) && !strings.HasPrefix(p.s[from+n+1:], "'") {
		p.pos = from + n + 1
		t.text, t.end = p.s[from:from+n], p.pos
		return t, true
	}
	var b strings.Builder
	for {
		start := p.pos
		for p.pos < len(p.s) && p.s[p.pos] != '\'' && !blankAt(p.s, p.pos) {
			p.pos++
		}
		b.WriteString(p.s[start:p.pos])
		if p.peek(0) == '\'' && p.peek(1) == '\'' {
			b.WriteByte('\'')
			p.pos += 2
			continue
		}
		done, ok := p.quotedGap(&b, &t, '\'', false)
		if !ok || done {
			t.text = b.String()
			return t, ok
		}
	}
}

// quotedGap handles the end of a quoted scalar and the blanks and line breaks
// inside one; escaped says that an escaped line break was just consumed.
func (p *parser) quotedGap(b *strings.Builder, t *scalarToken, quote byte, escaped bool) (done, ok bool) {
	if p.pos >= len(p.s) {
		return false, p.syntax(t.start, "a quote that is not closed")
	}
	if p.s[p.pos] == quote && !escaped {
		p.pos++
		t.end = p.pos
		return true, true
	}
	start, breaks := p.pos, 0
	for p.pos < len(p.s) && blankAt(p.s, p.pos) {
		if isBreak(p.s[p.pos]) {
			p.lineBreak()
			breaks++
		} else {
			p.pos++
		}
	}
	switch {
	case escaped:
		b.WriteString(strings.Repeat("\n", breaks))
	case breaks == 0:
		b.WriteString(p.s[start:p.pos])
	default:
		fold(b, breaks)
	}
	t.multi = t.multi || breaks > 0 || escaped
	p.broke = false
	if p.column() == 0 && p.documentMark() {
		return false, p.syntax(p.pos, "a document marker inside quotes")
	}
	return false, true
}

// doubleQuoted parses the scalar in double quotes at pos.
func (p *parser) doubleQuoted() (scalarToken, bool) {
	t := scalarToken{form: formDouble, start: p.pos}
	p.pos++
	from := p.pos
	if n := strings.IndexByte(p.s[from:], '"'); n >= 0 && !hasBreak(p.s[from:from+n]) && strings.IndexByte(p.s[from:from+n], '\\') < 0 {
		p.pos = from + n + 1
		t.text, t.end = p.s[from:from+n], p.pos
		return t, true
	}
	var b strings.Builder
	for {
		start := p.pos
		for p.pos < len(p.s) && p.s[p.pos] != '"' && p.s[p.pos] != '\\' && !blankAt(p.s, p.pos) {
			p.pos++
		}
		b.WriteString(p.s[start:p.pos])
		escaped := false
		if p.peek(0) == '\\' {
			if escaped = p.pos+1 < len(p.s) && isBreak(p.s[p.pos+1]); !escaped {
				if !p.escape(&b) {
					return t, false
				}
				continue
			}
			p.pos++
			p.lineBreak()
		}
		done, ok := p.quotedGap(&b, &t, '"', escaped)
		if !ok || done {
			t.text = b.String()
			return t, ok
		}
	}
}

// simpleEscapes maps the letter of an escape to what it stands for.
var simpleEscapes = map[byte]string{
	'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r",
	'e': "\x1b", ' ': " ", '"': `"`, '\'': "'", '\\': `\`,
	'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
}

// escape parses the escape sequence at pos.
func (p *parser) escape(b *strings.Builder) bool {
	c := p.peek(1)
	if s, ok := simpleEscapes[c]; ok {
		b.WriteString(s)
		p.pos += 2
		return true
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	r, ok := hexValue(p.s, p.pos+2, digits)
	if digits == 0 || !ok || r >= 0xD800 && r <= 0xDFFF || r > 0x10FFFF {
		return p.syntax(p.pos, "bad escape sequence")
	}
	b.WriteRune(rune(r))
	p.pos += 2 + digits
	return true
}

// hexValue returns the value of n hexadecimal digits at s[i].
func hexValue(s string, i, n int) (v int, ok bool) {
	if i+n > len(s) {
		return 0, false
	}
	for _, c := range []byte(s[i : i+n]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | int(c)
	}
	return v, true
}
