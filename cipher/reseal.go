package cipher

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

const (
	// maxMergeDepth bounds how many half-merged versions may be made of each other. All
	// of them are in memory in the end: of large files only leastMergeDepth, or as many
	// as have maxMergeBytes.
	maxMergeDepth   = 512
	leastMergeDepth = 64
	maxMergeBytes   = 16 << 20
)

// ErrMergeDepth: a half-merged file was made of half-merged versions, which were made of
// others, and so on, for too long.
var ErrMergeDepth = errors.New("too many half-merged versions were made of each other")

// partError is what is wrong with a version that a file was merged from, however many
// merges ago.
type partError struct{ err error }

func (e *partError) Error() string {
	return "a version that the file was merged from: " + e.err.Error()
}
func (e *partError) Unwrap() error { return e.err }

func ofPart(err error) error {
	if errors.As(err, new(*partError)) {
		return err
	}
	return &partError{err}
}

// Resealed is the result of Reseal. It prints redacted.
type Resealed struct {
	// Bytes is the sealed file.
	Bytes    []byte
	Warnings []Warning
}

// String says nothing of the content.
func (r Resealed) String() string { return "<resealed file>" }

// GoString says nothing of the content.
func (r Resealed) GoString() string { return "<resealed file>" }

// Reseal ends a half-merged file. It reads the versions that the file was made of,
// verifies each, merges them again, and seals the file only if it holds what that
// gives or, where both sides made different changes, what one of them has. Comments
// are taken as they stand. Ciphertexts stay.
//
// Its error is or wraps those of [Merge], [ErrPartGone], or a [TamperedError] that
// names the first place at which the file holds something else; for a file that is
// not half-merged it is [ErrNotHalfMerged], and [ErrEdited] for one that was edited, or
// was made of such a version: its versions do not give what stands there.
func Reseal(ctx context.Context, f formats.Format, src []byte, o MergeOptions) (*Resealed, error) {
	return newMerger(ctx, f, o).reseal(src, nil)
}

// ResealWith is Reseal with a change to the plain file that comes before it is
// sealed.
func ResealWith(ctx context.Context, f formats.Format, src []byte, o MergeOptions, change func(plain []byte) ([]byte, error)) (*Resealed, error) {
	return newMerger(ctx, f, o).reseal(src, change)
}

func (g *merger) reseal(src []byte, change func([]byte) ([]byte, error)) (*Resealed, error) {
	b, err := readBare(g.format, src)
	if err != nil {
		return nil, err
	}
	rec := b.meta.Merged()
	if rec == nil {
		return nil, ErrNotHalfMerged
	}
	if g.opts.Trust {
		return g.resealTrusting(b, src, change)
	}
	raw, err := g.parts(*rec)
	if err != nil {
		return nil, err
	}
	vs, err := g.open(raw)
	if err != nil {
		return nil, ofPart(err)
	}
	plan, err := g.plan(vs)
	if err != nil {
		return nil, err
	}
	h, err := g.openHalf(b, src, vs)
	if err != nil {
		return nil, err
	}
	plain, err := g.agreed(b, h, plan, raw)
	if t := (*TamperedError)(nil); errors.As(err, &t) && t.Reason == ReasonMerge && rec.EditedFrom() != "" {
		return nil, ErrEdited
	}
	if err != nil {
		return nil, err
	}
	plan.block.Seal.proposals = b.meta.Seal.proposals // anybody may have added some
	plan.warnings = append(plan.warnings, foreignComments(h, vs.ours, vs.theirs)...)
	return g.sealAgreed(plan, plain, h, change)
}

func (g *merger) sealAgreed(plan *mergePlan, plain []byte, h *Opened, change func([]byte) ([]byte, error)) (*Resealed, error) {
	var err error
	if change != nil {
		if plain, err = change(plain); err != nil {
			return nil, err
		}
	}
	if err := g.admit(plan, plain); err != nil {
		return nil, err
	}
	out, err := g.seal(plan, plain, h)
	if err != nil {
		return nil, err
	}
	return &Resealed{Bytes: out, Warnings: plan.warnings}, nil
}

// parts reads the versions of a record.
func (g *merger) parts(rec MergeRecord) (merge.Versions, error) {
	var v merge.Versions
	if g.opts.Blob == nil {
		return v, ErrPartGone
	}
	for _, part := range []struct {
		id string
		to *[]byte
	}{{rec.Base, &v.Base}, {rec.Ours, &v.Ours}, {rec.Theirs, &v.Theirs}} {
		if part.id == "" {
			continue
		}
		data, err := g.opts.Blob(part.id)
		if err != nil {
			return v, err
		}
		*part.to = data
	}
	return v, nil
}

// finish reseals a half-merged version in memory.
func (g *merger) finish(src []byte) (*Opened, error) {
	if o := g.finished[string(src)]; o != nil {
		return o, nil
	}
	deepest := min(maxMergeDepth, max(leastMergeDepth, maxMergeBytes/(len(src)+1)))
	if g.depth++; g.depth > deepest {
		return nil, fmt.Errorf("%w: more than %d", ErrMergeDepth, deepest)
	}
	defer func() { g.depth-- }()
	inner := *g
	inner.opts.Trust = false
	r, err := inner.reseal(src, nil)
	if err != nil {
		return nil, err
	}
	o, err := openKnowing(g.ctx, g.format, r.Bytes, g.opts.Open, inner.known)
	if err != nil {
		return nil, err
	}
	g.finished[string(src)] = o
	return o, nil
}

// openHalf opens the values of a half-merged file.
func (g *merger) openHalf(b *bare, src []byte, vs *versions) (*Opened, error) {
	var known []*Opened
	if vs != nil {
		known = []*Opened{vs.ours, vs.theirs}
		if vs.base != nil {
			known = append(known, vs.base)
		}
	}
	k, err := keyOf(g.ctx, b.meta, g.opts.Open, known)
	if err != nil {
		return nil, err
	}
	o, err := g.openUnverified(b, src, k.key, known)
	if err == nil && vs != nil {
		o.spell.flags = vs.flags()
		o.plain, err = o.restore()
	}
	return o, err
}

// flags merges what the versions say of their ends.
func (v *versions) flags() uint64 {
	if v.base == nil {
		return v.ours.spell.flags
	}
	changed := v.ours.spell.flags ^ v.base.spell.flags
	return v.ours.spell.flags&changed | v.theirs.spell.flags&^changed
}

// agreed checks a half-merged file against the merge of its versions, and returns
// the plain file to seal.
func (g *merger) agreed(b *bare, h *Opened, p *mergePlan, raw merge.Versions) ([]byte, error) {
	byCiphertext, same := g.keylessCheck(b, raw)
	if len(byCiphertext) > 0 {
		byValue, err := g.check(h.plain, p.result)
		if err != nil {
			return nil, err
		}
		if len(byValue) > 0 {
			// The file was made in one of the two ways; the other knows nothing of it.
			found := byValue
			if len(byCiphertext) < len(byValue) {
				found = byCiphertext
			}
			return nil, &TamperedError{Reason: ReasonMerge, Path: found[0]}
		}
	}
	if same && len(p.result.Conflicts) == 0 {
		return p.result.Ours, nil
	}
	return h.plain, nil
}

// keylessCheck compares a half-merged file with a merge by ciphertext. It returns
// the places that differ, and whether the file is that merge to the byte.
func (g *merger) keylessCheck(b *bare, raw merge.Versions) (differ []*formats.Path, same bool) {
	everywhere := []*formats.Path{formats.Root(0)}
	k, err := readKeyless(g.format, raw)
	if err != nil {
		return everywhere, false
	}
	r, err := k.merge()
	if err != nil {
		return everywhere, false
	}
	if differ, err = g.check(b.text, r); err != nil {
		return everywhere, false
	}
	return differ, bytes.Equal(b.text, r.Ours) && len(r.Conflicts) == 0
}

// resealTrusting seals what stands in a file, whatever it was made of.
func (g *merger) resealTrusting(b *bare, src []byte, change func([]byte) ([]byte, error)) (*Resealed, error) {
	h, err := g.openHalf(b, src, nil)
	if err != nil {
		return nil, err
	}
	block := *b.meta
	seal := *block.Seal
	seal.merged = nil
	block.Seal = &seal
	// What stands there is no version to be taken for the result.
	lead := *h
	m := *h.Metadata
	m.Seal, lead.Metadata, lead.plain = nil, &m, nil
	plan := &mergePlan{versions: &versions{ours: &lead, theirs: &lead}, lead: &lead, block: &block}
	return g.sealAgreed(plan, h.plain, h, change)
}
