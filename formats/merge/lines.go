package merge

import (
	"slices"
	"strings"
)

// linesOf returns the lines of a text, each with its line feed if it has one.
func linesOf(text string) []string {
	all := strings.SplitAfter(text, "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

// numbers gives equal texts equal numbers.
type numbers map[string]int

func (n numbers) of(texts []string) []int {
	out := make([]int, len(texts))
	for i, t := range texts {
		id, ok := n[t]
		if !ok {
			id = len(n)
			n[t] = id
		}
		out[i] = id
	}
	return out
}

// diffLines returns the hunks between two texts. Where lines were replaced, those
// that set the same key are hunks of their own: changes of neighbouring values do
// not get into each other's way.
func diffLines(a, b []string) []hunk {
	n := numbers{}
	match := matches(n.of(a), n.of(b))
	var all []hunk
	keys := numbers{}
	for _, h := range hunksOf(match, len(b)) {
		if h.a0 == h.a1 || h.b0 == h.b1 {
			all = append(all, h)
			continue
		}
		all = append(all, keyHunks(keys, a, b, h)...)
	}
	return all
}

// keyHunks splits h into pairs of lines with the same key and what is between.
func keyHunks(keys numbers, a, b []string, h hunk) []hunk {
	match := matches(keys.of(lineKeys(a[h.a0:h.a1])), keys.of(lineKeys(b[h.b0:h.b1])))
	var all []hunk
	i, j := h.a0, h.b0
	for k, m := range match {
		if m < 0 {
			continue
		}
		at, to := h.a0+k, h.b0+m
		if at > i || to > j {
			all = append(all, hunk{i, at, j, to})
		}
		if a[at] != b[to] {
			all = append(all, hunk{at, at + 1, to, to + 1})
		}
		i, j = at+1, to+1
	}
	if i < h.a1 || j < h.b1 {
		all = append(all, hunk{i, h.a1, j, h.b1})
	}
	return all
}

// lineKeys returns what says which key each line sets: all up to a colon or an
// equals sign. Comments have one key together, other lines are their own.
func lineKeys(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = lineKey(l)
	}
	return out
}

func lineKey(line string) string {
	if isComment(line) {
		return "#"
	}
	text := strings.TrimRight(line, "\r\n")
	for i := range len(text) {
		if text[i] == '=' || text[i] == ':' && (i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '"' || text[i+1] == '\t') {
			return strings.TrimRight(text[:i], " \t") + ":"
		}
	}
	return line
}

// isComment reports whether a line looks like one that is a comment as a whole.
func isComment(line string) bool {
	text := strings.TrimLeft(line, " \t")
	return text != "" && (text[0] == '#' || text[0] == ';')
}

// isBlank reports whether nothing is on a line.
func isBlank(line string) bool { return strings.TrimSpace(line) == "" }

// isContent reports whether a line is neither blank nor a comment.
func isContent(line string) bool { return !isBlank(line) && !isComment(line) }

// lineBreak returns the line break that the lines of a text end in.
func lineBreak(lines []string) string {
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasSuffix(l, "\n") })
	if i >= 0 && strings.HasSuffix(lines[i], "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// endLines gives all lines but the last a line break, if they have none.
func endLines(lines []string, newline string) {
	for i := range max(len(lines)-1, 0) {
		if !strings.HasSuffix(lines[i], "\n") {
			lines[i] += newline
		}
	}
}
