package merge

import "slices"

// mergeOrder merges the order of the items of a list, which are told apart by ids
// that stand once in each version. It returns those that keep accepts, all of which
// a side has; false if both sides have moved items, or one has added items where
// the other has moved some.
func mergeOrder(base, ours, theirs []string, keep func(id string) bool) ([]string, bool) {
	b, o, t := kept(base, keep), kept(ours, keep), kept(theirs, keep)
	// What one side has removed, and the other has changed, stays in its place.
	o, t = completed(o, b), completed(t, b)
	in := setOfIDs(b)
	common := func(id string) bool { return in[id] }
	switch co, ct := kept(o, common), kept(t, common); {
	case slices.Equal(co, ct):
		return mergeGaps(gapsOf(o, in), gapsOf(t, in), o), true
	case slices.Equal(ct, b):
		return addInto(o, t, in)
	case slices.Equal(co, b):
		return addInto(t, o, in)
	}
	return nil, false
}

func setOfIDs(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

func kept(ids []string, keep func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !keep(id) })
}

// completed returns ids with those of base that it lacks, each behind the one that it
// follows in base.
func completed(ids, base []string) []string {
	has := setOfIDs(ids)
	behind := map[string][]string{}
	last, lacks := "", false
	var all []string
	for _, id := range base {
		switch {
		case has[id]:
			last = id
		case last == "":
			all, lacks = append(all, id), true
		default:
			behind[last], lacks = append(behind[last], id), true
		}
	}
	if !lacks {
		return ids
	}
	for _, id := range ids {
		all = append(append(all, id), behind[id]...)
	}
	return all
}

// gap is what stands behind an id of the base, "" for the beginning of the list, and
// before the next.
type gap struct {
	after string
	ids   []string
}

func gapsOf(ids []string, inBase map[string]bool) []gap {
	all := []gap{{}}
	for _, id := range ids {
		if inBase[id] {
			all = append(all, gap{after: id})
			continue
		}
		last := &all[len(all)-1]
		last.ids = append(last.ids, id)
	}
	return all
}

// mergeGaps joins lists whose common items are in one order: in each gap what ours
// has added, then what only theirs has.
func mergeGaps(ours, theirs []gap, inOurs []string) []string {
	has := setOfIDs(inOurs)
	var all []string
	for i, g := range ours {
		if i > 0 {
			all = append(all, g.after)
		}
		all = append(all, g.ids...)
		for _, id := range theirs[i].ids {
			if !has[id] {
				all = append(all, id)
			}
		}
	}
	return all
}

// addInto adds to the side that has moved items what the other has added: at the
// beginning, at the end, or between items that are neighbours still.
func addInto(moved, other []string, inBase map[string]bool) ([]string, bool) {
	has := setOfIDs(moved)
	next := map[string]string{}
	gaps := gapsOf(moved, inBase)
	for i := range gaps[:len(gaps)-1] {
		next[gaps[i].after] = gaps[i+1].after
	}
	before := map[string][]string{}
	var first, last []string
	added := gapsOf(other, inBase)
	for i, g := range added {
		fresh := kept(g.ids, func(id string) bool { return !has[id] })
		switch {
		case len(fresh) == 0:
		case i == len(added)-1:
			last = fresh
		case i == 0:
			first = fresh
		case next[g.after] == added[i+1].after:
			before[added[i+1].after] = fresh
		default:
			return nil, false
		}
	}
	all := first
	for _, id := range moved {
		all = append(append(all, before[id]...), id)
	}
	return append(all, last...), true
}
