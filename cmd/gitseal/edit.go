package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/editor"
	"github.com/gitseal/gitseal/cmd/internal/launch"
	"github.com/gitseal/gitseal/cmd/internal/rescue"
)

func editCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "edit",
		Usage:     "edit a sealed file, or make a new one, in your editor",
		UsageText: "gitseal edit [FLAGS] FILE…\n   gitseal edit --resume ID\n   gitseal edit --redacted FILE",
		Description: `The plain text is in a private folder in memory while the editor runs, and goes away with it,
even if gitseal is killed. vim, neovim, emacs, nano, VS Code and others are told to keep no
swap file, backup, undo or history of it; which editor runs is said by --editor,
GITSEAL_EDITOR, SOPS_EDITOR, VISUAL, EDITOR, and git's core.editor, in this order. nano does not
read your nanorc then (--ignorercfiles), unless you name one with --rcfile. Of editors that may
keep something all the same, such as joe and ed, and of unknown ones, a warning tells.

What you did not change keeps its ciphertext; without any change the file is not touched. Of a
SealedManifest that holds a sealed file (spec.document), the editor gets that file.
If something is wrong with the text, the editor opens again and says so on top; leave the text
as it is to give up. An editor that fails (vim's :cq) leaves the file alone. If somebody else
changes the file meanwhile, both changes are merged by key; where they contradict each other,
the editor shows both.

An edit that cannot be saved, also one with --redacted, is kept, sealed for the file's readers and
for you, below ~/.local/state/gitseal/rescue; --resume takes it up again.

` + editRedactedHelp + `

Examples:
   gitseal edit prod.yaml
   gitseal edit --editor 'code --wait' prod.yaml .env
   gitseal edit --list-rescues
   gitseal edit --redacted prod.yaml`,
		Flags: slices.Concat(editFlags(), redactedFlags(), readerFlags("instead of the rule's readers: seal a new file for this", false), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			if c.IsSet("resume") { // the kept edit tells which it is
				return runEdit(c, s, u)
			}
			if c.Bool("redacted") {
				return runEditRedacted(c, s, u)
			}
			if err := withoutRedacted(c); err != nil {
				return err
			}
			return runEdit(c, s, u)
		},
	}
}

func editFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "editor", Usage: "edit with `COMMAND`"},
		&cli.StringFlag{Name: "resume", Usage: "take up the kept edit `ID` again"},
		&cli.BoolFlag{Name: "list-rescues", Usage: "list the edits that were kept"},
		&cli.StringFlag{Name: "drop-rescue", Usage: "forget the kept edit `ID`"},
		quietFlag(),
	}
}

// editGuardCommand is what removes the plain text if gitseal is killed. It is
// started by gitseal edit, and for nobody else.
func editGuardCommand(s std) *cli.Command {
	return &cli.Command{
		Name: guardName, Hidden: true, Usage: "remove the folder of an editing session when standard input ends",
		Action: func(c *cli.Context) error {
			if err := editor.Guard(s.in, c.Args().First()); err != nil {
				return failure(err.Error(), "gitseal edit starts this itself")
			}
			return nil
		},
	}
}

const guardName = "edit-guard"

// editRun is one call of edit.
type editRun struct {
	rewriter
	command *editor.Command
	rescues *rescue.Store
}

func runEdit(c *cli.Context, s std, u *ui) error {
	r := &editRun{rescues: rescue.New(rescue.DefaultDir(s.getenv))}
	switch {
	case c.Bool("list-rescues"):
		return r.list(u)
	case c.IsSet("drop-rescue"):
		return explainRescue(c.String("drop-rescue"), r.rescues.Drop(c.String("drop-rescue")))
	case c.IsSet("resume") && c.NArg() > 1:
		return usageError("--resume takes up one edit", "gitseal edit --resume ID")
	case !c.IsSet("resume") && c.NArg() == 0:
		return usageError("name a file", "gitseal edit FILE; a file that does not exist is made")
	case slices.Contains(c.Args().Slice(), stdinArg):
		return usageError("standard input cannot be edited", "name a file")
	case c.String("path") != "":
		return usageError("--path goes with standard input only", "leave it out: the files' own paths apply")
	}
	if err := openDoor(s, doorEdit); err != nil {
		return err
	}
	// Whoever runs as another program of the user must not read the text from us.
	launch.Harden()
	var err error
	if r.rewriter, err = newRewriter(c, s, u); err != nil {
		return err
	}
	if r.command, err = chooseEditor(c.Context, c, s, u); err != nil {
		return err
	}
	if c.IsSet("resume") {
		return r.resume(c.Context, c.String("resume"), c.Args().First())
	}
	for _, name := range c.Args().Slice() {
		if err := r.edit(c.Context, name); err != nil {
			return err
		}
	}
	return nil
}

// edit edits one file, which need not exist.
func (r *editRun) edit(ctx context.Context, name string) error {
	if isNew(name) {
		return r.editNew(ctx, name)
	}
	e, err := r.opened(ctx, name)
	if errors.As(err, new(*cipher.NoIdentityError)) {
		r.ui.note("gitseal edit --redacted " + name + " edits everything but the values, and needs no key")
	}
	if err != nil {
		return err
	}
	tellOfRescues(r.rescues, r.ui, e.in.path)
	return e.run(ctx, e.base, nil)
}

// opened opens a file for editing.
func (r *editRun) opened(ctx context.Context, name string) (*editing, error) {
	in, err := loadSealed(r.c, r.std, name)
	if err != nil {
		return nil, err
	}
	if err := openByRule(r.book, doorEdit, in); err != nil {
		return nil, err
	}
	o, _, err := r.open(ctx, in)
	if err != nil {
		return nil, &fileError{name: name, unsealing: true, err: err}
	}
	warnAbout(r.ui, name, o)
	return &editing{editRun: r, in: in, opened: o, base: o.PlaintextBytes(), baseSealed: in.data}, nil
}

// editNew makes a file.
func (r *editRun) editNew(ctx context.Context, name string) error {
	e, err := r.planned(ctx, name)
	if err != nil {
		return &fileError{name: name, err: err}
	}
	tellOfRescues(r.rescues, r.ui, e.in.path)
	var text []byte
	if e.in.formatName == "json" {
		text = []byte("{}\n")
	}
	e.base = text
	return e.run(ctx, text, e.planNotes())
}

// planned settles how a file that is not there yet is to be sealed.
func (r *editRun) planned(ctx context.Context, name string) (*editing, error) {
	in, err := (&setRun{rewriter: r.rewriter, name: name}).newInput()
	if err != nil {
		return nil, err
	}
	if err := openByRule(r.book, doorEdit, in); err != nil {
		return nil, err
	}
	j, err := r.newJob(ctx, in)
	if err != nil {
		return nil, err
	}
	return &editing{editRun: r, in: in, making: j}, nil
}

// planNotes say, on top of a new file, what will become of it.
func (e *editing) planNotes() []string {
	whom := "for your own identity, as no rule applies to it"
	p := e.making.plan
	if p.rule != nil {
		where := configName
		if c, err := e.book.config(e.in.rulePath); err == nil && c != nil {
			where = c.Path
		}
		whom = fmt.Sprintf("for %s, as rule %d of %s says", counted(len(p.recipients()), "reader"), p.rule.Number, where)
	} else if p.chosen {
		whom = "for " + counted(len(p.recipients()), "reader")
	} else if p.kept {
		whom = p.keptText()
	}
	what := ""
	if s := p.selector; !s.IsZero() {
		what = "; what is sealed: " + s.String()
	}
	return []string{"a new file, which will be sealed " + whom + what, "lines like these are left out; if you save nothing, no file is made"}
}

// pathForRescue returns the name under which a file's edits are kept.
func (e *editing) pathForRescue() string {
	if e.in.path != "" {
		return e.in.path
	}
	path, _ := filepath.Abs(e.in.name) // a relative one cannot be found again, and is refused
	return path
}
