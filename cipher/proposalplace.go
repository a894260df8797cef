package cipher

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// PlaceState says what has become of the place that a proposal was made for.
type PlaceState uint8

// The states.
const (
	// PlaceSame: what stands there is what stood there when it was proposed.
	PlaceSame PlaceState = iota
	// PlaceChanged: another value was set there since, or the one that was there
	// was removed.
	PlaceChanged
	// PlaceAround: what stands there is the same, but the list item or document
	// around it was changed, so that it may be another one by now.
	PlaceAround
	// PlaceTaken: a list item was to be added that is there by now.
	PlaceTaken
	// PlaceLost: the list item or document around it is not there any more, or cannot
	// be told from others.
	PlaceLost
)

// Place is where a proposal belongs in a file as it is now.
type Place struct {
	// Path is the path of the proposal, with other list indexes if what it was made
	// for has moved.
	Path  *formats.Path
	State PlaceState
}

// Places finds the places of proposals in one version of a file. What it says of a
// proposal that was not opened, nobody vouches for.
type Places struct {
	sealed placeNode
	// plain is what the sealed values say, nil if they are not open.
	plain *placeNode
}

// Places returns those of an opened file; it must not have been opened with
// PlainOnly.
func (o *Opened) Places() *Places {
	t := PlacesOf(o.Metadata, o.content.doc)
	plain := newPlaceTree(o.content.doc, func(i int) (byte, string) {
		s := o.content.scalar(i)
		return kindCode(s.Kind), s.Text
	})
	t.plain = &plain
	return t
}

// PlacesOf returns those of a sealed document.
func PlacesOf(m *Metadata, doc *formats.Document) *Places {
	info := InspectLeaves(m, doc)
	return &Places{sealed: newPlaceTree(doc, func(i int) (byte, string) {
		l := &doc.Leaves[i]
		switch {
		case info[i].State == StateExposed:
			return placeExposed, "" // no hash of what is to be secret
		case looksSealed(l.Text):
			return kindCode(l.Kind), strings.TrimSuffix(l.Text, "\n")
		}
		return kindCode(l.Kind), l.Text
	})}
}

// Of returns the place of a proposal.
//
// A value in maps alone belongs where its path says, and has changed if it is another
// one. Of each list on the way, and of the documents of a file, the item must be the
// one that it was made for: it is, if all that is in it is as it was and no other item
// is the same, or if all other items are as they were. An item that was to be added
// must still be missing.
func (t *Places) Of(p Proposal) Place {
	w := placeWalk{base: p.base, at: t.root()}
	for _, step := range stepsTo(p.Path) {
		if state := w.enter(step); state != PlaceSame {
			return Place{Path: p.Path, State: state}
		}
	}
	return Place{Path: w.path, State: w.state()}
}

// base returns what a proposal for a path is made against.
func (t *Places) base(path *formats.Path) []placeSum {
	at := t.root()
	sums := []placeSum{{}}
	for _, step := range stepsTo(path) {
		next := at.child(step)
		if step.Index != formats.InMap {
			sums = append(sums, next.sum(), at.sealed.rest(step.Index))
		}
		at = next
	}
	sums[0] = at.sum()
	return sums
}

func (t *Places) root() placeCursor { return placeCursor{sealed: &t.sealed, plain: t.plain} }

// placeWalk leads to the place of a proposal.
type placeWalk struct {
	base  []placeSum
	level int
	at    placeCursor
	path  *formats.Path
	// settled: an item on the way is as it was, and so is all that is in it.
	settled bool
	// inList: the list item around the place was changed; inDocument: the document was,
	// and it is not the only one.
	inList, inDocument bool
}

// enter takes one step.
func (w *placeWalk) enter(step *formats.Path) PlaceState {
	if step.Index == formats.InMap {
		w.at, w.path = w.at.child(step), w.path.At(step.Key)
		return PlaceSame
	}
	index := step.Index
	item, rest := w.base[1+2*w.level], w.base[2+2*w.level]
	w.level++
	switch list := w.at.sealed; {
	case w.settled:
	case item == absentSum():
		if list.item(index) != nil {
			return PlaceTaken
		}
	case list.item(index) != nil && list.rest(index) == rest:
		w.stay(list.item(index).sum == item, len(list.items))
	default:
		var found bool
		if index, found = w.at.only(item); !found {
			return PlaceLost
		}
		w.settled = true
	}
	if step.Parent == nil {
		w.path = formats.Root(index)
	} else {
		w.path = w.path.Item(index)
	}
	w.at = w.at.child(&formats.Path{Index: index})
	return PlaceSame
}

// stay notes whether the item at the index of the path, the others around which are
// as they were, is so, too.
func (w *placeWalk) stay(same bool, items int) {
	switch {
	case same:
		w.settled = true
	case w.path != nil:
		w.inList = true
	default:
		w.inDocument = items > 1
	}
}

// state says what the end of the way is like.
func (w *placeWalk) state() PlaceState {
	sum := w.at.sum()
	switch {
	case sum != w.base[0]:
		return PlaceChanged
	case w.inList, w.inDocument && !w.settled && sum == absentSum():
		return PlaceAround
	}
	return PlaceSame
}

// placeCursor is a node of both trees; nil where nothing is.
type placeCursor struct{ sealed, plain *placeNode }

func (c placeCursor) child(step *formats.Path) placeCursor {
	return placeCursor{sealed: c.sealed.at(step), plain: c.plain.at(step)}
}

func (c placeCursor) sum() placeSum {
	if c.sealed == nil {
		return absentSum()
	}
	return c.sealed.sum
}

// only returns the one item of a list that is as sum says. Equal values may have
// exchanged their ciphertext, so what it says must be said by no other item.
func (c placeCursor) only(sum placeSum) (index int, ok bool) {
	if c.sealed == nil {
		return 0, false
	}
	same := func(n *placeNode, sum placeSum) (index, count int) {
		for i := range n.items {
			if n.items[i].sum == sum {
				index, count = i, count+1
			}
		}
		return index, count
	}
	index, n := same(c.sealed, sum)
	if own := c.plain.item(index); n == 1 && own != nil {
		_, n = same(c.plain, own.sum)
	}
	return index, n == 1
}

// placeSum is a hash of what stands at a place (docs/FORMAT.md §4).
type placeSum [sha256.Size]byte

const (
	placeLabel = "gitseal/place/v1"
	// What is hashed in place of a kind.
	placeMap, placeList = 'm', 'l'
	placeRest           = 'r'
	placeExposed        = 'x'
	placeAbsent         = '-'
)

func newPlaceEncoder(kind byte) *encoder {
	e := &encoder{}
	e.text(placeLabel)
	e.b = append(e.b, kind)
	return e
}

func absentSum() placeSum { return sha256.Sum256(newPlaceEncoder(placeAbsent).b) }

// placeNode is a value of a file. The list of its documents is one, too.
type placeNode struct {
	key   string
	kind  byte
	sum   placeSum
	items []placeNode
}

// newPlaceTree makes the tree of a document; scalar gives what its leaves are.
func newPlaceTree(doc *formats.Document, scalar func(i int) (kind byte, text string)) placeNode {
	root := placeNode{kind: placeList, items: make([]placeNode, max(1, doc.Documents))}
	for i := range root.items {
		root.items[i].kind = placeMap
	}
	for i := range doc.Leaves {
		if doc.Leaves[i].Kind == formats.Comment {
			continue
		}
		n := &root
		for _, step := range stepsTo(doc.Leaves[i].Path) {
			n = n.grow(step)
		}
		kind, text := scalar(i)
		n.kind = kind
		e := newPlaceEncoder(kind)
		e.text(text)
		n.sum = sha256.Sum256(e.b)
	}
	root.finish()
	return root
}

// grow returns the child at a step, which is the last one, or new.
func (n *placeNode) grow(step *formats.Path) *placeNode {
	if step.Index != formats.InMap {
		n.kind = placeList
		for len(n.items) <= step.Index {
			n.items = append(n.items, placeNode{})
		}
		return &n.items[step.Index]
	}
	n.kind = placeMap
	if last := len(n.items) - 1; last < 0 || n.items[last].key != step.Key {
		n.items = append(n.items, placeNode{key: step.Key})
	}
	return &n.items[len(n.items)-1]
}

// finish hashes maps and lists. Whoever sorts keys does no harm.
func (n *placeNode) finish() {
	if n.kind != placeMap && n.kind != placeList {
		return
	}
	e := newPlaceEncoder(n.kind)
	e.number(len(n.items))
	for i := range n.items {
		n.items[i].finish()
	}
	if n.kind == placeMap {
		slices.SortFunc(n.items, func(a, b placeNode) int { return strings.Compare(a.key, b.key) })
	}
	for i := range n.items {
		if n.kind == placeMap {
			e.text(n.items[i].key)
		}
		e.raw(n.items[i].sum[:])
	}
	n.sum = sha256.Sum256(e.b)
}

// rest hashes a list without one of its items.
func (n *placeNode) rest(index int) placeSum {
	e := newPlaceEncoder(placeRest)
	e.number(index)
	if n == nil || n.kind != placeList {
		e.number(0)
		return sha256.Sum256(e.b)
	}
	e.number(len(n.items))
	for i := range n.items {
		if i != index {
			e.raw(n.items[i].sum[:])
		}
	}
	return sha256.Sum256(e.b)
}

// at returns the child at a step, nil if there is none.
func (n *placeNode) at(step *formats.Path) *placeNode {
	if step.Index != formats.InMap {
		return n.item(step.Index)
	}
	if n == nil || n.kind != placeMap {
		return nil
	}
	i, ok := slices.BinarySearchFunc(n.items, step.Key, func(item placeNode, key string) int { return strings.Compare(item.key, key) })
	if !ok {
		return nil
	}
	return &n.items[i]
}

func (n *placeNode) item(index int) *placeNode {
	if n == nil || n.kind != placeList || index < 0 || index >= len(n.items) {
		return nil
	}
	return &n.items[index]
}

// stepsTo returns the steps to a path, that to its document first.
func stepsTo(p *formats.Path) []*formats.Path {
	var out []*formats.Path
	for ; p != nil; p = p.Parent {
		out = append(out, p)
	}
	slices.Reverse(out)
	return out
}

// baseText is how an entry spells what it was made against.
func baseText(sums []placeSum) string {
	return base64.StdEncoding.EncodeToString(slices.Concat(sliced(sums)...))
}

func sliced(sums []placeSum) [][]byte {
	out := make([][]byte, len(sums))
	for i := range sums {
		out[i] = sums[i][:]
	}
	return out
}

// readBaseText is the inverse of baseText for a proposal for a path.
func readBaseText(text string, path *formats.Path) ([]placeSum, bool) {
	n := 1
	for _, step := range stepsTo(path) {
		if step.Index != formats.InMap {
			n += 2
		}
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(raw) != n*sha256.Size {
		return nil, false
	}
	out := make([]placeSum, n)
	for i := range out {
		copy(out[i][:], raw[i*sha256.Size:])
	}
	return out, true
}
