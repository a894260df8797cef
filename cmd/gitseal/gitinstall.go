package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitsetup"
)

func gitInstallCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "install",
		Usage:     "set up the diff and merge drivers and the hooks for commits and merges",
		UsageText: "gitseal git install [--global] [--no-hook] [--dry-run]",
		Description: `Writes, and says, what is not there yet:
   .gitattributes   a block of patterns, from the rules in .sops.yaml where git has patterns that
                    say the same, else the sealed files that there are. Commit it.
   configuration    diff.gitseal.* (git diff, log -p, show and blame print sealed files without
                    their values) and merge.gitseal.* (they are merged key by key)
   hooks            pre-commit and pre-merge-commit (which git merge runs) call gitseal check
                    --staged. Other hooks and hook managers are left alone, and the line to add
                    is printed.

A second call changes nothing; gitseal git uninstall takes all of it away. With --global the
attributes file and the configuration of the user are written, for files with names such as
*.enc.yaml, *.sealed.yaml and *.sops.yaml, and no hook.

Example:
   gitseal git install --dry-run`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "global", Usage: "for all repositories of the user"},
			&cli.BoolFlag{Name: "no-hook", Usage: "leave hooks alone"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only say what would be done"},
			&cli.BoolFlag{Name: "check", Usage: "only say what is set and what is not, as gitseal git check"},
			jsonFlag(), quietFlag(),
		},
		Action: func(c *cli.Context) error {
			g, err := newGitScope(c.Context, c, s, u)
			if err != nil {
				return err
			}
			if c.Bool("check") {
				return g.check(c.Context)
			}
			if c.Bool("json") {
				return usageError("--json goes with --check", "gitseal git check --json")
			}
			return g.install(c.Context)
		},
	}
}

// gitStep is a change: what it does, and how.
type gitStep struct {
	what string
	do   func() error
}

func (g *gitScope) install(ctx context.Context) error {
	if g.program == "" {
		return failure("git could not call this program later: go run takes it away when it ends", "install it first: go install ./cmd/...")
	}
	attributes, err := g.attributesStep(ctx)
	if err != nil {
		return err
	}
	steps, err := g.configSteps(ctx)
	if err != nil {
		return err
	}
	hooks, err := g.hookSteps(ctx)
	if err != nil {
		return err
	}
	return g.apply(append(append(attributes, steps...), hooks...))
}

// apply makes the changes, or says what they would be.
func (g *gitScope) apply(steps []gitStep) error {
	for _, step := range steps {
		if g.c.Bool("dry-run") {
			g.ui.note("would: " + step.what)
			continue
		}
		if err := step.do(); err != nil {
			return err
		}
		g.ui.note(step.what)
	}
	if len(steps) == 0 {
		g.ui.note("nothing to do")
	}
	return nil
}

func (g *gitScope) attributesStep(ctx context.Context) ([]gitStep, error) {
	p := globalPatterns()
	if !g.global {
		var err error
		if p, err = g.patterns(ctx); err != nil {
			return nil, err
		}
	}
	for _, n := range p.notes {
		g.ui.note(n)
	}
	if len(p.globs) == 0 {
		g.ui.warn("no pattern follows from the rules, and no file is sealed yet: run this again when one is")
	}
	old, err := readOptional(g.attributes)
	if err != nil {
		return nil, err
	}
	text, err := attributesWith(old, p.globs)
	if err != nil {
		return nil, failure(g.attributes+": "+err.Error(), "remove what is left of it by hand (lines between # gitseal: begin and end)")
	}
	if bytes.Equal(old, text) {
		return nil, nil
	}
	what := g.attributes + ": " + counted(len(p.globs), "pattern")
	if p.listed > 0 {
		what += fmt.Sprintf(", %d of them of single files", p.listed)
	}
	if !g.global {
		what += "; commit it"
	}
	return []gitStep{{what, func() error { return g.write(g.attributes, old, text, 0o666) }}}, nil
}

func attributesWith(old []byte, globs []string) ([]byte, error) {
	if len(globs) == 0 {
		return gitsetup.RemoveBlock(old)
	}
	return gitsetup.SetBlock(old, globs)
}

// write replaces a file that holds old, or makes it if that is nil.
func (g *gitScope) write(path string, old, text []byte, perm os.FileMode) error {
	opts := atomicfile.Options{Expect: atomicfile.Absent(), Perm: atomicfile.Umasked(perm)}
	if old != nil {
		opts.Expect = atomicfile.Holding(old)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return &fileError{name: path, err: plainPathError(err)}
	}
	_, err := atomicfile.Write(path, text, opts)
	return err
}

func (g *gitScope) configSteps(ctx context.Context) ([]gitStep, error) {
	have, err := g.settings(ctx)
	if err != nil {
		return nil, err
	}
	var steps []gitStep
	for _, want := range gitsetup.Settings(g.program) {
		if value, ok := gitsetup.Get(have, want.Key); ok && value == want.Value {
			continue
		}
		steps = append(steps, gitStep{
			"git config " + g.scopeFlag() + " " + want.Key + ": " + want.Value,
			func() error {
				_, err := g.git(ctx, "config", g.scopeFlag(), "--replace-all", want.Key, want.Value)
				return err
			},
		})
	}
	return steps, nil
}

// hookSteps installs the hooks where that is in nobody's way; else it says what to do.
func (g *gitScope) hookSteps(ctx context.Context) ([]gitStep, error) {
	if g.global || g.c.Bool("no-hook") {
		return nil, nil
	}
	states, err := g.hookStates(ctx)
	var steps []gitStep
	told := ""
	for _, state := range states {
		if state.kind == hookManaged && state.manager.Add == told {
			continue // one text is about all hooks
		}
		told = state.manager.Add
		steps = append(steps, g.hookStep(state)...)
	}
	return steps, err
}

func (g *gitScope) hookStep(state hookState) []gitStep {
	switch state.kind {
	case hookOurs, hookCalls:
		return nil
	case hookManaged:
		for line := range strings.SplitSeq("hooks are "+state.manager.Name+"'s here ("+state.manager.File+"), so none was installed; "+state.manager.Add, "\n") {
			g.ui.note(line)
		}
		return nil
	case hookEdited:
		g.ui.note(state.path + " was edited since gitseal wrote it, and was left alone; gitseal would call " + g.program + " " + gitsetup.CheckCommand + " in it")
		return nil
	case hookForeign:
		g.ui.note(state.path + " is somebody else's and was left alone; add this line to it: " + g.program + " " + gitsetup.CheckCommand + " || exit 1")
		return nil
	}
	text := gitsetup.Hook(g.program)
	return []gitStep{{state.path + ": runs gitseal " + gitsetup.CheckCommand, func() error {
		if err := g.write(state.path, state.content, text, 0o777); err != nil {
			return err
		}
		return os.Chmod(state.path, atomicfile.Umasked(0o777))
	}}}
}
