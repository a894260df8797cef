package merge

import (
	"slices"

	"github.com/gitseal/gitseal/formats"
)

// sequences are the items of a list, or the documents of a file, in each version.
type sequences struct {
	base, ours, theirs []formats.Node
	// item returns the place of items with those indexes.
	item func(merged, base, ours, theirs int) place
	// documents: the items are documents.
	documents bool
	// like tells about the items of the base; it is made when it is needed.
	like *likeness
}

// list merges lists. Items are merged with each other only if they surely are the
// same one: by what identifies them, or else by what they hold where they stand.
func (t *treeMerge) list(base, ours, theirs *formats.Node, poison *pathSet, at place) pair {
	s := &sequences{base: base.Items, ours: ours.Items, theirs: theirs.Items, item: at.item}
	var out pair
	ids, ok := identify(s.base, s.ours, s.theirs)
	switch {
	case ok:
		out, ok = t.byIdentity(s, ids, poison)
	case poison == nil:
		out, ok = t.sequence(s)
	default:
		out, ok = t.inPlace(s, poison)
	}
	if ok {
		return out
	}
	return t.conflict(ours, theirs, at)
}

// byIdentity merges items by their identities. The order is that of the side that has
// changed it; false if both have.
func (t *treeMerge) byIdentity(s *sequences, ids [][]string, poison *pathSet) (pair, bool) {
	was, left, right := indexes(ids[0]), indexes(ids[1]), indexes(ids[2])
	stays := func(id string) bool {
		i, inBase := was[id]
		j, inOurs := left[id]
		k, inTheirs := right[id]
		switch {
		case inOurs && inTheirs, !inBase:
			return true
		case poison.at(s.item(0, i, 0, 0).base) != nil:
			return inOurs || inTheirs
		case inOurs:
			return !s.base[i].Equal(&s.ours[j])
		}
		return inTheirs && !s.base[i].Equal(&s.theirs[k])
	}
	order, ok := mergeOrder(ids[0], ids[1], ids[2], stays)
	if !ok {
		return pair{}, false
	}
	out := newPair(formats.ListNode)
	for _, id := range order {
		b, i := find(s.base, was, id)
		o, j := find(s.ours, left, id)
		th, k := find(s.theirs, right, id)
		p := s.item(len(out.ours.Items), i, j, k)
		out.add(t.value(b, o, th, poison.at(p.base), p), "")
	}
	return out, true
}

func indexes(ids []string) map[string]int {
	all := make(map[string]int, len(ids))
	for i, id := range ids {
		all[id] = i
	}
	return all
}

// find returns an item and its index; one behind the last, where nothing is, if
// there is no such item.
func find(items []formats.Node, at map[string]int, id string) (*formats.Node, int) {
	i, ok := at[id]
	if !ok {
		return nil, len(items)
	}
	return &items[i], i
}

// sequence merges lists of items that have no identities by what was inserted,
// removed and replaced where. The result is false, and nothing is noted, if both
// sides have changed one stretch and the items in it do not surely correspond.
func (t *treeMerge) sequence(s *sequences) (pair, bool) {
	ids := numbers{}
	b, o, th := ids.of(texts(s.base)), ids.of(texts(s.ours)), ids.of(texts(s.theirs))
	regions := regionsOf(diff(b, o), diff(b, th))
	for i := range regions {
		if !s.mergeable(&regions[i], b, o, th) {
			return pair{}, false
		}
	}
	if !countsFit(regions, b, o, th) {
		return pair{}, false
	}
	out := newPair(formats.ListNode)
	take := func(from []formats.Node, s span) {
		for i := s.from; i < s.to; i++ {
			out.add(pair{&from[i], &from[i]}, "")
		}
	}
	at := 0
	for _, r := range regions {
		take(s.base, span{at, r.b.from})
		at = r.b.to
		switch {
		case r.takesOurs(o, th):
			take(s.ours, r.o)
		case !r.ours:
			take(s.theirs, r.t)
		case r.b.size() == 0:
			take(s.ours, r.o)
			for _, i := range r.rest(o, th) {
				take(s.theirs, span{i, i + 1})
			}
		default:
			for i := range r.b.size() {
				x, y, z := r.b.from+i, r.o.from+i, r.t.from+i
				p := s.item(len(out.ours.Items), x, y, z)
				out.add(t.value(&s.base[x], &s.ours[y], &s.theirs[z], nil, p), "")
			}
		}
	}
	take(s.base, span{at, len(s.base)})
	return out, true
}

// takesOurs reports whether a region of sequences is as ours has it.
func (r *region) takesOurs(ours, theirs []int) bool {
	return !r.theirs || slices.Equal(ours[r.o.from:r.o.to], theirs[r.t.from:r.t.to])
}

// rest returns which items of theirs, of those that both sides have inserted at one
// place, ours has not there.
func (r *region) rest(ours, theirs []int) []int {
	var all []int
	for i, m := range matches(theirs[r.t.from:r.t.to], ours[r.o.from:r.o.to]) {
		if m < 0 {
			all = append(all, r.t.from+i)
		}
	}
	return all
}

// mergeable reports whether a region can be merged without a conflict over the
// sequence itself.
func (s *sequences) mergeable(r *region, b, o, th []int) bool {
	if !r.ours || r.takesOurs(o, th) || r.b.size() == 0 {
		return true
	}
	if r.b.size() != r.o.size() || r.o.size() != r.t.size() {
		return false
	}
	for i := range r.b.size() {
		if !s.correspond(r.b.from+i, r.o.from+i, r.t.from+i) {
			return false
		}
	}
	return true
}

// correspond reports whether items are surely the same one in all versions.
func (s *sequences) correspond(base, ours, theirs int) bool {
	b, o, t := &s.base[base], &s.ours[ours], &s.theirs[theirs]
	if o.Equal(t) {
		return true
	}
	if s.like == nil {
		s.like = newLikeness(s.base)
	}
	if b.Equal(o) {
		return !s.like.has(t)
	}
	if b.Equal(t) {
		return !s.like.has(o)
	}
	if s.documents {
		return s.like.likely(base, o) && s.like.likely(base, t)
	}
	return s.like.sure(base, o) && s.like.sure(base, t)
}

// countsFit reports whether merging the regions leaves no more of any item of the
// base than there should be: what one side moves and the other removes or changes,
// or both move, would be there twice, or again.
func countsFit(regions []region, b, o, th []int) bool {
	count := func(ids []int) map[int]int {
		n := map[int]int{}
		for _, id := range ids {
			n[id]++
		}
		return n
	}
	was, left, right := count(b), count(o), count(th)
	got := count(b)
	add := func(ids []int, s span) {
		for _, id := range ids[s.from:s.to] {
			got[id]++
		}
	}
	for i := range regions {
		r := &regions[i]
		for _, id := range b[r.b.from:r.b.to] {
			got[id]--
		}
		switch {
		case r.takesOurs(o, th):
			add(o, r.o)
		case !r.ours:
			add(th, r.t)
		case r.b.size() == 0:
			add(o, r.o)
			for _, k := range r.rest(o, th) {
				got[th[k]]++
			}
		}
	}
	for id, n := range was {
		if got[id] > merged(n, left[id], right[id]) {
			return false
		}
	}
	return true
}

// inPlace merges items, which must be as many in all versions, by their indexes;
// false, and nothing is noted, if they do not surely correspond.
func (t *treeMerge) inPlace(s *sequences, poison *pathSet) (pair, bool) {
	if len(s.base) != len(s.ours) || len(s.ours) != len(s.theirs) {
		return pair{}, false
	}
	for i := range s.base {
		if !s.correspond(i, i, i) {
			return pair{}, false
		}
	}
	out := newPair(formats.ListNode)
	for i := range s.base {
		p := s.item(i, i, i, i)
		out.add(t.value(&s.base[i], &s.ours[i], &s.theirs[i], poison.at(p.base), p), "")
	}
	return out, true
}
