package yaml

import "strings"

// blockScalar parses the literal or folded scalar at pos in a block collection
// at column indent.
func (p *parser) blockScalar(indent int) (scalarToken, bool) {
	t := scalarToken{form: formLiteral, start: p.pos, multi: true}
	if p.s[p.pos] == '>' {
		t.form = formFolded
	}
	digit, ok := p.blockHeader(&t)
	if !ok {
		return t, false
	}
	content := 0
	if digit > 0 {
		content = max(indent, 0) + digit
		t.style |= uint32(digit) << styleDigit
	}
	if content > maxColumn {
		return t, p.syntax(t.start, "indented too far")
	}
	b := blockReader{p: p, t: &t, indent: indent, content: content}
	ok = b.read()
	p.broke = true
	if t.style&styleStrip == 0 {
		p.blockEnd = t.end
	}
	return t, ok
}

// blockHeader parses the header line and returns the indentation indicator.
func (p *parser) blockHeader(t *scalarToken) (digit int, ok bool) {
	p.pos++
	for range 2 {
		switch c := p.peek(0); {
		case (c == '+' || c == '-') && t.style == 0:
			t.style = styleStrip
			if c == '+' {
				t.style = styleKeep
			}
			p.pos++
		case c >= '1' && c <= '9' && digit == 0:
			digit = int(c - '0')
			p.pos++
		}
	}
	t.end = p.pos
	p.skipBlanks(len(p.s))
	if p.peek(0) == '#' {
		t.style |= styleBody
		p.comment()
	}
	if p.pos < len(p.s) && !isBreak(p.s[p.pos]) {
		return 0, p.syntax(p.pos, "bad header of a block scalar")
	}
	if p.pos < len(p.s) {
		p.lineBreak()
	}
	t.body = p.pos
	return digit, true
}

// blockReader reads the lines of a block scalar.
type blockReader struct {
	p       *parser
	t       *scalarToken
	indent  int // of the collection around
	content int // column of the content; 0: not known yet
	b       strings.Builder
	pending int // blank lines not written yet
	gapEnd  int // end of the last blank line, without its line break
}

// read reads the content and leaves pos behind the indentation of the line that
// ends it.
func (r *blockReader) read() bool {
	p, t := r.p, r.t
	if !r.gap() {
		return false
	}
	if r.pending > 0 && t.style&styleKeep != 0 {
		t.end = r.gapEnd
	}
	folded := t.form == formFolded
	lead, afterBlank := 0, false // the break behind the last line; whether that line was indented
	for p.column() == r.content && p.pos < len(p.s) {
		blank := isBlank(p.s[p.pos])
		if folded && !afterBlank && !blank && lead > 0 {
			if r.pending == 0 {
				r.b.WriteByte(' ')
			}
		} else {
			r.write(lead)
		}
		r.write(r.pending)
		r.pending, afterBlank = 0, blank
		start := p.pos
		for p.pos < len(p.s) && !isBreak(p.s[p.pos]) {
			p.pos++
		}
		r.b.WriteString(p.s[start:p.pos])
		t.end = p.pos
		lead = 0
		if p.pos < len(p.s) {
			p.lineBreak()
			lead = 1
		}
		if !r.gap() {
			return false
		}
	}
	if t.style&styleStrip == 0 {
		r.write(lead)
	}
	if t.style&styleKeep != 0 {
		r.write(r.pending)
		if r.pending > 0 {
			t.end = r.gapEnd
		}
	}
	t.text = r.b.String()
	return true
}

func (r *blockReader) write(breaks int) {
	for range breaks {
		r.b.WriteByte('\n')
	}
}

// gap consumes blank lines and the indentation of the next one, and finds the
// column of the content if it is not known.
func (r *blockReader) gap() bool {
	p, widest := r.p, 0
	for {
		for (r.content == 0 || p.column() < r.content) && p.peek(0) == ' ' {
			p.pos++
		}
		widest = max(widest, p.column())
		if (r.content == 0 || p.column() < r.content) && p.peek(0) == '\t' {
			return p.syntax(p.pos, "a tab where indentation is expected")
		}
		if p.pos >= len(p.s) || !isBreak(p.s[p.pos]) {
			break
		}
		r.gapEnd = p.pos
		p.lineBreak()
		r.pending++
	}
	if r.content == 0 {
		r.content = max(widest, r.indent+1, 1)
	}
	return true
}
