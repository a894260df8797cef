package lsp

import (
	"bytes"
	"net/url"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"unicode/utf8"
)

// lines knows where the lines of a text begin, by LSP's meaning: they end with \n, \r\n
// or \r.
type lines struct {
	text   []byte
	starts []int
}

func newLines(text []byte) *lines {
	l := &lines{text: text, starts: []int{0}}
	for i, b := range text {
		if b == '\n' || b == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

// position returns where an offset is; one that is not in the text is moved into it.
func (l *lines) position(off int) position {
	off = min(max(off, 0), len(l.text))
	line := sort.SearchInts(l.starts, off+1) - 1
	return position{Line: line, Character: units(l.text[l.starts[line]:off])}
}

// units is the length of a text in UTF-16 code units.
func units(text []byte) int {
	const fourBytes = 0xf0 // begins what takes a surrogate pair
	n := utf8.RuneCount(text)
	for _, b := range text {
		if b >= fourBytes {
			n++
		}
	}
	return n
}

// offset is the inverse of position. What is beyond a line's end is the end, and what
// is beyond the last line is the end of the text.
func (l *lines) offset(p position) int {
	if p.Line < 0 {
		return 0
	}
	if p.Line >= len(l.starts) {
		return len(l.text)
	}
	at, end := l.starts[p.Line], l.lineEnd(p.Line)
	for left := p.Character; left > 0 && at < end; {
		r, size := utf8.DecodeRune(l.text[at:end])
		if left--; r >= 0x10000 {
			left--
		}
		if left < 0 {
			break // in the middle of a pair
		}
		at += size
	}
	return at
}

// lineEnd returns where a line ends, its line break left out.
func (l *lines) lineEnd(line int) int {
	end := len(l.text)
	if line+1 < len(l.starts) {
		end = l.starts[line+1]
	}
	return l.starts[line] + len(bytes.TrimRight(l.text[l.starts[line]:end], "\r\n"))
}

// span returns the range between two offsets.
func (l *lines) span(start, end int) textRange {
	return textRange{Start: l.position(start), End: l.position(max(start, end))}
}

// place returns the offset of a line and column as check has them: both from 1, lines
// ending with \n, columns in bytes.
func place(text []byte, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			break
		}
		at += n + 1
	}
	return min(at+max(column-1, 0), len(text))
}

// editBetween returns one edit that makes text of old: whole lines, without those that
// are the same at the beginning and the end.
func editBetween(old *lines, text []byte) textEdit {
	was := old.text
	head := 0
	for i := 0; i < len(was) && i < len(text) && was[i] == text[i]; i++ {
		if was[i] == '\n' {
			head = i + 1
		}
	}
	tail := 0
	for i := 1; i <= len(was)-head && i <= len(text)-head && was[len(was)-i] == text[len(text)-i]; i++ {
		// What is kept begins behind a line break on both sides.
		if before := len(was) - i - 1; before >= head && was[before] == '\n' && len(text)-i-1 >= head && text[len(text)-i-1] == '\n' {
			tail = i
		}
	}
	return textEdit{Range: old.span(head, len(was)-tail), NewText: string(text[head : len(text)-tail])}
}

// pathOf returns the path that a file: URI names, "" for others.
func pathOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" || strings.ContainsRune(u.Path, 0) {
		return ""
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/")
	}
	path = filepath.FromSlash(path)
	if !filepath.IsAbs(path) {
		return ""
	}
	return filepath.Clean(path)
}

// resolve follows the links of a path, of which the last part need not exist.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return path
	}
	return filepath.Join(dir, filepath.Base(path))
}
