package yaml

import (
	"fmt"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// betweenQuotes returns the part of l's span between the quotes there, if s is
// spelled by putting its text, as it is, in its place. The common case is that
// nothing has to be quoted, and so nothing copied.
func (sh *shape) betweenQuotes(l *formats.Leaf, s formats.Scalar) (start, end int, ok bool) {
	quote := byte('"')
	switch formOf(l.Style) {
	case formDouble:
	case formSingle:
		quote = '\''
		if s.Kind == formats.String && l.Style&styleFlow != 0 {
			return 0, 0, false // in flow, single quotes are no different from none
		}
	default:
		return 0, 0, false
	}
	span := sh.src[l.Start:l.End]
	n := len(span)
	if n < 2 || span[0] != quote || span[n-1] != quote || hasBreak(span) {
		return 0, 0, false
	}
	switch s.Kind {
	case formats.Sealed:
		ok = isSealedText(s.Text)
	case formats.String:
		ok = allOf(s.Text, quotable)
	}
	return l.Start + 1, l.End - 1, ok
}

// isSealedText reports whether text is an ENC[…] text, which every reader of
// YAML takes for itself, in quotes or without.
func isSealedText(text string) bool {
	return strings.HasPrefix(text, "ENC[") && allOf(text, sealedChar)
}

// plainSafe reports whether text can stand as a plain scalar on one line, its
// type aside.
func plainSafe(text string, flow bool) bool {
	if text == "" || !oneLine(text) || isBlank(text[0]) || isBlank(text[len(text)-1]) {
		return false
	}
	switch c := text[0]; c {
	case '-':
		if blankAt(text, 1) || flow && classes[text[1]]&flowStop != 0 {
			return false
		}
	case '?', ':':
		if flow || blankAt(text, 1) {
			return false
		}
	default:
		if strings.IndexByte(",[]{}#&*!|>'\"%@`", c) >= 0 {
			return false
		}
	}
	for i := 1; i <= len(text); i++ {
		before := text[i-1]
		if before == ':' && blankAt(text, i) || flow && classes[before]&flowStop != 0 {
			return false
		}
		if i < len(text) && text[i] == '#' && isBlank(before) {
			return false
		}
	}
	return true
}

// quoteSingle returns text, which must be on one line, in single quotes.
func quoteSingle(text string) string {
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// quoteDouble returns text in double quotes, on one line.
func quoteDouble(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 2)
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case printable(r):
			b.WriteRune(r)
		case r <= 0xFFFF:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
