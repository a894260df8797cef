package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/merging"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/keysources"
)

// mergers merges and reseals files in a call.
type mergers struct {
	rewriter
	// repos are the repositories that versions are read from, :: topmost folder.
	repos map[string]*gitrepo.Repo
}

func newMergers(c *cli.Context, s std, u *ui) (*mergers, error) {
	r, err := newRewriter(c, s, u)
	return &mergers{rewriter: r, repos: map[string]*gitrepo.Repo{}}, err
}

func (g *mergers) close() {
	for _, r := range g.repos {
		r.Close()
	}
}

// repo returns the repository that a file lies in, nil if there is none.
func (g *mergers) repo(ctx context.Context, file string) (*gitrepo.Repo, error) {
	root, ok := gitrepo.Root(filepath.Dir(file))
	if !ok {
		return nil, nil
	}
	if r := g.repos[root]; r != nil {
		return r, nil
	}
	r, err := gitrepo.Open(ctx, root, formats.MaxSealed)
	if err == nil {
		g.repos[root] = r
	}
	return r, err
}

// options are how versions of a file are merged. strict: the result must be as the
// file's rule wants it.
func (g *mergers) options(ctx context.Context, in input, strict bool) (cipher.MergeOptions, error) {
	opts := cipher.MergeOptions{Open: g.ids.openOptions(), Recipient: g.ids.standing}
	var err error
	if opts.Open.RequireSeal, err = g.book.requiresIntegrity(in.rulePath); err != nil {
		return opts, err
	}
	repo, err := g.repo(ctx, in.rulePath)
	if err != nil {
		return opts, err
	}
	if repo != nil {
		opts.Blob = func(id string) ([]byte, error) {
			data, err := repo.Blob(id)
			if errors.Is(err, gitrepo.ErrNone) {
				err = cipher.ErrPartGone
			}
			if err == nil {
				data, err = in.unfiled(data)
			}
			return data, err
		}
	}
	opts.Admit = func(a cipher.Admission) error { return g.admit(in, a, strict) }
	return opts, nil
}

// mergeWay is how versions are merged. strict: the result must be as the file's rule
// wants it.
type mergeWay struct {
	strict     bool
	markerSize int
}

// mergeVersions merges the versions of a file.
func (g *mergers) mergeVersions(ctx context.Context, in input, v merge.Versions, way mergeWay) (*merging.Outcome, error) {
	if m := newInsideMerge(in, v); m != nil {
		return m.merge(ctx, g, way)
	}
	d, err := g.driver(ctx, in, v, way)
	if err != nil {
		return nil, err
	}
	return d.Merge(ctx, v)
}

// driver returns what merges the versions of a file: v itself or, of SealedManifests, what
// they hold in spec.document.
func (g *mergers) driver(ctx context.Context, in input, v merge.Versions, way mergeWay) (*merging.Driver, error) {
	opts, err := g.options(ctx, in, way.strict)
	if err != nil {
		return nil, err
	}
	root, _ := gitrepo.Root(filepath.Dir(in.rulePath)) // else git's own folder, where we run
	namer, err := gitrepo.NewNamer(ctx, root)
	if err != nil {
		return nil, err
	}
	opts.Record = cipher.MergeRecord{Ours: namer.ID(v.Ours), Theirs: namer.ID(v.Theirs)}
	if len(v.Base) > 0 {
		opts.Record.Base = namer.ID(v.Base)
	}
	return &merging.Driver{Format: in.format, Opaque: in.formatName == "binary", Labels: merge.Labels{Ours: "ours", Theirs: "theirs"}, MarkerSize: way.markerSize, Options: opts}, nil
}

// admit compares what is to be sealed with the file's rule. While git merges, the
// rule on disk may not be merged yet; then it is asked only about those who would
// get the data key and could not have it otherwise, about settings that one side has
// changed, and about files whose readers nothing vouches for.
func (g *mergers) admit(in input, a cipher.Admission, strict bool) error {
	if !strict && len(a.Newcomers)+len(a.Changed) == 0 && !a.Unvouched || g.ignoreRule {
		return nil
	}
	p, err := g.ruleOf(in)
	if err != nil {
		return err
	}
	parts := p.differences(a.Metadata, a.Document)
	switch {
	case p.chosen && strict && len(parts) > 0:
		return errUnlikeRule(parts)
	case p.chosen && len(parts) > 0:
		return &cipher.UnmergeableError{Reason: "the merged file would not be sealed as its rule says: " + strings.Join(parts, ", "), Err: errByRule}
	case !p.chosen && len(a.Newcomers) > 0:
		return &cipher.UnmergeableError{Reason: fmt.Sprintf("one side has a new data key and the other let %s in, and no rule says who may read the file", newcomersText(a.Newcomers)), Err: errByRule}
	case len(a.Changed) > 0 && (a.OtherKey || a.Unvouched) && (!p.chosen || slices.Contains(a.Changed, "context")):
		// Rules say nothing of contexts.
		return &cipher.UnmergeableError{Reason: "one side has changed the " + strings.Join(a.Changed, ", ") + ", which anybody could do, and no rule says that it is right", Err: errByRule}
	}
	return nil
}

// errByRule: a file is not merged because of its rule.
var errByRule = errors.New("not as the rule says")

func newcomersText(list []keysources.Stanza) string {
	var names []string
	for _, s := range list {
		names = append(names, s.Reader())
	}
	return readersText(names)
}

// report tells how a merge ended; its error is git's sign that something is left to
// do.
func (g *mergers) report(in input, out *merging.Outcome) error {
	name := hintName(in.name)
	for _, w := range out.Warnings {
		g.ui.warn(in.name + ": " + w.String())
	}
	switch {
	case out.Whole != "":
		hint := "gitseal resolve " + name + " --whole --ours (or --theirs) takes one side, and drops all that the other changed"
		if errors.Is(out.Cause, errByRule) {
			hint = "when .sops.yaml is merged and says how the file is to be sealed, gitseal resolve " + name + " tries again; --whole --ours (or --theirs) takes one side"
		}
		if errors.Is(out.Cause, cipher.ErrExposed) {
			hint = "look who changed what is to be sealed (git log), and take one side: gitseal resolve " + name + " --whole --ours (or --theirs); gitseal set makes the other's changes again"
		}
		if errors.Is(out.Cause, cipher.ErrEdited) {
			hint = "a reader looks at that side and reseals it first, on its branch (gitseal reseal --accept-changes " + name + "); merge again then, or take one side: gitseal resolve " + name + " --whole --ours (or --theirs)"
		}
		if out.NeedsKey {
			hint = "somebody with an identity can merge the two: gitseal resolve " + name + "; or take one side, whole: --whole --ours (or --theirs)"
		}
		return &commandError{code: exitWrongState, text: "the whole file is in conflict: " + out.Whole, hint: hint}
	case len(out.Conflicts) > 0:
		return &commandError{code: exitWrongState, text: "both sides changed " + conflictPaths(out.Conflicts),
			hint: "gitseal resolve " + name + " KEY --ours, --theirs or --edit settles a key"}
	case out.HalfMerged:
		g.ui.note(in.name + ": merged without a key; gitseal reseal " + name + " ends the merge, by somebody who can open the file")
	}
	return nil
}

// maxConflictsShown bounds the list of keys in a message.
const maxConflictsShown = 8

func conflictPaths(list []merge.Conflict) string {
	var out []string
	for i, c := range list {
		if i == maxConflictsShown {
			out = append(out, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		out = append(out, c.Path.String())
	}
	return strings.Join(out, ", ")
}
