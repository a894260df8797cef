package yaml

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// expandAlias marks alias n as one to be written out and returns the new values
// in it.
func (r *rewriter) expandAlias(n int) map[int]formats.Value {
	r.risky = true
	if r.expand[n] == nil {
		r.expand[n] = map[int]formats.Value{}
	}
	return r.expand[n]
}

// followTargets also writes out the aliases whose own values stay while those
// that they repeat do not.
func (r *rewriter) followTargets(e formats.Edit) {
	if len(r.d.Aliases) == 0 {
		return
	}
	changed := make([]bool, len(r.d.Leaves))
	for _, v := range e.Values {
		if v.Leaf >= 0 && v.Leaf < len(changed) {
			changed[v.Leaf] = true
		}
	}
	for n, a := range r.d.Aliases {
		if slices.ContainsFunc(a.Target, func(t int) bool { return changed[t] }) {
			r.expandAlias(n)
		}
	}
}

// aliases adds the edits that write aliases out.
func (r *rewriter) aliases(e formats.Edit) {
	folds := indexFolds(e.Folds)
	for n, values := range r.expand {
		a := &r.d.Aliases[n]
		x := expansion{r: r, leaves: r.d.Leaves[a.First:a.Last], first: a.First, values: values}
		if _, ok := folds.find(a.Path); ok {
			continue
		}
		l := &x.leaves[0]
		x.write(a.Path, depthOf(a.Path))
		r.edits = append(r.edits, patch(l.Start, l.End, x.b.String()))
	}
}

// expansion writes the leaves of an alias in flow style.
type expansion struct {
	r      *rewriter
	leaves []formats.Leaf
	first  int // the document's index of leaves[0]
	values map[int]formats.Value
	next   int // the leaf to be written
	b      strings.Builder
}

// write writes the node at path, at the given depth, of which the next leaf is
// the first.
func (x *expansion) write(path *formats.Path, depth int) {
	if x.leaves[x.next].Path == path {
		x.leaf()
		return
	}
	open, end := "[", "]"
	if step(x.leaves[x.next].Path, depth+1).Index == formats.InMap {
		open, end = "{", "}"
	}
	x.b.WriteString(open)
	for n := 0; x.next < len(x.leaves) && isBelow(x.leaves[x.next].Path, path, depth); n++ {
		child := step(x.leaves[x.next].Path, depth+1)
		if n > 0 {
			x.b.WriteString(", ")
		}
		if child.Index == formats.InMap {
			x.b.WriteString(expandedKey(child.Key) + ": ")
		}
		x.write(child, depth+1)
	}
	x.b.WriteString(end)
}

// expandedKey quotes a key, unless it is a merge key, which quotes would end.
func expandedKey(key string) string {
	if key == "<<" {
		return key
	}
	return quoteDouble(key)
}

func (x *expansion) leaf() {
	i := x.first + x.next
	x.next++
	v, ok := x.values[i]
	switch {
	case !ok:
		x.b.WriteString(Format{}.Spell(x.r.d, i, x.r.d.Leaves[i].Scalar))
	case v.Raw != "":
		x.b.WriteString(v.Raw)
	default:
		x.b.WriteString(Format{}.Spell(x.r.d, i, v.Scalar))
	}
}

// step returns the ancestor of p, or p, that has depth steps.
func step(p *formats.Path, depth int) *formats.Path {
	for n := depthOf(p) - depth; n > 0; n-- {
		p = p.Parent
	}
	return p
}

func isBelow(p, path *formats.Path, depth int) bool {
	return depthOf(p) > depth && step(p, depth) == path
}

// folds replaces the edits inside folded nodes by the folds.
func (r *rewriter) folds(e formats.Edit) error {
	if len(e.Folds) == 0 {
		return nil
	}
	r.risky, r.loose = true, true
	spans, err := r.foldSpans(e.Folds)
	if err != nil {
		return err
	}
	r.edits = slices.DeleteFunc(r.edits, func(x formats.Patch) bool {
		n := sort.Search(len(spans), func(n int) bool { return spans[n].Start > x.Start }) - 1
		return n >= 0 && x.End <= spans[n].End
	})
	r.edits = append(r.edits, spans...)
	return nil
}

// foldSpans finds the nodes at the paths of folds, in the order of their bytes.
// Collections in block style are not among them: no alias was ever written out
// like that.
func (r *rewriter) foldSpans(folds []formats.Fold) ([]formats.Patch, error) {
	index := indexFolds(folds)
	var spans []formats.Patch
	p := newParser(r.d.Source)
	p.onNode = func(path *formats.Path, start, end int) {
		if text, ok := index.find(path); ok {
			spans = append(spans, patch(start, end, text))
		}
	}
	if !p.stream() {
		return nil, p.err
	}
	// Nodes are seen where they end. One inside another goes with that.
	slices.SortFunc(spans, func(a, b formats.Patch) int { return cmp.Or(a.Start-b.Start, b.End-a.End) })
	end := 0
	spans = slices.DeleteFunc(spans, func(s formats.Patch) bool {
		if s.End <= end {
			return true
		}
		end = s.End
		return false
	})
	return spans, nil
}

// foldIndex finds folds by the last steps of their path.
type foldIndex map[lastSteps][]formats.Fold

// lastSteps are enough to tell most paths apart: merge keys all end in <<.
type lastSteps [3]struct {
	key   string
	index int
}

func lastStepsOf(p *formats.Path) (steps lastSteps) {
	for i := 0; i < len(steps) && p != nil; i++ {
		steps[i].key, steps[i].index = p.Key, p.Index
		p = p.Parent
	}
	return steps
}

func indexFolds(folds []formats.Fold) foldIndex {
	index := foldIndex{}
	for _, f := range folds {
		k := lastStepsOf(f.Path)
		index[k] = append(index[k], f)
	}
	return index
}

// find returns the text of the fold at path.
func (index foldIndex) find(path *formats.Path) (string, bool) {
	if len(index) == 0 {
		return "", false
	}
	for _, f := range index[lastStepsOf(path)] {
		if f.Path.Equal(path) {
			return f.Text, true
		}
	}
	return "", false
}
