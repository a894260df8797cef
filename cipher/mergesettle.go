package cipher

import (
	"errors"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// Undecided is a file, sealed or plain, with a merge's conflicts in it.
type Undecided struct {
	// Ours and Theirs are the file with every conflict settled for one side.
	Ours, Theirs []byte
	// Conflicts are the places where they differ.
	Conflicts []merge.Conflict
	// Whole: the two are different files, between which somebody has to choose. Why
	// says why they cannot be settled key by key.
	Whole bool
	Why   string

	format formats.Format
}

// errUndecided: there are no markers to be read.
var errUndecided = errors.New("there are no conflict markers in the file, or they were damaged")

// ReadUndecided reads a file with git's conflict markers. Its error says that there
// are none, or that they are not well-formed.
func ReadUndecided(f formats.Format, marked []byte) (*Undecided, error) {
	ours, theirs, ok := merge.Split(marked)
	if !ok {
		return nil, errUndecided
	}
	return newUndecided(f, ours, theirs), nil
}

func newUndecided(f formats.Format, ours, theirs []byte) *Undecided {
	u := &Undecided{Ours: ours, Theirs: theirs, format: f}
	a, b, err := u.texts()
	if err == nil {
		u.Conflicts, err = merge.Conflicts(f, a.text, b.text)
	}
	if err != nil {
		u.Whole, u.Why = true, err.Error()
	}
	return u
}

// texts returns the two sides without their block, which must be the same.
func (u *Undecided) texts() (a, b *bare, err error) {
	if a, err = readLoose(u.format, u.Ours); err != nil {
		return nil, nil, err
	}
	if b, err = readLoose(u.format, u.Theirs); err != nil {
		return nil, nil, err
	}
	switch {
	case (a.meta == nil) != (b.meta == nil):
		return nil, nil, errors.New("one side is sealed and the other is not")
	case a.meta != nil && !a.doc.Meta.Equal(b.doc.Meta):
		return nil, nil, errors.New("the sides have different metadata")
	}
	return a, b, nil
}

// readLoose is readBare that also takes plain files.
func readLoose(f formats.Format, src []byte) (*bare, error) {
	b, err := readBare(f, src)
	if !errors.Is(err, ErrNotSealed) {
		return b, err
	}
	doc, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	return &bare{doc: doc, text: src}, nil
}

// Settle lets one side win at some places. The other side loses what it has there,
// and no more.
func (u *Undecided) Settle(keepOurs bool, at ...*formats.Path) (*Undecided, error) {
	a, b, err := u.texts()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := merge.SettleAll(u.format, a.text, b.text, at, keepOurs)
	if err != nil {
		return nil, err
	}
	if a.meta != nil {
		if ours, err = dress(u.format, ours, a.doc.Meta); err != nil {
			return nil, err
		}
		if theirs, err = dress(u.format, theirs, b.doc.Meta); err != nil {
			return nil, err
		}
	}
	return newUndecided(u.format, ours, theirs), nil
}

// Documents returns the two sides as documents, to look at what each has; nil for
// one that cannot be read.
func (u *Undecided) Documents() (ours, theirs *formats.Document) {
	ours, _ = u.format.Parse(u.Ours)
	theirs, _ = u.format.Parse(u.Theirs)
	return ours, theirs
}
