package main

import (
	"slices"

	"github.com/urfave/cli/v2"
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
