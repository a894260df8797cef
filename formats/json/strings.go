package json

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// quote returns s as a JSON string with the escapes that RFC 8259 asks for.
func quote(s string) string {
	if !needsEscape(s) {
		return `"` + s + `"`
	}
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		default:
			if c < ' ' {
				b = append(b, `\u00`...)
				b = append(b, strconv.FormatUint(uint64(c)>>4, 16)...)
				b = append(b, strconv.FormatUint(uint64(c)&15, 16)...)
				continue
			}
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// needsEscape reports whether s cannot stand in quotes as it is.
func needsEscape(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			return true
		}
	}
	return false
}

// unquote returns what the content of a JSON string means, false if an escape is
// malformed. What is not valid Unicode becomes U+FFFD, as in encoding/json.
func unquote(s string) (string, bool) {
	if strings.IndexByte(s, '\\') < 0 && utf8.ValidString(s) {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for len(s) > 0 {
		if s[0] != '\\' {
			r, n := utf8.DecodeRuneInString(s)
			b, s = utf8.AppendRune(b, r), s[n:]
			continue
		}
		r, n := unescape(s)
		if n == 0 {
			return "", false
		}
		b, s = utf8.AppendRune(b, r), s[n:]
	}
	return string(b), true
}

// unescape reads the escape, or pair of surrogates, that s begins with, and
// returns its length, 0 if it is malformed.
func unescape(s string) (rune, int) {
	if len(s) < 2 {
		return 0, 0
	}
	if s[1] != 'u' {
		const escapes, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		i := strings.IndexByte(escapes, s[1])
		if i < 0 {
			return 0, 0
		}
		return rune(meanings[i]), 2
	}
	r := hex4(s[2:])
	if r < 0 {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if strings.HasPrefix(s[6:], `\u`) {
		if pair := utf16.DecodeRune(r, hex4(s[8:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads four hexadecimal digits, -1 if s begins with anything else.
func hex4(s string) rune {
	if len(s) < 4 {
		return -1
	}
	r := rune(0)
	for _, c := range []byte(s[:4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
