package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/lsp"
	"github.com/gitseal/gitseal/cmd/internal/redacted"
	"github.com/gitseal/gitseal/formats"
)

// Seal seals a plain text, or the plain values that somebody has written into a sealed
// one. Who cannot open the file gets these as proposals.
func (l *languageServer) Seal(ctx context.Context, f lsp.File) (lsp.Made, error) {
	r, in, err := l.newCall(f)
	if err != nil {
		return lsp.Made{}, shown(f, err)
	}
	doc, err := in.format.Parse(in.data)
	if err != nil {
		return lsp.Made{}, shown(f, err)
	}
	var made lsp.Made
	if doc.Meta != nil {
		made, err = l.sealRest(ctx, r, in)
	} else {
		made, err = l.sealPlain(ctx, r, in)
	}
	return made, shown(f, err)
}

func (l *languageServer) sealPlain(ctx context.Context, r rewriter, in input) (lsp.Made, error) {
	config, err := r.book.config(in.rulePath)
	if err == nil && config == nil {
		err = failure("no rule says for whom it is to be sealed", "gitseal init makes rules")
	}
	if err != nil {
		return lsp.Made{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run := &sealRun{planner: r.planner, std: l.std, ui: r.ui}
	j := &sealJob{in: in}
	if j.plan, err = run.plan(in); err != nil {
		return lsp.Made{}, err
	}
	if run.prev, err = run.findPrevious(ctx, []input{in}); err != nil {
		return lsp.Made{}, err
	}
	defer run.prev.close()
	if err := run.seal(ctx, j); err != nil {
		return lsp.Made{}, err
	}
	if j.sealed == nil {
		return lsp.Made{Text: in.data, Note: "it is sealed already"}, nil
	}
	warnOfMix(r.ui, in.name, j.plan.recipients())
	return madeOf(r.ui, j.sealed, fmt.Sprintf("%s sealed for %s; save it", counted(j.sealed.Values, "value"), readersText(readersOfSealed(j.sealed, in))))
}

// sealRest seals the plain values in a sealed text. The last version that was whole is
// opened and verified; of the text, sealed values count only where they were.
func (l *languageServer) sealRest(ctx context.Context, r rewriter, in input) (lsp.Made, error) {
	edited, err := redacted.New(in.format, in.data)
	if err != nil {
		return lsp.Made{}, err
	}
	base, view, err := wholeVersion(ctx, in)
	if err != nil {
		return lsp.Made{}, err
	}
	run := &redactedRun{ui: r.ui, std: l.std, in: base, view: view}
	run.set = setRun{rewriter: r, name: in.name}
	d, err := view.Read(in.format, edited.Text, run.generate)
	if err != nil {
		return lsp.Made{}, explainEdited(err)
	}
	for _, i := range d.New {
		if err := in.checkName(d.Document.Leaves[i].Path); err != nil {
			return lsp.Made{}, err
		}
	}
	result, err := run.set.prepare(ctx, base, func(o *cipher.Opened, _ *cipher.SealOptions) ([]byte, error) { return o.Restore(d.Text) })
	var none *cipher.NoIdentityError
	switch {
	case errors.As(err, &none) && len(none.Causes) == 0:
		return run.inProposals(ctx, d)
	case err != nil:
		return lsp.Made{}, err
	}
	warnAbout(r.ui, in.name, result.opened)
	return madeOf(r.ui, result.sealed, counted(len(d.New), "value")+" sealed; save it")
}

// inProposals returns the file with its new values as proposals.
func (r *redactedRun) inProposals(ctx context.Context, d *redacted.Draft) (lsp.Made, error) {
	keyless, err := r.view.Keyless(r.in.format, d)
	if err == nil && keyless.NeedsKey != nil {
		err = keyless.NeedsKey
	}
	var needs *redacted.NeedsKeyError
	if errors.As(err, &needs) {
		return lsp.Made{}, &commandError{code: exitNoIdentity, text: err.Error(), hint: "take back everything but new values at keys that are sealed: those can be proposed"}
	}
	if err == nil && r.view.Metadata.Seal == nil {
		err = failure("the file has no place for proposals: only sops's own MAC protects it", "somebody who can open it makes it one: gitseal import "+r.in.name)
	}
	if err == nil {
		err = r.set.checkReaders(r.in, r.view.Metadata)
	}
	if err != nil {
		return lsp.Made{}, err
	}
	contents, err := r.contents(ctx, keyless.Changes)
	if err != nil {
		return lsp.Made{}, err
	}
	text, err := r.proposed(ctx, r.in.data, keyless, contents)
	if err != nil {
		return lsp.Made{}, err
	}
	note := counted(len(contents), "value") + " proposed, not set: no identity opens the file; " + acceptText(r.in.name, r.view.Metadata.Readers())
	return lsp.Made{Text: text, Note: r.ui.warned(note)}, nil
}

// wholeVersion returns the last version of a sealed file in which everything is sealed
// that should be: that on the disk, or one in git.
func wholeVersion(ctx context.Context, in input) (input, *redacted.View, error) {
	if data, err := readFile(in.path); err == nil {
		if view := wholeView(in.format, data); view != nil {
			in.data = data
			return in, view, nil
		}
	}
	none := failure("neither on the disk nor in git is a version of it in which everything is sealed", "take the plain values out, save the file, and set them with gitseal set")
	root, ok := gitrepo.Root(filepath.Dir(in.path))
	if !ok {
		return in, nil, none
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	repo, err := gitrepo.Open(ctx, root, formats.MaxSealed)
	if err != nil {
		return in, nil, err
	}
	defer repo.Close()
	for data, err := range repo.Versions(in.path) {
		if err != nil {
			return in, nil, fmt.Errorf("reading the previous version from git: %w", err)
		}
		if view := wholeView(in.format, data); view != nil {
			in.data = data
			return in, view, nil
		}
	}
	return in, nil, none
}

// wholeView returns the view of a sealed file in which all is as its selector says, nil
// for others.
func wholeView(f formats.Format, data []byte) *redacted.View {
	if !bytes.Contains(data, []byte(cipher.SealedPrefix)) {
		return nil
	}
	view, err := redacted.New(f, data)
	if err != nil {
		return nil
	}
	for i, info := range view.Leaves {
		plain := info.State == cipher.StateExposed || info.State == cipher.StateMalformed
		if plain && view.Document.Leaves[i].Kind != formats.Comment {
			return nil
		}
	}
	return view
}

// Generate puts a new secret at a key; who cannot open the file gets it as a proposal.
func (l *languageServer) Generate(ctx context.Context, f lsp.File, key *formats.Path, kind string) (lsp.Made, error) {
	made, err := l.generate(ctx, f, key, kind)
	return made, shown(f, err)
}

func (l *languageServer) generate(ctx context.Context, f lsp.File, key *formats.Path, kind string) (lsp.Made, error) {
	g, err := findGenerator(kind, 0, false)
	if err != nil {
		return lsp.Made{}, err
	}
	r, in, err := l.newCall(f)
	if err != nil {
		return lsp.Made{}, err
	}
	set := &setRun{rewriter: r, name: in.name, path: key, typ: typeAuto, value: &newValue{std: l.std, ui: r.ui, generator: &g}}
	result, err := set.prepare(ctx, in, func(o *cipher.Opened, opts *cipher.SealOptions) ([]byte, error) {
		return set.applyTo(ctx, in, o.PlaintextBytes(), opts.Selector)
	})
	public := func(note string) string {
		if set.value.public != "" {
			note += "; its public part is " + set.value.public
		}
		return note
	}
	var none *cipher.NoIdentityError
	switch {
	case errors.As(err, &none) && len(none.Causes) == 0:
		text, err := set.proposedText(ctx, in)
		return lsp.Made{Text: text, Note: r.ui.warned(public("a new " + kind + " was proposed for " + key.String() + ": " + acceptText(in.name, set.result.Readers)))}, err
	case err != nil:
		return lsp.Made{}, err
	}
	warnAbout(r.ui, in.name, result.opened)
	return madeOf(r.ui, result.sealed, public("a new "+kind+" is at "+key.String()+"; save it"))
}

// proposedText returns a sealed text with the value as a proposal.
func (r *setRun) proposedText(ctx context.Context, in input) ([]byte, error) {
	report, err := cipher.Inspect(in.format, in.data)
	if err != nil {
		return nil, err
	}
	m := report.Metadata
	if m.Seal == nil {
		return nil, failure("the file has no place for proposals: only sops's own MAC protects it", "somebody who can open it makes it one: gitseal import "+in.name)
	}
	if err := r.checkReaders(in, m); err != nil {
		return nil, err
	}
	contents, err := r.contents(ctx, in, report)
	if err != nil {
		return nil, err
	}
	recipients, err := recipientsOf(fileKeys(m), m.Threshold, r.ids.recipient)
	if err != nil {
		return nil, err
	}
	text := in.data
	r.result.Readers = m.Readers()
	by := r.proposer(ctx, in)
	for _, content := range contents {
		content.By, content.Timeout = by, r.ids.timeout
		content.Groups, content.Threshold = recipients.groups, recipients.threshold
		if text, err = cipher.Propose(ctx, in.format, text, content); err != nil {
			return nil, err
		}
	}
	return text, nil
}
