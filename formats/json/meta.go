package json

import (
	"bytes"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// metaKey is the member of the root that holds the metadata block.
const metaKey = "sops"

// rootObject is where the root stands, and the metadata block in it.
type rootObject struct {
	// bom is the length of the byte order mark.
	bom int
	// open is the offset of the root's brace; first that of its first key, -1 if
	// the root is empty; last is where its last value ends.
	open, first, last int
	// hasSpace says that a space follows the first colon.
	hasSpace bool

	// meta is the block, whose member stands at source[start:end].
	meta       *formats.Meta
	start, end int
	// before is where the value before it ends, -1 if it is the first member;
	// after is where the next member begins, -1 if it is the last.
	before, after int
	// scalars are the spans of the block's scalars in the order of the tree.
	scalars [][2]int
}

// rootMember reads the value of a member of the root whose key begins at start.
func (s *scanner) rootMember(p *formats.Path, key string, start int) error {
	r := &s.root
	before := r.last
	if r.first < 0 {
		r.first, before = start, -1
		r.hasSpace = s.src[s.at-1] == ' '
	}
	if r.meta != nil && r.after < 0 {
		r.after = start
	}
	if key == metaKey {
		if s.peek() != '{' {
			return s.fail(formats.ErrMetadata, p.At(key), "the metadata block is not an object")
		}
		meta, err := s.metadata(p.At(key))
		if err != nil {
			return err
		}
		r.meta, r.start, r.end, r.before, r.after = meta, start, s.at, before, -1
	} else if err := s.value(s.path(p, key, formats.InMap), 1); err != nil {
		return err
	}
	r.last = s.at
	return nil
}

// metadata reads the block at p as a document of its own, so that its values are
// not among the leaves.
func (s *scanner) metadata(p *formats.Path) (*formats.Meta, error) {
	sub := scanner{src: s.src, at: s.at, maxValue: s.maxValue, doc: &formats.Document{Source: s.doc.Source}}
	if err := sub.object(p, 2); err != nil {
		return nil, err
	}
	s.at = sub.at
	b := metaBuilder{leaves: sub.doc.Leaves, src: s.src}
	meta, err := b.node(p)
	if err != nil {
		return nil, err
	}
	meta.Key, s.root.scalars = "", b.spans
	return meta, nil
}

// metaBuilder turns leaves into a tree.
type metaBuilder struct {
	leaves []formats.Leaf
	src    string
	spans  [][2]int
}

// node takes the leaves of the node at p off the front.
func (b *metaBuilder) node(p *formats.Path) (*formats.Meta, error) {
	m := &formats.Meta{Key: p.Key}
	if l := b.leaves[0]; l.Path == p {
		b.leaves = b.leaves[1:]
		return m, b.scalar(m, l)
	}
	m.Kind = formats.MetaMap
	for len(b.leaves) > 0 {
		child := stepBelow(b.leaves[0].Path, p)
		if child == nil {
			break
		}
		if child.Index != formats.InMap {
			m.Kind = formats.MetaList
		}
		item, err := b.node(child)
		if err != nil {
			return nil, err
		}
		m.Items = append(m.Items, *item)
	}
	return m, nil
}

// stepBelow returns the ancestor of q, or q, whose parent is p, or nil.
func stepBelow(q, p *formats.Path) *formats.Path {
	for q != nil && q.Parent != p {
		q = q.Parent
	}
	return q
}

func (b *metaBuilder) scalar(m *formats.Meta, l formats.Leaf) error {
	switch l.Kind {
	case formats.EmptyMap:
		m.Kind = formats.MetaMap
		return nil
	case formats.EmptyList:
		m.Kind = formats.MetaList
		return nil
	case formats.String:
		m.Kind, m.Text = formats.MetaString, l.Text
	case formats.Int:
		m.Kind, m.Text = formats.MetaInt, l.Text
	case formats.Bool:
		m.Kind, m.Text = formats.MetaBool, strings.ToLower(l.Text)
	case formats.Null:
		m.Kind = formats.MetaNull
	default:
		return formats.ErrorAt(formats.ErrMetadata, []byte(b.src), l.Start, l.Path, "metadata holds a number that is no integer")
	}
	b.spans = append(b.spans, [2]int{l.Start, l.End})
	return nil
}

// setMeta returns the patches that make m the block of src.
func (r *rootObject) setMeta(src []byte, m *formats.Meta) []formats.Patch {
	var patches []formats.Patch
	if r.bom > 0 {
		patches = append(patches, formats.Patch{End: r.bom})
	}
	style := r.style(src)
	switch {
	case r.meta != nil && r.meta.SameShape(&formats.Meta{Kind: m.Kind, Items: m.Items}):
		return append(patches, r.changes(m)...)
	case r.meta != nil:
		return append(patches, formats.Patch{Start: r.start, End: r.end, Text: style.member(m)})
	case r.first >= 0:
		return append(patches, formats.Patch{Start: r.last, End: r.last, Text: "," + style.lineOrSpace(1) + style.member(m)})
	}
	return append(patches, formats.Patch{Start: r.open + 1, End: r.open + 1, Text: style.line(1) + style.member(m)})
}

// removeMeta is the inverse of what setMeta adds.
func (r *rootObject) removeMeta() formats.Patch {
	switch {
	case r.before >= 0:
		return formats.Patch{Start: r.before, End: r.end}
	case r.after >= 0:
		return formats.Patch{Start: r.start, End: r.after}
	}
	return formats.Patch{Start: r.open + 1, End: r.end}
}

// changes returns patches for the scalars in which m, of the same shape, differs.
func (r *rootObject) changes(m *formats.Meta) []formats.Patch {
	var patches []formats.Patch
	n := 0
	var walk func(old, new *formats.Meta)
	walk = func(old, new *formats.Meta) {
		if old.Kind > formats.MetaList {
			if old.Text != new.Text {
				patches = append(patches, formats.Patch{Start: r.scalars[n][0], End: r.scalars[n][1], Text: metaText(new)})
			}
			n++
		}
		for i := range old.Items {
			walk(&old.Items[i], &new.Items[i])
		}
	}
	walk(r.meta, m)
	return patches
}

func metaText(m *formats.Meta) string {
	switch m.Kind {
	case formats.MetaNull:
		return "null"
	case formats.MetaInt, formats.MetaBool:
		return m.Text
	}
	return quote(m.Text)
}

// style is how the block is laid out.
type style struct {
	// newline begins a line; it is empty if the file is on one line.
	newline string
	// indent is one step of indentation.
	indent string
	// space follows colons and, on one line, commas.
	space string
}

// style follows the root's first member. By default it is sops's own: tabs.
func (r *rootObject) style(src []byte) style {
	gap := src[r.open+1 : skipSpace(src, r.open+1)]
	nl := bytes.LastIndexByte(gap, '\n')
	if nl < 0 {
		if r.first >= 0 && r.hasSpace {
			return style{space: " "}
		}
		return style{}
	}
	st := style{newline: "\n", indent: "\t", space: " "}
	if nl > 0 && gap[nl-1] == '\r' {
		st.newline = "\r\n"
	}
	if r.first >= 0 {
		st.indent = string(gap[nl+1:])
	}
	return st
}

// line returns the begin of a line in a collection at the given depth.
func (s style) line(depth int) string {
	if s.newline == "" {
		return ""
	}
	return s.newline + strings.Repeat(s.indent, depth)
}

// lineOrSpace is line, or what separates items that stand on one line.
func (s style) lineOrSpace(depth int) string {
	if s.newline == "" {
		return s.space
	}
	return s.line(depth)
}

func (s style) member(m *formats.Meta) string {
	var b strings.Builder
	b.WriteString(quote(metaKey) + ":" + s.space)
	s.write(&b, m, 1)
	return b.String()
}

// write writes the node m, which lies in depth collections. The depth of a tree
// that was read is bounded, and nobody builds a deep one.
func (s style) write(b *strings.Builder, m *formats.Meta, depth int) {
	if m.Kind > formats.MetaList {
		b.WriteString(metaText(m))
		return
	}
	open, end := "{", "}"
	if m.Kind == formats.MetaList {
		open, end = "[", "]"
	}
	b.WriteString(open)
	for i := range m.Items {
		if i > 0 {
			b.WriteString("," + s.lineOrSpace(depth+1))
		} else {
			b.WriteString(s.line(depth + 1))
		}
		if m.Kind == formats.MetaMap {
			b.WriteString(quote(m.Items[i].Key) + ":" + s.space)
		}
		s.write(b, &m.Items[i], depth+1)
	}
	if len(m.Items) > 0 {
		b.WriteString(s.line(depth))
	}
	b.WriteString(end)
}
