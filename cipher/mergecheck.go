package cipher

import (
	"slices"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// check lists the places at which a text holds neither what the one nor what the
// other text of a merge does: the two differ in the conflicts alone.
func (g *merger) check(text []byte, r *merge.Result) ([]*formats.Path, error) {
	var docs [3]*formats.Document
	for i, src := range [][]byte{text, r.Ours, r.Theirs} {
		var err error
		if docs[i], err = g.format.Parse(src); err != nil {
			return nil, err
		}
	}
	got, a, b := docs[0], docs[1], docs[2]
	c := mergeCheck{whole: map[string]bool{}}
	for _, conflict := range r.Conflicts {
		c.whole[conflict.Path.Text()] = true
	}
	for i := range max(1, got.Documents, a.Documents, b.Documents) {
		at := formats.Root(i)
		c.nodes(at, nodeAt(got, at), nodeAt(a, at), nodeAt(b, at))
	}
	c.tags(got, a, b)
	return c.differ, nil
}

// mergeCheck collects the places that differ. What stands at one of whole is a
// conflict as such: it is of one side, and no mixture.
type mergeCheck struct {
	whole  map[string]bool
	differ []*formats.Path
}

// nodeAt returns the value at a path, nil if there is none.
func nodeAt(d *formats.Document, p *formats.Path) *formats.Node {
	if p.Parent == nil && p.Index >= max(1, d.Documents) {
		return nil
	}
	n, ok := d.Node(p)
	if !ok {
		return nil
	}
	return &n
}

// nodes compares what is at one place; nil is nothing.
func (c *mergeCheck) nodes(at *formats.Path, got, a, b *formats.Node) {
	switch {
	case sameNode(got, a), sameNode(got, b):
	case c.whole[at.Text()]:
		c.differ = append(c.differ, at)
	case allOf(formats.MapNode, got, a, b):
		inGot, inA, inB := itemsOf(got), itemsOf(a), itemsOf(b)
		for _, key := range keysIn(got, a, b) {
			c.nodes(at.At(key), inGot[key], inA[key], inB[key])
		}
	case allOf(formats.ListNode, got, a, b) && len(got.Items) == len(a.Items) && len(got.Items) == len(b.Items):
		for i := range got.Items {
			c.nodes(at.Item(i), &got.Items[i], &a.Items[i], &b.Items[i])
		}
	default:
		c.differ = append(c.differ, at)
	}
}

func sameNode(a, b *formats.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(b)
}

func allOf(kind formats.NodeKind, nodes ...*formats.Node) bool {
	return !slices.ContainsFunc(nodes, func(n *formats.Node) bool { return n == nil || n.Kind != kind })
}

// keysIn returns the keys of maps in their order, each once.
func keysIn(maps ...*formats.Node) []string {
	var out []string
	seen := map[string]bool{}
	for _, m := range maps {
		for i := range m.Items {
			if k := m.Items[i].Key; !seen[k] {
				seen[k] = true
				out = append(out, k)
			}
		}
	}
	return out
}

func itemsOf(m *formats.Node) map[string]*formats.Node {
	out := make(map[string]*formats.Node, len(m.Items))
	for i := range m.Items {
		out[m.Items[i].Key] = &m.Items[i]
	}
	return out
}

// tags compares the explicit tags, which are no part of the values: one that both
// sides have must be there, and none that neither has.
func (c *mergeCheck) tags(got, a, b *formats.Document) {
	inGot, inA, inB := tagSet(got), tagSet(a), tagSet(b)
	for _, t := range got.Tags {
		if k := keyOfTag(t); !inA[k] && !inB[k] {
			c.differ = append(c.differ, t.Path)
		}
	}
	for _, t := range a.Tags {
		if k := keyOfTag(t); inB[k] && !inGot[k] {
			c.differ = append(c.differ, t.Path)
		}
	}
}

func tagSet(d *formats.Document) map[string]bool {
	set := map[string]bool{}
	for _, t := range d.Tags {
		set[keyOfTag(t)] = true
	}
	return set
}

func keyOfTag(t formats.Tag) string {
	var e encoder
	e.raw(encodePath(t.Path))
	e.number(count(t.OfKey))
	e.text(t.Text)
	return string(e.b)
}

// foreignComments warns of comments in a half-merged file that neither side has:
// comments are taken as they stand, so people should look at them. It goes by lines:
// those of both sides may have become one comment.
func foreignComments(h *Opened, sides ...*Opened) []Warning {
	known := map[string]bool{}
	for _, o := range sides {
		for i := range o.content.doc.Leaves {
			if s := o.content.scalar(i); s.Kind == formats.Comment {
				for _, line := range commentLines(s.Text) {
					known[line] = true
				}
			}
		}
	}
	var out []Warning
	for i, l := range h.content.doc.Leaves {
		s := h.content.scalar(i)
		if s.Kind == formats.Comment && slices.ContainsFunc(commentLines(s.Text), func(line string) bool { return !known[line] }) {
			out = append(out, Warning{Path: l.Path, Text: "a comment here is of neither side; nothing vouched for it until now"})
		}
	}
	return out
}
