package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/keysources"
)

func whoCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "who",
		Usage:     "show who can open which files",
		UsageText: "gitseal who [FLAGS] [FILE|FOLDER]…\n   gitseal who --reader READER [FLAGS] [FILE|FOLDER]…",
		Description: `No key is needed. In folders (the current one unless others are named) every sealed file is
looked at, whether or not a rule matches it, those of other git repositories below it, too,
but for what git ignores, node_modules and vendored code; one that cannot be read is a
warning. Nothing that is shown is verified: opening a file does that.

A reader of a file that its rule in .sops.yaml does not name is marked stale, one whom the
rule names and the file does not is marked missing; gitseal keys sync brings files to their
rule. Of files with key groups it says how many groups are needed, and with --reader
whether the reader opens them alone or only together with others.

Readers can have names, in .sops.yaml (sops ignores them):
   gitseal:
     names:
       alice: age1…
       deploy: [arn:aws:kms:…, projects/…]

Examples:
   gitseal who                                  # by reader, all files below this folder
   gitseal who --by-file deploy/
   gitseal who --reader alice                   # all that alice can open
   gitseal who --json | jq '.readers[].name'`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "by-file", Usage: "list the readers of each file, not the files of each reader"},
			&cli.StringFlag{Name: "reader", Usage: "list only what `READER` can open: a name, an age recipient, a fingerprint, an ARN, …"},
			jsonFlag(), quietFlag(),
		}, inputFlags()...),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			book, err := newRuleBook(c.String("config"))
			if err != nil {
				return err
			}
			args := c.Args().Slice()
			if len(args) == 0 {
				args = []string{"."}
			}
			return newWhoRun(c, s, u, book, args).run(c.Context)
		},
	}
}

// whoRun is one call of who.
type whoRun struct {
	c    *cli.Context
	std  std
	ui   *ui
	book *ruleBook
	// args name files and folders; except are paths to leave out.
	args   []string
	except map[string]bool
	// nested are the git repositories found below folders.
	nested map[string]bool
	// skipped are the files of folders that look sealed and cannot be read.
	skipped []skippedFile
	// ignored is how many sealed files were left out because git ignores them.
	ignored int
}

// skippedFile is a file that who could not make sense of.
type skippedFile struct {
	File  string `json:"file"`
	Error string `json:"error"`

	path string
	err  error
}

func newWhoRun(c *cli.Context, s std, u *ui, book *ruleBook, args []string) *whoRun {
	return &whoRun{c: c, std: s, ui: u, book: book, args: args, nested: map[string]bool{}}
}

func (r *whoRun) run(ctx context.Context) error {
	if r.c.Bool("by-file") && r.c.IsSet("reader") {
		return usageError("--by-file and --reader exclude each other", "--reader lists files already")
	}
	found, err := r.find(ctx)
	if err != nil {
		return err
	}
	census := newCensus(r.book)
	if err := census.addAll(ctx, found); err != nil {
		return err
	}
	for _, s := range r.skipped {
		r.ui.warn(s.File + " was left out: " + s.Error)
	}
	if r.ignored > 0 {
		r.ui.note(counted(r.ignored, "sealed file") + " that git ignores left out; name such a file to see it")
	}
	switch {
	case r.c.IsSet("reader"):
		return r.showReader(census, r.c.String("reader"))
	case r.c.Bool("by-file"):
		return r.showFiles(census)
	}
	return r.showReaders(census)
}

// wanted returns the keys that --reader means: those of a name, or the one that it
// spells.
func (r *whoRun) wanted(c *census, text string) ([]keysources.Stanza, error) {
	named, err := r.names(c)
	if err != nil {
		return nil, err
	}
	var keys []keysources.Stanza
	var known []string
	for _, n := range named {
		known = append(known, n.Name)
		if n.Name == text {
			keys = append(keys, n.Key)
		}
	}
	if len(keys) > 0 {
		return keys, nil
	}
	key, err := readers.Parse(text)
	if err != nil {
		hint := "a name in .sops.yaml (gitseal.names), an age recipient, a fingerprint, an ARN, a URL; see gitseal who --help"
		if len(known) > 0 {
			slices.Sort(known)
			hint = "the names are " + strings.Join(slices.Compact(known), ", ")
		}
		return nil, usageError("--reader: "+err.Error(), hint)
	}
	return []keysources.Stanza{key}, nil
}

// names returns the names that apply to the files, and those that apply here.
func (r *whoRun) names(c *census) ([]readers.Named, error) {
	config, err := r.book.config(".sops.yaml")
	if err != nil {
		return nil, err
	}
	if _, err := c.namesOf(config); err != nil {
		return nil, err
	}
	var out []readers.Named
	for _, names := range c.names {
		out = append(out, names...)
	}
	return out, nil
}

// opens reports whether the holder of some readers' keys can open a file, and alone;
// groups are the numbers of the key groups that they open, counted from 1.
func (f *whoFile) opens(some map[*whoReader]bool) (groups []int, alone bool) {
	for _, e := range f.entries {
		// The entries of a file come group by group, those who are missing last.
		again := len(groups) > 0 && groups[len(groups)-1] == e.group
		if e.state != stateMissing && some[e.reader] && !again {
			groups = append(groups, e.group)
		}
	}
	return groups, len(groups) > 0 && len(groups) >= f.needed
}

// meansReader reports whether somebody who names key means reader. On the command
// line a KMS key goes without encryption context and, mostly, without role and
// profile, which do not matter for whose key it is.
func meansReader(key, reader keysources.Stanza) bool {
	if key.Type == keysources.TypeKMS && reader.Type == key.Type && len(key.Context) == 0 && key.Get("role") == "" && key.Get("aws_profile") == "" {
		return key.Get("arn") == reader.Get("arn")
	}
	return readers.Same(key, reader)
}

// together says what somebody who opens some groups of a file still needs.
func (f *whoFile) together(groups []int, alone bool) string {
	if f.groups < 2 {
		return ""
	}
	numbers := strings.Trim(strings.ReplaceAll(fmt.Sprint(groups), " ", ", "), "[]")
	text := "in key group " + numbers + " of " + fmt.Sprint(f.groups)
	if alone {
		return text + ", alone enough"
	}
	return text + ", " + fmt.Sprint(f.needed) + " are needed"
}
