package yaml

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/gitseal/gitseal/formats"
)

// Classes of bytes, for tables.
const (
	plainStop  uint8 = 1 << iota // may end a plain scalar outside of flow
	flowStop                     // ends a plain scalar inside flow
	ordinary                     // printable ASCII
	word                         // part of an anchor's name or a tag handle
	uriChar                      // part of a tag
	sealedChar                   // part of an ENC[…] text
	quotable                     // means itself in quotes of both kinds
)

var classes = buildClasses()

func buildClasses() (t [256]uint8) {
	for c := 0x20; c < 0x7F; c++ {
		t[c] |= ordinary
		if c != '"' && c != '\'' && c != '\\' {
			t[c] |= quotable
		}
	}
	for _, c := range []byte(" \t\r\n:") {
		t[c] |= plainStop
	}
	for _, c := range []byte(",?[]{}") {
		t[c] |= flowStop
	}
	for c := 0; c < 128; c++ {
		b := byte(c)
		if b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' {
			t[c] |= word | uriChar | sealedChar
		}
	}
	for _, c := range []byte("_-") {
		t[c] |= word | uriChar
	}
	for _, c := range []byte(";/?:@&=+$,.!~*'()[]%") {
		t[c] |= uriChar
	}
	for _, c := range []byte("+/=,:_[]") {
		t[c] |= sealedChar
	}
	return t
}

// allOf reports whether all bytes of text are of a class.
func allOf(text string, class uint8) bool {
	for i := 0; i < len(text); i++ {
		class &= classes[text[i]]
	}
	return class != 0
}

// checkChars refuses what YAML does not allow anywhere in a file and what this
// package does not.
func checkChars(src []byte) *formats.Error {
	if len(src) >= 2 && (src[0] == 0xFF && src[1] == 0xFE || src[0] == 0xFE && src[1] == 0xFF) {
		return formats.ErrorAt(formats.ErrSyntax, src, 0, nil, "the file is UTF-16; only UTF-8 is supported")
	}
	for i := 0; i < len(src); {
		if i += ordinaryWords(src[i:]); i == len(src) {
			break
		}
		c := src[i]
		if classes[c]&ordinary != 0 || c == '\n' || c == '\r' || c == '\t' {
			i++
			continue
		}
		size, msg, cause := checkRune(src[i:], i == 0)
		if cause != nil {
			return formats.ErrorAt(cause, src, i, nil, msg)
		}
		i += size
	}
	return nil
}

// ordinaryWords returns how many bytes at the start of b, in steps of eight, are
// printable ASCII. It looks at eight at a time.
func ordinaryWords(b []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		// A byte's high bit is set by w if it is not ASCII, by the subtraction if it
		// is below 0x20 (or one above it in the word is), by the addition if it is 0x7F.
		if (w|(w-0x20*ones)|(w+ones))&high != 0 {
			break
		}
	}
	return n
}

// checkRune returns the size of the character at the start of b, or what is wrong
// with it.
func checkRune(b []byte, first bool) (size int, msg string, cause error) {
	r, size := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && size <= 1:
		return 0, "invalid UTF-8", formats.ErrSyntax
	case r == 0:
		return 0, "NUL byte (is the file UTF-16?)", formats.ErrSyntax
	case isBreakRune(r):
		return 0, "a line separator that readers of YAML disagree on; escape it in double quotes", formats.ErrNotSealable
	case r == bom && !first:
		return 0, "a byte order mark inside the file; escape it in double quotes", formats.ErrNotSealable
	case r != bom && !printable(r):
		return 0, "control character", formats.ErrSyntax
	}
	return size, "", nil
}

const bom = '\uFEFF'

// isBreakRune: yaml.v3 takes these for line breaks.
func isBreakRune(r rune) bool { return r == 0x85 || r == 0x2028 || r == 0x2029 }

// printable reports whether r may stand unescaped in a file that we write, line
// breaks aside.
func printable(r rune) bool {
	switch {
	case r == '\t', r >= 0x20 && r <= 0x7E:
		return true
	case isBreakRune(r), r == bom:
		return false
	}
	return r >= 0xA0 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isBreak(c byte) bool { return c == '\n' || c == '\r' }

func hasBreak(s string) bool {
	return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0
}

// blankAt reports whether a blank, a line break or the end is at s[i].
func blankAt(s string, i int) bool {
	return i >= len(s) || isBlank(s[i]) || isBreak(s[i])
}
