package yaml

import (
	"github.com/gitseal/gitseal/formats"
)

// metaKey is the top-level key of the metadata block.
const metaKey = "sops"

// metaBlock is where a document's metadata block stands.
type metaBlock struct {
	// keyStart is where its key begins and end where its value ends.
	keyStart, end int
	leaves        []formats.Leaf // its scalars and empty collections
	tree          *formats.Meta
	// before and after are where the commas around it are in a flow root, or -1.
	before, after int
	savedLeaves   int
	savedComments int
}

func (p *parser) beginMeta(start int) {
	p.inMeta = true
	p.doc.meta = &metaBlock{keyStart: start, savedLeaves: len(p.leaves), savedComments: len(p.comments)}
}

// endMeta takes what was parsed since beginMeta out of the document.
func (p *parser) endMeta(path *formats.Path) bool {
	p.inMeta = false
	m := p.doc.meta
	m.end = p.nodeEnd
	m.leaves = append([]formats.Leaf(nil), p.leaves[m.savedLeaves:]...)
	p.leaves = p.leaves[:m.savedLeaves]
	tree, ok := metaTree(path, m.leaves)
	if !ok || tree.Kind != formats.MetaMap {
		p.at = path
		return p.fail(formats.ErrMetadata, m.keyStart, "the metadata block is not as sops writes it")
	}
	m.tree = tree
	p.dropMetaComments(m, path.Parent)
	return true
}

// dropMetaComments forgets the comments inside the block. Those behind it were
// read too early and belong to the root.
func (p *parser) dropMetaComments(m *metaBlock, root *formats.Path) {
	line := m.end
	for line < len(p.s) && !isBreak(p.s[line]) {
		line++
	}
	kept := p.comments[:m.savedComments]
	for _, c := range p.comments[m.savedComments:] {
		if c.start > line {
			kept = append(kept, comment{start: c.start, end: c.end, at: root, leaf: m.savedLeaves})
		} else {
			p.ignored = append(p.ignored, c)
		}
	}
	p.comments = kept
}

// metaTree builds the tree of the node at path from its leaves.
func metaTree(path *formats.Path, leaves []formats.Leaf) (*formats.Meta, bool) {
	root := &formats.Meta{Key: path.Key, Kind: formats.MetaMap}
	for _, l := range leaves {
		if l.Path == path {
			return root, setMeta(root, l)
		}
		var steps []*formats.Path
		for q := l.Path; q != path; q = q.Parent {
			steps = append(steps, q)
		}
		node := root
		for i := len(steps) - 1; i >= 0; i-- {
			node = metaChild(node, steps[i])
		}
		if !setMeta(node, l) {
			return nil, false
		}
	}
	return root, true
}

// metaChild returns the child of node at the last step of path, which is the
// last child or a new one.
func metaChild(node *formats.Meta, path *formats.Path) *formats.Meta {
	node.Kind = formats.MetaMap
	n := len(node.Items)
	if path.Index != formats.InMap {
		node.Kind = formats.MetaList
		if path.Index == n-1 {
			return &node.Items[n-1]
		}
	} else if n > 0 && node.Items[n-1].Key == path.Key {
		return &node.Items[n-1]
	}
	node.Items = append(node.Items, formats.Meta{Key: path.Key})
	return &node.Items[n]
}

func setMeta(node *formats.Meta, l formats.Leaf) bool {
	node.Text = l.Text
	switch l.Kind {
	case formats.EmptyMap:
		node.Kind = formats.MetaMap
	case formats.EmptyList:
		node.Kind = formats.MetaList
	case formats.String:
		node.Kind = formats.MetaString
	case formats.Int, formats.Float:
		node.Kind = formats.MetaInt
	case formats.Bool:
		node.Kind = formats.MetaBool
		node.Text = "false"
		if l.Text == "True" {
			node.Text = "true"
		}
	case formats.Null:
		node.Kind = formats.MetaNull
	default:
		return false
	}
	return true
}

// metadata returns the block that all documents must have, or nil.
func (p *parser) metadata() (*formats.Meta, bool) {
	var first *formats.Meta
	for i := range p.docs {
		if m := p.docs[i].meta; m != nil {
			first = m.tree
			break
		}
	}
	if first == nil {
		return nil, true
	}
	for i := range p.docs {
		p.at = p.docs[i].path
		m := p.docs[i].meta
		if m == nil {
			return nil, p.fail(formats.ErrMetadata, p.docs[i].end, "some documents have a metadata block and this one has none")
		}
		if !first.Equal(m.tree) {
			return nil, p.fail(formats.ErrMetadata, m.keyStart, "the metadata block differs from that of the first document")
		}
	}
	return first, true
}
