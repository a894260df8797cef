package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/formats"
)

// marked returns the file with what was changed without its key, and the mark that a
// reader is to reseal it. The version before must be in git: it is what a reader
// compares the file with.
func (r *redactedRun) marked(ctx context.Context, text []byte) ([]byte, error) {
	if r.view.Metadata.Seal == nil {
		return nil, failure("the file has no place for the mark: only sops's own MAC protects it", "somebody who can open it makes it one: gitseal import "+r.in.name)
	}
	root, ok := gitrepo.Root(filepath.Dir(r.in.path))
	if !ok {
		return nil, failure("the file is in no git repository, where a reader would find what it was before", "have somebody who can open the file hand in the text")
	}
	namer, err := gitrepo.NewNamer(ctx, root)
	if err != nil {
		return nil, err
	}
	id := namer.ID(r.in.file())
	if r.view.Metadata.Merged().EditedFrom() == "" {
		repo, err := gitrepo.Open(ctx, root, formats.MaxSealed)
		if err != nil {
			return nil, err
		}
		defer repo.Close()
		if _, err := repo.Blob(id); err != nil {
			return nil, &commandError{code: exitWrongState, text: "git does not have the file as it is now, which a reader has to compare the change with",
				hint: "git add " + r.in.name + ", or commit it, before you change it"}
		}
	}
	r.result.NeedsReseal = true
	return cipher.MarkEdited(r.in.format, text, r.in.data, id)
}

// editedFrom returns the id of what a file was edited from without its key, "" if it
// was not.
func editedFrom(in input) string {
	doc, err := in.format.Parse(in.data)
	if err != nil || doc.Meta == nil {
		return ""
	}
	m, err := cipher.ParseMetadata(doc)
	if err != nil {
		return ""
	}
	return m.Merged().EditedFrom()
}

// resealEdited returns a file that was edited without its key, sealed by who has it
// and accepts the changes.
func (g *mergers) resealEdited(ctx context.Context, in input, id string) ([]byte, error) {
	repo, err := g.repo(ctx, in.path)
	if err != nil {
		return nil, err
	}
	if repo == nil {
		return nil, failure("the file was edited without its key, and there is no git repository that holds what it was before", "reseal it where it was edited")
	}
	base, err := repo.Blob(id)
	if errors.Is(err, gitrepo.ErrNone) {
		return nil, failure("the file was edited without its key, and git does not have the version "+id+" that it was edited from", "fetch it, or reseal the file where it was edited")
	}
	if err != nil {
		return nil, err
	}
	if base, err = in.unfiled(base); err != nil {
		return nil, fmt.Errorf("the version %s that it was edited from: %w", id, err)
	}
	opts := g.ids.openOptions()
	if opts.RequireSeal, err = g.book.requiresIntegrity(in.rulePath); err != nil {
		return nil, err
	}
	e, err := cipher.OpenEdited(ctx, in.format, in.data, base, opts)
	if err != nil {
		return nil, err
	}
	if err := g.checkRule(in, e.Opened.Metadata); err != nil {
		return nil, err
	}
	what := changedText(e.Changed)
	if !g.c.Bool("accept-changes") {
		return nil, &commandError{code: exitWrongState, text: "edited without its key: " + what,
			hint: "look at the changes (gitseal diff, git log -p), then gitseal reseal --accept-changes " + in.name + ", or git checkout what was there before"}
	}
	sealing := g.optionsOf(e.Opened)
	if err := g.keepBound(in, e.Opened, e.Plain, &sealing); err != nil {
		return nil, err
	}
	s, err := cipher.Seal(ctx, in.format, e.Plain, sealing)
	if err == nil {
		err = g.passExposing(in, s.Exposed)
	}
	if err != nil {
		return nil, err
	}
	g.ui.note(in.name + ": accepted: " + what)
	return s.Bytes, s.Check(s.Bytes)
}

// checkRule refuses a file that is not sealed as its rule says.
func (g *mergers) checkRule(in input, m *cipher.Metadata) error {
	p, err := g.ruleOf(in)
	if err != nil || g.ignoreRule {
		return err
	}
	parts, err := g.drift(in, m, p)
	if err == nil && len(parts) > 0 {
		err = errUnlikeRule(parts)
	}
	return err
}

// changedText names the places that an edit has changed.
func changedText(paths []*formats.Path) string {
	if len(paths) == 0 {
		return "the order or the layout"
	}
	var names []string
	seen := map[string]bool{}
	for _, p := range paths {
		if name := p.String(); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
