package merge

import "github.com/gitseal/gitseal/formats"

// place is where a value is in the merged file and in each version. Indexes of list
// items may differ.
type place struct{ merged, base, ours, theirs *formats.Path }

func (p place) at(key string) place {
	return place{p.merged.At(key), p.base.At(key), p.ours.At(key), p.theirs.At(key)}
}

// item returns the place of list items with those indexes.
func (p place) item(merged, base, ours, theirs int) place {
	return place{p.merged.Item(merged), p.base.Item(base), p.ours.Item(ours), p.theirs.Item(theirs)}
}

func root(merged, base, ours, theirs int) place {
	return place{formats.Root(merged), formats.Root(base), formats.Root(ours), formats.Root(theirs)}
}

// treeMerge merges values.
type treeMerge struct {
	poison *pathSet
	// wantOurs and wantTheirs are the merged documents, conflicts settled for a side.
	wantOurs, wantTheirs []formats.Node
	conflicts            []place
	// solid are lists and maps that a side wins as a whole.
	solid []place
	// added are values that both sides have and the base has not.
	added []place
}

// pair is a merged value, as each side would have conflicts settled. Nil is none.
type pair struct{ ours, theirs *formats.Node }

// same reports whether two values are, or neither is there.
func same(a, b *formats.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a == b || a.Equal(b)
}

// value merges one value. The poison is the part of the set below it.
func (t *treeMerge) value(base, ours, theirs *formats.Node, poison *pathSet, at place) pair {
	if base == nil && ours != nil && theirs != nil {
		t.added = append(t.added, at)
	}
	switch {
	case same(ours, theirs):
		return pair{ours, ours}
	case poison != nil && poison.here:
		return t.conflict(ours, theirs, at)
	case poison == nil && same(base, ours):
		return pair{theirs, theirs}
	case poison == nil && same(base, theirs):
		return pair{ours, ours}
	case ours == nil || theirs == nil || ours.Kind != theirs.Kind:
		return t.conflict(ours, theirs, at)
	case base != nil && base.Kind != ours.Kind:
		return t.replaced(ours, theirs, at)
	case ours.Kind == formats.MapNode:
		return t.maps(base, ours, theirs, poison, at)
	case ours.Kind == formats.ListNode && base != nil:
		return t.list(base, ours, theirs, poison, at)
	}
	return t.conflict(ours, theirs, at)
}

// conflict notes where two values differ.
func (t *treeMerge) conflict(ours, theirs *formats.Node, at place) pair {
	if ours != nil && theirs != nil && ours.Kind == formats.ListNode && theirs.Kind == formats.ListNode {
		t.solid = append(t.solid, at)
	}
	differences(ours, theirs, at, func(p place, _, _ bool) { t.conflicts = append(t.conflicts, p) })
	return pair{ours, theirs}
}

// replaced is conflict for maps or lists that both sides have put in the place of
// something else: nobody has agreed to a mixture of the two.
func (t *treeMerge) replaced(ours, theirs *formats.Node, at place) pair {
	if ours.Kind == formats.MapNode {
		t.solid = append(t.solid, at)
	}
	return t.conflict(ours, theirs, at)
}

// byKey finds the items of a map.
func byKey(n *formats.Node) map[string]*formats.Node {
	all := map[string]*formats.Node{}
	if n == nil || n.Kind != formats.MapNode {
		return all
	}
	for i := range n.Items {
		all[n.Items[i].Key] = &n.Items[i]
	}
	return all
}

func (t *treeMerge) maps(base, ours, theirs *formats.Node, poison *pathSet, at place) pair {
	was, left, right := byKey(base), byKey(ours), byKey(theirs)
	out := newPair(formats.MapNode)
	for _, n := range [2]*formats.Node{ours, theirs} {
		for i := range n.Items {
			key := n.Items[i].Key
			if n == theirs && left[key] != nil {
				continue
			}
			p := at.at(key)
			out.add(t.value(was[key], left[key], right[key], poison.at(p.base), p), key)
		}
	}
	return out
}

func newPair(kind formats.NodeKind) pair {
	return pair{&formats.Node{Kind: kind}, &formats.Node{Kind: kind}}
}

// add adds an item to both sides, if it is there.
func (p pair) add(item pair, key string) {
	add := func(to, n *formats.Node) {
		if n != nil {
			to.Items = append(to.Items, *n)
			to.Items[len(to.Items)-1].Key = key
		}
	}
	add(p.ours, item.ours)
	add(p.theirs, item.theirs)
}
