package yaml

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/formats"
)

// comment is a comment line: the text behind its #, and where the parser was
// when it met it.
type comment struct {
	start, end int
	at         *formats.Path // the collection around
	leaf       int           // how many leaves there were
}

// place is where sops has a comment: in the collection at a path, before a leaf.
type place struct {
	comment int
	path    *formats.Path
	leaf    int
}

// placeComments adds a leaf for every comment.
func (p *parser) placeComments(sh *shape) bool {
	if len(p.comments) == 0 {
		return true
	}
	if len(p.leaves)+len(p.comments) > formats.MaxLeaves {
		return p.fail(formats.ErrLimit, p.comments[0].start, "too many values and comments")
	}
	w := walker{p: p, docs: sh.docs, seen: make([]bool, len(p.comments))}
	var nodes []*yamlv3.Node
	marked, err := p.marked(sh)
	if err == nil {
		nodes, err = decodeNodes(marked)
	}
	if err != nil || !w.stream(nodes) {
		p.at = nil
		return p.fail(formats.ErrNotSealable, p.comments[0].start-1, "comments in places where sops's YAML reader fails")
	}
	for i, c := range p.comments {
		if !w.seen[i] {
			w.places = append(w.places, place{comment: i, path: c.at, leaf: c.leaf})
		}
	}
	slices.SortStableFunc(w.places, func(a, b place) int { return a.leaf - b.leaf })
	p.mergeComments(w.places)
	return true
}

// marked returns the source with every comment's text replaced by its number,
// and a metadata block wherever Rewrite would put one: comments must not move
// when it comes or goes.
func (p *parser) marked(sh *shape) ([]byte, error) {
	edits := make([]formats.Patch, 0, len(p.comments)+len(p.ignored)+len(sh.docs))
	for i, c := range p.comments {
		edits = append(edits, patch(c.start, c.end, strconv.Itoa(i)))
	}
	for _, c := range p.ignored {
		edits = append(edits, patch(c.start, c.end, "ignored"))
	}
	block := &formats.Meta{Items: []formats.Meta{{Key: "mac", Kind: formats.MetaString, Text: "x"}}}
	for i := range sh.docs {
		if sh.docs[i].meta == nil {
			edits = append(edits, sh.insertion(p.src, &sh.docs[i], block))
		}
	}
	return formats.Splice(p.src, edits)
}

// decodeNodes has yaml.v3 parse all documents. It can panic on comments in odd
// places; sops then does too.
func decodeNodes(src []byte) (nodes []*yamlv3.Node, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("yaml.v3 panicked")
		}
	}()
	dec := yamlv3.NewDecoder(bytes.NewReader(src))
	for {
		node := new(yamlv3.Node)
		switch err := dec.Decode(node); {
		case err == io.EOF:
			return nodes, nil
		case err != nil:
			return nil, err
		}
		nodes = append(nodes, node)
	}
}

// walker walks yaml.v3's nodes in the order in which sops does, next to the
// leaves that the parser has found.
type walker struct {
	p      *parser
	docs   []document
	leaf   int // the next leaf
	alias  int // the next alias
	seen   []bool
	places []place
}

// stream reports whether the nodes are those that the parser has found.
func (w *walker) stream(nodes []*yamlv3.Node) bool {
	if len(nodes) != len(w.docs) {
		return false
	}
	for i, n := range nodes {
		root := w.docs[i].path
		w.comments(root, n.HeadComment, n.LineComment)
		if len(n.Content) != 1 || n.Content[0].Kind != yamlv3.MappingNode || !w.mapping(n.Content[0], root, 0, false) {
			return false
		}
		w.comments(root, n.FootComment)
	}
	return w.leaf == len(w.p.leaves) && w.alias == len(w.p.aliases)
}

// comments notes the place of each line of texts.
func (w *walker) comments(path *formats.Path, texts ...string) {
	for _, text := range texts {
		for line := range strings.SplitSeq(text, "\n") {
			n, err := strconv.Atoi(strings.TrimPrefix(line, "#"))
			if err == nil && n >= 0 && n < len(w.seen) && !w.seen[n] {
				w.seen[n] = true
				w.places = append(w.places, place{comment: n, path: path, leaf: w.leaf})
			}
		}
	}
}

// mapping walks the map at path, with depth collections around it. handled says
// that its own comments have been noted.
func (w *walker) mapping(n *yamlv3.Node, path *formats.Path, depth int, handled bool) bool {
	if !handled {
		w.comments(path, n.HeadComment, n.LineComment)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		w.comments(path, k.HeadComment, k.LineComment)
		ours := v.Kind == yamlv3.ScalarNode || v.Kind == yamlv3.AliasNode && !w.becomesCollection(v)
		if ours {
			w.comments(path, v.HeadComment, v.LineComment)
		}
		if !(depth == 0 && k.Value == metaKey) && !w.value(v, depth+1, ours) {
			return false
		}
		if ours {
			w.comments(path, v.FootComment)
		}
		w.comments(path, k.FootComment)
	}
	if !handled {
		w.comments(path, n.FootComment)
	}
	return true
}

// becomesCollection reports whether the next alias is written out as a
// collection when its values are sealed. One without values never is.
func (w *walker) becomesCollection(n *yamlv3.Node) bool {
	if n.Alias.Kind == yamlv3.ScalarNode || w.alias >= len(w.p.aliases) {
		return false
	}
	a := w.p.aliases[w.alias]
	return slices.ContainsFunc(w.p.leaves[a.First:a.Last], func(l formats.Leaf) bool { return l.Text != "" })
}

// value walks a node below the root.
func (w *walker) value(n *yamlv3.Node, depth int, handled bool) bool {
	if n.Kind == yamlv3.AliasNode {
		return w.repeated(n, handled)
	}
	if w.leaf >= len(w.p.leaves) {
		return false
	}
	path := w.p.leaves[w.leaf].Path
	for range depthOf(path) - depth {
		path = path.Parent
	}
	ok := true
	switch {
	case n.Kind == yamlv3.MappingNode:
		ok = w.mapping(n, path, depth, handled)
	case n.Kind == yamlv3.SequenceNode:
		ok = w.sequence(n, path, depth, handled)
	}
	if len(n.Content) == 0 {
		w.leaf++
	}
	return ok
}

func (w *walker) sequence(n *yamlv3.Node, path *formats.Path, depth int, handled bool) bool {
	if !handled {
		w.comments(path, n.HeadComment, n.LineComment)
	}
	for _, item := range n.Content {
		w.comments(path, item.HeadComment, item.LineComment)
		if !w.value(item, depth+1, true) {
			return false
		}
		w.comments(path, item.FootComment)
	}
	if !handled {
		w.comments(path, n.FootComment)
	}
	return true
}

// repeated walks an alias. The comments in what it repeats are not repeated.
func (w *walker) repeated(n *yamlv3.Node, handled bool) bool {
	if w.alias >= len(w.p.aliases) || w.p.aliases[w.alias].First != w.leaf {
		return false
	}
	a := &w.p.aliases[w.alias]
	w.alias++
	if !handled {
		w.comments(a.Path, n.HeadComment, n.LineComment)
	}
	w.leaf = a.Last
	if !handled {
		w.comments(a.Path, n.FootComment)
	}
	return true
}

// mergeComments puts the comments at their places among the leaves.
func (p *parser) mergeComments(places []place) {
	merged := make([]formats.Leaf, 0, len(p.leaves)+len(places))
	moved := make([]int, len(p.leaves)) // where each leaf has gone
	for i := 0; i <= len(p.leaves); i++ {
		for len(places) > 0 && places[0].leaf <= i {
			c := p.comments[places[0].comment]
			merged = append(merged, formats.Leaf{
				Path:   places[0].path,
				Scalar: formats.Scalar{Kind: formats.Comment, Text: p.s[c.start:c.end]},
				Start:  c.start, End: c.end,
			})
			places = places[1:]
		}
		if i < len(p.leaves) {
			moved[i] = len(merged)
			merged = append(merged, p.leaves[i])
		}
	}
	p.leaves = merged
	for i := range p.aliases {
		a := &p.aliases[i]
		if a.First == a.Last {
			a.First = 0
			a.Last = 0
			continue
		}
		a.First, a.Last = moved[a.First], moved[a.Last-1]+1
		for j, t := range a.Target {
			a.Target[j] = moved[t]
		}
	}
	for i := range p.tags {
		if t := &p.tags[i]; t.Leaf != noLeaf {
			t.Leaf = moved[t.Leaf]
		}
	}
}
