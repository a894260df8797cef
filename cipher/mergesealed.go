package cipher

import (
	"bytes"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// Merged is the result of a merge. It prints redacted.
type Merged struct {
	// Ours and Theirs are the merged file, every conflict settled for one side; they
	// are equal if there is none, and else differ only there.
	Ours, Theirs []byte
	// Conflicts are the places where both sides made different changes.
	Conflicts []merge.Conflict
	// HalfMerged: the file has to be resealed, see [Reseal].
	HalfMerged bool
	// Warnings are for people.
	Warnings []Warning
}

// String says nothing of the content.
func (m Merged) String() string { return "<merged file>" }

// GoString says nothing of the content.
func (m Merged) GoString() string { return "<merged file>" }

// mergeBase is the base of a merge as a text to compare with.
type mergeBase struct {
	*bare
	src []byte
	// poisoned are the places at which the base is itself undecided.
	poisoned []*formats.Path
}

// readBase reads a base, which may be a merge of several bases with conflicts in
// it. What cannot be read is as good as none: whatever the sides do not have in
// common then conflicts. Nothing of the base gets into a result; who makes one up
// can at most choose which of two sides wins.
func readBase(f formats.Format, src []byte) *mergeBase {
	if !merge.HasMarkers(src) {
		b, err := readBare(f, src)
		if err != nil {
			return nil
		}
		return &mergeBase{bare: b, src: src}
	}
	one, other, ok := merge.Split(src)
	if !ok {
		return nil
	}
	a, errA := readBare(f, one)
	b, errB := readBare(f, other)
	if errA != nil || errB != nil || !a.doc.Meta.Equal(b.doc.Meta) {
		return nil // nobody has chosen between two files
	}
	conflicts, err := merge.Conflicts(f, a.text, b.text)
	if err != nil {
		return nil
	}
	base := &mergeBase{bare: a, src: one}
	for _, c := range conflicts {
		base.poisoned = append(base.poisoned, c.Path)
	}
	return base
}

// MergeSealed merges two versions of a sealed file without any key: values are
// equal if their ciphertexts are. The result is half-merged, as rec says, unless it
// is one of the sides as it was: every value in it is authentic for its key, and
// nothing vouches for the whole until [Reseal] has checked it. Nothing is verified. A side
// that was edited without its key is not merged ([ErrEdited], in an [UnmergeableError]):
// Reseal could not check the result.
//
// Its error is or wraps a [formats.Error], [ErrNotSealed], a [TamperedError] for a
// block that cannot be read, or an [UnmergeableError].
func MergeSealed(f formats.Format, v merge.Versions, rec MergeRecord) (*Merged, error) {
	if one := trivialMerge(v); one != nil {
		return &Merged{Ours: one, Theirs: one}, nil
	}
	k, err := readKeyless(f, v)
	if err != nil {
		return nil, err
	}
	r, err := k.merge()
	if err != nil {
		return nil, err
	}
	if k.isSide(r, k.ours) {
		return &Merged{Ours: v.Ours, Theirs: v.Ours}, nil
	}
	if k.isSide(r, k.theirs) {
		return &Merged{Ours: v.Theirs, Theirs: v.Theirs}, nil
	}
	if k.ours.meta.Merged().EditedFrom() != "" || k.theirs.meta.Merged().EditedFrom() != "" {
		return nil, unmergeableEdited(ErrEdited)
	}
	k.block.Seal.merged = &rec
	out := &Merged{Conflicts: r.Conflicts, HalfMerged: true}
	if out.Ours, err = dress(f, r.Ours, k.block.build()); err == nil {
		out.Theirs, err = dress(f, r.Theirs, k.block.build())
	}
	if err != nil {
		return nil, &UnmergeableError{Reason: "the merged file cannot be written: " + err.Error(), Err: err}
	}
	return out, nil
}

func unmergeableEdited(err error) error {
	return &UnmergeableError{Reason: "one side cannot be merged: " + err.Error(), Err: err}
}

// trivialMerge returns the side that was changed if the other was not, nil if both
// were.
func trivialMerge(v merge.Versions) []byte {
	switch {
	case bytes.Equal(v.Ours, v.Theirs), len(v.Base) > 0 && bytes.Equal(v.Base, v.Theirs):
		return v.Ours
	case len(v.Base) > 0 && bytes.Equal(v.Base, v.Ours):
		return v.Theirs
	}
	return nil
}

// keyless is a merge by ciphertext.
type keyless struct {
	format       formats.Format
	base         *mergeBase
	ours, theirs *bare
	// lead is the side whose data key the result has, rotated whether the other
	// has another one.
	lead    *bare
	rotated bool
	// block is that of the result.
	block *Metadata
}

func readKeyless(f formats.Format, v merge.Versions) (*keyless, error) {
	k := &keyless{format: f}
	var err error
	if k.ours, err = readBare(f, v.Ours); err != nil {
		return nil, err
	}
	if k.theirs, err = readBare(f, v.Theirs); err != nil {
		return nil, err
	}
	if len(v.Base) > 0 {
		k.base = readBase(f, v.Base)
	}
	if err := k.chooseLead(); err != nil {
		return nil, err
	}
	k.block, err = k.sides().merge(k.lead.meta)
	return k, err
}

func (k *keyless) sides() sides {
	s := sides{ours: k.ours.meta, theirs: k.theirs.meta}
	if k.base != nil {
		s.base = k.base.meta
	}
	return s
}

// chooseLead settles under which data key the result is sealed.
func (k *keyless) chooseLead() error {
	var base *bare
	if k.base != nil {
		base = k.base.bare
	}
	k.lead = k.ours
	if sharesKey(k.ours, k.theirs) {
		if k.theirs.meta.LastModified.After(k.ours.meta.LastModified) {
			k.lead = k.theirs
		}
		return nil
	}
	k.rotated = true
	switch ours, theirs := sharesKey(base, k.ours), sharesKey(base, k.theirs); {
	case ours && !theirs:
		k.lead = k.theirs
	case !theirs || ours:
		return &UnmergeableError{Reason: "the two sides have different data keys", NeedsKey: true}
	}
	return nil
}

func (k *keyless) merge() (*merge.Result, error) {
	v := merge.Versions{Ours: k.ours.text, Theirs: k.theirs.text}
	var o merge.Options
	if k.base != nil {
		v.Base, o.Poisoned = k.base.text, k.base.poisoned
	}
	r, err := merge.Merge(k.format, v, o)
	if err != nil {
		return nil, &UnmergeableError{Reason: "the two sides cannot be merged key by key: " + err.Error(), Err: err}
	}
	if k.rotated && (len(r.Conflicts) > 0 || !k.onlyOfLead(r.Ours)) {
		return nil, &UnmergeableError{Reason: "one side has a new data key, and the other has changed values or readers", NeedsKey: true}
	}
	for _, text := range [][]byte{r.Ours, r.Theirs} {
		if err := k.checkSelected(text); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// onlyOfLead reports whether all that is sealed in a text, and the readers, are
// those of the lead: the other side's ciphertexts are of no use under its key.
func (k *keyless) onlyOfLead(text []byte) bool {
	doc, err := k.format.Parse(text)
	if err != nil || !sameReaders(k.block.Groups, k.lead.meta.Groups) {
		return false
	}
	known := map[string]bool{}
	for _, l := range k.lead.doc.Leaves {
		known[l.Text] = true
	}
	for _, l := range doc.Leaves {
		if looksSealed(l.Text) && !known[l.Text] {
			return false
		}
	}
	return true
}

// checkSelected refuses a result in which something is plain that the selector
// wants sealed, or the other way round: one side has changed the selector.
func (k *keyless) checkSelected(text []byte) error {
	doc, err := k.format.Parse(text)
	if err != nil {
		return err
	}
	for i, info := range InspectLeaves(k.block, doc) {
		if info.State == StateExposed && info.Kind != formats.Comment || info.State == StatePlain && looksSealed(doc.Leaves[i].Text) {
			return &UnmergeableError{Reason: info.Path.String() + ": one side has changed what is to be sealed", NeedsKey: true}
		}
	}
	return nil
}

// isSide reports whether a merge gave just what one side has.
func (k *keyless) isSide(r *merge.Result, side *bare) bool {
	return len(r.Conflicts) == 0 && bytes.Equal(r.Ours, side.text) && sameReaders(k.block.Groups, side.meta.Groups) &&
		k.block.Threshold == side.meta.Threshold && k.block.Selector.String() == side.meta.Selector.String() &&
		k.block.MACOnlyEncrypted == side.meta.MACOnlyEncrypted && k.block.context() == side.meta.context() &&
		sameNodes(k.block.Seal.proposals, side.meta.Seal)
}

func sameNodes(list []formats.Meta, e *SealEntry) bool {
	var other []formats.Meta
	if e != nil {
		other = e.proposals
	}
	if len(list) != len(other) {
		return false
	}
	for i := range list {
		if !list[i].Equal(&other[i]) {
			return false
		}
	}
	return true
}
