package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/editor"
	"github.com/gitseal/gitseal/cmd/internal/redacted"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// edit opens the text in the user's editor until it can be taken, or is given up.
func (r *redactedRun) edit(ctx context.Context) error {
	command, err := chooseEditor(ctx, r.set.c, r.std, r.ui) // new values will be in the text
	if err != nil {
		return err
	}
	return r.editWith(ctx, command)
}

func (r *redactedRun) editWith(ctx context.Context, command *editor.Command) error {
	session, err := openEditor(ctx, r.std, r.ui, command, r.in)
	if err != nil {
		return err
	}
	if r.text == nil {
		r.text = r.view.Text
		tellOfRescues(r.rescues, r.ui, r.in.path)
	}
	err = session.Loop(editor.Job{
		Text: r.text, Base: r.view.Text,
		Notes: append(r.notes,
			"tokens such as <sealed string …> stand for sealed values: leave them at their keys, or write new values in their place",
			"<generate password> makes one; these lines are left out",
		),
		Accept: r.accept,
	})
	if err != nil && !errors.Is(err, editor.ErrUnchanged) {
		r.rescue(ctx, session)
	}
	err = errors.Join(err, session.Close())
	var gaveUp *editor.GaveUpError
	switch {
	case err == nil:
		r.forgetRescue()
		return r.report()
	case errors.Is(err, editor.ErrUnchanged):
		r.result.Action = actionUnchanged
		return r.report()
	case errors.As(err, &gaveUp):
		return &fileError{name: r.in.name, unsealing: true, err: gaveUp.Err}
	}
	return explainEditor(err, command)
}

// accept makes the file what the edited text says, or says what is wrong with it.
func (r *redactedRun) accept(ctx context.Context, text []byte) error {
	err := errMarksLeft()
	if !r.conflicted || !merge.HasMarkers(text) {
		err = r.apply(ctx, text)
	}
	if err == nil {
		return nil
	}
	return &editor.Again{Err: err, Notes: []string{err.Error(), explain(err).hints[0], "correct it and save, or leave the text as it is to give up"}}
}

// errMeanwhile: somebody has changed the file since it was read.
var errMeanwhile = errors.New("the file was changed meanwhile")

// apply makes the file what the edited text says. If somebody else changes the file
// meanwhile, both changes are made.
func (r *redactedRun) apply(ctx context.Context, edited []byte) (err error) {
	in, view := r.in, r.view
	defer func() {
		if err != nil { // the text that people go on with comes from what was there first
			r.in, r.view = in, view
		}
	}()
	for {
		err := r.applyOnce(ctx, edited)
		if !errors.Is(err, errMeanwhile) || ctx.Err() != nil {
			return err
		}
		if edited, err = r.merged(edited); err != nil {
			return err
		}
	}
}

// merged reads the file again and returns its text with the changes of the edited one.
func (r *redactedRun) merged(edited []byte) ([]byte, error) {
	in := r.in
	if err := in.reread(); err != nil {
		return nil, err
	}
	now, err := redacted.New(in.format, in.data)
	if err == nil {
		err = r.set.otherSelector(r.in, r.view.Metadata.Selector, now.Metadata.Selector)
	}
	if err != nil {
		return nil, err
	}
	result, err := merge.Merge(r.in.format, merge.Versions{Base: r.view.Text, Ours: edited, Theirs: now.Text}, merge.Options{})
	if err != nil {
		return nil, err
	}
	if len(result.Conflicts) > 0 {
		var names []string
		for _, c := range result.Conflicts {
			names = append(names, c.Path.String())
		}
		return nil, &commandError{code: exitWrongState, text: "somebody has changed the same keys meanwhile: " + strings.Join(names, ", "),
			hint: "look at the file as it is now (gitseal view), and make the change again"}
	}
	r.in, r.view = in, now
	return result.Ours, nil
}

func (r *redactedRun) applyOnce(ctx context.Context, edited []byte) error {
	r.result.Action, r.result.New, r.result.Public = actionUnchanged, []string{}, nil
	if bytes.Equal(edited, r.view.Text) {
		return nil
	}
	d, err := r.view.Read(r.in.format, edited, r.generate)
	if err != nil {
		return explainEdited(err)
	}
	for _, i := range d.New {
		path := d.Document.Leaves[i].Path
		if err := r.in.checkName(path); err != nil {
			return err
		}
		r.result.New = append(r.result.New, path.Text())
	}
	if r.set.c.Bool("propose") {
		return r.propose(ctx, d)
	}
	err = r.write(ctx, d)
	if errors.Is(err, cipher.ErrHalfMerged) && r.view.Metadata.Merged().EditedFrom() != "" {
		return r.propose(ctx, d) // one more edit of somebody without the key
	}
	var none *cipher.NoIdentityError
	if !errors.As(err, &none) {
		return err
	}
	if len(none.Causes) > 0 {
		return &commandError{code: exitNoIdentity, text: err.Error(), hint: explain(err).hints[0] + "; or leave new values as proposals with --propose"}
	}
	return r.propose(ctx, d)
}

// explainEdited adds to an error about the edited text what can be done. It is about
// a text that somebody has just written: nothing that it says of the sealed file is
// true of it.
func explainEdited(err error) error {
	var place *redacted.Error
	var own *commandError
	switch {
	case errors.As(err, &place) && errors.As(err, &own):
		return failure(err.Error(), own.hint)
	case errors.As(err, &place):
		return failure(err.Error(), "nothing was changed; gitseal edit --help says what tokens stand for")
	case errors.Is(err, cipher.ErrAlreadySealed), errors.Is(err, formats.ErrMetadata):
		return failure("the edited text has a metadata block: "+err.Error(), "hand in what gitseal view prints, with your changes; gitseal keys changes readers")
	case errors.Is(err, formats.ErrDuplicate):
		return failure("the edited text: "+err.Error(), "nothing was changed; which of the two counts depends on the reader: leave one in the text")
	case errors.As(err, new(*formats.Error)):
		_, hint := explainFormat(err, "", false)
		if hint == "" || errors.Is(err, formats.ErrSyntax) {
			hint = "nothing was changed; correct the text"
		}
		return failure("the edited text: "+err.Error(), hint)
	}
	return fmt.Errorf("the edited text: %w", err)
}
