package yaml

import (
	"github.com/gitseal/gitseal/formats"
)

// treeNode is where a node stands in the source, as far as changes need to know.
type treeNode struct {
	path *formats.Path
	// first is where its key, its dash or, in a flow list, the node itself begins;
	// from is where what follows the colon or dash does.
	first, from int
	// start and end bound the node without its properties. Of a block collection
	// start is its first key or dash.
	start, end int
	// block says that it is a block collection, at column col, and props where its
	// properties end (from if it has none); list which one.
	block, list bool
	col, props  int
	items       []*treeNode
}

// blockSpan is where a block collection stands.
type blockSpan struct {
	start, end int
	props      props
	list       bool
}

// recorder collects the nodes on the way to a path, and their children.
type recorder struct {
	steps []*formats.Path // from the root to the path
	nodes map[*formats.Path]*treeNode
	// onWay has, for a path on the way, how many steps it has.
	onWay map[*formats.Path]int
	// mapStep and listStep are by how much the first map and list that are values
	// in block maps are indented; -1 if there is none.
	mapStep, listStep int
}

func newRecorder(to *formats.Path) *recorder {
	r := &recorder{nodes: map[*formats.Path]*treeNode{}, onWay: map[*formats.Path]int{}, mapStep: -1, listStep: -1}
	for p := to; p != nil; p = p.Parent {
		r.steps = append([]*formats.Path{p}, r.steps...)
	}
	return r
}

// node returns the node at path, or nil if nobody needs to know it.
func (r *recorder) node(path *formats.Path) *treeNode {
	if n := r.nodes[path]; n != nil {
		return n
	}
	depth := 0
	if path.Parent != nil {
		above, ok := r.onWay[path.Parent]
		if !ok {
			return nil
		}
		depth = above + 1
	}
	n := &treeNode{path: path, from: -1}
	r.nodes[path] = n
	if depth < len(r.steps) && path.Key == r.steps[depth].Key && path.Index == r.steps[depth].Index {
		r.onWay[path] = depth
	}
	if path.Parent != nil {
		up := r.node(path.Parent)
		up.items = append(up.items, n)
	}
	return n
}

// item notes the item of a map or list that begins at first.
func (r *recorder) item(path *formats.Path, first, from int) {
	if path.Parent.Parent == nil {
		r.node(path.Parent)
	}
	if n := r.node(path); n != nil {
		n.first, n.from = first, from
	}
}

// ended notes the bounds of a node that is no block collection.
func (r *recorder) ended(path *formats.Path, start, end int) {
	if n := r.node(path); n != nil {
		n.start, n.end = start, end
	}
}

// block notes the bounds of a block collection.
func (r *recorder) block(at blockSpot, col int, s blockSpan) {
	if step := &r.mapStep; at.list && at.newLine {
		if s.list {
			step = &r.listStep
		}
		if *step < 0 {
			*step = col - at.indent
		}
	}
	n := r.node(at.path)
	if n == nil {
		return
	}
	n.block, n.list, n.col = true, s.list, col
	n.start, n.end, n.props = s.start, s.end, n.from
	if !s.props.empty() {
		n.props = s.props.end
	}
}

// find returns the node at p, which is on the way to the path; nil if there is
// none.
func (r *recorder) find(p *formats.Path) *treeNode {
	depth := 0
	for q := p; q.Parent != nil; q = q.Parent {
		depth++
	}
	for path, steps := range r.onWay {
		if steps == depth && path.Equal(p) {
			return r.nodes[path]
		}
	}
	return nil
}
