package merge

import "github.com/gitseal/gitseal/formats"

// likeness tells whether a value of another version is an item of a list, changed, or
// another item. It goes by the leaves that only one item has: those that many have
// tell nothing.
type likeness struct {
	items []formats.Node
	// whole are the items as texts.
	whole map[string]bool
	// owner is the one item that has a leaf, -1 if there are several.
	owner  map[int]int
	leaves leafNumbers
}

func newLikeness(items []formats.Node) *likeness {
	l := &likeness{items: items, whole: map[string]bool{}, owner: map[int]int{}, leaves: leafNumbers{}}
	for _, text := range texts(items) {
		l.whole[text] = true
	}
	for i := range items {
		for leaf := range l.leaves.of(&items[i]) {
			if _, known := l.owner[leaf]; known {
				l.owner[leaf] = -1
				continue
			}
			l.owner[leaf] = i
		}
	}
	return l
}

// has reports whether a value is one of the items, unchanged.
func (l *likeness) has(n *formats.Node) bool { return l.whole[textOf(n)] }

// evidence is how many leaves of a value speak for an item.
type evidence struct {
	// shared are those that the item has, of leaves that the larger of the two has.
	shared, leaves int
	// own are those that only this item has, others the most that one other has.
	own, others int
}

func (l *likeness) evidence(i int, n *formats.Node) evidence {
	was, is := l.leaves.of(&l.items[i]), l.leaves.of(n)
	e := evidence{leaves: max(len(was), len(is))}
	others := map[int]int{}
	for leaf := range is {
		if was[leaf] {
			e.shared++
		}
		switch owner, known := l.owner[leaf]; {
		case !known || owner < 0:
		case owner == i:
			e.own++
		default:
			others[owner]++
			e.others = max(e.others, others[owner])
		}
	}
	return e
}

// sure reports whether a value is surely item i with a minority of its leaves
// changed.
func (l *likeness) sure(i int, n *formats.Node) bool {
	item := &l.items[i]
	if item.Kind == formats.ScalarNode || item.Kind != n.Kind || l.has(n) || !sameIdentity(item, n) {
		return false
	}
	e := l.evidence(i, n)
	return e.own > e.others && 2*e.shared > e.leaves
}

// likely reports whether nothing says that a value is another item than i. It is
// for documents, of which a file has few.
func (l *likeness) likely(i int, n *formats.Node) bool {
	item := &l.items[i]
	if item.Kind != n.Kind || l.has(n) || !sameIdentity(item, n) {
		return false
	}
	e := l.evidence(i, n)
	return e.own >= e.others
}

// leafNumbers gives leaves numbers: the same one to the same value at the same place
// in an item, whatever index of a list that is.
type leafNumbers map[leafStep]int

type leafStep struct {
	up   int
	kind formats.NodeKind
	text string
}

func (l leafNumbers) number(s leafStep) int {
	n, ok := l[s]
	if !ok {
		n = len(l) + 1
		l[s] = n
	}
	return n
}

// of returns the leaves of a value. Empty maps and lists are leaves.
func (l leafNumbers) of(n *formats.Node) map[int]bool {
	set := map[int]bool{}
	l.add(set, 0, n)
	return set
}

func (l leafNumbers) add(set map[int]bool, at int, n *formats.Node) {
	if len(n.Items) == 0 {
		set[l.number(leafStep{at, formats.ScalarNode, textOf(n)})] = true
		return
	}
	for i := range n.Items {
		l.add(set, l.number(leafStep{at, n.Kind, n.Items[i].Key}), &n.Items[i])
	}
}
