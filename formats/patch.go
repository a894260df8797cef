package formats

import (
	"errors"
	"math"
	"strconv"
)

// The causes of an [Error] that only changes have.
var (
	// ErrNoSuchKey: nothing is where a value is to be removed, or the file has no
	// such document.
	ErrNoSuchKey = errors.New("no such key")
	// ErrPlace: no value can be set or removed at this place: another value is in
	// the way, a list is shorter, or the value is there only through an alias.
	ErrPlace = errors.New("not possible at this place")
)

// Change is one change to a plain document.
type Change struct {
	// Path is the place. Maps, and lists of one item, that are missing on the way
	// there are made. An index one beyond the end of a list appends to it.
	Path *Path
	// Remove takes the value away with its key or index; later items of a list move
	// up. Otherwise Value is set.
	Remove bool
	// Value replaces whatever is at Path. Its Key is ignored.
	Value Node
}

// Patcher is a [Format] that changes one value of a document as people would
// with an editor.
type Patcher interface {
	// Patch returns the source of the plain document d with c applied and, outside
	// of one region, every other byte as it was. What replaces a scalar is spelled
	// as Spell does; what is new comes behind the last item of its map or list,
	// before comments that follow that, and is laid out like its neighbours. A key
	// goes with its value and the comment on its line; comments above stay. The
	// last key of a map that goes leaves {}, the last item of a list []. A value that
	// is there already changes no byte.
	//
	// A change where an anchor is changes what its aliases repeat; one that reaches
	// through an alias is refused with [ErrPlace], and so is one that would take
	// away what an alias repeats. What the format cannot hold wraps
	// [ErrNotSealable]. The result reads back as it should, or there is an error.
	Patch(d *Document, c Change) ([]byte, error)
}

// Site is what a document has where a change is to be made.
type Site struct {
	// Exists says that there is a value at the path.
	Exists bool
	// Leaf is the index of the one leaf that the value is, -1 if it is a collection
	// with items, an alias, or absent.
	Leaf int
	// Base is, if there is no value, the path of the innermost map or list on the
	// way that is there, or of an empty value that has to become one. BaseLeaf is
	// the leaf of that empty value, -1 if Base has items or is a root.
	Base     *Path
	BaseLeaf int
	// Insert is the item that Base gets, its Key set, if there is no value.
	Insert Node
	// Same says that the value is there already.
	Same bool
}

// Site checks c against d as far as all formats agree, and says where it leads.
func (d *Document) Site(c Change) (Site, error) {
	s := siteFinder{d: d, c: c, steps: append([]*Path{rootOf(c.Path)}, stepsOf(c.Path)...)}
	s.site = Site{Leaf: -1, BaseLeaf: -1, Base: s.steps[0]}
	if err := s.allowed(); err != nil {
		return Site{}, err
	}
	if old, ok := d.Node(c.Path); ok && !c.Remove && old.Equal(&c.Value) {
		s.site.Exists, s.site.Same = true, true
		return s.site, nil
	}
	if err := s.reached(); err != nil {
		return Site{}, err
	}
	for i := range d.Leaves {
		if d.Leaves[i].Kind != Comment {
			s.leaf(i)
		}
	}
	if s.err != nil {
		return Site{}, s.err
	}
	return s.finish()
}

type siteFinder struct {
	d     *Document
	c     Change
	steps []*Path // from the root to the path
	site  Site
	// base is the index of Base among the steps; size how many items a list there
	// has.
	base, size int
	err        error
}

func (s *siteFinder) fail(cause error, msg string) error {
	if s.err == nil {
		s.err = &Error{Cause: cause, Path: s.c.Path, Msg: msg}
	}
	return s.err
}

// allowed refuses what needs no look at the leaves.
func (s *siteFinder) allowed() error {
	n := len(s.steps) - 1
	switch {
	case s.d.Meta != nil:
		return s.fail(ErrMetadata, "the document is sealed")
	case s.steps[0].Index < 0 || s.steps[0].Index >= max(s.d.Documents, 1):
		return s.fail(ErrNoSuchKey, "the file has only "+strconv.Itoa(max(s.d.Documents, 1))+" documents")
	case s.c.Remove && n == 0:
		return s.fail(ErrPlace, "a root cannot be removed")
	case !s.c.Remove && n == 0 && s.c.Value.Kind != MapNode:
		return s.fail(ErrPlace, "a root must be a map of keys to values")
	case !s.c.Remove && n+s.c.Value.depth() > MaxDepth:
		return s.fail(ErrLimit, "nested too deep")
	case !s.c.Remove:
		if err := s.c.Value.check(); err != nil {
			return s.fail(err.Cause, err.Msg)
		}
	}
	return nil
}

// reached refuses a path that leads through an alias.
func (s *siteFinder) reached() error {
	for _, a := range s.d.Aliases {
		if pathDepth(a.Path) < len(s.steps)-1 && isBelow(s.c.Path, a.Path) {
			return s.fail(ErrPlace, "this is there only through an alias; change it where the anchor is")
		}
	}
	return nil
}

// leaf looks at leaf i.
func (s *siteFinder) leaf(i int) {
	l := &s.d.Leaves[i]
	own := stepsOf(l.Path)
	if rootOf(l.Path).Index != s.steps[0].Index {
		return
	}
	n := 0
	for n < len(own) && n+1 < len(s.steps) && own[n].Key == s.steps[n+1].Key && own[n].Index == s.steps[n+1].Index {
		n++
	}
	if n+1 == len(s.steps) {
		s.site.Leaf = -1
		if !s.site.Exists && n == len(own) && s.d.aliasAt(i) < 0 {
			s.site.Leaf = i
		}
		s.site.Exists = true
		return
	}
	if n < s.base {
		return
	}
	if n > s.base {
		s.base, s.size = n, 0
	}
	s.site.Base = s.steps[n]
	next := s.steps[n+1]
	switch {
	case n == len(own) && !l.Kind.Empty(), n == len(own) && s.d.aliasAt(i) >= 0:
		s.fail(ErrPlace, "a value that is no map or list is in the way")
	case n == len(own):
		s.site.BaseLeaf = i
		if l.Kind == EmptyMap && next.Index != InMap || l.Kind == EmptyList && next.Index == InMap {
			s.wrongKind(next)
		}
	case (own[n].Index == InMap) != (next.Index == InMap):
		s.wrongKind(next)
	default:
		s.size = max(s.size, own[n].Index+1)
	}
}

// wrongKind refuses the step next.
func (s *siteFinder) wrongKind(next *Path) {
	if next.Index == InMap {
		s.fail(ErrPlace, "a list is in the way: its items have numbers and no keys")
		return
	}
	s.fail(ErrPlace, "a map is in the way: its items have keys and no numbers")
}

// finish completes what the leaves have shown.
func (s *siteFinder) finish() (Site, error) {
	switch {
	case s.site.Exists || len(s.steps) == 1:
		s.site.Exists, s.site.BaseLeaf = true, -1
		return s.site, s.repeated()
	case s.c.Remove:
		return Site{}, s.fail(ErrNoSuchKey, "no such key")
	case s.steps[s.base+1].Index > s.size:
		return Site{}, s.fail(ErrPlace, "the list has only "+strconv.Itoa(s.size)+" items")
	case s.base == 0 && s.steps[1].Index != InMap:
		return Site{}, s.fail(ErrPlace, "the root is a map: its items have keys and no numbers")
	}
	n := s.c.Value
	for i := len(s.steps) - 1; ; i-- {
		n.Key = s.steps[i].Key
		if i == s.base+1 {
			s.site.Insert = n
			return s.site, nil
		}
		kind := MapNode
		if s.steps[i].Index != InMap {
			kind = ListNode
		}
		if s.steps[i].Index > 0 {
			return Site{}, s.fail(ErrPlace, "the list is not there, so that its first item must come first")
		}
		n = Node{Kind: kind, Items: []Node{n}}
	}
}

// repeated refuses to take away what an alias elsewhere repeats. A scalar may
// have another value: that changes the alias too.
func (s *siteFinder) repeated() error {
	if s.site.Leaf >= 0 && !s.c.Remove && s.c.Value.Kind == ScalarNode {
		return nil
	}
	for _, a := range s.d.Aliases {
		if isBelow(a.Path, s.c.Path) {
			continue
		}
		for _, t := range a.Target {
			// What it repeats from above the path stays, changed.
			if isBelow(s.d.Leaves[t].Path, s.c.Path) && !s.d.holds(a, t, s.c.Path) {
				return s.fail(ErrPlace, "an alias elsewhere repeats this; change that first")
			}
		}
	}
	return nil
}

// holds reports whether the alias a, one of whose leaves repeats leaf t, repeats
// a collection that has p in it.
func (d *Document) holds(a Alias, t int, p *Path) bool {
	for n, target := range a.Target {
		if target != t {
			continue
		}
		// As many steps as the repeated leaf lies below the alias, its target lies
		// below the anchor.
		below := pathDepth(d.Leaves[a.First+n].Path) - pathDepth(a.Path)
		if pathDepth(d.Leaves[t].Path)-below < pathDepth(p) {
			return true
		}
	}
	return false
}

// aliasAt returns the alias that leaf i is a part of, or -1.
func (d *Document) aliasAt(i int) int {
	for n, a := range d.Aliases {
		if a.First <= i && i < a.Last {
			return n
		}
	}
	return -1
}

func (n *Node) depth() int {
	most := 0
	for i := range n.Items {
		most = max(most, n.Items[i].depth()+1)
	}
	return most
}

// check refuses trees that are none.
func (n *Node) check() *Error {
	if n.Kind == ScalarNode {
		return n.Scalar.check()
	}
	seen := map[string]bool{}
	for i := range n.Items {
		item := &n.Items[i]
		if n.Kind == MapNode && seen[item.Key] {
			return &Error{Cause: ErrDuplicate, Msg: "a key of the new value stands twice"}
		}
		seen[item.Key] = true
		if err := item.check(); err != nil {
			return err
		}
	}
	return nil
}

func (s Scalar) check() *Error {
	ok := false
	switch s.Kind {
	case Null, String, Time:
		ok = true
	case Bool:
		ok = s.Text == "True" || s.Text == "False"
	case Int:
		f, err := strconv.ParseFloat(s.Text, 64)
		ok = isInteger(s.Text) && err == nil && !math.IsInf(f, 0)
	case Float:
		_, err := strconv.ParseFloat(s.Text, 64)
		ok = err == nil
	}
	switch {
	case !ok:
		return &Error{Cause: ErrNotSealable, Msg: "the new value is not a value of its kind"}
	case len(s.Text) > MaxValue:
		return &Error{Cause: ErrLimit, Msg: "value too long"}
	}
	return nil
}

// isInteger reports whether text is an integer in its usual spelling.
func isInteger(text string) bool {
	return isJSONNumber(text) && text != "-0" && onlyDigits(text[1:])
}

func onlyDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// stepsOf returns the steps from the root, which is not among them, to p.
func stepsOf(p *Path) []*Path {
	steps := make([]*Path, pathDepth(p))
	for n := len(steps) - 1; n >= 0; n-- {
		steps[n] = p
		p = p.Parent
	}
	return steps
}

func pathDepth(p *Path) (n int) {
	for ; p.Parent != nil; p = p.Parent {
		n++
	}
	return n
}

func rootOf(p *Path) *Path {
	for p.Parent != nil {
		p = p.Parent
	}
	return p
}

// isBelow reports whether q is at or below p.
func isBelow(q, p *Path) bool {
	for n := pathDepth(q) - pathDepth(p); n > 0; n-- {
		q = q.Parent
	}
	return q.Equal(p)
}
