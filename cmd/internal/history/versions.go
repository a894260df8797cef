package history

import (
	"slices"

	"github.com/gitseal/gitseal/formats"
)

// Everything returns a document of all values that the readable versions of a file
// have, the newest first, each path once. It has no source.
func (r *Repo) Everything(f *File) (*formats.Document, error) {
	all, seen := &formats.Document{}, map[string]bool{}
	for _, s := range f.Steps {
		v, err := r.load.version(s.Is)
		if err != nil {
			return nil, err
		}
		if !v.readable() {
			continue
		}
		for _, l := range v.Document.Leaves {
			if text := l.Path.Text(); l.Kind != formats.Comment && !seen[text] {
				seen[text] = true
				all.Leaves = append(all.Leaves, formats.Leaf{Path: l.Path, Scalar: formats.Scalar{Kind: l.Kind}})
			}
		}
	}
	return all, nil
}

// parents returns the versions that a step builds on. In place of one that cannot be
// read, there is what that was made of, if there is such.
func (r *Repo) parents(f *File, step int) ([]*version, error) {
	var out []*version
	todo := slices.Clone(f.Steps[step].Was)
	for at := step + 1; len(todo) > 0; {
		side := todo[0]
		todo = todo[1:]
		v, err := r.load.version(side)
		if err != nil {
			return nil, err
		}
		if v == nil || v.readable() {
			out = append(out, v)
			continue
		}
		made := slices.IndexFunc(f.Steps[at:], func(s Step) bool { return s.Is == side })
		if made < 0 || len(f.Steps[at+made].Was) == 0 {
			out = append(out, v)
			continue
		}
		at += made + 1
		todo = append(todo, f.Steps[at-1].Was...)
	}
	return out, nil
}
