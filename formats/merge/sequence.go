package merge

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// documents merges the documents of a file.
func (t *treeMerge) documents(base, ours, theirs []formats.Node) error {
	sameCount := len(ours) == len(theirs) && (len(base) == 0 || len(base) == len(ours))
	if len(ours) > 1 && len(base) > 0 && t.poison == nil || !sameCount {
		if len(base) == 0 || t.poison != nil {
			return ErrDocuments
		}
		out, ok := t.sequence(base, ours, theirs, root)
		if ok {
			t.wantOurs, t.wantTheirs = out.ours.Items, out.theirs.Items
			return nil
		}
		if !sameCount {
			return ErrDocuments
		}
	}
	out := newPair(formats.ListNode)
	for i := range ours {
		var b *formats.Node
		if len(base) > 0 {
			b = &base[i]
		}
		p := root(i, i, i, i)
		out.add(t.value(b, &ours[i], &theirs[i], t.poison.at(p.base), p), "")
	}
	t.wantOurs, t.wantTheirs = out.ours.Items, out.theirs.Items
	return nil
}

// sequence merges items of lists, or documents, whose places item returns. Items
// that both sides have changed are merged if their numbers are the same; otherwise
// the result is false, and nothing is noted.
func (t *treeMerge) sequence(base, ours, theirs []formats.Node, item func(m, b, o, t int) place) (pair, bool) {
	ids := numbers{}
	b, o, th := ids.of(texts(base)), ids.of(texts(ours)), ids.of(texts(theirs))
	regions := regionsOf(diff(b, o), diff(b, th))
	for _, r := range regions {
		if !r.mergeable(o, th) {
			return pair{}, false
		}
	}
	out := newPair(formats.ListNode)
	take := func(from []formats.Node, s span) {
		for i := s.from; i < s.to; i++ {
			out.add(pair{&from[i], &from[i]}, "")
		}
	}
	at := 0
	for _, r := range regions {
		take(base, span{at, r.b.from})
		at = r.b.to
		switch {
		case !r.theirs || slices.Equal(o[r.o.from:r.o.to], th[r.t.from:r.t.to]):
			take(ours, r.o)
		case !r.ours:
			take(theirs, r.t)
		case r.b.size() == 0:
			take(ours, r.o)
			rest(out, theirs, o[r.o.from:r.o.to], th, r.t)
		default:
			for i := range r.b.size() {
				x, y, z := r.b.from+i, r.o.from+i, r.t.from+i
				p := item(len(out.ours.Items), x, y, z)
				out.add(t.value(&base[x], &ours[y], &theirs[z], nil, p), "")
			}
		}
	}
	take(base, span{at, len(base)})
	return out, true
}

// mergeable reports whether a region of sequences can be merged without a conflict
// over the sequence itself.
func (r *region) mergeable(ours, theirs []int) bool {
	return !r.ours || !r.theirs || r.b.size() == 0 || r.b.size() == r.o.size() && r.o.size() == r.t.size() ||
		slices.Equal(ours[r.o.from:r.o.to], theirs[r.t.from:r.t.to])
}

// rest adds the items that both sides have inserted at one place, but for those
// that ours has there, too.
func rest(out pair, theirs []formats.Node, ours, ids []int, s span) {
	for i, m := range matches(ids[s.from:s.to], ours) {
		if m < 0 {
			out.add(pair{&theirs[s.from+i], &theirs[s.from+i]}, "")
		}
	}
}

// texts returns for each value a text that only equal ones share.
func texts(nodes []formats.Node) []string {
	all := make([]string, len(nodes))
	for i := range nodes {
		var b strings.Builder
		write(&b, &nodes[i])
		all[i] = b.String()
	}
	return all
}

// write writes n so that no two values that differ give the same text: every text
// has its length in front.
func write(b *strings.Builder, n *formats.Node) {
	text := func(s string) {
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(':')
		b.WriteString(s)
	}
	b.WriteString(strconv.Itoa(int(n.Kind)) + "," + strconv.Itoa(int(n.Scalar.Kind)) + "," + strconv.Itoa(len(n.Items)))
	text(n.Scalar.Text)
	order := make([]int, len(n.Items))
	for i := range order {
		order[i] = i
	}
	if n.Kind == formats.MapNode {
		slices.SortFunc(order, func(i, j int) int { return strings.Compare(n.Items[i].Key, n.Items[j].Key) })
	}
	for _, i := range order {
		if n.Kind == formats.MapNode {
			text(n.Items[i].Key)
		}
		write(b, &n.Items[i])
	}
}
