package merge

import (
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// Settle makes the two texts of a conflict agree at path: the side that gives way
// takes the other's value there, or loses the key. When that was the last conflict,
// the texts are equal. Other conflicts stay as they are.
//
// Errors are those of [Merge] and of [formats.Patcher]; [formats.ErrNoSuchKey] if
// neither side has a value at the path.
func Settle(f formats.Format, ours, theirs []byte, path *formats.Path, keepOurs bool) (newOurs, newTheirs []byte, err error) {
	first, second := ours, theirs
	if !keepOurs {
		first, second = theirs, ours
	}
	s := &settling{merger: merger{f: f}, path: path}
	if s.kept, err = read(f, first); err != nil {
		return nil, nil, err
	}
	if s.loser, err = read(f, second); err != nil {
		return nil, nil, err
	}
	if len(s.kept.docs) != len(s.loser.docs) {
		return nil, nil, ErrDocuments
	}
	kept, given, err := s.settle()
	if err != nil {
		return nil, nil, err
	}
	if keepOurs {
		return kept, given, nil
	}
	return given, kept, nil
}

// settling is one conflict on its way to an end.
type settling struct {
	merger
	// kept is the text whose value stays, loser the other.
	kept, loser *version
	path        *formats.Path
}

func (s *settling) settle() (kept, given []byte, err error) {
	value, has := s.kept.doc.Node(s.path)
	old, had := s.loser.doc.Node(s.path)
	if !has && !had {
		return nil, nil, &formats.Error{Cause: formats.ErrNoSuchKey, Path: s.path, Msg: "no such key"}
	}
	c := &candidate{version: s.loser}
	if has != had || !value.Equal(&old) {
		want, err := s.wanted(value, has)
		if err != nil {
			return nil, nil, err
		}
		if c, err = s.bring(s.best(want), want); err != nil {
			return nil, nil, err
		}
	}
	if left, err := conflicts(s.kept.docs, c.docs); err != nil || len(left) > 0 {
		return []byte(s.kept.text), []byte(c.text), err
	}
	both, err := s.joined(c.version)
	if err != nil {
		return nil, nil, err
	}
	return []byte(both.text), []byte(both.text), nil
}

// wanted returns the documents of the loser with a value at the path, or without.
func (s *settling) wanted(value formats.Node, has bool) ([]formats.Node, error) {
	want := make([]formats.Node, len(s.loser.docs))
	copy(want, s.loser.docs)
	var steps []*formats.Path
	p := s.path
	for ; p.Parent != nil; p = p.Parent {
		steps = append(steps, p)
	}
	n := p.Index
	if n < 0 || n >= len(want) {
		return nil, &formats.Error{Cause: formats.ErrNoSuchKey, Path: s.path, Msg: "no such document"}
	}
	set, ok := with(want[n], steps, value, has)
	if !ok {
		return nil, &formats.Error{Cause: formats.ErrPlace, Path: s.path, Msg: "settle the conflict of what this lies in"}
	}
	want[n] = set
	return want, nil
}

// with returns n with a value at the end of steps, the last of which come first, or
// without; false if there is no such place.
func with(n formats.Node, steps []*formats.Path, value formats.Node, has bool) (formats.Node, bool) {
	if len(steps) == 0 {
		value.Key = n.Key
		return value, true
	}
	next, rest := steps[len(steps)-1], steps[:len(steps)-1]
	at, kind := next.Index, formats.ListNode
	if next.Index == formats.InMap {
		kind = formats.MapNode
		for at = 0; at < len(n.Items) && n.Items[at].Key != next.Key; at++ {
			continue
		}
	}
	items := append([]formats.Node(nil), n.Items...)
	switch {
	case n.Kind != kind || at > len(items) || at == len(items) && len(rest) > 0:
		return n, false
	case len(rest) == 0 && !has:
		items = append(items[:at], items[at+1:]...)
	case at == len(items):
		value.Key = next.Key
		items = append(items, value)
	default:
		item, ok := with(items[at], rest, value, has)
		if !ok {
			return n, false
		}
		items[at] = item
	}
	n.Items = items
	return n, true
}

// best returns the text of the loser that needs the fewest changes: with lines of
// the kept text where the value is, if that works.
func (s *settling) best(want []formats.Node) *candidate {
	best, _ := compared(s.loser, want) // it has as many documents
	t := &textMerge{newline: lineBreak(s.loser.lines)}
	for _, h := range diffLines(s.loser.lines, s.kept.lines) {
		t.regions = append(t.regions, textRegion{region: region{o: span{h.a0, h.a1}, t: span{h.b0, h.b1}}})
	}
	set := setOf([]*formats.Path{s.path})
	for i := range t.locate(s.loser, set, inOurs) {
		t.regions[i].conflict = true
	}
	for i := range t.locate(s.kept, set, inTheirs) {
		t.regions[i].conflict = true
	}
	for _, comments := range []bool{true, false} {
		c, err := s.candidate(s.replaced(t, comments), want)
		best = better(best, c, err)
	}
	return best
}

// replaced returns the text of the loser with the kept lines in the regions of the
// conflict, and in those of the comments above it.
func (s *settling) replaced(t *textMerge, comments bool) string {
	var lines []string
	at := 0
	take := make([]bool, len(t.regions))
	for i := len(take) - 1; i >= 0; i-- {
		r := &t.regions[i]
		take[i] = r.conflict
		if comments && i+1 < len(take) && take[i+1] && t.regions[i+1].o.from == r.o.to && !s.content(r) {
			take[i] = true
		}
	}
	for i := range t.regions {
		r := &t.regions[i]
		lines = append(lines, s.loser.lines[at:r.o.from]...)
		at = r.o.to
		if take[i] {
			lines = append(lines, s.kept.lines[r.t.from:r.t.to]...)
			continue
		}
		lines = append(lines, s.loser.lines[r.o.from:r.o.to]...)
	}
	lines = append(lines, s.loser.lines[at:]...)
	endLines(lines, t.newline)
	return strings.Join(lines, "")
}

// content reports whether a region has more than comments and blank lines.
func (s *settling) content(r *textRegion) bool {
	return slices.ContainsFunc(s.loser.lines[r.o.from:r.o.to], isContent) ||
		slices.ContainsFunc(s.kept.lines[r.t.from:r.t.to], isContent)
}

// joined returns the kept text, which means the same as v, with the comments that
// only v has.
func (s *settling) joined(v *version) (*version, error) {
	has := commentsOf(s.kept, nil)
	s.need = nil
	for text, from := range commentsOf(v, nil) {
		if has[text] == nil {
			s.need = append(s.need, needed{text: text, count: 1, from: from})
		}
	}
	return s.withComments(&candidate{version: s.kept}, s.kept.docs)
}
