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
// neither side has a value at the path, and [formats.ErrPlace] for a part of a value
// that has to be settled as a whole: it may belong to different items of a list.
func Settle(f formats.Format, ours, theirs []byte, path *formats.Path, keepOurs bool) (newOurs, newTheirs []byte, err error) {
	return SettleAll(f, ours, theirs, []*formats.Path{path}, keepOurs)
}

// SettleAll is [Settle] for several paths, for all of which one side is kept. It
// takes as long as one.
func SettleAll(f formats.Format, ours, theirs []byte, paths []*formats.Path, keepOurs bool) (newOurs, newTheirs []byte, err error) {
	first, second := ours, theirs
	if !keepOurs {
		first, second = theirs, ours
	}
	s := &settling{merger: merger{f: f}, paths: paths, set: setOf(paths)}
	if s.kept, err = read(f, first); err != nil {
		return nil, nil, err
	}
	if s.loser, err = read(f, second); err != nil {
		return nil, nil, err
	}
	if err := s.allowed(); err != nil {
		return nil, nil, err
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

// settling are conflicts on their way to an end.
type settling struct {
	merger
	// kept is the text whose values stay, loser the other.
	kept, loser *version
	paths       []*formats.Path
	set         *pathSet
}

// allowed refuses paths that lead nowhere, and those inside of what has to be settled
// as a whole.
func (s *settling) allowed() error {
	all, err := conflicts(s.kept.docs, s.loser.docs)
	if err != nil {
		return err
	}
	var whole *pathSet
	for _, c := range all {
		whole = whole.add(c.Path)
	}
	inWhole := newMatcher(whole)
	for _, p := range s.paths {
		if nodeAt(s.kept.docs, p) == nil && nodeAt(s.loser.docs, p) == nil {
			return &formats.Error{Cause: formats.ErrNoSuchKey, Path: p, Msg: "no such key"}
		}
		if p.Parent != nil && inWhole.has(p.Parent) {
			return &formats.Error{Cause: formats.ErrPlace, Path: p, Msg: "settle the conflict of what this lies in"}
		}
	}
	return nil
}

func (s *settling) settle() (kept, given []byte, err error) {
	want := make([]formats.Node, len(s.loser.docs))
	for i := range want {
		want[i] = *settledNode(&s.loser.docs[i], &s.kept.docs[i], s.set.at(formats.Root(i)))
	}
	c, err := compared(s.loser, want)
	if err != nil {
		return nil, nil, err
	}
	if len(c.changes) > 0 {
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

// settledNode returns what loser is with the values of kept at the paths of a set; nil
// if it is gone. Up to those the two have the same kinds, see [settling.allowed].
func settledNode(loser, kept *formats.Node, set *pathSet) *formats.Node {
	switch {
	case set == nil:
		return loser
	case set.here:
		return kept
	case loser == nil || kept == nil || len(set.next) == 0:
		return loser
	}
	out := *loser
	out.Items = nil
	add := func(n *formats.Node, key string) {
		if n != nil {
			out.Items = append(out.Items, *n)
			out.Items[len(out.Items)-1].Key = key
		}
	}
	if loser.Kind == formats.ListNode {
		for i := range loser.Items {
			add(settledNode(&loser.Items[i], item(kept, i), set.next[step{"", i}]), "")
		}
		return &out
	}
	has, gives := byKey(loser), byKey(kept)
	for i := range loser.Items {
		key := loser.Items[i].Key
		add(settledNode(&loser.Items[i], gives[key], set.next[step{key, formats.InMap}]), key)
	}
	for i := range kept.Items {
		if key := kept.Items[i].Key; has[key] == nil {
			add(settledNode(nil, &kept.Items[i], set.next[step{key, formats.InMap}]), key)
		}
	}
	return &out
}

// item returns an item of a list, nil if there is none.
func item(list *formats.Node, i int) *formats.Node {
	if list.Kind != formats.ListNode || i >= len(list.Items) {
		return nil
	}
	return &list.Items[i]
}

// best returns the text of the loser that needs the fewest changes: with lines of
// the kept text where the value is, if that works.
func (s *settling) best(want []formats.Node) *candidate {
	best, _ := compared(s.loser, want) // it has as many documents
	t := &textMerge{newline: lineBreak(s.loser.lines)}
	for _, h := range diffLines(s.loser.lines, s.kept.lines) {
		t.regions = append(t.regions, textRegion{region: region{o: span{h.a0, h.a1}, t: span{h.b0, h.b1}}})
	}
	for i := range t.locate(s.loser, s.set, inOurs) {
		t.regions[i].conflict = true
	}
	for i := range t.locate(s.kept, s.set, inTheirs) {
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
