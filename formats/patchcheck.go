package formats

// CheckPatch checks that after is the document that c, which has been applied,
// should have made of before: the same values but for those at c.Path, which are
// the new ones or gone. Comments are not looked at.
func CheckPatch(before, after *Document, c Change) error {
	k := patchCheck{c: c}
	bad := &Error{Cause: ErrNotSealable, Path: c.Path, Msg: "the value cannot be written here"}
	switch {
	case after.Meta != nil:
		return &Error{Cause: ErrPlace, Path: c.Path, Msg: "this key is that of a sealed file's metadata"}
	case max(before.Documents, 1) != max(after.Documents, 1):
		return bad
	}
	old, _ := k.split(before, false)
	rest, set := k.split(after, true)
	if len(old) != len(rest) {
		return bad
	}
	for i := range old {
		if !old[i].Path.Equal(rest[i].Path) || old[i].Scalar != rest[i].Scalar {
			return bad
		}
	}
	if !c.Remove && !k.isValue(set) || !k.sameAliases(before, after) {
		return bad
	}
	return nil
}

type patchCheck struct{ c Change }

// split returns the values of d that the change does not touch, with the paths
// they have after it, and those that it does.
func (k *patchCheck) split(d *Document, changed bool) (rest, touched []Leaf) {
	own := d.ownLeaves()
	parent := k.c.Path.Parent
	for i, l := range d.Leaves {
		switch {
		case !own[i] || l.Kind == Comment:
		case k.c.Remove && changed && (l.Kind == EmptyMap || l.Kind == EmptyList) && l.Path.Equal(parent):
			// All that is left of the collection.
		case k.c.Remove && changed:
			rest = append(rest, l)
		case isBelow(l.Path, k.c.Path):
			touched = append(touched, l)
		case !k.c.Remove && !changed && l.Kind.Empty() && isBelow(k.c.Path, l.Path):
			// The empty value that becomes a collection.
		default:
			l.Path = k.moved(l.Path)
			rest = append(rest, l)
		}
	}
	return rest, touched
}

// moved returns the path that what is at p has after the change: items behind a
// removed one move up.
func (k *patchCheck) moved(p *Path) *Path {
	gone := k.c.Path
	if !k.c.Remove || gone.Index == InMap {
		return p
	}
	depth := pathDepth(gone)
	steps := stepsOf(p)
	if len(steps) < depth || steps[depth-1].Index <= gone.Index || !steps[depth-1].Parent.Equal(gone.Parent) {
		return p
	}
	q := gone.Parent.Item(steps[depth-1].Index - 1)
	for _, s := range steps[depth:] {
		q = &Path{Parent: q, Key: s.Key, Index: s.Index}
	}
	return q
}

// isValue reports whether leaves are those of the new value.
func (k *patchCheck) isValue(leaves []Leaf) bool {
	ok := true
	var walk func(n *Node, p *Path)
	walk = func(n *Node, p *Path) {
		if n.Kind != ScalarNode && len(n.Items) > 0 {
			for i := range n.Items {
				at := p.At(n.Items[i].Key)
				if n.Kind == ListNode {
					at = p.Item(i)
				}
				walk(&n.Items[i], at)
			}
			return
		}
		if p.Parent == nil && n.Kind == MapNode {
			return // an empty root has no leaf
		}
		if ok = ok && len(leaves) > 0 && leaves[0].Path.Equal(p) && leaves[0].Scalar == n.Leaf(); ok {
			leaves = leaves[1:]
		}
	}
	walk(&k.c.Value, k.c.Path)
	return ok && len(leaves) == 0
}

// sameAliases reports whether all aliases but those at the path are there and
// repeat the same leaves, as far as those have not changed themselves.
func (k *patchCheck) sameAliases(before, after *Document) bool {
	rest := after.Aliases
	for _, a := range before.Aliases {
		if isBelow(a.Path, k.c.Path) {
			continue
		}
		if len(rest) == 0 || !k.moved(a.Path).Equal(rest[0].Path) || a.Text != rest[0].Text {
			return false
		}
		if !k.sameTargets(before, after, a, rest[0]) {
			return false
		}
		rest = rest[1:]
	}
	return len(rest) == 0
}

func (k *patchCheck) sameTargets(before, after *Document, a, b Alias) bool {
	targets := make([]*Path, 0, len(b.Target))
	for _, t := range b.Target {
		targets = append(targets, after.Leaves[t].Path)
	}
	for _, t := range a.Target {
		p := before.Leaves[t].Path
		if isBelow(p, k.c.Path) || isBelow(k.c.Path, p) {
			continue
		}
		p = k.moved(p)
		for len(targets) > 0 && !targets[0].Equal(p) {
			targets = targets[1:]
		}
		if len(targets) == 0 {
			return false
		}
	}
	return true
}

// ownLeaves says of each leaf whether it is no part of an alias.
func (d *Document) ownLeaves() []bool {
	own := make([]bool, len(d.Leaves))
	for i := range own {
		own[i] = true
	}
	for _, a := range d.Aliases {
		for i := a.First; i < a.Last; i++ {
			own[i] = false
		}
	}
	return own
}
