package cipher

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/keysources"
)

// MergeOptions is how versions of a file are to be merged with an identity.
type MergeOptions struct {
	// Open says how the versions are opened: each is verified.
	Open OpenOptions
	// Recipient makes the recipient for a reader that a version names.
	Recipient func(keysources.Stanza) keysources.Recipient
	// Admit, if not nil, is asked before anything is sealed; its error stops the
	// merge.
	Admit func(Admission) error
	// Blob returns what a [MergeRecord] names. Without it, half-merged versions
	// cannot be opened.
	Blob func(id string) ([]byte, error)
	// Record is what the result is made of, noted in it if there are conflicts.
	Record MergeRecord
	// Trust lets [Reseal] do without the versions: nothing then vouches for which
	// version a value is of, nor for plain values and structure.
	Trust bool
	// Now is the time to note; zero means the current time.
	Now time.Time
}

// Admission is what is to be agreed to before a merged file is sealed.
type Admission struct {
	// Metadata are the readers and settings of the result.
	Metadata *Metadata
	// Document is the plain file.
	Document *formats.Document
	// Newcomers are readers for whom the data key is to be wrapped who cannot open
	// the version that it comes from: somebody who was removed on one side may have
	// let them in on the other.
	Newcomers []keysources.Stanza
	// Unvouched: not all versions have a sops.seal entry, so that nothing vouches for
	// who their readers are.
	Unvouched bool
	// Changed are the settings of the result that only one of the sides has: selector,
	// mac_only_encrypted, context, threshold.
	Changed []string
	// OtherKey: the sides have different data keys. Whoever has made one of them need
	// not have been able to open the other.
	OtherKey bool
}

// merger is one merge or reseal.
type merger struct {
	ctx    context.Context
	format formats.Format
	opts   MergeOptions
	// known are the versions that were opened.
	known []*Opened
	// finished are the half-merged versions that were verified, :: source → file.
	finished map[string]*Opened
	// comments are those of all versions that were opened, :: ciphertext → text.
	comments map[string]string
	depth    int
}

func newMerger(ctx context.Context, f formats.Format, o MergeOptions) *merger {
	o.Open.PlainOnly = false
	return &merger{ctx: ctx, format: f, opts: o, finished: map[string]*Opened{}, comments: map[string]string{}}
}

// versions are the three versions of a merge, opened. base is nil if there is none
// that can be compared with.
type versions struct {
	base, ours, theirs *Opened
	poisoned           []*formats.Path
}

// Merge merges two versions of a sealed file by key path. Both are opened and
// verified, their plain files are merged, and the result is sealed; values keep
// their ciphertexts. Without conflicts the result is a sealed file like any other;
// with some it is half-merged, and [Reseal] ends it when they are settled.
//
// A base that does not open is as good as none. One that is itself half-merged or
// undecided is compared with, unverified: nothing of it gets into the result.
//
// What is sealed on a side is not plain in the result, unless the other side has that
// very value plain at that place ([ErrExposed], in an [UnmergeableError]): else whoever
// can write a file of their own, with another selector, could have values exposed that
// they cannot open. Nor is a side merged that was edited without its key ([ErrEdited], in
// an [UnmergeableError]).
//
// Its error is or wraps those of [Open] and [Seal], [ErrPartGone], an
// [UnmergeableError], or what Admit returns.
func Merge(ctx context.Context, f formats.Format, v merge.Versions, o MergeOptions) (*Merged, error) {
	if one := trivialMerge(v); one != nil {
		return &Merged{Ours: one, Theirs: one}, nil
	}
	g := newMerger(ctx, f, o)
	vs, err := g.open(v)
	if errors.Is(err, ErrEdited) {
		return nil, unmergeableEdited(err)
	}
	if err != nil {
		return nil, err
	}
	plan, err := g.plan(vs)
	if err != nil {
		return nil, err
	}
	if err := g.admit(plan, plan.result.Ours); err != nil {
		return nil, err
	}
	out := &Merged{Conflicts: plan.result.Conflicts, Warnings: plan.warnings}
	sealed, err := g.seal(plan, plan.result.Ours, nil)
	if err != nil {
		return nil, err
	}
	if out.Ours, out.Theirs = sealed, sealed; len(out.Conflicts) > 0 {
		err = g.mark(plan, out)
	}
	return out, err
}

// mark seals the other text of a merge with conflicts, too, and gives both the same
// block.
func (g *merger) mark(plan *mergePlan, out *Merged) error {
	ours, err := g.reopen(out.Ours, plan)
	if err != nil {
		return err
	}
	theirs, err := g.seal(plan, plan.result.Theirs, ours)
	if err != nil {
		return err
	}
	block := *ours.Metadata
	seal := *block.Seal
	seal.merged = &g.opts.Record
	block.Seal = &seal
	for _, side := range []struct {
		to  *[]byte
		src []byte
	}{{&out.Ours, out.Ours}, {&out.Theirs, theirs}} {
		b, err := readBare(g.format, side.src)
		if err == nil {
			*side.to, err = dress(g.format, b.text, block.build())
		}
		if err != nil {
			return &UnmergeableError{Reason: "the merged file cannot be written: " + err.Error(), Err: err}
		}
	}
	out.HalfMerged = true
	return nil
}

// reopen opens what was just sealed.
func (g *merger) reopen(sealed []byte, plan *mergePlan) (*Opened, error) {
	for _, o := range []*Opened{plan.lead, plan.ours, plan.theirs} {
		if bytes.Equal(o.source, sealed) {
			return o, nil
		}
	}
	doc, m, err := parseSealed(g.format, sealed)
	if err != nil {
		return nil, err
	}
	o := &Opened{Metadata: m, format: g.format, source: sealed, key: plan.sealedWith}
	if err := o.open(doc, OpenOptions{}); err != nil {
		return nil, err
	}
	o.plain, err = o.restore()
	return o, err
}

// open opens the versions.
func (g *merger) open(v merge.Versions) (*versions, error) {
	vs := &versions{}
	var err error
	if vs.ours, err = g.version(v.Ours); err != nil {
		return nil, err
	}
	if vs.theirs, err = g.version(v.Theirs); err != nil {
		return nil, err
	}
	if len(v.Base) == 0 {
		return vs, nil
	}
	vs.base, vs.poisoned, err = g.baseVersion(v.Base)
	return vs, err
}

// version opens and verifies a version, half-merged ones by the versions that they
// were made of.
func (g *merger) version(src []byte) (*Opened, error) {
	o, err := openKnowing(g.ctx, g.format, src, g.opts.Open, g.known)
	if errors.Is(err, ErrHalfMerged) && g.opts.Blob != nil {
		o, err = g.finish(src)
	}
	if err != nil {
		return nil, err
	}
	g.known = append(g.known, g.note(o))
	return o, nil
}

// baseVersion opens a base to compare with. Only the end of the context is an error.
func (g *merger) baseVersion(src []byte) (*Opened, []*formats.Path, error) {
	o, err := openKnowing(g.ctx, g.format, src, g.opts.Open, g.known)
	if err == nil {
		g.known = append(g.known, g.note(o))
		return o, nil, nil
	}
	if g.ctx.Err() != nil {
		return nil, nil, g.ctx.Err()
	}
	if errors.Is(err, ErrHalfMerged) && g.opts.Blob != nil {
		if o, err = g.finish(src); err == nil {
			g.known = append(g.known, g.note(o))
			return o, nil, nil
		}
	}
	b := readBase(g.format, src)
	if b == nil || b.meta.Merged() == nil {
		return nil, nil, nil
	}
	k, err := keyOf(g.ctx, b.meta, g.opts.Open, g.known)
	if err != nil {
		return nil, nil, g.ctx.Err()
	}
	if o, err = g.openUnverified(b.bare, b.src, k.key, g.known); err != nil {
		return nil, nil, nil
	}
	return o, b.poisoned, nil
}

// openUnverified opens the values of a file of which no MAC is right, each under the
// additional data of its place; comments may have moved. spelled are versions that its
// values may be from.
func (g *merger) openUnverified(b *bare, src []byte, key dataKey, spelled []*Opened) (*Opened, error) {
	if err := checkUnselected(b.doc, b.meta.Selector.Select(b.doc)); err != nil {
		return nil, err
	}
	m := *b.meta
	own := m.Seal
	if own != nil && own.mac == "" {
		m.Seal = nil // it is read as strictly as sops's files are
	}
	o := &Opened{Metadata: &m, format: g.format, source: src, key: key, spell: &spelling{}}
	o.moved = &movedComments{known: g.comments, pieces: make([][]commentPiece, len(b.doc.Leaves))}
	if err := o.decrypt(b.doc); err != nil {
		return nil, err
	}
	if own != nil {
		if s, ok := openSpelling(own.spelling, key); ok {
			o.spell.add(s)
			o.spell.flags = s.flags
		}
	}
	for _, v := range spelled {
		if v != nil && v.spell != nil {
			o.spell.add(v.spell)
		}
	}
	var err error
	o.plain, err = o.restore()
	return o, err
}
