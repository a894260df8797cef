package yaml

import "strings"

// blockText is a text to be spelled as a block scalar.
type blockText struct {
	text    string
	form    form // literal or folded
	indent  int  // column of the collection around
	column  int  // of the content
	newline string
	// header is the header that stands there, without |, > and a comment: it is
	// kept where it fits. It may be empty.
	header string
	// last: nothing, not even a line break, follows.
	last bool
}

// spell returns the header and the lines, without the last line's break, and
// whether they mean the text exactly.
func (b blockText) spell() (string, bool) {
	content := strings.TrimRight(b.text, "\n")
	breaks := len(b.text) - len(content)
	keeps := strings.Contains(b.header, "+")
	if content == "" || !blockSafe(content) || breaks > 1 && !keeps || breaks > 0 && b.last {
		return "", false
	}
	header := b.header
	digit := strings.Trim(header, "+-")
	if digit == "" && isBlank(strings.TrimLeft(content, "\n")[0]) {
		inc := b.column - max(b.indent, 0)
		if inc < 1 || inc > 9 {
			return "", false
		}
		digit = string(rune('0' + inc))
		header = digit + strings.Trim(header, "0123456789")
	}
	switch strips := strings.Contains(header, "-"); {
	case breaks == 0 && !strips:
		header = digit + "-"
	case breaks > 0 && strips:
		header = digit
	}
	mark := "|"
	if b.form == formFolded {
		mark = ">"
	}
	return mark + header + b.newline + b.lines(), true
}

// endsInBlankLine reports whether the text ends in a line that a reader could
// take for one behind the scalar.
func (b blockText) endsInBlankLine() bool { return strings.HasSuffix(b.text, "\n\n") }

// lines returns the indented lines, which are exact if the header fits.
func (b blockText) lines() string {
	t := strings.TrimRight(b.text, "\n")
	extra := max(len(b.text)-len(t)-1, 0)
	if b.form == formFolded {
		t = unfold(t)
	}
	var out strings.Builder
	indent := strings.Repeat(" ", b.column)
	for i, line := range strings.Split(t, "\n") {
		if i > 0 {
			out.WriteString(b.newline)
		}
		if line != "" {
			out.WriteString(indent + line)
		}
	}
	out.WriteString(strings.Repeat(b.newline, extra))
	return out.String()
}

// unfold writes one more line break for every run of them that folding would
// shorten: those inside the text between two lines that begin with no blank.
func unfold(t string) string {
	var b strings.Builder
	start := 0 // of the line before
	for i := 0; i < len(t); {
		if t[i] != '\n' {
			b.WriteByte(t[i])
			i++
			continue
		}
		next := i
		for next < len(t) && t[next] == '\n' {
			next++
		}
		if i > 0 && !isBlank(t[start]) && next < len(t) && !isBlank(t[next]) {
			b.WriteByte('\n')
		}
		b.WriteString(t[i:next])
		i, start = next, next
	}
	return b.String()
}

// blockSafe reports whether text can stand unescaped on lines of its own.
func blockSafe(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !printable(r) }) < 0
}
