package merge

import (
	"slices"

	"github.com/gitseal/gitseal/formats"
)

// Origins say where what stands in a version of a file stood in an earlier one. A nil
// one says that all stands where it did.
type Origins struct {
	root *origin
	// known are the containers that were asked for.
	known map[*formats.Path]traced
}

// traced is where something stood, nil if it is new, and what has moved inside.
type traced struct {
	was *formats.Path
	in  *origin
}

// origin is where the items of a value come from.
type origin struct {
	// items are the indexes that the items of a list had, -1 for a new one; nil for a
	// map.
	items []int
	// inside are the items in which something has moved, by their step.
	inside map[step]*origin
}

// Trace compares two versions of a file. Keys of maps are where they were. Items of a
// list and documents of a file are told apart by what identifies them, or else by
// what they hold: of equal ones as many as possible stay in their order, then whatever
// is left has moved or, where it stood, was changed.
func Trace(before, after *formats.Document) *Origins {
	root := itemOrigins(documentsOf(before), documentsOf(after), identifyObjects)
	if root == nil {
		return nil
	}
	return &Origins{root: root, known: map[*formats.Path]traced{}}
}

// Of returns where in the earlier version that stood which is at p in the later one;
// nil if it is in an item or a document that is new. Keys of maps may be new.
func (o *Origins) Of(p *formats.Path) *formats.Path {
	if o == nil {
		return p
	}
	return o.trace(p).was
}

func (o *Origins) trace(p *formats.Path) traced {
	up := traced{in: o.root}
	if p.Parent != nil {
		var ok bool
		if up, ok = o.known[p.Parent]; !ok {
			up = o.trace(p.Parent)
			o.known[p.Parent] = up
		}
		if up.was == nil {
			return traced{}
		}
	}
	was := &formats.Path{Parent: up.was, Key: p.Key, Index: p.Index}
	if up.in == nil {
		return traced{was: was}
	}
	if p.Index >= 0 && p.Index < len(up.in.items) {
		if was.Index = up.in.items[p.Index]; was.Index < 0 {
			return traced{}
		}
	}
	return traced{was, up.in.inside[step{p.Key, p.Index}]}
}

// origins compares what stands at one place.
func origins(before, after *formats.Node) *origin {
	switch {
	case before.Kind != after.Kind || before.Equal(after):
		return nil
	case after.Kind == formats.ListNode:
		return itemOrigins(before.Items, after.Items, identify)
	}
	var o origin
	was := byKey(before)
	for i := range after.Items {
		if old := was[after.Items[i].Key]; old != nil {
			o.add(step{after.Items[i].Key, formats.InMap}, origins(old, &after.Items[i]))
		}
	}
	if o.inside == nil {
		return nil
	}
	return &o
}

func (o *origin) add(at step, in *origin) {
	if in == nil {
		return
	}
	if o.inside == nil {
		o.inside = map[step]*origin{}
	}
	o.inside[at] = in
}

// itemOrigins compares the items of a list.
func itemOrigins(before, after []formats.Node, identify func(...[]formats.Node) ([][]string, bool)) *origin {
	p := &pairing{before: before, after: after, taken: make([]bool, len(before)), from: make([]int, len(after))}
	for i := range p.from {
		p.from[i] = -1
	}
	if ids, ok := identify(before, after); ok {
		p.identified(ids)
	} else {
		p.inOrder()
	}
	p.alike()
	p.between()
	o := origin{items: p.from}
	moved := false
	for i, k := range p.from {
		if moved = moved || k != i; k >= 0 {
			o.add(step{"", i}, origins(&before[k], &after[i]))
		}
	}
	if !moved && o.inside == nil {
		return nil
	}
	return &o
}

// pairing finds out which item of a list became which.
type pairing struct {
	before, after []formats.Node
	// from is the item before for each item after, -1 if there is none yet; taken says
	// which have become one.
	from  []int
	taken []bool
}

func (p *pairing) pair(was, is int) {
	if p.from[is] < 0 && !p.taken[was] {
		p.from[is], p.taken[was] = was, true
	}
}

func (p *pairing) identified(ids [][]string) {
	was := indexes(ids[0])
	for i, id := range ids[1] {
		if k, ok := was[id]; ok {
			p.pair(k, i)
		}
	}
}

// inOrder pairs equal items as a merge of lists does, and then those that have moved.
func (p *pairing) inOrder() {
	n := numbers{}
	was, is := n.of(texts(p.before)), n.of(texts(p.after))
	for k, i := range matches(was, is) {
		if i >= 0 {
			p.pair(k, i)
		}
	}
	left := map[int][]int{}
	for k, id := range was {
		if !p.taken[k] {
			left[id] = append(left[id], k)
		}
	}
	for i, id := range is {
		if p.from[i] < 0 && len(left[id]) > 0 {
			p.pair(left[id][0], i)
			left[id] = left[id][1:]
		}
	}
}

// alike pairs items with those that they share most of: of the leaves that one item
// alone had.
func (p *pairing) alike() {
	if !slices.Contains(p.from, -1) || !slices.Contains(p.taken, false) {
		return
	}
	like := newLikeness(p.before)
	for i := range p.after {
		if p.from[i] >= 0 || p.after[i].Kind == formats.ScalarNode {
			continue
		}
		shared, best := map[int]int{}, -1
		for leaf := range like.leaves.of(&p.after[i]) {
			k, known := like.owner[leaf]
			if !known || k < 0 || p.taken[k] {
				continue
			}
			shared[k]++
			if best < 0 || shared[k] > shared[best] || shared[k] == shared[best] && k < best {
				best = k
			}
		}
		if best >= 0 {
			p.pair(best, i)
		}
	}
}

// between pairs what is left one by one where as many items are left before as after,
// between neighbours that have stayed neighbours of it.
func (p *pairing) between() {
	last := -1
	for i := 0; i < len(p.after); {
		if p.from[i] >= 0 {
			last = p.from[i]
			i++
			continue
		}
		to, next := i, len(p.before)
		for to < len(p.after) && p.from[to] < 0 {
			to++
		}
		if to < len(p.after) {
			next = p.from[to]
		}
		if next-last-1 == to-i && !slices.Contains(p.taken[last+1:next], true) {
			for n := range to - i {
				p.pair(last+1+n, i+n)
			}
		}
		i = to
	}
}
