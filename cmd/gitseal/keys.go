package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/keysources"
)

func keysCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "keys",
		Usage:     "list, add and remove the readers of files, or bring files to their rules",
		UsageText: "gitseal keys COMMAND [FLAGS] FILE|FOLDER…",
		Description: `A reader is a key that opens a file: a person's, or that of a key service. Readers
stand in the rules of .sops.yaml and in each sealed file; these commands keep the two
equal. See also gitseal who, gitseal rotate and gitseal groups.`,
		Subcommands: []*cli.Command{keysListCommand(s, u), keysAddCommand(s, u), keysRemoveCommand(s, u), keysSyncCommand(s, u)},
	}
}

// changeFlags are the flags of all commands that change readers or data keys.
func changeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "open and verify the files and say what would change, but write nothing"},
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "agree to what would be asked on a terminal"},
		jsonFlag(), quietFlag(),
	}
}

func groupFlag() cli.Flag {
	return &cli.IntFlag{Name: "group", Usage: "the key group of this `NUMBER`, from 1, if there are several"}
}

func thresholdFlag() cli.Flag {
	return &cli.IntFlag{Name: "threshold", Usage: "let `NUMBER` of the key groups be needed"}
}

func namedReaderFlags(verb string) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringSliceFlag{Name: "reader", Usage: verb + " this `READER` of any type (repeatable)"},
	}, readerFlags(verb, false)...)
}

// namedReaders returns the keys that --reader and the flags of each type name.
func namedReaders(c *cli.Context) ([]keysources.Stanza, error) {
	var out []keysources.Stanza
	for _, text := range c.StringSlice("reader") {
		key, err := readers.Parse(text)
		if err != nil {
			return nil, usageError("--reader: "+err.Error(), "such as age1…, an ARN, a fingerprint of 40 digits, or the URL of a key")
		}
		out = append(out, key)
	}
	more, err := readersFromFlags(c)
	if err != nil {
		return nil, err
	}
	if out = append(out, more...); len(out) > 0 {
		return out, nil
	}
	if slices.ContainsFunc(c.Args().Slice(), isReaderName) {
		return nil, usageError("readers are named by flags; arguments are files", c.Command.HelpName+" --reader age1… FILE")
	}
	return nil, usageError("name a reader", c.Command.HelpName+" --reader age1… FILE")
}

func isReaderName(arg string) bool {
	_, err := readers.Parse(arg)
	return err == nil
}

func keysAddCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "add",
		Usage:     "let more readers open files",
		UsageText: "gitseal keys add --reader READER… [FLAGS] FILE|FOLDER…",
		Description: `The files are opened and verified, and compared with their rules; one that differs from
its rule is refused. Then the rule in .sops.yaml gets the new readers, and the data
keys of the files are wrapped for them. The data keys and sealed values stay. Of files
without a rule only the files change. A reader who is there already changes nothing.

A rule that governs other files, too, governs them with its new readers: how many are
left is said, and gitseal keys sync brings them along.

Examples:
   gitseal keys add --age age1carol… secrets/
   gitseal keys add --reader arn:aws:kms:… --group 2 prod.yaml
   gitseal keys add -n --pgp FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4 app.env`,
		Flags:  slices.Concat(namedReaderFlags("add"), []cli.Flag{groupFlag()}, changeFlags(), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error { return runAdd(c, s, u, false) },
	}
}

// runAdd adds readers to a group, or as one.
func runAdd(c *cli.Context, s std, u *ui, newGroup bool) error {
	change := &readersChange{newGroup: newGroup, group: c.Int("group"), threshold: c.Int("threshold")}
	var err error
	if change.add, err = namedReaders(c); err != nil {
		return err
	}
	return runChange(c, s, u, change)
}

// runChange checks what is the same for all files and makes the change.
func runChange(c *cli.Context, s std, u *ui, change *readersChange) error {
	if c.IsSet("group") && change.group < 1 {
		return usageError("--group: key groups are counted from 1", "gitseal groups list shows them")
	}
	if c.IsSet("threshold") && change.threshold < 2 {
		return usageError("--threshold must be at least 2", "for any one reader to suffice, put all into one group")
	}
	k, err := newKeysRun(c, s, u)
	if err != nil {
		return err
	}
	for _, key := range change.add {
		if _, err := k.ids.named(key); keysources.ReasonOf(err) == keysources.Malformed {
			return usageError(err.Error(), readerHint(key.Type))
		} else if err != nil {
			return err
		}
	}
	k.ids.agree(change.add)
	k.change = change
	return k.run(c.Context)
}

func keysRemoveCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "remove",
		Usage:     "take readers out of files: new data keys, and what they have seen",
		UsageText: "gitseal keys remove --reader READER… [FLAGS] FILE|FOLDER…",
		Description: `As keys add, the other way round: rule and files. The files get new data keys and new
ciphertext, so that who is removed cannot open what is written from now on. What they
could read before they may have kept, and old versions in git stay open to them: the
values they have seen are listed, to be changed where they are used. Of a folder, the
files without a rule and those of other git repositories are left out, as by all of these
commands: how many of them the reader still has a part in is said.

The last reader of a file or key group is not removed. Removing yourself is asked about,
or needs --yes.

Examples:
   gitseal keys remove --age age1bob… .
   gitseal keys remove -n --json --reader FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4 secrets/`,
		Flags: slices.Concat(namedReaderFlags("remove"), []cli.Flag{groupFlag()}, changeFlags(), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			change := &readersChange{group: c.Int("group")}
			var err error
			if change.remove, err = namedReaders(c); err != nil {
				return err
			}
			return runChange(c, s, u, change)
		},
	}
}

func keysSyncCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "sync",
		Usage:     "bring sealed files to their rules: readers, key groups, threshold, selector",
		UsageText: "gitseal keys sync [FLAGS] FILE|FOLDER…",
		Description: `What sops updatekeys does, for whole folders, with everything that a rule says. Every
file is opened and verified first. Who joins gets the data key; if somebody goes, or
the key groups or the threshold change, there is a new one. Where the selector changes,
values are sealed or made plain; what would become plain is listed, and asked about or
needs --yes, as does a rule by which fewer key groups open a file than before. Files that are as their rule says stay as they are, to the byte. Nothing is
written unless all files can be.

--dry-run says what would change and ends with exit code 0; with --exit-code, with 3 if
anything would change.

Examples:
   gitseal keys sync .
   gitseal keys sync --dry-run --exit-code secrets/`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "exit-code", Usage: "with --dry-run: exit with 3 if a file would change"},
		}, changeFlags(), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			if c.Bool("exit-code") && (!c.Bool("dry-run") || c.Bool("json")) {
				return usageError("--exit-code goes with --dry-run, and without --json", "gitseal keys sync --dry-run --exit-code FOLDER")
			}
			k, err := newKeysRun(c, s, u)
			if err != nil {
				return err
			}
			if err := k.run(c.Context); err != nil || !c.Bool("exit-code") {
				return err
			}
			return k.wouldChange()
		},
	}
}

// wouldChange is the error that --exit-code asks for.
func (k *keysRun) wouldChange() error {
	n := 0
	for _, c := range k.changes {
		n += count(c.changed)
	}
	if n == 0 {
		return nil
	}
	return &commandError{code: exitWrongState, text: counted(n, "file") + " not sealed as the rules say", hint: "gitseal keys sync brings them to their rules"}
}
