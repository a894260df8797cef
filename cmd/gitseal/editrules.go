package main

import (
	"context"
	"slices"

	"github.com/gitseal/gitseal/keysources"
)

// freshRules has what is saved go by the rules as they are now, and not as they were
// when the editor was opened: hours can lie between. A file that is there is compared
// with its rule when it is opened for the save; a new one was planned, and is refused if
// that is not what its rule says any more.
func (e *editing) freshRules(ctx context.Context) error {
	book, err := newRuleBook(e.c.String("config"))
	if err != nil {
		return err
	}
	e.book = book
	if e.making == nil {
		return nil
	}
	now, err := e.newJob(ctx, e.in)
	if err != nil {
		return err
	}
	was := e.making
	e.making = now // a copy that is kept is for those who may read it now
	switch {
	case now.plan.same(was.plan):
		return nil
	case now.plan.kept || was.plan.kept:
		return &commandError{code: exitWrongState, text: "its version in git, which says who may read it, was changed while you edited",
			hint: hintFor(e.in.name, "look at that change first (git log -p FILE); then --resume the edit, which goes by the new version")}
	}
	return &commandError{code: exitWrongState, text: "the rule for it was changed while you edited",
		hint: "look at that change first (git log -p .sops.yaml); then --resume the edit, which goes by the new rule"}
}

// same reports whether two plans seal the same for the same readers.
func (p plan) same(other plan) bool {
	return p.macOnly == other.macOnly && p.chosen == other.chosen && p.kept == other.kept && p.context == other.context && sameSelector(p.selector, other.selector) &&
		p.readers.threshold == other.readers.threshold && slices.EqualFunc(p.readers.keys, other.readers.keys, sameKeys)
}

func sameKeys(a, b []keysources.Stanza) bool { return slices.EqualFunc(a, b, keysources.SameKey) }
