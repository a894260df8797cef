package merge

import (
	"slices"
	"strings"
)

// choice is a way to fill a region in the merged text.
type choice uint8

const (
	// takeOurs, takeTheirs: the lines of that side.
	takeOurs choice = iota
	takeTheirs
	// takeBoth: ours, then theirs.
	takeBoth
	// weave: lines of both sides that set the same key are one, the rest stays.
	weave
	// inLine: a line of which the sides have changed different parts.
	inLine
	// comments: those of ours, then those of theirs that ours has not.
	comments
	// takeSide: the lines of the side for which conflicts are settled.
	takeSide
)

// textRegion is a region of lines.
type textRegion struct {
	region
	// choices are the ways to fill it, the best first; at says which one is used.
	// Behind the last comes that of ours.
	choices []choice
	at      int
	// group numbers the regions that touch: when one cannot be filled, all of them are
	// as ours has them.
	group int
	// out is where it is in the text made last, in lines.
	out span
	// conflict: it has a value in it that is one.
	conflict bool
}

func (r *textRegion) choice() choice {
	if r.at < len(r.choices) {
		return r.choices[r.at]
	}
	return takeOurs
}

// final reports whether nothing is left to try.
func (r *textRegion) final() bool { return r.at >= len(r.choices) }

// textMerge merges lines.
type textMerge struct {
	base, ours, theirs []string
	newline            string
	// braces: it is a text in which commas stand between items, and none at the end:
	// JSON, or YAML that looks like it.
	braces  bool
	regions []textRegion
}

func newTextMerge(base, ours, theirs *version) *textMerge {
	m := &textMerge{base: base.lines, ours: ours.lines, theirs: theirs.lines, newline: lineBreak(ours.lines)}
	m.braces = strings.HasPrefix(strings.TrimSpace(ours.text), "{") && !ours.hasComments() && !theirs.hasComments()
	for _, r := range regionsOf(diffLines(m.base, m.ours), diffLines(m.base, m.theirs)) {
		t := textRegion{region: r}
		if n := len(m.regions); n > 0 {
			t.group = m.regions[n-1].group
			if m.regions[n-1].b.to < r.b.from {
				t.group++
			}
		}
		t.choices = m.choices(&t)
		m.regions = append(m.regions, t)
	}
	return m
}

// choices returns the ways to fill a region.
func (m *textMerge) choices(r *textRegion) []choice {
	o, t := m.ours[r.o.from:r.o.to], m.theirs[r.t.from:r.t.to]
	switch {
	case !r.theirs || slices.Equal(o, t):
		return nil
	case !r.ours:
		return []choice{takeTheirs}
	case !slices.ContainsFunc(o, isContent) && !slices.ContainsFunc(t, isContent):
		return []choice{comments, takeOurs, takeTheirs}
	case r.b.size() == 0 && shareKeys(o, t):
		return []choice{weave, takeBoth}
	case r.b.size() == 0:
		return []choice{takeBoth, weave}
	case r.b.size() == 1 && r.o.size() == 1 && r.t.size() == 1:
		return []choice{inLine, takeOurs, takeTheirs}
	}
	return []choice{takeOurs, takeTheirs}
}

// shareKeys reports whether two blocks set a key, or hold a line, of the outermost
// level that both have.
func shareKeys(a, b []string) bool {
	outer := func(lines []string) map[string]bool {
		least, keys := -1, map[string]bool{}
		for _, l := range lines {
			if !isContent(l) {
				continue
			}
			indent := len(l) - len(strings.TrimLeft(l, " \t"))
			if least < 0 || indent < least {
				least = indent
				clear(keys)
			}
			if indent == least {
				keys[lineKey(l)] = true
			}
		}
		return keys
	}
	left := outer(a)
	for key := range outer(b) {
		if left[key] && strings.Trim(key, " \t\r\n{}[],-") != "" {
			return true
		}
	}
	return false
}

// text returns the merged text. Regions with a conflict are as their side has them:
// theirs says for which. whole says that this is so for all regions they touch.
func (m *textMerge) text(theirs, whole bool) string {
	groups := map[int]bool{}
	for i := range m.regions {
		if theirs && whole && m.regions[i].conflict {
			groups[m.regions[i].group] = true
		}
	}
	var lines []string
	var touched []span
	at := 0
	for i := range m.regions {
		r := &m.regions[i]
		lines = append(lines, m.base[at:r.b.from]...)
		at = r.b.to
		start := len(lines)
		switch {
		case groups[r.group]:
			lines = append(lines, m.theirs[r.t.from:r.t.to]...)
		default:
			lines = append(lines, m.fill(r, theirs && r.conflict)...)
		}
		r.out = span{start, len(lines)}
		touched = append(touched, r.out)
	}
	lines = append(lines, m.base[at:]...)
	endLines(lines, m.newline)
	if m.braces {
		commas(lines, touched)
	}
	return strings.Join(lines, "")
}

// fill returns the lines of a region, those of a conflict as a side has them.
func (m *textMerge) fill(r *textRegion, theirs bool) []string {
	b, o, t := m.base[r.b.from:r.b.to], m.ours[r.o.from:r.o.to], m.theirs[r.t.from:r.t.to]
	switch c := r.choice(); {
	case c == takeSide && !theirs:
		return o
	case c == takeSide:
		return t
	case c == takeBoth:
		return join(o, t, m.newline)
	case c == weave:
		return woven(o, t, theirs, m.newline)
	case c == comments:
		return join(o, lacking(o, t), m.newline)
	case theirs || c == takeTheirs:
		return t
	case c == inLine:
		if line, ok := inOneLine(b[0], o[0], t[0]); ok {
			return []string{line}
		}
	}
	return o
}

// join returns a and then b on lines of its own.
func join(a, b []string, newline string) []string {
	all := slices.Concat(a, b)
	endLines(all, newline)
	return all
}

// lacking returns the lines of b that a has not.
func lacking(a, b []string) []string {
	var all []string
	for _, l := range b {
		if !slices.ContainsFunc(a, func(k string) bool { return strings.TrimSpace(k) == strings.TrimSpace(l) }) {
			all = append(all, l)
		}
	}
	return all
}

// woven joins two blocks that were inserted at one place. Of two lines that set one
// key, that of a side is taken.
func woven(o, t []string, theirs bool, newline string) []string {
	var all []string
	at := 0
	for _, h := range diffLines(o, t) {
		all = append(all, o[at:h.a0]...)
		at = h.a1
		x, y := o[h.a0:h.a1], t[h.b0:h.b1]
		switch paired := len(x) == 1 && len(y) == 1 && lineKey(x[0]) == lineKey(y[0]); {
		case paired && isComment(x[0]), !paired:
			all = append(append(all, x...), y...)
		case theirs:
			all = append(all, y...)
		default:
			all = append(all, x...)
		}
	}
	all = append(all, o[at:]...)
	endLines(all, newline)
	return all
}

// inOneLine merges changes of different parts of a line.
func inOneLine(base, ours, theirs string) (string, bool) {
	o, t := edited(base, ours), edited(base, theirs)
	if o.a0 > t.a0 || o.a0 == t.a0 && o.a1 > t.a1 {
		o, t = t, o
		ours, theirs = theirs, ours
	}
	if o.a1 > t.a0 || o.a0 == t.a0 && o.a1 == t.a1 {
		return "", false
	}
	return base[:o.a0] + ours[o.b0:o.b1] + base[o.a1:t.a0] + theirs[t.b0:t.b1] + base[t.a1:], true
}

// edited returns the one hunk of bytes between two lines.
func edited(a, b string) hunk {
	from := 0
	for from < len(a) && from < len(b) && a[from] == b[from] {
		from++
	}
	to := 0
	for to < len(a)-from && to < len(b)-from && a[len(a)-1-to] == b[len(b)-1-to] {
		to++
	}
	return hunk{from, len(a) - to, from, len(b) - to}
}

// commas puts commas between items where regions begin and end, and takes away
// those before a closing bracket.
func commas(lines []string, touched []span) {
	last := -1 // line with its commas seen to
	for _, s := range touched {
		from := s.from - 1
		for from > 0 && isBlank(lines[from]) {
			from--
		}
		for i := max(from, last, 0); i < min(s.to+1, len(lines)); i++ {
			next := i + 1
			for next < len(lines) && isBlank(lines[next]) {
				next++
			}
			if next < len(lines) {
				lines[i] = comma(lines[i], strings.TrimSpace(lines[next]))
			}
			last = i
		}
	}
}

// comma returns a line with the comma that it needs before next.
func comma(line, next string) string {
	text := strings.TrimRight(line, " \t\r\n")
	rest := line[len(text):]
	switch {
	case text == "" || next == "":
	case next[0] == '}' || next[0] == ']':
		text = strings.TrimSuffix(text, ",")
	case !strings.ContainsAny(text[len(text)-1:], ",{[:") && next[0] != ',' && next[0] != ':':
		text += ","
	}
	return text + rest
}
