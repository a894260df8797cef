package changes

import "github.com/gitseal/gitseal/cipher"

// Kind says in a word what became of a value.
type Kind string

// The kinds.
const (
	// Added and Removed: there was no such value, or there is none any more.
	Added   Kind = "added"
	Removed Kind = "removed"
	// Changed: the plain text or the ciphertext is another one.
	Changed Kind = "changed"
	// Resealed: the ciphertext is another one, and so is the data key, so that nobody
	// can tell without a key whether the value is.
	Resealed Kind = "resealed"
	// BecamePlain: everybody can read now what was sealed.
	BecamePlain Kind = "became-plain"
	// BecameSealed: what was plain, and stays so in the history, is sealed now.
	BecameSealed Kind = "became-sealed"
)

// Kind returns the kind of a change of s.
func (s *Set) Kind(c Change) Kind {
	was, is := c.Was.hidden(), c.Is.hidden()
	switch {
	case c.Was.State == "":
		return Added
	case c.Is.State == "":
		return Removed
	case was && is && s.NewKey:
		return Resealed
	case was && c.Is.readable():
		return BecamePlain
	case c.Was.readable() && is:
		return BecameSealed
	}
	return Changed
}

// hidden reports whether a value cannot be read without a key.
func (s State) hidden() bool {
	return s.State == cipher.StateSealed || s.State == cipher.StateMalformed
}

// readable reports whether a value can be read by everybody.
func (s State) readable() bool {
	return s.State == cipher.StatePlain || s.State == cipher.StateExposed
}

// Shown reports whether the text of the value on one side may be shown: nothing says
// that it is a secret. v is the version it is from.
func (s State) Shown(v *Version) bool {
	return v.Metadata != nil && (s.State == cipher.StatePlain || s.State == cipher.StateEmpty)
}
