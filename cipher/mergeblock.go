package cipher

import (
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// UnmergeableError says why two versions of a sealed file cannot be merged key by
// key, so that somebody has to choose between them as a whole.
type UnmergeableError struct {
	// Reason is a few words, or the text of Err.
	Reason string
	// NeedsKey: with an identity they might be.
	NeedsKey bool
	// Err is the cause, nil if there is no other.
	Err error
}

// Error returns the reason.
func (e *UnmergeableError) Error() string { return e.Reason }

// Unwrap returns the cause.
func (e *UnmergeableError) Unwrap() error { return e.Err }

func unmergeable(reason string) error { return &UnmergeableError{Reason: reason} }

// sides are the blocks of the versions to be merged. base is nil if there is none.
type sides struct{ base, ours, theirs *Metadata }

// choose merges one setting: the side that changed it wins; both may agree.
func choose[T any](s sides, get func(*Metadata) T, same func(a, b T) bool) (T, bool) {
	ours, theirs := get(s.ours), get(s.theirs)
	switch {
	case same(ours, theirs):
		return ours, true
	case s.base == nil:
		return ours, false
	case same(get(s.base), ours):
		return theirs, true
	case same(get(s.base), theirs):
		return ours, true
	}
	return ours, false
}

func equal[T comparable](a, b T) bool { return a == b }

// merge returns the block of the merged file: what is not merged here, times and
// MACs, is that of lead, one of the two sides. proposals are those of the result.
func (s sides) merge(lead *Metadata) (*Metadata, error) {
	m := *lead
	seal := SealEntry{Version: sealVersion}
	if lead.Seal != nil {
		seal = *lead.Seal
	}
	m.Seal, seal.merged = &seal, nil
	ok := [4]bool{}
	m.Selector, ok[0] = choose(s, func(m *Metadata) Selector { return m.Selector }, func(a, b Selector) bool {
		return a.Kind == b.Kind && a.Pattern == b.Pattern
	})
	m.MACOnlyEncrypted, ok[1] = choose(s, func(m *Metadata) bool { return m.MACOnlyEncrypted }, equal)
	seal.Context, ok[2] = choose(s, func(m *Metadata) string { return m.context() }, equal)
	m.Threshold, ok[3] = choose(s, func(m *Metadata) int { return m.Threshold }, equal)
	for i, what := range []string{"selector", "mac_only_encrypted", "context", "threshold of the key groups"} {
		if !ok[i] {
			return nil, unmergeable("both sides have changed the " + what)
		}
	}
	var err error
	if m.Groups, err = s.groups(lead); err != nil {
		return nil, err
	}
	seal.proposals, err = s.proposals()
	return &m, err
}

func (m *Metadata) context() string {
	if m.Seal == nil {
		return ""
	}
	return m.Seal.Context
}

// groups merges the readers, group by group, as sets.
func (s sides) groups(lead *Metadata) ([][]keysources.Stanza, error) {
	n := func(m *Metadata) int { return len(m.Groups) }
	if n(s.ours) != n(s.theirs) || s.base != nil && n(s.base) != n(s.ours) {
		groups, ok := choose(s, func(m *Metadata) [][]keysources.Stanza { return m.Groups }, sameReaders)
		if !ok {
			return nil, unmergeable("both sides have changed the key groups")
		}
		return groups, nil
	}
	other := s.theirs
	if lead == s.theirs {
		other = s.ours
	}
	var out [][]keysources.Stanza
	for i := range lead.Groups {
		var base []keysources.Stanza
		if s.base != nil {
			base = s.base.Groups[i]
		}
		merged := mergeReaders(base, lead.Groups[i], other.Groups[i])
		if len(merged) == 0 {
			return nil, unmergeable("each side has removed readers whom the other has kept, and nobody is left")
		}
		out = append(out, merged)
	}
	return out, nil
}

// mergeReaders returns who is a reader on both sides, or on one that the base does
// not have.
func mergeReaders(base, lead, other []keysources.Stanza) []keysources.Stanza {
	var out []keysources.Stanza
	for _, r := range lead {
		if hasReader(other, r) || !hasReader(base, r) {
			out = append(out, r)
		}
	}
	for _, r := range other {
		if !hasReader(lead, r) && !hasReader(base, r) {
			out = append(out, r)
		}
	}
	return out
}

func hasReader(list []keysources.Stanza, r keysources.Stanza) bool {
	return slices.ContainsFunc(list, func(s keysources.Stanza) bool { return keysources.SameKey(s, r) })
}

// sameReaders reports whether the same readers stand in the same groups.
func sameReaders(a, b [][]keysources.Stanza) bool {
	return slices.EqualFunc(a, b, func(a, b []keysources.Stanza) bool {
		return len(missingReaders(a, b)) == 0 && len(missingReaders(b, a)) == 0
	})
}

// missingReaders returns those of a whom b does not have.
func missingReaders(a, b []keysources.Stanza) []keysources.Stanza {
	var out []keysources.Stanza
	for _, r := range a {
		if !hasReader(b, r) {
			out = append(out, r)
		}
	}
	return out
}

// proposals merges the proposals as a set.
func (s sides) proposals() ([]formats.Meta, error) {
	list := func(m *Metadata) []formats.Meta {
		if m == nil || m.Seal == nil {
			return nil
		}
		return m.Seal.proposals
	}
	in := func(all []formats.Meta, p *formats.Meta) bool {
		return slices.ContainsFunc(all, func(q formats.Meta) bool { return q.Equal(p) })
	}
	base, ours, theirs := list(s.base), list(s.ours), list(s.theirs)
	var out []formats.Meta
	for i := range ours {
		if p := &ours[i]; in(theirs, p) || !in(base, p) {
			out = append(out, *p)
		}
	}
	for i := range theirs {
		if p := &theirs[i]; !in(ours, p) && !in(base, p) {
			out = append(out, *p)
		}
	}
	if len(out) > maxProposals {
		return nil, unmergeable(fmt.Sprintf("the two sides together hold more than %d proposals", maxProposals))
	}
	return out, nil
}

// sharesStanza reports whether two versions have a wrapped key in common, so that
// their data key is the same.
func sharesStanza(a, b *Metadata) bool {
	if a == nil || b == nil || len(a.Groups) != len(b.Groups) {
		return false
	}
	for i := range a.Groups {
		for _, s := range a.Groups[i] {
			same := func(t keysources.Stanza) bool {
				return slices.Equal(s.Fields, t.Fields) && keysources.SameKey(s, t)
			}
			if s.Get("enc") != "" && slices.ContainsFunc(b.Groups[i], same) {
				return true
			}
		}
	}
	return false
}

// sharesKey is sharesStanza for versions whose key may have been wrapped anew for
// everybody: a ciphertext in common tells, too. Nobody is stopped from copying one,
// so it is no more than a reason to try.
func sharesKey(a, b *bare) bool {
	if a == nil || b == nil {
		return false
	}
	if sharesStanza(a.meta, b.meta) {
		return true
	}
	sealed := map[string]bool{}
	for _, l := range a.doc.Leaves {
		if looksSealed(l.Text) {
			sealed[l.Text] = true
		}
	}
	return slices.ContainsFunc(b.doc.Leaves, func(l formats.Leaf) bool { return sealed[l.Text] })
}
