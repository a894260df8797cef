package merge

import (
	"bytes"
	"slices"
	"strings"
)

// Labels name the sides of a conflict to people.
type Labels struct{ Ours, Theirs string }

// MarkerSize is git's default length of conflict markers, and the least that are
// read back.
const MarkerSize = 7

// noLineFeed stands behind the label of a side whose last line has no line feed:
// the markers need lines of their own.
const noLineFeed = " (no line feed at the end)"

// Mark returns a text with git's conflict markers around the lines in which ours and
// theirs differ. Texts that have lines like markers get longer ones.
func Mark(ours, theirs []byte, l Labels, size int) []byte {
	a, b := linesOf(string(ours)), linesOf(string(theirs))
	size = max(size, MarkerSize)
	for _, line := range slices.Concat(a, b) {
		if m, ok := markerOf(line); ok {
			size = max(size, m.size+1)
		}
	}
	newline := lineBreak(a)
	if len(a) == 0 {
		newline = lineBreak(b)
	}
	w := marking{newline: newline, size: size}
	at := 0
	for _, h := range diff(idsOf(a, b)) {
		w.lines(a[at:h.a0])
		at = h.a1
		w.marker('<', l.Ours, h.a1 == len(a) && !ended(a))
		w.section(a[h.a0:h.a1])
		w.marker('=', "", false)
		w.section(b[h.b0:h.b1])
		w.marker('>', l.Theirs, h.b1 == len(b) && !ended(b))
	}
	w.lines(a[at:])
	return w.out.Bytes()
}

func idsOf(a, b []string) (x, y []int) {
	n := numbers{}
	return n.of(a), n.of(b)
}

// ended reports whether the last line has a line feed.
func ended(lines []string) bool {
	return len(lines) == 0 || strings.HasSuffix(lines[len(lines)-1], "\n")
}

type marking struct {
	out     bytes.Buffer
	newline string
	size    int
}

func (w *marking) lines(lines []string) {
	for _, l := range lines {
		w.out.WriteString(l)
	}
}

func (w *marking) section(lines []string) {
	w.lines(lines)
	if !ended(lines) {
		w.out.WriteString("\n")
	}
}

func (w *marking) marker(c byte, label string, open bool) {
	w.out.Write(bytes.Repeat([]byte{c}, w.size))
	label = strings.TrimSpace(strings.Map(noBreaks, label))
	if strings.HasSuffix(" "+label, noLineFeed) {
		label += "."
	}
	if label != "" {
		w.out.WriteString(" " + label)
	}
	if open {
		w.out.WriteString(noLineFeed)
	}
	w.out.WriteString(w.newline)
}

func noBreaks(r rune) rune {
	if r == '\n' || r == '\r' {
		return ' '
	}
	return r
}

// marker is a line with a conflict marker.
type marker struct {
	kind byte
	size int
	// open: the side that it names has no line feed at its end.
	open bool
}

// markerOf returns the marker that a line is: a run of one character, then a space
// or nothing.
func markerOf(line string) (marker, bool) {
	text := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if text == "" || strings.IndexByte("<|=>", text[0]) < 0 {
		return marker{}, false
	}
	rest := strings.TrimLeft(text, text[:1])
	m := marker{kind: text[0], size: len(text) - len(rest), open: strings.HasSuffix(text, noLineFeed)}
	return m, m.size >= MarkerSize && (rest == "" || rest[0] == ' ')
}

// HasMarkers reports whether a line of the text begins or ends a conflict: also where
// the markers are not well-formed any more.
func HasMarkers(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line[0] != '<' && line[0] != '>' {
			continue
		}
		if _, ok := markerOf(string(line)); ok {
			return true
		}
	}
	return false
}
