package merge

import (
	"errors"
	"maps"
	"slices"
	"sort"

	"github.com/gitseal/gitseal/formats"
)

// merger merges the texts of versions whose values are merged already.
type merger struct {
	f                  formats.Format
	base, ours, theirs *version
	// conflicts and added are places, by version.
	conflicts, added, solid places
	text                    *textMerge
	// need are the comments that the result must hold.
	need []needed
}

// places are sets of paths in each version.
type places struct{ base, ours, theirs *pathSet }

func placesOf(all []place) places {
	var s places
	for _, p := range all {
		s.base, s.ours, s.theirs = s.base.add(p.base), s.ours.add(p.ours), s.theirs.add(p.theirs)
	}
	return s
}

// places takes over what the merge of the values has found.
func (m *merger) places(t *treeMerge) {
	m.conflicts, m.added, m.solid = placesOf(t.conflicts), placesOf(t.added), placesOf(t.solid)
	m.need = m.comments()
}

// candidate is a text that may become the result.
type candidate struct {
	*version
	// changes are still to be made.
	changes []formats.Change
}

// candidate reads a text and compares it with what it should mean.
func (m *merger) candidate(text string, want []formats.Node) (*candidate, error) {
	v, err := read(m.f, []byte(text))
	if err != nil {
		return nil, err
	}
	return compared(v, want)
}

// compared returns a version with the changes that make want of it.
func compared(v *version, want []formats.Node) (*candidate, error) {
	if len(v.docs) != len(want) {
		return nil, ErrDocuments
	}
	c := &candidate{version: v}
	for i := range want {
		c.changes = append(c.changes, changesTo(&v.docs[i], &want[i], formats.Root(i))...)
	}
	return c, nil
}

// better returns c if it needs fewer changes than the best so far, which may be nil.
func better(best, c *candidate, err error) *candidate {
	if err != nil || best != nil && len(best.changes) <= len(c.changes) {
		return best
	}
	return c
}

// maxAttempts is how often a text that does not mean what it should is tried with
// other choices where it goes wrong.
const maxAttempts = 12

// mergeOurs returns the merged text with conflicts settled for ours.
func (m *merger) mergeOurs(want []formats.Node) (*version, error) {
	m.text = newTextMerge(m.base, m.ours, m.theirs)
	m.avoidDoubles()
	m.markSolid()
	var best *candidate
	for attempt := 0; ; attempt++ {
		c, err := m.candidate(m.text.text(false, false), want)
		best = better(best, c, err)
		if err == nil && len(c.changes) == 0 || attempt > maxAttempts {
			break
		}
		if attempt == maxAttempts {
			m.text.giveUp()
			continue
		}
		if !m.retry(c, err) {
			break
		}
	}
	m.markConflicts()
	c, err := compared(m.ours, want)
	return m.finish(better(best, c, err), want)
}

// mergeTheirs returns the merged text with conflicts settled for theirs. It differs
// from that of ours as little as possible.
func (m *merger) mergeTheirs(ours *version, want []formats.Node) (*version, error) {
	var best *candidate
	for _, whole := range []bool{false, true} {
		c, err := m.candidate(m.text.text(true, whole), want)
		if best = better(best, c, err); best != nil && len(best.changes) == 0 {
			return m.finish(best, want)
		}
	}
	for _, v := range []*version{ours, m.theirs} {
		c, err := compared(v, want)
		best = better(best, c, err)
	}
	return m.finish(best, want)
}

// finish makes the changes that a candidate lacks and puts back comments.
func (m *merger) finish(c *candidate, want []formats.Node) (*version, error) {
	if c == nil {
		return nil, ErrNotWritten
	}
	c, err := m.bring(c, want)
	if err != nil {
		return nil, err
	}
	return m.withComments(c, want)
}

// avoidDoubles leaves out lines of theirs that add keys which ours adds elsewhere.
func (m *merger) avoidDoubles() {
	for i := range m.text.locate(m.theirs, m.added.theirs, inTheirs) {
		if r := &m.text.regions[i]; !r.ours {
			r.at = len(r.choices)
		}
	}
}

// markConflicts notes which regions have conflicts.
func (m *merger) markConflicts() {
	for i := range m.located(m.conflicts) {
		m.text.regions[i].conflict = true
	}
}

// markSolid leaves the regions of what a side wins as a whole as that side has them.
func (m *merger) markSolid() {
	for i := range m.located(m.solid) {
		r := &m.text.regions[i]
		r.conflict = true
		r.choices = append([]choice{takeSide}, r.choices...)
	}
}

// located returns the regions at or below places.
func (m *merger) located(p places) map[int]bool {
	found := map[int]bool{}
	for v, set := range map[*version]*pathSet{m.base: p.base, m.ours: p.ours, m.theirs: p.theirs} {
		maps.Copy(found, m.text.locate(v, set, m.spanIn(v)))
	}
	return found
}

func inBase(r *textRegion) span   { return r.b }
func inOurs(r *textRegion) span   { return r.o }
func inTheirs(r *textRegion) span { return r.t }
func inOut(r *textRegion) span    { return r.out }

// spanIn returns what says where a region is in a version.
func (m *merger) spanIn(v *version) func(*textRegion) span {
	switch v {
	case m.base:
		return inBase
	case m.ours:
		return inOurs
	case m.theirs:
		return inTheirs
	}
	return inOut
}

// locate returns the regions that have a line of a value at or below a path of set.
func (t *textMerge) locate(v *version, set *pathSet, in func(*textRegion) span) map[int]bool {
	found := map[int]bool{}
	if set == nil {
		return found
	}
	match := newMatcher(set)
	for _, l := range v.doc.Leaves {
		if l.Kind == formats.Comment || !match.has(l.Path) {
			continue
		}
		first, last := v.lineAt(l.Start), v.lineAt(max(l.Start, l.End-1))
		i := sort.Search(len(t.regions), func(i int) bool { return in(&t.regions[i]).to > first })
		for ; i < len(t.regions) && in(&t.regions[i]).from <= last; i++ {
			found[i] = true
		}
	}
	return found
}

// lineAt returns the number of the line of an offset.
func (v *version) lineAt(off int) int {
	i, found := slices.BinarySearch(v.starts, off)
	if found {
		return i
	}
	return max(i-1, 0)
}

// retry makes other choices where a text has gone wrong: either it did not parse, or
// it does not mean what it should. It returns false if there are none.
func (m *merger) retry(c *candidate, err error) bool {
	var at map[int]bool
	switch {
	case err != nil:
		at = m.text.nearest(err)
	default:
		at = m.wrong(c)
	}
	escalated := false
	for i := range m.text.regions {
		if at[i] && m.text.escalate(i) {
			escalated = true
		}
	}
	return escalated
}

// wrong returns the regions where c does not mean what it should.
func (m *merger) wrong(c *candidate) map[int]bool {
	var set *pathSet
	for _, change := range c.changes {
		set = set.add(change.Path)
	}
	found := map[int]bool{}
	for _, v := range []*version{m.base, m.ours, m.theirs, c.version} {
		for i := range m.text.locate(v, set, m.spanIn(v)) {
			found[i] = true
		}
	}
	return found
}

// escalate makes the next choice for region i; if it has none left, the nearest
// regions in its group are to be as ours has them. It returns false if all are.
func (t *textMerge) escalate(i int) bool {
	if r := &t.regions[i]; !r.final() {
		r.at++
		return true
	}
	escalated := false
	for _, direction := range [2]int{-1, 1} {
		for k := i + direction; k >= 0 && k < len(t.regions) && t.regions[k].group == t.regions[i].group; k += direction {
			if r := &t.regions[k]; !r.final() {
				r.at = len(r.choices)
				escalated = true
				break
			}
		}
	}
	return escalated
}

// giveUp leaves all regions as ours has them that both sides have changed.
func (t *textMerge) giveUp() {
	for i := range t.regions {
		if r := &t.regions[i]; r.ours && r.theirs {
			r.at = len(r.choices)
		}
	}
}

// nearest returns the region with choices left that is nearest to the line of an
// error.
func (t *textMerge) nearest(err error) map[int]bool {
	line := 0
	var e *formats.Error
	if errors.As(err, &e) {
		line = max(e.Line-1, 0)
	}
	open := map[int]bool{}
	for i := range t.regions {
		if r := &t.regions[i]; !r.final() {
			open[r.group] = true
		}
	}
	best, distance := -1, 0
	for i := range t.regions {
		r := &t.regions[i]
		if !open[r.group] {
			continue
		}
		d := max(r.out.from-line, line-r.out.to+1, 0)
		if best < 0 || d < distance {
			best, distance = i, d
		}
	}
	if best < 0 {
		return nil
	}
	return map[int]bool{best: true}
}
