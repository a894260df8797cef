package merge

// region is a place where a version is not as the base, and where it is in each.
type region struct {
	b, o, t span
	// ours and theirs say who changed it.
	ours, theirs bool
}

// regionsOf joins the hunks of two versions with their base. Changes that only
// touch stay apart, but for two insertions at one place: they are one region.
func regionsOf(ours, theirs []hunk) []region {
	var all []region
	shiftO, shiftT := 0, 0 // what has to be added to an index of the base
	for len(ours) > 0 || len(theirs) > 0 {
		var r region
		switch {
		case len(theirs) == 0 || len(ours) > 0 && !before(theirs[0], ours[0]):
			r.b = span{ours[0].a0, ours[0].a1}
		default:
			r.b = span{theirs[0].a0, theirs[0].a1}
		}
		r.o.from, r.t.from = r.b.from+shiftO, r.b.from+shiftT
		for grown := true; grown; {
			grown = false
			for len(ours) > 0 && r.takes(ours[0]) {
				shiftO += ours[0].grows()
				ours, r.ours, grown = ours[1:], true, true
			}
			for len(theirs) > 0 && r.takes(theirs[0]) {
				shiftT += theirs[0].grows()
				theirs, r.theirs, grown = theirs[1:], true, true
			}
		}
		r.o.to, r.t.to = r.b.to+shiftO, r.b.to+shiftT
		all = append(all, r)
	}
	return all
}

// before reports whether h comes before k: an insertion before what is changed
// behind it.
func before(h, k hunk) bool { return h.a0 < k.a0 || h.a0 == k.a0 && h.a1 < k.a1 }

// grows returns by how much the hunk makes a sequence longer.
func (h hunk) grows() int { return (h.b1 - h.b0) - (h.a1 - h.a0) }

// takes reports whether h, which does not come before the region, belongs to it;
// the region grows to hold it.
func (r *region) takes(h hunk) bool {
	if h.a0 >= r.b.to && (h.a0 != r.b.from || h.a1 != r.b.to) {
		return false
	}
	r.b.to = max(r.b.to, h.a1)
	return true
}
