package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

func diffCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "show which keys and readers of sealed files changed, without a key and without values",
		UsageText: "gitseal diff [FLAGS] [REV [REV] | A..B | A...B] [--] [FILE|FOLDER…]\n   gitseal diff --no-index OLD NEW\n   gitseal diff --textconv FILE",
		Description: `Compares the work tree with the index, or what git diff would compare for the same
arguments: a commit with the work tree, two commits, and with --staged the index with the
last commit. Of the files that differ, those that are or were sealed are shown. Values
that are sealed are never shown; plain ones are. A ! marks what was sealed and is plain.

No key is needed: a sealed value has changed if its ciphertext has. If the data key was
renewed, that says nothing; gitseal then looks which values have changed if an age
identity that needs no password is at hand (it asks nobody), and says so if not.

--plaintext shows the values, as a line diff of the plain files, on standard output only.

--textconv prints one file as git shows it after gitseal git install (in git diff, log -p,
show, blame): with a token in place of each sealed value, and its readers at the end. What
is not sealed is passed through as it is.

Exit code: 0; with --exit-code 1 if there are differences.

Examples:
   gitseal diff
   gitseal diff --staged deploy/
   gitseal diff main...feature
   gitseal diff HEAD~3 -- secrets/prod.yaml
   gitseal diff --no-index old.yaml new.yaml`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "staged", Aliases: []string{"cached"}, Usage: "compare the index with the last commit, or with the one that is named"},
			&cli.BoolFlag{Name: "no-index", Usage: "compare two files, in a repository or not"},
			&cli.BoolFlag{Name: "textconv", Usage: "print one file without its values, for git"},
			&cli.BoolFlag{Name: "plaintext", Usage: "show the values, as a diff of the plain files; needs an identity"},
			&cli.BoolFlag{Name: "exit-code", Usage: "exit with 1 if there are differences"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print no differences; implies --exit-code"},
			jsonFlag(),
			&cli.StringFlag{Name: "format", Usage: "read every file as `FORMAT` (" + formatNames() + ") whatever its name"},
			&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above each file, for formats and names", EnvVars: []string{"SOPS_CONFIG"}},
		}, keyFlags()),
		Action: func(c *cli.Context) error {
			if c.Bool("textconv") {
				return runTextconv(c, s)
			}
			return newDiffRun(c, s, u).run(c.Context)
		},
	}
}

// withoutSeparator drops the "--" between revisions and files.
func withoutSeparator(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "--" })
}
