// Package merge joins two versions of a file that both come from a third, by the
// paths of their values: changes of different values never conflict.
//
// It looks at values, not at what they mean: those of a sealed file are its
// ciphertexts. The files must have no metadata block.
package merge

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/gitseal/gitseal/formats"
)

// ErrNotWritten: the values can be merged, but the format has no way to write them
// into one file that keeps the comments of both versions.
var ErrNotWritten = errors.New("the merged values cannot be written into the file")

// ErrDocuments: documents were added, removed or moved, and it cannot be told which
// belong together.
var ErrDocuments = errors.New("it cannot be told which documents of the two sides belong together")

// Versions are three versions of a file.
type Versions struct {
	// Base is what the other two come from. If it is empty both sides have added the
	// file.
	Base         []byte
	Ours, Theirs []byte
}

// Options are what else is known about versions.
type Options struct {
	// Poisoned are paths of Base at which the base is itself undecided (a merge of
	// merge bases): it equals nothing there.
	Poisoned []*formats.Path
}

// Conflict is a value that both sides have changed, and not in the same way.
type Conflict struct {
	// Path leads to the value in both texts of a result.
	Path *formats.Path
	// Ours and Theirs say whether that side still has a value there.
	Ours, Theirs bool
}

// Result is a merged file.
type Result struct {
	// Ours and Theirs are the merged file with every conflict settled for one side.
	// They are equal if there are no conflicts.
	Ours, Theirs []byte
	// Conflicts are in the order of the file.
	Conflicts []Conflict
}

// Merge merges the versions of a file of one format.
//
// A value that one side has changed is as that side has it. One that both have
// changed is a conflict, unless they agree: scalars, values of different kinds, and
// one that a side has removed. Maps are merged key by key, also those that both sides
// have added; if both have put one in the place of something else, the two conflict.
// Items of a list are merged
// with each other only if they surely are the same: where all have a field that
// tells them apart (name, id, …) by that, in the order of the side that has moved
// them; else lists are merged as sequences, and what both sides have replaced item
// by item if each is still like what was there and like nothing else in the list.
// Otherwise the list is a conflict. Documents of a file are a list, too: Kubernetes
// objects are told apart by kind and name, others by their position.
//
// Comments, blank lines and layout of both sides stay wherever the text can be
// merged line by line. No comment is lost but in what a side has removed or what
// gives way in a conflict: where both sides have changed one, both stay.
//
// Errors wrap those of the format, [ErrDocuments] or [ErrNotWritten].
func Merge(f formats.Format, v Versions, o Options) (*Result, error) {
	switch {
	case bytes.Equal(v.Ours, v.Theirs):
		return settled(v.Ours), nil
	case len(o.Poisoned) > 0 || len(v.Base) == 0:
	case bytes.Equal(v.Base, v.Ours):
		return settled(v.Theirs), nil
	case bytes.Equal(v.Base, v.Theirs):
		return settled(v.Ours), nil
	}
	m := &merger{f: f}
	if err := m.read(v); err != nil {
		return nil, err
	}
	t := &treeMerge{poison: setOf(o.Poisoned)}
	if err := t.documents(m.base.docs, m.ours.docs, m.theirs.docs); err != nil {
		return nil, err
	}
	m.places(t)
	ours, err := m.mergeOurs(t.wantOurs)
	if err != nil {
		return nil, err
	}
	if len(t.conflicts) == 0 {
		return settled([]byte(ours.text)), nil
	}
	theirs, err := m.mergeTheirs(ours, t.wantTheirs)
	if err != nil {
		return nil, err
	}
	left, err := conflicts(ours.docs, theirs.docs)
	return &Result{Ours: []byte(ours.text), Theirs: []byte(theirs.text), Conflicts: left}, err
}

func settled(text []byte) *Result {
	return &Result{Ours: bytes.Clone(text), Theirs: bytes.Clone(text)}
}

// version is one text and what it means.
type version struct {
	text  string
	lines []string
	doc   *formats.Document
	// docs are the values of its documents.
	docs []formats.Node
	// starts are the offsets of the lines.
	starts []int
}

// read parses a text.
func read(f formats.Format, text []byte) (*version, error) {
	doc, err := f.Parse(text)
	if err != nil {
		return nil, err
	}
	if doc.Meta != nil {
		return nil, &formats.Error{Cause: formats.ErrMetadata, Msg: "a file is merged without its metadata block"}
	}
	v := &version{text: string(text), doc: doc}
	v.split()
	v.docs = documentsOf(doc)
	return v, nil
}

func (v *version) split() {
	v.lines = linesOf(v.text)
	at := 0
	for _, l := range v.lines {
		v.starts = append(v.starts, at)
		at += len(l)
	}
}

// documentsOf returns the values of the documents of d, whose leaves are in the
// order of the documents.
func documentsOf(d *formats.Document) []formats.Node {
	all := make([]formats.Node, 0, max(d.Documents, 1))
	from, alias := 0, 0
	for n := range max(d.Documents, 1) {
		to := from
		for to < len(d.Leaves) && d.Leaves[to].Path.Document() == n {
			to++
		}
		// Looking through all leaves for each document would take quadratic time.
		part := formats.Document{Source: d.Source, Documents: d.Documents, Leaves: d.Leaves[from:to]}
		for ; alias < len(d.Aliases) && d.Aliases[alias].First < to; alias++ {
			part.Aliases = append(part.Aliases, shifted(d.Aliases[alias], from))
		}
		root, _ := part.Node(formats.Root(n))
		all = append(all, root)
		from = to
	}
	return all
}

// shifted returns an alias of a document whose leaves begin at leaf n.
func shifted(a formats.Alias, n int) formats.Alias {
	targets := make([]int, len(a.Target))
	for i, t := range a.Target {
		targets[i] = t - n
	}
	a.First, a.Last, a.Target = a.First-n, a.Last-n, targets
	return a
}

// read parses the versions.
func (m *merger) read(v Versions) error {
	var err error
	if m.ours, err = read(m.f, v.Ours); err != nil {
		return fmt.Errorf("reading our version: %w", err)
	}
	if m.theirs, err = read(m.f, v.Theirs); err != nil {
		return fmt.Errorf("reading their version: %w", err)
	}
	m.base = &version{doc: &formats.Document{}}
	if len(v.Base) > 0 {
		if m.base, err = read(m.f, v.Base); err != nil {
			return fmt.Errorf("reading the base: %w", err)
		}
	}
	return nil
}
