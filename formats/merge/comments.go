package merge

import (
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// needed is a comment that a result must hold.
type needed struct {
	text string
	// count is how often it must be there, the places from where it can be had last.
	count int
	from  []source
}

// source is where a line of a comment is in a version: from offset start on.
type source struct {
	v           *version
	line, start int
}

// commentsOf returns the lines of the comments of a version by text, but for those in
// a value at or below one of set: that value gives way as a whole, or stays so.
func commentsOf(v *version, set *pathSet) map[string][]source {
	all := map[string][]source{}
	match := newMatcher(set)
	for _, l := range v.doc.Leaves {
		if l.Kind != formats.Comment || match.has(l.Path) {
			continue
		}
		start := l.Start
		for n := v.lineAt(start); n < len(v.lines) && (start < l.End || start == l.Start); n++ {
			end := v.starts[n] + len(v.lines[n])
			if text := commentText(v.text[start:min(l.End, end)]); text != "" {
				all[text] = append(all[text], source{v, n, start})
			}
			start = end
		}
	}
	return all
}

func (v *version) hasComments() bool {
	return slices.ContainsFunc(v.doc.Leaves, func(l formats.Leaf) bool { return l.Kind == formats.Comment })
}

// commentText returns the text without what does not make it another comment.
func commentText(text string) string {
	return strings.TrimSpace(strings.TrimLeft(text, "#; \t"))
}

// comments returns the comments that the result must hold: those that one side has
// added and those that no side has removed.
func (m *merger) comments() []needed {
	base := commentsOf(m.base, m.conflicts.base)
	ours := commentsOf(m.ours, m.conflicts.ours)
	theirs := commentsOf(m.theirs, m.conflicts.theirs)
	var all []needed
	note := func(text string) {
		b, o, t := len(base[text]), len(ours[text]), len(theirs[text])
		n := needed{text: text, count: merged(b, o, t), from: theirs[text]}
		if o > t {
			n.from = ours[text]
		}
		if n.count = min(n.count, len(n.from)); n.count > 0 {
			all = append(all, n)
		}
	}
	for text := range ours {
		note(text)
	}
	for text := range theirs {
		if ours[text] == nil {
			note(text)
		}
	}
	slices.SortFunc(all, func(a, b needed) int { return strings.Compare(a.text, b.text) })
	return all
}

// merged returns how many of something there are when one version has changed the
// number b to o and another to t.
func merged(b, o, t int) int {
	switch {
	case o == b:
		return t
	case t == b || o == t:
		return o
	case o > b && t > b:
		return max(o, t)
	}
	return max(o+t-b, 0)
}

// withComments puts the comments back that c lacks, above what they were above.
func (m *merger) withComments(c *candidate, want []formats.Node) (*version, error) {
	missing := m.missing(c.version)
	if len(missing) == 0 {
		return c.version, nil
	}
	for _, where := range []func(*version) func(source) int{above, atEnd} {
		next, err := m.candidate(insertComments(c.version, missing, where(c.version)), want)
		if err == nil && len(next.changes) == 0 && len(m.missing(next.version)) == 0 {
			return next.version, nil
		}
	}
	return nil, ErrNotWritten
}

// missing returns the comments that v lacks, in their order.
func (m *merger) missing(v *version) []source {
	has := commentsOf(v, nil)
	var all []source
	for _, n := range m.need {
		if lack := n.count - len(has[n.text]); lack > 0 {
			all = append(all, n.from[len(n.from)-lack:]...)
		}
	}
	slices.SortStableFunc(all, func(a, b source) int { return a.start - b.start })
	return all
}

// insertComments inserts lines with comments where a function says.
func insertComments(v *version, missing []source, where func(source) int) string {
	at := map[int][]string{}
	for _, s := range missing {
		n := where(s)
		at[n] = append(at[n], s.text())
	}
	newline := lineBreak(v.lines)
	var lines []string
	for i := 0; i <= len(v.lines); i++ {
		lines = append(lines, at[i]...)
		if i < len(v.lines) {
			lines = append(lines, v.lines[i])
		}
	}
	open := len(v.lines) > 0 && !strings.HasSuffix(v.lines[len(v.lines)-1], "\n")
	endLines(lines, newline)
	text := strings.Join(lines, "")
	if open {
		return strings.TrimSuffix(text, newline)
	}
	return text
}

// text returns a line that has only the comment on it, indented as its line is.
func (s source) text() string {
	line := s.v.lines[s.line]
	if isComment(line) {
		return line
	}
	// The character that begins it is before it.
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	return indent + line[max(s.start-1-s.v.starts[s.line], 0):]
}

// lookAhead is how many lines behind a comment are looked for in the result.
const lookAhead = 100

// above returns a function that tells the line of v before which a comment belongs:
// that of the first line behind it in its version which v has, too, or one with the
// same key.
func above(v *version) func(source) int {
	lines, keys := map[string]int{}, map[string]int{}
	for i := len(v.lines) - 1; i >= 0; i-- {
		if isContent(v.lines[i]) {
			lines[v.lines[i]], keys[lineKey(v.lines[i])] = i, i
		}
	}
	return func(s source) int {
		for n := s.line; n < min(len(s.v.lines), s.line+lookAhead); n++ {
			line := s.v.lines[n]
			if i, ok := lines[line]; ok {
				return i
			}
			if i, ok := keys[lineKey(line)]; ok {
				return i
			}
		}
		return len(v.lines)
	}
}

func atEnd(v *version) func(source) int { return func(source) int { return len(v.lines) } }
