package yaml

import "github.com/gitseal/gitseal/formats"

// noLeaf is the leaf of a tag that stands outside of all.
const noLeaf = -1

// noteTag records the tag among the properties of the node at path. Inside the
// metadata block a tag can change nothing that is not authenticated as text.
func (p *parser) noteTag(path *formats.Path, q props, leaf int) {
	if q.tagged && !p.inMeta {
		p.tags = append(p.tags, formats.Tag{Path: path, Text: q.tag, Leaf: leaf})
	}
}

// noteKeyTag records the tag of the key that leads to path.
func (p *parser) noteKeyTag(path *formats.Path, q props) {
	if q.tagged {
		p.tags = append(p.tags, formats.Tag{Path: path, Text: q.tag, OfKey: true, Leaf: noLeaf})
	}
}

// leafFrom returns the index of the leaf just added if its span, which begins at
// start, has the tag in it.
func (p *parser) leafFrom(q props, start int) int {
	if q.tagged && start == q.tagAt {
		return len(p.leaves) - 1
	}
	return noLeaf
}
