package main

import (
	"slices"

	"github.com/gitseal/gitseal/keysources"
)

// freshRules has what is saved go by the rules as they are now, and not as they were
// when the editor was opened: hours can lie between. A file that is there is compared
// with its rule when it is opened for the save; a new one was planned, and is refused if
// that is not what its rule says any more.
func (e *editing) freshRules() error {
	book, err := newRuleBook(e.c.String("config"))
	if err != nil {
		return err
	}
	e.book = book
	if e.plan == nil {
		return nil
	}
	now, err := e.editRun.plan(e.in)
	if err != nil {
		return err
	}
	was := e.plan
	e.plan = &now // a copy that is kept is for those who may read it now
	if !now.same(*was) {
		return &commandError{code: exitWrongState, text: "the rule for it was changed while you edited",
			hint: "look at that change first (git log -p .sops.yaml); then --resume the edit, which goes by the new rule"}
	}
	return nil
}

// same reports whether two plans seal the same for the same readers.
func (p plan) same(other plan) bool {
	return p.macOnly == other.macOnly && p.chosen == other.chosen && sameSelector(p.selector, other.selector) &&
		p.readers.threshold == other.readers.threshold && slices.EqualFunc(p.readers.keys, other.readers.keys, sameKeys)
}

func sameKeys(a, b []keysources.Stanza) bool {
	return slices.EqualFunc(a, b, func(a, b keysources.Stanza) bool {
		return a.Type == b.Type && slices.Equal(a.Fields, b.Fields) && slices.Equal(a.Context, b.Context)
	})
}
