package main

import (
	"context"
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

func resealCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "reseal",
		Usage:     "end merges and edits that were made without a key",
		UsageText: "gitseal reseal [FLAGS] [FILE|FOLDER…]",
		Description: `A file that was merged without an identity says so, and no other command opens it. Its three
versions are read from git's object store, verified and merged again; the file is resealed only
if it holds what that gives and, where there were conflicts, what one of the sides has. Comments
are taken as they stand. Ciphertexts stay. Without arguments the files of this folder are taken.

If a version is gone (another clone, after a rebase), merging again where it still is, or
--trust, is the way out: that seals what stands there. Each sealed value is authentic for its key
then, but nothing vouches for which version it is of, nor for plain values and structure.

A file that was edited without a key is compared with the version that it was edited from, which
must be there and is verified. All sealed values must be that version's. What else has changed is
listed, and is resealed with --accept-changes: look at it first (gitseal diff).

Examples:
   gitseal reseal
   gitseal reseal --dry-run prod.yaml`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "verify and say what would be done, and write nothing"},
			&cli.BoolFlag{Name: "trust", Usage: "reseal what stands there, without comparing it with its versions"},
			&cli.BoolFlag{Name: "accept-changes", Usage: "reseal files that were edited without a key (gitseal edit --redacted --needs-reseal), with what was changed"},
			&cli.BoolFlag{Name: "ignore-rule", Usage: "reseal files that are not sealed as their rule says; they stay so"},
			jsonFlag(), quietFlag(),
		}, keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			if c.NArg() == 0 {
				sub, err := withArguments(c, []string{"."})
				if err != nil {
					return err
				}
				return runReseal(sub, s, u)
			}
			return runReseal(c, s, u)
		},
	}
}

// resealResult is the JSON form of what became of a file.
type resealResult struct {
	File   string `json:"file"`
	Action string `json:"action"`
	DryRun bool   `json:"dry_run,omitempty"`
}

const actionResealed = "resealed"

func runReseal(c *cli.Context, s std, u *ui) error {
	in, err := readSealed(c, s, u)
	if err != nil {
		return err
	}
	g, err := newMergers(c, s, u)
	if err != nil {
		return err
	}
	defer g.close()
	g.ignoreRule = c.Bool("ignore-rule")
	var jobs []atomicfile.Job
	results := []resealResult{}
	for _, f := range in {
		if f.path == "" {
			return usageError("standard input cannot be changed in place", "name a file or folder")
		}
		if f.fromFolder && !isHalfMerged(f) {
			continue
		}
		result := resealResult{File: f.name, Action: actionUnchanged, DryRun: g.dryRun}
		data, err := g.reseal(c.Context, f, nil)
		switch {
		case errors.Is(err, cipher.ErrNotHalfMerged):
		case err != nil:
			return &fileError{name: f.name, unsealing: true, err: err}
		default:
			result.Action = actionResealed
			job, err := jobFor(f, data, nil)
			if err != nil {
				return &fileError{name: f.name, err: err}
			}
			jobs = append(jobs, job)
		}
		results = append(results, result)
	}
	if !g.dryRun {
		if err := writeAll(u, jobs); err != nil {
			return err
		}
	}
	return reportResealed(u, results, c.Bool("json"))
}

// isHalfMerged reports whether a file found in a folder is to be resealed.
func isHalfMerged(in input) bool {
	doc, err := in.format.Parse(in.data)
	if err != nil || doc.Meta == nil {
		return false
	}
	m, err := cipher.ParseMetadata(doc)
	return err == nil && m.Merged() != nil
}

// reseal returns the resealed file. change, if not nil, is made to its plain text.
func (g *mergers) reseal(ctx context.Context, in input, change func([]byte) ([]byte, error)) ([]byte, error) {
	opts, err := g.options(ctx, in, true)
	if err != nil {
		return nil, err
	}
	opts.Trust = g.c.Bool("trust")
	if id := editedFrom(in); id != "" && !opts.Trust {
		return g.resealEdited(ctx, in, id)
	}
	r, err := cipher.ResealWith(ctx, in.format, in.data, opts, change)
	if err != nil {
		return nil, err
	}
	for _, w := range r.Warnings {
		g.ui.warn(in.name + ": " + w.String())
	}
	if opts.Trust {
		g.ui.warn(in.name + ": nothing vouches for which version its values are of, nor for plain values and structure (--trust)")
	}
	return r.Bytes, nil
}

func reportResealed(u *ui, results []resealResult, asJSON bool) error {
	if asJSON {
		return u.json(results)
	}
	for _, r := range results {
		switch {
		case r.Action == actionUnchanged:
			u.note(r.File + ": neither merged nor edited without its key, unchanged")
		case r.DryRun:
			u.note(r.File + ": would be resealed")
		default:
			u.note(r.File + ": resealed; git add " + hintName(r.File) + " is next")
		}
	}
	if len(results) == 0 {
		u.note("no file was merged or edited without its key")
	}
	return nil
}
