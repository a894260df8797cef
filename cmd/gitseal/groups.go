package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

func groupsCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "groups",
		Usage:     "list, add and remove key groups, or change how many of them are needed",
		UsageText: "gitseal groups COMMAND [FLAGS] FILE|FOLDER…",
		Description: `With several key groups, a file is opened by so many of them together as its threshold
says; one reader of a group stands for the group. Groups are counted from 1. Readers
within a group are the business of gitseal keys add and remove --group N. As there, the
rule in .sops.yaml is changed with the files, and every change of the groups means new
data keys. A change by which fewer groups than before open a file, or only one is left,
is asked about or needs --yes.

For those who know sops:
   sops groups add --age R -f F         gitseal groups add --age R F
   sops groups delete 0 -f F            gitseal groups remove --group 1 F
   … --shamir-secret-sharing-threshold  … --threshold`,
		Subcommands: []*cli.Command{groupsListCommand(s, u), groupsAddCommand(s, u), groupsRemoveCommand(s, u), groupsThresholdCommand(s, u)},
	}
}

func groupsListCommand(s std, u *ui) *cli.Command {
	list := keysListCommand(s, u)
	list.Usage = "show the key groups of files and how many are needed, as gitseal keys list"
	list.UsageText = "gitseal groups list [FLAGS] FILE|FOLDER…"
	return list
}

func groupsAddCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "add",
		Usage:     "add a key group made of the named readers",
		UsageText: "gitseal groups add --reader READER… [--threshold N] [FLAGS] FILE|FOLDER…",
		Description: `The new group is the last. A threshold that is written down stays what it is, unless
--threshold says otherwise; without one, all groups are needed, the new one, too.

Example:
   gitseal groups add --age age1carol… --age age1dave… --threshold 2 prod.yaml`,
		Flags:  slices.Concat(namedReaderFlags("put into the group"), []cli.Flag{thresholdFlag()}, changeFlags(), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error { return runAdd(c, s, u, true) },
	}
}

func groupsRemoveCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "remove",
		Usage:     "remove a key group with all its readers",
		UsageText: "gitseal groups remove --group NUMBER [--threshold N] [FLAGS] FILE|FOLDER…",
		Description: `The groups behind it move up. If all groups were needed, all that are left are, unless
--threshold says otherwise. With one group left, any of its readers opens the file: this,
like everything by which fewer groups suffice, is asked about or needs --yes.

Example:
   gitseal groups remove --yes --group 3 --threshold 2 prod.yaml`,
		Flags: slices.Concat([]cli.Flag{groupFlag(), thresholdFlag()}, changeFlags(), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			if !c.IsSet("group") {
				return usageError("say which key group: --group NUMBER", "gitseal groups list shows them")
			}
			return runChange(c, s, u, &readersChange{group: c.Int("group"), dropGroup: true, threshold: c.Int("threshold")})
		},
	}
}

func groupsThresholdCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "threshold",
		Usage:     "change how many key groups are needed to open files",
		UsageText: "gitseal groups threshold --threshold NUMBER [FLAGS] FILE|FOLDER…",
		Description: `To lower it is asked about or needs --yes: fewer parties then open the file together.

Example:
   gitseal groups threshold --threshold 2 prod.yaml`,
		Flags: slices.Concat([]cli.Flag{thresholdFlag()}, changeFlags(), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			if !c.IsSet("threshold") {
				return usageError("say how many key groups are to be needed: --threshold NUMBER", "gitseal groups list shows how many there are")
			}
			return runChange(c, s, u, &readersChange{threshold: c.Int("threshold")})
		},
	}
}
