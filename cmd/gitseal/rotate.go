package main

import (
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

func rotateCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "rotate",
		Usage:     "give files new data keys and every value new ciphertext",
		UsageText: "gitseal rotate [FLAGS] FILE|FOLDER…",
		Description: `Readers, key groups, selector and every plain byte stay as they are. The files are opened
and verified first, and compared with their rules: one that has other readers, another
threshold or selector than its rule says is refused with the difference, because a new
data key would be wrapped for whoever got in. Nothing is written unless all files can be.

gitseal seal gives a file that was unsealed in place the data key that git's index, or else the
last commit, has for it: so stage or commit a rotated file before it is unsealed in place.

To change readers, see gitseal keys. A new data key does not make a value new that
somebody knows: change such values themselves.

Examples:
   gitseal rotate secret.yaml
   gitseal rotate --dry-run secrets/`,
		Flags: slices.Concat(changeFlags(), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			k, err := newKeysRun(c, s, u)
			if err != nil {
				return err
			}
			k.rotate = true
			return k.run(c.Context)
		},
	}
}

// tellOldKey says how the old data key could come back: from git, whose version of the
// file gitseal seal goes by.
func (k *keysRun) tellOldKey() {
	if !k.rotate || k.c.Bool("dry-run") {
		return
	}
	for _, c := range k.changes {
		if _, inGit := gitrepo.Root(filepath.Dir(c.in.path)); c.changed && inGit {
			k.ui.note("git add or commit what was rotated before it is unsealed in place: gitseal seal takes the data key from git's version, which has the old one until then")
			return
		}
	}
}
