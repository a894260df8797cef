package merge

import (
	"slices"
	"strings"
)

// Split is the inverse of [Mark]: it returns the texts of both sides, false if there
// are no markers or they are not well-formed. The base part of diff3's conflicts is
// dropped. Of a conflict within one side, that side is taken.
func Split(marked []byte) (ours, theirs []byte, ok bool) {
	lines := linesOf(string(marked))
	var sizes []int
	for _, l := range lines {
		if m, ok := markerOf(l); ok && m.kind == '<' && !slices.Contains(sizes, m.size) {
			sizes = append(sizes, m.size)
		}
	}
	slices.Sort(sizes)
	for _, size := range sizes {
		s := splitter{size: size}
		if !s.run(lines) {
			continue
		}
		ours, theirs, ok = []byte(strings.Join(s.ours, "")), []byte(strings.Join(s.theirs, "")), true
		// Longer markers are those of the conflict if shorter ones are its content. In a
		// base part, which is dropped, git makes them longer.
		if s.longest <= size {
			break
		}
	}
	return ours, theirs, ok
}

// part is a part of a conflict.
type part uint8

const (
	partOurs part = iota
	partBase
	partTheirs
)

// splitter reads conflicts whose markers have one size.
type splitter struct {
	size         int
	ours, theirs []string
	// stack holds the part of each conflict that is open, the outermost first.
	stack []part
	found bool
	// longest is the size of the longest marker in what was kept.
	longest int
	// openOurs: our side of the outermost conflict has no line feed at its end.
	openOurs bool
}

func (s *splitter) run(lines []string) bool {
	for _, l := range lines {
		m, ok := markerOf(l)
		if !ok || m.size != s.size || len(s.stack) == 0 && (m.kind == '=' || m.kind == '|') {
			s.keep(l)
			continue
		}
		if !s.marker(m) {
			return false
		}
	}
	return s.found && len(s.stack) == 0
}

// marker reads a marker; false if it is not where it belongs.
func (s *splitter) marker(m marker) bool {
	top := len(s.stack) - 1
	switch {
	case m.kind == '<':
		if top < 0 {
			s.found, s.openOurs = true, m.open
		}
		s.stack = append(s.stack, partOurs)
	case top < 0:
		return false
	case m.kind == '|' && s.stack[top] == partOurs:
		s.stack[top] = partBase
	case m.kind == '=' && s.stack[top] != partTheirs:
		s.stack[top] = partTheirs
		if top == 0 && s.openOurs {
			s.ours = chopped(s.ours)
		}
	case m.kind == '>' && s.stack[top] == partTheirs:
		s.stack = s.stack[:top]
		if top == 0 && m.open {
			s.theirs = chopped(s.theirs)
		}
	default:
		return false
	}
	return true
}

// keep adds a line to the sides that it belongs to.
func (s *splitter) keep(line string) {
	ours, theirs := true, true
	if len(s.stack) > 0 {
		ours = !slices.ContainsFunc(s.stack, func(p part) bool { return p != partOurs })
		theirs = !slices.ContainsFunc(s.stack, func(p part) bool { return p != partTheirs })
	}
	if ours {
		s.ours = append(s.ours, line)
	}
	if theirs {
		s.theirs = append(s.theirs, line)
	}
	if m, ok := markerOf(line); ok && m.kind == '<' && (ours || theirs) {
		s.longest = max(s.longest, m.size)
	}
}

// chopped returns lines without the line feed that Mark has added.
func chopped(lines []string) []string {
	if len(lines) == 0 {
		return lines
	}
	last := len(lines) - 1
	lines[last] = strings.TrimSuffix(lines[last], "\n")
	return lines
}
