package cipher

import (
	"slices"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// reuse takes over the ciphertext of values that have not changed. It goes with the
// value: items of lists are followed where they have moved to, so that a merge without
// the key sees of a list what people did to it. What then has none gets that of an
// equal value which may stand there too (another item of the same list). Each is used
// at most once, so that equal values do not come to look equal, and in the order of
// the file.
func (s *sealing) reuse() {
	used := map[string]bool{}
	all := s.reusable()
	for _, p := range all {
		s.reusePlaced(p, used)
	}
	moved := stock{}
	for _, p := range all {
		moved.add(p, func(i int) []byte { return appendAAD(nil, p.content.doc.Leaves[i].Path) })
	}
	s.reuseFrom(moved, used, func(i int) []byte { return appendAAD(nil, s.content.doc.Leaves[i].Path) })
}

// reusable returns the versions that are sealed under the data key of this one and have
// their ciphertexts at hand, the best first.
func (s *sealing) reusable() []*Opened {
	all := slices.Concat(s.opts.prefer, []*Opened{s.opts.Previous}, s.opts.Also)
	return slices.DeleteFunc(all, func(o *Opened) bool { return o == nil || o.key != s.key || o.values == nil })
}

// reusePlaced takes over what stood at the same place of a version: comments from above
// the same value first, then from the same map or list.
func (s *sealing) reusePlaced(p *Opened, used map[string]bool) {
	origins := s.origins(p)
	stay := func(path *formats.Path) *formats.Path { return path }
	old := stock{}
	old.add(p, placesIn(p.content.doc, stay))
	s.reuseFrom(old, used, placesIn(s.content.doc, origins.Of))
	if s.result.Comments == 0 {
		return
	}
	old = stock{}
	old.add(p, containersIn(p.content.doc, stay))
	s.reuseFrom(old, used, containersIn(s.content.doc, origins.Of))
}

// stock are ciphertexts :: what they may be used for. See [reuseKey].
type stock map[string][]string

// add adds those of a version; place names what those of a leaf may be used for, nil
// is nothing.
func (st stock) add(p *Opened, place func(i int) []byte) {
	for i, v := range p.values {
		if v == "" || p.moved != nil && p.moved.pieces[i] != nil {
			continue
		}
		if at := place(i); at != nil {
			k := reuseKey(at, p.content.scalars[i])
			st[k] = append(st[k], v)
		}
	}
}

// reuseFrom gives values that have no ciphertext yet one for the same value at the same
// place, as far as there are any.
func (s *sealing) reuseFrom(old stock, used map[string]bool, place func(i int) []byte) {
	for i := range s.values {
		if !s.seals(i) || s.values[i] != "" {
			continue
		}
		at := place(i)
		if at == nil {
			continue
		}
		k := reuseKey(at, s.content.doc.Leaves[i].Scalar)
		for len(old[k]) > 0 && s.values[i] == "" {
			value := old[k][0]
			old[k] = old[k][1:]
			if !used[value] {
				used[value] = true
				s.take(i, value)
			}
		}
	}
}

func (s *sealing) take(i int, value string) {
	s.values[i] = value
	s.result.Reused += count(s.content.doc.Leaves[i].Kind != formats.Comment)
}

// placesIn returns what names the place of each leaf of a document, by where it was; nil
// if it was nowhere. That of a comment is its container, and the value that it stands
// above.
func placesIn(doc *formats.Document, was func(*formats.Path) *formats.Path) func(i int) []byte {
	next := -1
	return func(i int) []byte {
		path := was(doc.Leaves[i].Path)
		if path == nil || doc.Leaves[i].Kind != formats.Comment {
			return encodePlace(path)
		}
		for next = max(next, i); next < len(doc.Leaves) && doc.Leaves[next].Kind == formats.Comment; {
			next++
		}
		if next == len(doc.Leaves) {
			return encodePlace(path)
		}
		above := encodePlace(was(doc.Leaves[next].Path))
		if above == nil {
			return nil
		}
		return append(encodePlace(path), above...)
	}
}

// containersIn returns what names the map or list of each comment, by where it was.
func containersIn(doc *formats.Document, was func(*formats.Path) *formats.Path) func(i int) []byte {
	return func(i int) []byte {
		if doc.Leaves[i].Kind != formats.Comment {
			return nil
		}
		return encodePlace(was(doc.Leaves[i].Path))
	}
}

func encodePlace(p *formats.Path) []byte {
	if p == nil {
		return nil
	}
	return encodePath(p)
}

// origins follows documents and items of lists from a version to this one.
func (s *sealing) origins(p *Opened) *merge.Origins {
	if s.content.documents() == 1 && p.content.documents() == 1 && !hasLists(s.content.doc) {
		return nil
	}
	return merge.Trace(p.content.values(), s.content.values())
}

func hasLists(doc *formats.Document) bool {
	return slices.ContainsFunc(doc.Leaves, func(l formats.Leaf) bool { return inList(l.Path) })
}

func inList(p *formats.Path) bool {
	for ; p.Parent != nil; p = p.Parent {
		if p.Index != formats.InMap {
			return true
		}
	}
	return false
}

// values returns a document that holds the plain values, and nothing of how they were
// spelled. In a single document that is the lists alone: all else is where it was.
func (c content) values() *formats.Document {
	doc := &formats.Document{Documents: c.doc.Documents}
	for i, l := range c.doc.Leaves {
		if c.documents() == 1 && !inList(l.Path) {
			continue
		}
		value := formats.Leaf{Path: l.Path, Scalar: *c.scalar(i)}
		if value.Kind == formats.Comment {
			value.Kind = l.Kind // sops writes those of lists as items
		}
		doc.Leaves = append(doc.Leaves, value)
	}
	return doc
}

// reuseKey names a value at a place or under some additional data.
func reuseKey(place []byte, v formats.Scalar) string {
	var e encoder
	e.bytes(place)
	e.b = append(e.b, byte(v.Kind))
	e.b = append(e.b, v.Text...)
	return string(e.b)
}
