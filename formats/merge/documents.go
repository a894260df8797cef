package merge

import "github.com/gitseal/gitseal/formats"

// documents merges the documents of a file. Kubernetes objects are the same document
// if they are the same object, others by their position if nothing has moved.
func (t *treeMerge) documents(base, ours, theirs []formats.Node) error {
	s := &sequences{base: base, ours: ours, theirs: theirs, item: root, documents: true}
	out, ok := t.documentsOf(s)
	if !ok || len(out.ours.Items) != len(out.theirs.Items) {
		return ErrDocuments
	}
	t.wantOurs, t.wantTheirs = out.ours.Items, out.theirs.Items
	return nil
}

func (t *treeMerge) documentsOf(s *sequences) (pair, bool) {
	if len(s.ours) == 1 && len(s.theirs) == 1 && len(s.base) <= 1 {
		return t.byPosition(s), true
	}
	if ids, ok := identifyObjects(s.base, s.ours, s.theirs); ok {
		return t.byIdentity(s, ids, t.poison)
	}
	if len(s.base) == 0 {
		if !documentsInStep(s.ours, s.theirs) {
			return pair{}, false
		}
		return t.byPosition(s), true
	}
	if t.poison == nil {
		if out, ok := t.sequence(s); ok {
			return out, true
		}
	}
	return t.inPlace(s, t.poison)
}

// byPosition merges documents one by one; the base may have none.
func (t *treeMerge) byPosition(s *sequences) pair {
	out := newPair(formats.ListNode)
	for i := range s.ours {
		var b *formats.Node
		if len(s.base) > 0 {
			b = &s.base[i]
		}
		p := s.item(i, i, i, i)
		out.add(t.value(b, &s.ours[i], &s.theirs[i], t.poison.at(p.base), p), "")
	}
	return out
}

// documentsInStep reports whether two versions have the same documents at the same
// positions, as far as can be told.
func documentsInStep(ours, theirs []formats.Node) bool {
	if len(ours) != len(theirs) {
		return false
	}
	if len(ours) <= 1 {
		return true
	}
	if ids, ok := identifyObjects(ours, theirs); ok {
		return sameOrder(ids)
	}
	return sameItems(ours, theirs, (*likeness).likely)
}
