package merge

import (
	"errors"
	"fmt"

	"github.com/gitseal/gitseal/formats"
)

// maxWork bounds the bytes that changes one by one may go through: each reads the
// file again.
const maxWork = 1 << 27

// errTooMany: changes would have to be made one by one for too long.
var errTooMany = errors.New("too many changes are not where the text has them")

// bring makes the changes that c lacks.
func (m *merger) bring(c *candidate, want []formats.Node) (*candidate, error) {
	for len(c.changes) > 0 {
		next := m.respelled(c, want)
		if next == nil {
			var err error
			if next, err = m.changed(c, want); next == nil || len(next.changes) >= len(c.changes) {
				return nil, notWritten(err)
			}
		}
		c = next
	}
	return c, nil
}

// notWritten says why the merged values cannot be written.
func notWritten(cause error) error {
	if cause == nil || errors.Is(cause, ErrNotWritten) {
		return ErrNotWritten
	}
	return fmt.Errorf("%w: %w", ErrNotWritten, cause)
}

// respelled replaces texts by others, all at once; nil if that makes nothing better.
func (m *merger) respelled(c *candidate, want []formats.Node) *candidate {
	const few = 8 // one by one they may be written in more ways
	edit := c.texts()
	if len(edit.Values) < few {
		return nil
	}
	out, err := m.f.Rewrite(c.doc, edit)
	if err != nil {
		return nil
	}
	next, err := m.candidate(string(out), want)
	if err != nil || len(next.changes) >= len(c.changes) {
		return nil
	}
	return next
}

// texts returns the changes that replace a text by another.
func (c *candidate) texts() formats.Edit {
	values := map[*pathSet]*formats.Node{}
	set := &pathSet{}
	for i := range c.changes {
		change := &c.changes[i]
		v := &change.Value
		if !change.Remove && v.Kind == formats.ScalarNode && v.Scalar.Kind == formats.String {
			set.add(change.Path)
			values[set.reach(change.Path)] = v
		}
	}
	var edit formats.Edit
	match, alias := newMatcher(set), 0
	for i := range c.doc.Leaves {
		for alias < len(c.doc.Aliases) && c.doc.Aliases[alias].Last <= i {
			alias++
		}
		if alias < len(c.doc.Aliases) && c.doc.Aliases[alias].First <= i {
			continue
		}
		l := &c.doc.Leaves[i]
		if v := values[match.find(l.Path).set]; v != nil && l.Kind == formats.String {
			edit.Values = append(edit.Values, formats.Value{Leaf: i, Scalar: v.Scalar})
		}
	}
	return edit
}

// changed makes as many changes as the format can, and returns its first error. If
// they are many, lists are written anew.
func (m *merger) changed(c *candidate, want []formats.Node) (*candidate, error) {
	patcher, ok := m.f.(formats.Patcher)
	if !ok {
		return nil, ErrNotWritten
	}
	changes := c.changes
	if len(changes)*len(c.text) > maxWork {
		changes = wholeLists(changes, want)
	}
	if len(changes)*len(c.text) > maxWork {
		return nil, errTooMany
	}
	doc, text := c.doc, c.text
	var first error
	for _, change := range changes {
		out, err := patcher.Patch(doc, change)
		if err == nil {
			doc, err = m.f.Parse(out)
			text = string(out)
		}
		if doc == nil {
			return nil, err
		}
		if first == nil {
			first = err
		}
	}
	next, err := m.candidate(text, want)
	if err != nil {
		return nil, err
	}
	return next, first
}

// wholeLists returns changes with those in lists joined: each list is set as it
// should be. What lies in no list stays.
func wholeLists(changes []formats.Change, want []formats.Node) []formats.Change {
	var all []formats.Change
	var lists *pathSet
	for _, change := range changes {
		list := outermostList(change.Path)
		if list == nil {
			all = append(all, change)
			continue
		}
		if lists != nil && newMatcher(lists).has(list) {
			continue
		}
		if value := nodeAt(want, list); value != nil {
			lists = lists.add(list)
			all = append(all, formats.Change{Path: list, Value: *value})
		}
	}
	return all
}

// outermostList returns the path of the outermost list that a path leads through,
// nil if there is none.
func outermostList(p *formats.Path) *formats.Path {
	var list *formats.Path
	for ; p.Parent != nil; p = p.Parent {
		if p.Index != formats.InMap {
			list = p.Parent
		}
	}
	return list
}

// nodeAt returns the value at a path of documents, nil if there is none.
func nodeAt(docs []formats.Node, p *formats.Path) *formats.Node {
	if p.Parent == nil {
		if p.Index < 0 || p.Index >= len(docs) {
			return nil
		}
		return &docs[p.Index]
	}
	up := nodeAt(docs, p.Parent)
	switch {
	case up == nil:
		return nil
	case p.Index == formats.InMap:
		return field(up, p.Key)
	}
	return item(up, p.Index)
}
