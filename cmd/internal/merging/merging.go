// Package merging merges the versions of one file for git: sealed ones with or
// without a key, plain ones that merely have the same name.
package merging

import (
	"bytes"
	"context"
	"errors"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// Driver merges versions of one file.
type Driver struct {
	Format formats.Format
	// Opaque: to the format a plain file is one value. It is merged line by line.
	Opaque bool
	Labels merge.Labels
	// MarkerSize is how many characters a conflict marker has.
	MarkerSize int
	// Options are how sealed versions are opened and sealed.
	Options cipher.MergeOptions
}

// Outcome is what becomes of the file. It prints redacted.
type Outcome struct {
	// Text is the merged file, with conflict markers if there are conflicts.
	Text []byte
	// Conflicts are the places that somebody has to decide about.
	Conflicts []merge.Conflict
	// Whole says, if it is not empty, why the file as a whole is one conflict.
	Whole string
	// Cause is what stood in the way then, nil if there is nothing more to say.
	Cause error
	// NeedsKey: an identity could merge what is now one conflict.
	NeedsKey bool
	// HalfMerged: the file has to be resealed.
	HalfMerged bool
	// NoKey: it was merged without an identity, for this reason.
	NoKey    error
	Warnings []cipher.Warning
}

// String says nothing of the content.
func (o Outcome) String() string { return "<merged file>" }

// GoString says nothing of the content.
func (o Outcome) GoString() string { return "<merged file>" }

// Clean reports whether nothing is left to decide.
func (o *Outcome) Clean() bool { return o.Whole == "" && len(o.Conflicts) == 0 }

// ErrByLine: the versions are plain, and have no keys to merge by; only a merge line
// by line is left.
var ErrByLine = errors.New("neither sealed nor to be read as a file with keys")

// Merge merges the versions. Its error says that one of them must not be merged at
// all (it was tampered with, or is for another place), or is [ErrByLine].
func (d *Driver) Merge(ctx context.Context, v merge.Versions) (*Outcome, error) {
	ours, theirs := d.look(v.Ours), d.look(v.Theirs)
	switch {
	case ours.sealed && theirs.sealed:
		return d.sealed(ctx, v)
	case ours.sealed || theirs.sealed:
		return d.whole(v, "one side is sealed and the other is not"), nil
	case d.Opaque:
		return nil, ErrByLine
	case ours.marked || theirs.marked:
		return d.whole(v, "a sealed version cannot be read: "+cmpErr(ours.err, theirs.err)), nil
	}
	return d.plain(v)
}

func cmpErr(errs ...error) string {
	for _, err := range errs {
		if err != nil {
			return err.Error()
		}
	}
	return "its metadata block is missing"
}

// looked is what a version looks like.
type looked struct {
	// sealed: it has a metadata block. marked: it has none, but holds sealed values.
	sealed, marked bool
	err            error
}

func (d *Driver) look(src []byte) looked {
	marked := bytes.Contains(src, []byte(cipher.SealedPrefix))
	doc, err := d.Format.Parse(src)
	if err != nil {
		return looked{marked: marked, err: err}
	}
	return looked{sealed: doc.Meta != nil, marked: marked}
}

// sealed merges with an identity, or else without.
func (d *Driver) sealed(ctx context.Context, v merge.Versions) (*Outcome, error) {
	m, err := cipher.Merge(ctx, d.Format, v, d.Options)
	var noKey error
	if lacksKey(err) && ctx.Err() == nil {
		noKey = err
		m, err = cipher.MergeSealed(d.Format, v, d.Options.Record)
	}
	var un *cipher.UnmergeableError
	if errors.As(err, &un) {
		o := d.whole(v, un.Reason)
		o.NeedsKey, o.Cause = un.NeedsKey, un.Err
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	return &Outcome{
		Text: d.mark(m.Ours, m.Theirs), Conflicts: m.Conflicts,
		HalfMerged: m.HalfMerged, NoKey: noKey, Warnings: m.Warnings,
	}, nil
}

// lacksKey reports whether an error says that the versions cannot be opened here,
// and nothing worse.
func lacksKey(err error) bool {
	return errors.As(err, new(*cipher.NoIdentityError)) || errors.Is(err, cipher.ErrPartGone) || errors.Is(err, cipher.ErrHalfMerged)
}

// plain merges plain files by key path.
func (d *Driver) plain(v merge.Versions) (*Outcome, error) {
	if base := d.look(v.Base); base.sealed || base.marked || base.err != nil {
		v.Base = nil
	}
	r, err := merge.Merge(d.Format, v, merge.Options{})
	if err != nil {
		return nil, errors.Join(ErrByLine, err)
	}
	return &Outcome{Text: d.mark(r.Ours, r.Theirs), Conflicts: r.Conflicts}, nil
}

// whole leaves the choice between both sides.
func (d *Driver) whole(v merge.Versions, why string) *Outcome {
	o := &Outcome{Text: v.Ours, Whole: why}
	if text, ok := Both(v, d.Labels, d.MarkerSize); ok {
		o.Text = text
	}
	return o
}

// Both returns our and their version in one text, with conflict markers around the lines
// in which they differ; ok is false if one of them is binary, so that nobody could read
// that.
func Both(v merge.Versions, l merge.Labels, size int) (text []byte, ok bool) {
	if bytes.IndexByte(v.Ours, 0) >= 0 || bytes.IndexByte(v.Theirs, 0) >= 0 {
		return nil, false
	}
	if bytes.Equal(v.Ours, v.Theirs) {
		return v.Ours, true
	}
	return merge.Mark(v.Ours, v.Theirs, l, size), true
}

func (d *Driver) mark(ours, theirs []byte) []byte {
	if bytes.Equal(ours, theirs) {
		return ours
	}
	return merge.Mark(ours, theirs, d.Labels, d.MarkerSize)
}
