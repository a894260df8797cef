package merge

import (
	"slices"

	"github.com/gitseal/gitseal/formats"
)

// differences calls found for the places where two values differ, in their order:
// keys of a map, items of lists that surely are the same ones, and whatever else is
// not the same. Maps without a key in common are nothing to be put together of parts,
// but for the root of a document.
func differences(ours, theirs *formats.Node, at place, found func(p place, ours, theirs bool)) {
	switch {
	case same(ours, theirs):
	case ours == nil || theirs == nil || ours.Kind != theirs.Kind || ours.Kind == formats.ScalarNode:
		found(at, ours != nil, theirs != nil)
	case ours.Kind == formats.MapNode:
		left, right := byKey(ours), byKey(theirs)
		if at.merged.Parent != nil && disjoint(left, right) {
			found(at, true, true)
			return
		}
		for _, key := range keysOf(ours, theirs, left) {
			differences(left[key], right[key], at.at(key), found)
		}
	default:
		listDifferences(ours, theirs, at, found)
	}
}

// disjoint reports whether two maps, neither of them empty, have no key in common.
func disjoint(a, b map[string]*formats.Node) bool {
	for key := range a {
		if b[key] != nil {
			return false
		}
	}
	return len(a) > 0 && len(b) > 0
}

// listDifferences is differences for lists. Items of different lists are compared
// with each other only if they surely are the same one.
func listDifferences(ours, theirs *formats.Node, at place, found func(p place, ours, theirs bool)) {
	differ := differing(ours.Items, theirs.Items)
	step := len(ours.Items) == len(theirs.Items) && listsInStep(ours.Items, theirs.Items)
	if !step && len(differ) != 1 {
		found(at, true, true)
		return
	}
	for _, i := range differ {
		p := at.item(i, i, i, i)
		if step {
			differences(&ours.Items[i], &theirs.Items[i], p, found)
			continue
		}
		// All else is the same: to choose a side here is to choose a list.
		oneDifference(&ours.Items[i], &theirs.Items[i], p, found)
	}
}

// oneDifference is differences for values of which one has to win as a whole.
func oneDifference(ours, theirs *formats.Node, at place, found func(p place, ours, theirs bool)) {
	n, last := 0, func() {}
	differences(ours, theirs, at, func(p place, o, t bool) {
		n++
		last = func() { found(p, o, t) }
	})
	if n > 1 {
		found(at, true, true)
		return
	}
	last()
}

// differing returns the indexes at which lists of one length differ.
func differing(ours, theirs []formats.Node) []int {
	if len(ours) != len(theirs) {
		return nil
	}
	var all []int
	for i := range ours {
		if !ours[i].Equal(&theirs[i]) {
			all = append(all, i)
		}
	}
	return all
}

// listsInStep reports whether two lists of one length have the same items at the
// same indexes.
func listsInStep(ours, theirs []formats.Node) bool {
	if ids, ok := identify(ours, theirs); ok {
		return sameOrder(ids)
	}
	return sameItems(ours, theirs, (*likeness).sure)
}

func sameOrder(ids [][]string) bool { return slices.Equal(ids[0], ids[1]) }

// sameItems reports whether each item is, by what a function says, the one at the
// same index of the other list, whichever of the two was first.
func sameItems(ours, theirs []formats.Node, is func(*likeness, int, *formats.Node) bool) bool {
	differ := differing(ours, theirs)
	if len(differ) == 0 {
		return true
	}
	left, right := newLikeness(ours), newLikeness(theirs)
	for _, i := range differ {
		if !is(left, i, &theirs[i]) || !is(right, i, &ours[i]) {
			return false
		}
	}
	return true
}

// keysOf returns the keys of two maps in the order of ours; those that only theirs
// has follow the key before them there.
func keysOf(ours, theirs *formats.Node, left map[string]*formats.Node) []string {
	behind := map[string][]string{}
	var first []string
	last, any := "", false
	for i := range theirs.Items {
		switch key := theirs.Items[i].Key; {
		case left[key] != nil:
			last, any = key, true
		case any:
			behind[last] = append(behind[last], key)
		default:
			first = append(first, key)
		}
	}
	keys := first
	for i := range ours.Items {
		keys = append(append(keys, ours.Items[i].Key), behind[ours.Items[i].Key]...)
	}
	return keys
}

// Conflicts lists the paths where two texts still differ, in their order. It returns
// the error of a text that does not parse, and [ErrDocuments].
func Conflicts(f formats.Format, ours, theirs []byte) ([]Conflict, error) {
	a, err := read(f, ours)
	if err != nil {
		return nil, err
	}
	b, err := read(f, theirs)
	if err != nil {
		return nil, err
	}
	return conflicts(a.docs, b.docs)
}

func conflicts(ours, theirs []formats.Node) ([]Conflict, error) {
	differ := differing(ours, theirs)
	step := documentsInStep(ours, theirs)
	if !step && len(differ) != 1 {
		return nil, ErrDocuments
	}
	var all []Conflict
	note := func(p place, ours, theirs bool) {
		all = append(all, Conflict{Path: p.merged, Ours: ours, Theirs: theirs})
	}
	for _, i := range differ {
		if step {
			differences(&ours[i], &theirs[i], root(i, i, i, i), note)
			continue
		}
		oneDifference(&ours[i], &theirs[i], root(i, i, i, i), note)
	}
	return all, nil
}

// changesTo returns the changes that make want of have, in an order in which they can
// be made: nothing is taken away before what is new is there.
func changesTo(have, want *formats.Node, at *formats.Path) []formats.Change {
	switch {
	case have == want || have.Equal(want):
		return nil
	case have.Kind != want.Kind || have.Kind == formats.ScalarNode:
		return []formats.Change{{Path: at, Value: *want}}
	case have.Kind == formats.MapNode:
		return mapChanges(have, want, at)
	}
	return listChanges(have, want, at)
}

func mapChanges(have, want *formats.Node, at *formats.Path) []formats.Change {
	var set, gone []formats.Change
	has, wants := byKey(have), byKey(want)
	for i := range want.Items {
		item := &want.Items[i]
		if old := has[item.Key]; old != nil {
			set = append(set, changesTo(old, item, at.At(item.Key))...)
			continue
		}
		set = append(set, formats.Change{Path: at.At(item.Key), Value: *item})
	}
	for i := range have.Items {
		if key := have.Items[i].Key; wants[key] == nil {
			gone = append(gone, formats.Change{Path: at.At(key), Remove: true})
		}
	}
	return append(set, gone...)
}

// listChanges removes items from the end on, so that the indexes of others stay.
func listChanges(have, want *formats.Node, at *formats.Path) []formats.Change {
	ids := numbers{}
	kept := matches(ids.of(texts(have.Items)), ids.of(texts(want.Items)))
	missing := slices.Contains(marked(kept, len(want.Items)), false)
	var all []formats.Change
	if !missing {
		for i := len(kept) - 1; i >= 0; i-- {
			if kept[i] < 0 {
				all = append(all, formats.Change{Path: at.Item(i), Remove: true})
			}
		}
		return all
	}
	for i := range want.Items {
		if i < len(have.Items) {
			all = append(all, changesTo(&have.Items[i], &want.Items[i], at.Item(i))...)
			continue
		}
		all = append(all, formats.Change{Path: at.Item(i), Value: want.Items[i]})
	}
	for i := len(have.Items) - 1; i >= len(want.Items); i-- {
		all = append(all, formats.Change{Path: at.Item(i), Remove: true})
	}
	return all
}

// marked says which of n elements are matched.
func marked(match []int, n int) []bool {
	all := make([]bool, n)
	for _, m := range match {
		if m >= 0 {
			all[m] = true
		}
	}
	return all
}
