package main

import (
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

// readersChange is what a call is to change about who can read files.
type readersChange struct {
	add, remove []keysources.Stanza
	// group is the number of the key group, from 1, that is meant; 0: none was named.
	group int
	// newGroup: what is added becomes a key group of its own. dropGroup: the group
	// goes as a whole.
	newGroup, dropGroup bool
	// threshold is how many groups are to be needed; 0 leaves that alone.
	threshold int
}

// groupKey is a key in a group, which is counted from 0.
type groupKey struct {
	group int
	key   keysources.Stanza
}

// groupEdit is a readersChange made for certain groups: what really changes.
type groupEdit struct {
	add, remove []groupKey
	newGroup    []keysources.Stanza
	drop        bool
	dropAt      int
	threshold   int
}

func (e groupEdit) none() bool {
	return len(e.add)+len(e.remove)+len(e.newGroup) == 0 && !e.drop && e.threshold == 0
}

// on returns what the change is for files with these groups, of which so many are
// needed. What is there already is not added, and what is not there not removed.
func (c readersChange) on(groups [][]keysources.Stanza, threshold int) (groupEdit, error) {
	var e groupEdit
	n := len(groups)
	switch {
	case c.group > n:
		return e, usageError(fmt.Sprintf("there is no key group %d", c.group), "the file has "+counted(n, "key group")+"; gitseal groups list shows them")
	case len(c.add) > 0 && !c.newGroup && c.group == 0 && n > 1:
		return e, usageError(fmt.Sprintf("there are %d key groups", n), "say which of them with --group N; gitseal groups list shows them")
	case c.dropGroup && n == 1:
		return e, failure("the only key group cannot be removed", "name the readers that are to go: gitseal keys remove")
	}
	e.drop, e.dropAt = c.dropGroup, c.group-1
	if c.newGroup {
		e.newGroup = c.add
		n++
	} else {
		e.add = c.added(groups)
	}
	if e.drop {
		n--
	}
	e.remove = c.removed(groups)
	if err := e.checkLast(groups); err != nil {
		return e, err
	}
	// A threshold that is the same for other groups is a change all the same.
	if c.threshold != threshold || n != len(groups) {
		e.threshold = c.threshold
	}
	if c.threshold == 0 && n > 1 && threshold > n {
		e.threshold = n // all were needed, and all are
	}
	return e, checkThreshold(c.threshold, n)
}

func (c readersChange) added(groups [][]keysources.Stanza) []groupKey {
	var out []groupKey
	at := max(c.group, 1) - 1
	for _, key := range c.add {
		if !slices.ContainsFunc(groups[at], func(s keysources.Stanza) bool { return keysources.SameKey(s, key) }) {
			out = append(out, groupKey{at, key})
		}
	}
	return out
}

func (c readersChange) removed(groups [][]keysources.Stanza) []groupKey {
	var out []groupKey
	for i, group := range groups {
		if c.group > 0 && i != c.group-1 {
			continue
		}
		for _, key := range c.remove {
			for _, s := range meant(group, key) {
				out = append(out, groupKey{i, s})
			}
		}
	}
	return out
}

// meant returns those of a group that a name means: exactly that key or, as people
// leave out roles, profiles and contexts, all that are called so.
func meant(group []keysources.Stanza, key keysources.Stanza) []keysources.Stanza {
	var exact, called []keysources.Stanza
	for _, s := range group {
		if keysources.SameKey(s, key) {
			exact = append(exact, s)
		} else if s.Type == key.Type && s.Reader() == key.Reader() {
			called = append(called, s)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return called
}

// checkLast refuses to leave a group without readers.
func (e groupEdit) checkLast(groups [][]keysources.Stanza) error {
	for i, group := range groups {
		left := len(group)
		for _, r := range e.remove {
			left -= count(r.group == i)
		}
		for _, a := range e.add {
			left += count(a.group == i)
		}
		switch {
		case left > 0 || e.drop && e.dropAt == i:
		case len(groups) == 1:
			return failure("nobody would be left who can read it", "add another reader first: gitseal keys add")
		default:
			return failure(fmt.Sprintf("nobody would be left in key group %d", i+1),
				fmt.Sprintf("add another reader to it first, or remove the group: gitseal groups remove --group %d", i+1))
		}
	}
	return nil
}

// checkThreshold checks what was asked for as the threshold of n groups.
func checkThreshold(asked, n int) error {
	switch {
	case asked == 0:
		return nil
	case n == 1:
		return usageError("a threshold needs several key groups", "there is only one; gitseal groups add makes another")
	case asked < 2 || asked > n:
		return usageError(fmt.Sprintf("--threshold: it must be between 2 and %d, the number of key groups", n), "for any one reader to suffice, put all into one group")
	}
	return nil
}

// apply returns the groups as they are to be.
func (e groupEdit) apply(groups [][]keysources.Stanza) [][]keysources.Stanza {
	var out [][]keysources.Stanza
	for i, group := range groups {
		if e.drop && e.dropAt == i {
			continue
		}
		var keys []keysources.Stanza
		for _, s := range group {
			gone := func(r groupKey) bool { return r.group == i && keysources.SameKey(r.key, s) }
			if !slices.ContainsFunc(e.remove, gone) {
				keys = append(keys, s)
			}
		}
		for _, a := range e.add {
			if a.group == i {
				keys = append(keys, a.key)
			}
		}
		out = append(out, keys)
	}
	if len(e.newGroup) > 0 {
		out = append(out, e.newGroup)
	}
	return out
}

// inRule returns the change as one of a rule whose keys are the groups that e was
// made for.
func (e groupEdit) inRule(rule *rules.Rule, groups [][]keysources.Stanza) rules.Edit {
	out := rules.Edit{Rule: rule.Number, DropGroup: e.drop, DropAt: e.dropAt, Threshold: e.threshold}
	for _, a := range e.add {
		out.Add = append(out.Add, rules.GroupKey{Group: a.group, Key: readers.ToRule(a.key)})
	}
	for _, r := range e.remove {
		// In the rule's own spelling.
		i := slices.IndexFunc(groups[r.group], func(s keysources.Stanza) bool { return keysources.SameKey(s, r.key) })
		out.Remove = append(out.Remove, rules.GroupKey{Group: r.group, Key: rule.Groups[r.group][i]})
	}
	for _, key := range e.newGroup {
		out.NewGroup = append(out.NewGroup, readers.ToRule(key))
	}
	return out
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
