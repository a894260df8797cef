package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

func unsetCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "unset",
		Usage:     "remove values from a sealed file",
		UsageText: "gitseal unset [FLAGS] FILE KEY.PATH…",
		Description: `A key goes with its value and all that is in it. Indexes of lists are those that the file has
before anything is removed. All of the keys are removed, or none.

` + pathHelp + `

Example:
   gitseal unset prod.yaml db.password 'hosts[2]'`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "ignore-missing", Usage: "do not fail for keys that are not there"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would be done, and write nothing"},
			jsonFlag(), quietFlag(),
		}, keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runUnset(c, s, u)
		},
	}
}

// unsetResult is the JSON form of what unset did.
type unsetResult struct {
	File    string   `json:"file"`
	Action  string   `json:"action"`
	Removed []string `json:"removed"`
	Missing []string `json:"missing"`
	DryRun  bool     `json:"dry_run,omitempty"`
}

func runUnset(c *cli.Context, s std, u *ui) error {
	args := c.Args().Slice()
	if len(args) < 2 || args[0] == stdinArg {
		return usageError("name a file and the keys to remove from it", "gitseal unset FILE KEY.PATH…")
	}
	var paths []*formats.Path
	for _, a := range args[1:] {
		path, err := parsePath(a)
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	in, err := loadSealed(c, s, args[0])
	if err != nil {
		return err
	}
	r, err := newRewriter(c, s, u)
	if err != nil {
		return err
	}
	return unset(c.Context, &r, in, paths)
}

func unset(ctx context.Context, r *rewriter, in input, paths []*formats.Path) error {
	result := unsetResult{File: in.name, Action: actionUnchanged, DryRun: r.dryRun}
	done, err := r.rewrite(ctx, in, func(o *cipher.Opened, _ *cipher.SealOptions) ([]byte, error) {
		doc, err := in.format.Parse(o.PlaintextBytes())
		if err != nil {
			return nil, err
		}
		there, missing := sortOut(in, doc, paths)
		if len(missing) > 0 && !r.c.Bool("ignore-missing") {
			return nil, noSuchPath(in, doc, missing[0])
		}
		result.Removed, result.Missing = pathTexts(there), pathTexts(missing)
		slices.Reverse(result.Removed)
		return withoutPaths(in, o.PlaintextBytes(), there)
	})
	if err != nil {
		return &fileError{name: in.name, unsealing: true, err: err}
	}
	warnAbout(r.ui, in.name, done.opened)
	if done.changed() {
		result.Action = "removed"
	}
	if r.c.Bool("json") {
		return r.ui.json(result)
	}
	would := ""
	if r.dryRun {
		would = "would be "
	}
	if len(result.Removed) == 0 {
		r.ui.note(in.name + ": nothing to remove, unchanged")
		return nil
	}
	r.ui.note(fmt.Sprintf("%s: %s%s: %s", in.name, would, "removed", strings.Join(result.Removed, ", ")))
	return nil
}

// sortOut returns which of the paths lead somewhere, those behind others first so
// that removing one does not move the next, and which do not. A path in another one
// goes with that.
func sortOut(in input, doc *formats.Document, paths []*formats.Path) (there, missing []*formats.Path) {
	for _, p := range paths {
		p = in.pathIn(doc, p)
		if _, ok := doc.Node(p); !ok {
			missing = append(missing, p)
			continue
		}
		there = append(there, p)
	}
	slices.SortFunc(there, func(a, b *formats.Path) int { return comparePaths(b, a) })
	return slices.DeleteFunc(slices.Clone(there), func(p *formats.Path) bool {
		first := slices.IndexFunc(there, p.Equal)
		return there[first] != p || slices.ContainsFunc(there, func(q *formats.Path) bool { return isWithin(p, q) && !p.Equal(q) })
	}), missing
}

// comparePaths orders paths: items of one list by their index.
func comparePaths(a, b *formats.Path) int {
	steps := func(p *formats.Path) []*formats.Path {
		var out []*formats.Path
		for ; p != nil; p = p.Parent {
			out = append(out, p)
		}
		slices.Reverse(out)
		return out
	}
	return slices.CompareFunc(steps(a), steps(b), func(a, b *formats.Path) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), strings.Compare(a.Key, b.Key))
	})
}

func pathTexts(paths []*formats.Path) []string {
	out := []string{}
	for _, p := range paths {
		out = append(out, p.Text())
	}
	return out
}

// withoutPaths returns the plain file without the values at these paths, nil if
// there are none.
func withoutPaths(in input, plain []byte, paths []*formats.Path) ([]byte, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	for _, p := range paths {
		doc, err := in.format.Parse(plain)
		if err != nil {
			return nil, err
		}
		if plain, err = applyChange(in, doc, formats.Change{Path: p, Remove: true}); err != nil {
			return nil, err
		}
	}
	return plain, nil
}
