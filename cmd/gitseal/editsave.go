package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/editor"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// editing is the editing of one file.
type editing struct {
	*editRun
	in input
	// opened is the version that the edit began with, nil for a new file, of which making
	// says how it is to be sealed.
	opened *cipher.Opened
	making *sealJob
	// base is the plain text that the edit is to be compared with, and baseSealed the
	// version that it comes from.
	base, baseSealed []byte
	// before is what the edit was before a conflict was shown.
	before *beforeConflict
	// rescueID is that of the copy that is being taken up again.
	rescueID string
	// merged: what somebody else has changed was taken in. marked: the text has the
	// marks of a conflict.
	merged, marked bool
	// saved is what was written, nil if the file already was as it should be.
	saved *cipher.Sealed
}

// beforeConflict is an edit and what it was compared with.
type beforeConflict struct{ text, base, baseSealed []byte }

// run edits a text until it is saved, and keeps it if it is not.
func (e *editing) run(ctx context.Context, text []byte, notes []string) error {
	session, err := openEditor(ctx, e.std, e.ui, e.command, e.in)
	if err != nil {
		return &fileError{name: e.in.name, err: err}
	}
	job := editor.Job{Text: text, Notes: notes, Base: e.base, Accept: e.accept}
	if e.rescueID != "" && e.opened != nil {
		job.Base = e.opened.PlaintextBytes()
	}
	dir := session.Dir()
	err = session.Loop(job)
	unchanged := errors.Is(err, editor.ErrUnchanged)
	if err != nil && !unchanged {
		e.rescue(ctx, session, text)
	}
	if e := session.Close(); e != nil {
		err = errors.Join(fmt.Errorf("removing the plain text from %s: %w", dir, e), err)
	}
	switch {
	case unchanged:
		e.ui.note(e.in.name + ": no changes")
		return nil
	case err != nil:
		gaveUp := errors.As(err, new(*editor.GaveUpError)) // then it is about the text
		return &fileError{name: e.in.name, unsealing: !gaveUp, err: explainEditor(err, e.command)}
	}
	e.report()
	return nil
}

// accept saves what was edited, or says what is wrong with it.
func (e *editing) accept(ctx context.Context, text []byte) error {
	if e.marked && merge.HasMarkers(text) {
		return &editor.Again{Err: errMarksLeft(), Notes: []string{"the text still has the marks of a conflict (<<<<<<<, =======, >>>>>>>): keep what is right, and delete them"}}
	}
	if err := e.freshRules(ctx); err != nil {
		return err
	}
	if e.making != nil {
		err := e.create(ctx, text)
		if !errors.Is(err, atomicfile.ErrChanged) {
			return e.again(ctx, err)
		}
		// Somebody else has made the file meanwhile.
		if err := e.becomeExisting(ctx); err != nil {
			return err
		}
	}
	for {
		result, err := e.rewrite(ctx, e.in, func(o *cipher.Opened, _ *cipher.SealOptions) ([]byte, error) { return e.mergeWith(o, text) })
		if errors.Is(err, errConflict) {
			if err = e.showConflict(ctx, text); err == nil {
				continue // it is gone again
			}
		}
		if err == nil && result.changed() {
			e.saved = result.sealed
		}
		return e.again(ctx, err)
	}
}

func errMarksLeft() error {
	return failure("the text has the marks of a conflict", "keep what is right, and delete them")
}

// errConflict: the file was changed meanwhile in a way that contradicts the edit.
var errConflict = errors.New("somebody else has changed the same")

// mergeWith returns the edited text with what was changed in the file since the
// edit began.
func (e *editing) mergeWith(o *cipher.Opened, text []byte) ([]byte, error) {
	if err := e.checkSelector(o); err != nil {
		return nil, err
	}
	theirs := o.PlaintextBytes()
	if e.merged = false; bytes.Equal(theirs, e.base) || bytes.Equal(theirs, text) {
		return text, nil
	}
	if _, err := e.in.format.Parse(text); err != nil {
		return nil, err
	}
	result, err := merge.Merge(e.in.format, merge.Versions{Base: e.base, Ours: text, Theirs: theirs}, merge.Options{})
	if err != nil || len(result.Conflicts) > 0 {
		return nil, errConflict
	}
	e.merged = true
	return result.Ours, nil
}

// showConflict makes a text with both sides of a conflict to be edited. Without an
// error there is none any more.
func (e *editing) showConflict(ctx context.Context, text []byte) error {
	o, err := e.reload(ctx)
	if err == nil {
		err = e.checkSelector(o)
	}
	if err != nil {
		return err
	}
	ours, theirs := text, o.PlaintextBytes()
	result, err := merge.Merge(e.in.format, merge.Versions{Base: e.base, Ours: ours, Theirs: theirs}, merge.Options{})
	notes := []string{"somebody else has changed the file meanwhile, and what they did contradicts your edit:"}
	if err == nil {
		if len(result.Conflicts) == 0 {
			return nil
		}
		ours, theirs = result.Ours, result.Theirs
		for _, c := range result.Conflicts[:min(len(result.Conflicts), maxWarnings)] {
			notes = append(notes, "   "+c.Path.String())
		}
	}
	e.before = &beforeConflict{bytes.Clone(text), e.base, e.baseSealed}
	e.base, e.baseSealed, e.marked = o.PlaintextBytes(), e.in.data, true
	notes = append(notes, "keep what is right of what is marked, delete the marks, and save; leave the text as it is to give up")
	labels := merge.Labels{Ours: "your edit", Theirs: "the file as it is now"}
	const markSize = 7
	return &editor.Again{Err: errConflictLeft(), Text: merge.Mark(ours, theirs, labels, markSize), Notes: notes}
}

func errConflictLeft() error {
	return failure("somebody else has changed the file meanwhile, and what they did contradicts your edit", "run gitseal edit again: both versions are shown")
}

// reload opens the file as it is now.
func (e *editing) reload(ctx context.Context) (*cipher.Opened, error) {
	in, err := loadSealed(e.c, e.std, e.in.name)
	if err != nil {
		return nil, err
	}
	o, _, err := e.open(ctx, in)
	if err == nil {
		e.in, e.opened = in, o
	}
	return o, err
}

// becomeExisting goes on with a file that was new when the edit began.
func (e *editing) becomeExisting(ctx context.Context) error {
	if _, err := e.reload(ctx); err != nil {
		return err
	}
	e.making, e.base = nil, nil
	return nil
}

// again wraps what is wrong with the text itself, so that the editor opens again.
func (e *editing) again(ctx context.Context, err error) error {
	if err == nil || !isAboutText(err) {
		return err
	}
	if e.making == nil {
		// It may be the file that somebody else has spoiled meanwhile.
		if _, err := e.reload(ctx); err != nil {
			return err
		}
	}
	x := explain(&fileError{name: e.in.name, err: err})
	notes := []string{"not saved: " + oneLine(err.Error())}
	for _, hint := range x.hints {
		notes = append(notes, "hint: "+oneLine(hint))
	}
	where := "lines are counted below these notes; "
	if commentOf(e.in.formatName) == "" {
		where = ""
	}
	return &editor.Again{Err: err, Notes: append(notes, where+"leave the text as it is to give up")}
}

// isAboutText reports whether an error can be mended by editing the text.
func isAboutText(err error) bool {
	var format *formats.Error
	var place *cipher.PathError
	return errors.As(err, &format) || errors.As(err, &place) || errors.As(err, new(*manifest.Problem)) || slices.ContainsFunc([]error{
		cipher.ErrNothingSelected, cipher.ErrAlreadySealed, cipher.ErrSelector, cipher.ErrMarker, cipher.ErrAliasLeak,
	}, func(target error) bool { return errors.Is(err, target) })
}

// create seals and writes a new file.
func (e *editing) create(ctx context.Context, text []byte) error {
	sealed, err := e.sealFirst(ctx, e.making, text)
	if err != nil {
		return err
	}
	job := atomicfile.Job{Target: e.in.path, Data: sealed.Bytes}
	job.Expect, job.Root, job.Verify = expectNew(e.in.path), repositoryOf(e.in.name), sealed.Check
	job.Perm = atomicfile.Umasked(0o666)
	if err := writeAll(e.ui, []atomicfile.Job{job}); err != nil {
		return err
	}
	e.saved = sealed
	return nil
}

// report says what was done.
func (e *editing) report() {
	if e.rescueID != "" {
		if err := e.rescues.Drop(e.rescueID); err != nil {
			e.ui.warn("the kept edit " + e.rescueID + " could not be removed: " + err.Error())
		}
	}
	text := "saved"
	switch {
	case e.saved == nil:
		text = "no changes"
	case e.making != nil:
		text = "made, with " + counted(e.saved.Values, "sealed value")
		if e.making.plan.kept {
			text += ", " + e.making.plan.keptText()
		}
	case e.saved.Values > e.saved.Reused:
		text += ", with " + counted(e.saved.Values-e.saved.Reused, "value") + " sealed anew"
	}
	if e.merged {
		text += ", merged with what somebody else has changed meanwhile"
	}
	e.ui.note(e.in.name + ": " + text)
}
