package history

import (
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/changes"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// What says what a commit did to a value.
type What string

// What can be done to a value.
const (
	Added   What = "added"
	Changed What = "changed"
	Removed What = "removed"
	// Rekeyed: the value has a new ciphertext because the data key is a new one; see
	// Event.Same for whether it is another value, too.
	Rekeyed What = "re-sealed"
	// Sealed: it was plain, and is sealed.
	Sealed What = "sealed"
	// Unsealed: it was sealed, and is plain.
	Unsealed What = "became plain"
)

// Event is what a commit did to one value.
type Event struct {
	Path *formats.Path
	What What
	// Same says, where What leaves it open, whether the value stayed the same; it is
	// "" otherwise.
	Same Answer
	// State is that of the value after the commit, or before if it is gone.
	State cipher.State
}

// Entry is what a commit did to a file.
type Entry struct {
	Step Step
	// RenamedFrom is the file's name before, "" if it is the same.
	RenamedFrom string
	// Removed: the file is gone.
	Removed bool
	Values  []Event
	// Joined and Left are readers.
	Joined, Left []keysources.Stanza
	// NewKey, Selector and Groups say that the data key, the selector, or the key
	// groups or their threshold are others.
	NewKey, Selector, Groups bool
	// Err is why the version, or all before it, cannot be read; the rest says nothing
	// then.
	Err error
}

// Empty reports whether neither a value nor a reader, nor who needs whom, changed.
func (e *Entry) Empty() bool {
	return e.Err == nil && len(e.Values) == 0 && len(e.Joined) == 0 && len(e.Left) == 0 && !e.NewKey && !e.Selector && !e.Groups
}

// Entry says what one of a file's steps did, by its number.
func (r *Repo) Entry(f *File, step int) (*Entry, error) {
	s := f.Steps[step]
	e := &Entry{Step: s, Removed: s.Is.Blob == ""}
	is, err := r.load.version(s.Is)
	if err != nil {
		return nil, err
	}
	if is != nil && !is.readable() {
		e.Err = is.err
		return e, nil
	}
	parents, err := r.parents(f, step)
	if err != nil {
		return nil, err
	}
	var was []*version
	for _, w := range parents {
		switch {
		case w == nil && len(parents) > 1:
			continue // in a merge, only the sides that have the file count
		case w != nil && !w.readable():
			e.Err = w.err
			return e, nil
		case w != nil && s.Is.Blob != "" && len(parents) == 1 && w.side.Path != s.Is.Path:
			e.RenamedFrom = w.side.Path // a merge has its names from its parents
		}
		was = append(was, w)
	}
	if len(was) == 0 {
		was = []*version{nil}
	}
	e.compare(r.load, is, was)
	return e, nil
}

// compare finds what is as in none of the versions before.
func (e *Entry) compare(l *loader, is *version, was []*version) {
	nothing := &changes.Version{Document: &formats.Document{}}
	versionOf := func(v *version) *changes.Version {
		if v == nil {
			return nothing
		}
		return v.Version
	}
	var sets []*changes.Set
	for _, w := range was {
		sets = append(sets, changes.Between(versionOf(w), versionOf(is)))
	}
	first := sets[0]
	in := func(c changes.Change) bool {
		for _, s := range sets[1:] {
			if !slices.ContainsFunc(s.Values, func(d changes.Change) bool { return c.Path.Equal(d.Path) }) {
				return false
			}
		}
		return true
	}
	for _, c := range first.Values {
		if in(c) {
			e.event(l, is, was[0], c)
		}
	}
	all := func(of func(*changes.Set) []keysources.Stanza) (out []keysources.Stanza) {
		for _, s := range of(first) {
			if !slices.ContainsFunc(sets[1:], func(o *changes.Set) bool {
				return !slices.ContainsFunc(of(o), func(t keysources.Stanza) bool { return keysources.SameKey(s, t) })
			}) {
				out = append(out, s)
			}
		}
		return out
	}
	e.Joined = all(func(s *changes.Set) []keysources.Stanza { return s.Joined })
	e.Left = all(func(s *changes.Set) []keysources.Stanza { return s.Left })
	e.NewKey, e.Selector, e.Groups = true, true, true
	for i, s := range sets {
		e.NewKey = e.NewKey && was[i].sealed() && is.sealed() && rotated(is, was[i])
		e.Selector, e.Groups = e.Selector && s.Selector, e.Groups && s.Groups
	}
}

// event adds what happened to one value.
func (e *Entry) event(l *loader, is, was *version, c changes.Change) {
	ev := Event{Path: c.Path, State: c.Is.State}
	sealedWas, sealedIs := c.Was.State == cipher.StateSealed, c.Is.State == cipher.StateSealed
	switch {
	case c.Was.State == "":
		ev.What = Added
	case c.Is.State == "":
		ev.What, ev.State = Removed, c.Was.State
	case c.Was.Text == c.Is.Text && c.Was.Kind == c.Is.Kind:
		return // only what the selector says of it is another
	case !sealedWas && !sealedIs:
		ev.What = Changed
	default:
		ev.What, ev.Same = whatOf(sealedWas, sealedIs), sameIn(l, is, was, c.Path)
		if ev.What == Rekeyed {
			newKey := rotated(is, was)
			switch {
			case !newKey && ev.Same != Yes, ev.Same == No:
				ev.What, ev.Same = Changed, ""
			}
		}
	}
	e.Values = append(e.Values, ev)
}

func whatOf(was, is bool) What {
	switch {
	case was && is:
		return Rekeyed
	case is:
		return Sealed
	}
	return Unsealed
}

// sameIn compares the values at a path in two versions that both have one there.
func sameIn(l *loader, is, was *version, path *formats.Path) Answer {
	i, okIs := is.byPath[path.Text()]
	j, okWas := was.byPath[path.Text()]
	if !okIs || !okWas {
		return Unknown
	}
	return l.same(is, i, was, j)
}
