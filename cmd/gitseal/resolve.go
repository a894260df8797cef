package main

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

func resolveCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "resolve",
		Usage:     "list and settle the conflicts of a merge, key by key",
		UsageText: "gitseal resolve FILE\n   gitseal resolve [FLAGS] FILE KEY.PATH… --ours|--theirs|--edit",
		Description: `Without keys the conflicts are listed: which keys, and what each side did, never a value. No
key is needed to list, nor to take a side. --edit sets a new value, from standard input as
gitseal set does, and needs an identity; it comes last, when nothing else is in conflict.

When nothing is left to settle, the file is resealed if an identity is at hand, and else waits
for gitseal reseal. git add is yours.

If a file as a whole is in conflict, or git left one side in it without asking gitseal, the
versions in git's index are merged again first, for which an identity may be needed. What cannot
be merged is settled by --whole with --ours or --theirs: it drops all that the other side did,
and says so if the file is plain on the side that it takes, and sealed on the other.

` + pathHelp + `

Examples:
   gitseal resolve prod.yaml
   gitseal resolve prod.yaml db.password --theirs
   pass db | gitseal resolve prod.yaml db.password --edit
   gitseal resolve prod.yaml --all --ours
   gitseal resolve prod.yaml --whole --theirs`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "ours", Usage: "take what our side has (in a rebase: the branch that is rebased onto)"},
			&cli.BoolFlag{Name: "theirs", Usage: "take what the other side has"},
			&cli.BoolFlag{Name: "edit", Usage: "set a new value"},
			&cli.BoolFlag{Name: "all", Usage: "settle all keys that are in conflict"},
			&cli.BoolFlag{Name: "whole", Usage: "take the whole file from one side, without what the other changed"},
			&cli.StringFlag{Name: "type", Value: typeAuto, Usage: "the new value's `TYPE`, as in gitseal set"},
			&cli.BoolFlag{Name: "ignore-rule", Usage: "reseal the file even if it is not sealed as its rule says"},
			jsonFlag(), quietFlag(),
		}, newValueFlags(), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			r, err := newResolveRun(c, s, u)
			if err != nil {
				return err
			}
			defer r.close()
			if err := r.run(c.Context); err != nil {
				return inSet(r.in.name, true, err)
			}
			return nil
		},
	}
}

// resolveRun is one call of resolve.
type resolveRun struct {
	*mergers
	in    input
	keys  []*formats.Path
	value *newValue
	// left is the file as it was read, and then with the conflicts that are left.
	left *cipher.Undecided
	// index is what git has of the conflict; it is read when it may be needed.
	index indexed
	// merged: the versions in the index were merged again, without a conflict.
	merged bool
	// nowPlain: what was sealed is plain on the side that was taken.
	nowPlain bool
}

func newResolveRun(c *cli.Context, s std, u *ui) (*resolveRun, error) {
	name := c.Args().First()
	ways := 0
	for _, flag := range []string{"ours", "theirs", "edit"} {
		if c.Bool(flag) {
			ways++
		}
	}
	switch {
	case name == "" || name == stdinArg:
		return nil, usageError("name a file", "gitseal resolve FILE lists its conflicts")
	case ways > 1:
		return nil, usageError("--ours, --theirs and --edit exclude each other", "settle the keys one after another")
	case ways == 0 && (c.NArg() > 1 || c.Bool("all") || c.Bool("whole")):
		return nil, usageError("how is the conflict to be settled?", "--ours, --theirs or --edit")
	case c.Bool("all") && c.NArg() > 1:
		return nil, usageError("--all goes without keys", "leave out one of them")
	case c.Bool("whole") && (c.NArg() > 1 || c.Bool("all") || c.Bool("edit")):
		return nil, usageError("--whole takes a whole file, so it goes without keys, --all and --edit", "gitseal resolve FILE --whole --ours, or --theirs")
	case c.Bool("edit") && c.NArg() != 2:
		return nil, usageError("--edit sets the value of one key", "gitseal resolve FILE KEY.PATH --edit")
	}
	g, err := newMergers(c, s, u)
	if err != nil {
		return nil, err
	}
	g.ignoreRule = c.Bool("ignore-rule")
	r := &resolveRun{mergers: g}
	for _, arg := range c.Args().Tail() {
		path, err := parsePath(arg)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, path)
	}
	if c.Bool("edit") {
		if r.value, err = newValueFrom(c, s, u, false); err != nil {
			return nil, err
		}
	}
	r.in, err = loadUndecided(c, s, name)
	return r, err
}

// loadUndecided reads a file that may hold conflict markers.
func loadUndecided(c *cli.Context, s std, name string) (input, error) {
	sub, err := withArguments(c, []string{name})
	if err != nil {
		return input{}, err
	}
	book, err := newRuleBook(c.String("config"))
	if err != nil {
		return input{}, err
	}
	in, err := collect(sub, s, book)
	if err != nil {
		return input{}, err
	}
	if len(in) != 1 || in[0].fromFolder {
		return input{}, usageError(name+" is a folder", "name one file")
	}
	f := in[0]
	f.undecided = true
	if err := f.load(c, s, book); err != nil {
		return f, &fileError{name: name, err: err}
	}
	return f, nil
}

// settling reports whether more is asked for than a list.
func (r *resolveRun) settling() bool {
	return r.c.Bool("ours") || r.c.Bool("theirs") || r.c.Bool("edit")
}

func (r *resolveRun) run(ctx context.Context) error {
	if err := r.read(ctx); err != nil {
		return err
	}
	if r.c.Bool("whole") {
		return r.takeSide(ctx)
	}
	settling := r.settling()
	name := hintName(r.in.name)
	switch {
	case r.left == nil && r.merged || r.left == nil && !settling:
		return r.reportNone()
	case r.left == nil && r.index.unmerged():
		return &commandError{code: exitWrongState, text: "no conflict is left in the file, but git has it as unmerged",
			hint: "git add " + name + " if it is as it should be; git checkout --merge -- " + name + " puts the conflict back"}
	case r.left == nil && len(r.keys) > 0:
		return &commandError{code: exitWrongState, text: "nothing is in conflict", hint: "gitseal set " + name + " KEY changes a value"}
	case r.left == nil:
		return r.reportNone()
	case !settling:
		return r.list(ctx)
	case r.left.Whole:
		return r.errWhole()
	case len(r.keys) == 0 && !r.c.Bool("all"):
		return usageError("name the keys that are to be settled, or --all", "in conflict are "+conflictPaths(r.left.Conflicts))
	}
	return r.settle(ctx)
}

// settle lets a side win at the keys, or sets a new value.
func (r *resolveRun) settle(ctx context.Context) error {
	paths, err := r.chosen()
	if err != nil {
		return err
	}
	if r.c.Bool("edit") && len(r.left.Conflicts) > 1 {
		return &commandError{code: exitWrongState, text: "other keys are in conflict, too: " + conflictPaths(r.left.Conflicts), hint: "settle those first: --edit seals the file"}
	}
	keepOurs := r.c.Bool("ours")
	if r.c.Bool("edit") {
		keepOurs = conflictAt(r.left, paths[0]).Ours // there is only one
	}
	if r.left, err = r.left.Settle(keepOurs, paths...); err != nil {
		return err
	}
	if r.left.Whole {
		return errors.New("settling this would spoil the file: " + r.left.Why)
	}
	if len(r.left.Conflicts) > 0 || !bytes.Equal(r.left.Ours, r.left.Theirs) {
		text := merge.Mark(r.left.Ours, r.left.Theirs, sideLabels(), gitMarkerSize)
		if err := r.write(text); err != nil {
			return err
		}
		return r.reportSettled(ctx, paths, false)
	}
	return r.end(ctx, paths)
}

// chosen returns the conflicts that the arguments name.
func (r *resolveRun) chosen() ([]*formats.Path, error) {
	var out []*formats.Path
	if r.c.Bool("all") {
		for _, c := range r.left.Conflicts {
			out = append(out, c.Path)
		}
		return out, nil
	}
	ours, _ := r.left.Documents()
	for _, key := range r.keys {
		path := key
		if ours != nil {
			path = r.in.pathIn(ours, key)
		}
		var found []*formats.Path
		for _, c := range r.left.Conflicts {
			if isWithin(c.Path, path) {
				found = append(found, c.Path)
			}
		}
		if len(found) == 0 {
			return nil, &commandError{code: exitWrongState, text: key.String() + " is not in conflict", hint: "in conflict are " + conflictPaths(r.left.Conflicts)}
		}
		out = append(out, found...)
	}
	return out, nil
}

func conflictAt(u *cipher.Undecided, path *formats.Path) merge.Conflict {
	for _, c := range u.Conflicts {
		if c.Path.Equal(path) {
			return c
		}
	}
	return merge.Conflict{}
}
