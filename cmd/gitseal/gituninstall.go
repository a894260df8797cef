package main

import (
	"bytes"
	"context"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/gitsetup"
)

func gitUninstallCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "uninstall",
		Usage:     "remove what gitseal git install added",
		UsageText: "gitseal git uninstall [--global] [--dry-run]",
		Description: `Removes the block in .gitattributes, the entries in git's configuration, and the hooks if
they are still as gitseal wrote them. Nothing else is touched.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "global", Usage: "what install --global added"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only say what would be done"},
			quietFlag(),
		},
		Action: func(c *cli.Context) error {
			g, err := newGitScope(c.Context, c, s, u)
			if err != nil {
				return err
			}
			return g.uninstall(c.Context)
		},
	}
}

func (g *gitScope) uninstall(ctx context.Context) error {
	steps, err := g.removeAttributes()
	if err != nil {
		return err
	}
	have, err := g.settings(ctx)
	if err != nil {
		return err
	}
	for _, s := range gitsetup.Settings("gitseal") {
		if _, ok := gitsetup.Get(have, s.Key); !ok {
			continue
		}
		steps = append(steps, gitStep{"git config " + g.scopeFlag() + " --unset " + s.Key, func() error {
			_, err := g.git(ctx, "config", g.scopeFlag(), "--unset-all", s.Key)
			return err
		}})
	}
	hooks, err := g.removeHooks()
	if err != nil {
		return err
	}
	return g.apply(append(steps, hooks...))
}

func (g *gitScope) removeAttributes() ([]gitStep, error) {
	old, err := readOptional(g.attributes)
	if err != nil {
		return nil, err
	}
	text, err := gitsetup.RemoveBlock(old)
	if err != nil {
		return nil, failure(g.attributes+": "+err.Error(), "remove what is left of it by hand (lines between # gitseal: begin and end)")
	}
	switch {
	case bytes.Equal(old, text):
		return nil, nil
	case len(text) == 0:
		return []gitStep{{g.attributes + ": removed, since nothing else was in it", func() error { return os.Remove(g.attributes) }}}, nil
	}
	return []gitStep{{g.attributes + ": block removed", func() error { return g.write(g.attributes, old, text, 0o666) }}}, nil
}

func (g *gitScope) removeHooks() ([]gitStep, error) {
	var steps []gitStep
	for _, hook := range g.hooks { // there are none with --global
		content, err := readOptional(hook.path)
		if err != nil {
			return nil, err
		}
		switch {
		case !gitsetup.IsOurHook(content):
		case !gitsetup.IsUnchangedHook(content):
			g.ui.warn(hook.path + " was changed since gitseal wrote it: take its lines out by hand")
		default:
			steps = append(steps, gitStep{hook.path + ": removed", func() error { return os.Remove(hook.path) }})
		}
	}
	return steps, nil
}
