package scan

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// IsText reports whether content looks like text, as git decides it: no NUL byte near
// the beginning.
func IsText(src []byte) bool {
	const near = 8000
	return bytes.IndexByte(src[:min(len(src), near)], 0) < 0
}

// FromUTF16 returns text in UTF-16 as UTF-8, without a byte order mark; false if content
// is something else.
func FromUTF16(src []byte) ([]byte, bool) {
	order, ok := orderOf(src)
	if !ok {
		return nil, false
	}
	out := make([]byte, 0, len(src)/2)
	for i := 0; i+1 < len(src); i += 2 {
		r := rune(order.Uint16(src[i:]))
		if utf16.IsSurrogate(r) && i+3 < len(src) {
			if both := utf16.DecodeRune(r, rune(order.Uint16(src[i+2:]))); both != utf8.RuneError {
				r, i = both, i+2
			}
		}
		if r != 0xfeff || i > 0 {
			out = utf8.AppendRune(out, r)
		}
	}
	return out, true
}

// orderOf tells UTF-16 by its byte order mark, or by every second byte being NUL.
func orderOf(src []byte) (binary.ByteOrder, bool) {
	switch {
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}) && !bytes.HasPrefix(src, []byte{0xff, 0xfe, 0, 0}):
		return binary.LittleEndian, true
	case bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		return binary.BigEndian, true
	}
	const least, near = 16, 512
	head := src[:min(len(src), near)&^1]
	var nul [2]int
	for i, b := range head {
		if b == 0 {
			nul[i&1]++
		}
	}
	pairs := len(head) / 2
	switch {
	case len(head) < least:
	case nul[0] == 0 && nul[1] >= pairs*9/10:
		return binary.LittleEndian, true
	case nul[1] == 0 && nul[0] >= pairs*9/10:
		return binary.BigEndian, true
	}
	return nil, false
}
