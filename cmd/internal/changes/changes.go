// Package changes compares two versions of a file by the paths of its values,
// without a key: a sealed value has changed if its ciphertext has.
package changes

import (
	"errors"
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// Version is one version of a file, sealed or plain.
type Version struct {
	Document *formats.Document
	// Metadata is nil if the version is not sealed; all its values are plain then.
	Metadata *cipher.Metadata
	// Leaves are parallel to those of the document.
	Leaves []cipher.ValueInfo
}

// Parse reads a version. Its error is or wraps a [formats.Error], or is one of
// [cipher.ParseMetadata] except ErrNotSealed. Empty source is a version without values.
func Parse(f formats.Format, src []byte) (*Version, error) {
	if len(src) == 0 {
		return &Version{Document: &formats.Document{}}, nil
	}
	doc, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	v := &Version{Document: doc}
	v.Metadata, err = cipher.ParseMetadata(doc)
	if errors.Is(err, cipher.ErrNotSealed) {
		v.Metadata = nil
		for _, l := range doc.Leaves {
			v.Leaves = append(v.Leaves, cipher.ValueInfo{Path: l.Path, State: cipher.StatePlain, Kind: l.Kind})
		}
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	v.Leaves = cipher.InspectLeaves(v.Metadata, doc)
	return v, nil
}

// State is what a value was or is.
type State struct {
	// State is "" if there is no such value.
	cipher.State
	Kind formats.Kind
	// Text is the plain text of a value that is not sealed, the ciphertext of one
	// that is.
	Text string
}

// Change is a value that is not as it was.
type Change struct {
	Path *formats.Path
	Was  State
	Is   State
}

// Set is what differs between two versions.
type Set struct {
	// Values are in the order of the newer version, values that went behind those
	// before them.
	Values []Change
	// Joined and Left are readers, by keysources.Stanza.
	Joined, Left []keysources.Stanza
	// NewKey: the data key is another one, so that all sealed values have new
	// ciphertexts, whether or not the values have changed.
	NewKey bool
	// Rewrapped counts the readers for whom the same data key was wrapped anew.
	Rewrapped int
	// Selector: the selector is another one.
	Selector bool
	// Groups: the key groups or their threshold are others.
	Groups bool
	// Comments counts the comments that came, went or changed, but not the sealed ones
	// if the data key is another one: nothing can be said of these.
	Comments int
	// Proposed and Settled are proposals that came and went.
	Proposed, Settled []cipher.Proposal
	// Policy: what the file says of its MACs is otherwise: whether they leave out plain
	// values (mac_only_encrypted), whether there is a sops.seal entry, its context.
	Policy bool
	// Merged: a merge without a key left the file half done, or that was ended.
	Merged bool
}

// Empty reports whether nothing differs that a Set can tell.
func (s *Set) Empty() bool {
	return len(s.Values) == 0 && len(s.Joined) == 0 && len(s.Left) == 0 && !s.NewKey && s.Rewrapped == 0 && !s.Selector && !s.Groups && s.Comments == 0 &&
		len(s.Proposed) == 0 && len(s.Settled) == 0 && !s.Policy && !s.Merged
}

// Between compares two versions.
func Between(old, new *Version) *Set {
	s := &Set{}
	s.values(old, new)
	s.readers(old, new)
	s.comments(old, new)
	s.proposals(old.Metadata, new.Metadata)
	s.policy(old, new)
	return s
}

// HalfMerged reports whether a merge without a key left the version half done.
func (v *Version) HalfMerged() bool {
	return v.Metadata != nil && v.Metadata.Merged() != nil
}

func (v *Version) state(i int) State {
	return State{State: v.Leaves[i].State, Kind: v.Leaves[i].Kind, Text: v.Document.Leaves[i].Text}
}

func (s *Set) values(old, new *Version) {
	was := map[string]int{} // path → leaf of old
	for i, l := range old.Leaves {
		if old.Document.Leaves[i].Kind != formats.Comment {
			was[l.Path.Text()] = i
		}
	}
	kept := map[string]bool{}
	for i, l := range new.Leaves {
		if new.Document.Leaves[i].Kind == formats.Comment {
			continue
		}
		key := l.Path.Text()
		c := Change{Path: l.Path, Is: new.state(i)}
		if j, ok := was[key]; ok {
			kept[key] = true
			if c.Was = old.state(j); c.Was == c.Is {
				continue
			}
		}
		s.Values = append(s.Values, c)
	}
	for i, l := range old.Leaves {
		if old.Document.Leaves[i].Kind != formats.Comment && !kept[l.Path.Text()] {
			s.Values = append(s.Values, Change{Path: l.Path, Was: old.state(i)})
		}
	}
}

func (s *Set) comments(old, new *Version) {
	counts := func(v *Version, i int) bool {
		return v.Document.Leaves[i].Kind == formats.Comment && !(s.NewKey && v.Leaves[i].State == cipher.StateSealed)
	}
	count := map[string]int{}
	for i, l := range old.Document.Leaves {
		if counts(old, i) {
			count[l.Text]++
		}
	}
	came := 0
	for i, l := range new.Document.Leaves {
		if !counts(new, i) {
			continue
		}
		if count[l.Text] > 0 {
			count[l.Text]--
			continue
		}
		came++
	}
	went := 0
	for _, n := range count {
		went += n
	}
	s.Comments = max(came, went)
}

func (s *Set) readers(before, after *Version) {
	old, new := before.Metadata, after.Metadata
	was, is := stanzas(old), stanzas(new)
	same := 0
	for _, a := range is {
		i := slices.IndexFunc(was, func(b keysources.Stanza) bool { return keysources.SameKey(a, b) })
		switch {
		case i < 0:
			s.Joined = append(s.Joined, a)
		case slices.Equal(a.Fields, was[i].Fields):
			same++
		default:
			s.Rewrapped++
		}
	}
	for _, b := range was {
		if !slices.ContainsFunc(is, func(a keysources.Stanza) bool { return keysources.SameKey(a, b) }) {
			s.Left = append(s.Left, b)
		}
	}
	if old == nil || new == nil {
		return
	}
	s.NewKey = same == 0 && !shareCiphertext(before, after)
	if s.NewKey {
		s.Rewrapped = 0
	}
	s.Selector = old.Selector.Kind != new.Selector.Kind || old.Selector.Pattern != new.Selector.Pattern
	s.Groups = len(old.Groups) != len(new.Groups) || old.Threshold != new.Threshold
}

// shareCiphertext reports whether some value or comment is sealed as it was, which
// takes the same data key.
func shareCiphertext(old, new *Version) bool {
	sealed := map[string]bool{}
	for i, l := range old.Leaves {
		if l.State == cipher.StateSealed {
			sealed[old.Document.Leaves[i].Text] = true
		}
	}
	for i, l := range new.Leaves {
		if l.State == cipher.StateSealed && sealed[new.Document.Leaves[i].Text] {
			return true
		}
	}
	return false
}

func (s *Set) proposals(old, new *cipher.Metadata) {
	was, is := proposalsOf(old), proposalsOf(new)
	s.Proposed, s.Settled = without(is, was), without(was, is)
}

func proposalsOf(m *cipher.Metadata) []cipher.Proposal {
	if m == nil {
		return nil
	}
	list, _ := m.Proposals()
	return list
}

// without returns the proposals of a that are not among those of b.
func without(a, b []cipher.Proposal) []cipher.Proposal {
	var out []cipher.Proposal
	for _, p := range a {
		if !slices.ContainsFunc(b, func(q cipher.Proposal) bool { return q.ID() == p.ID() }) {
			out = append(out, p)
		}
	}
	return out
}

func (s *Set) policy(old, new *Version) {
	s.Merged = old.HalfMerged() != new.HalfMerged()
	if old.Metadata == nil || new.Metadata == nil {
		return
	}
	a, b := old.Metadata, new.Metadata
	s.Policy = a.MACOnlyEncrypted != b.MACOnlyEncrypted || (a.Seal == nil) != (b.Seal == nil) || ContextOf(a) != ContextOf(b)
}

// ContextOf returns what a file is for, "" if it does not say.
func ContextOf(m *cipher.Metadata) string {
	if m == nil || m.Seal == nil {
		return ""
	}
	return m.Seal.Context
}

func stanzas(m *cipher.Metadata) []keysources.Stanza {
	if m == nil {
		return nil
	}
	return slices.Concat(m.Groups...)
}
