package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/editor"
	"github.com/gitseal/gitseal/formats"
)

// chooseEditor finds the user's editor, and says what it is known to keep.
func chooseEditor(ctx context.Context, c *cli.Context, s std, u *ui) (*editor.Command, error) {
	command, err := parseEditor(ctx, c.String("editor"), s)
	if err != nil {
		return nil, err
	}
	warnOfEditor(u, command)
	return command, nil
}

// parseEditor finds the editor: what was asked for, what the environment says, what
// git is told, and what there is.
func parseEditor(ctx context.Context, asked string, s std) (*editor.Command, error) {
	line := asked
	names := []string{"GITSEAL_EDITOR", "SOPS_EDITOR", "VISUAL", "EDITOR"}
	for _, name := range names {
		// VISUAL is for terminals that can do more than print.
		if name == "VISUAL" && (s.getenv("TERM") == "" || s.getenv("TERM") == "dumb") {
			continue
		}
		line = cmp.Or(line, strings.TrimSpace(s.getenv(name)))
	}
	if line == "" {
		line = editorOfGit(ctx)
	}
	var command *editor.Command
	var err error
	if line != "" {
		command, err = editor.Parse(line)
	} else {
		command, err = editor.Usual()
	}
	if err != nil {
		return nil, failure("choosing an editor: "+err.Error(), "name one with --editor, or in the variable EDITOR")
	}
	return command, nil
}

// editorOfGit is what people have told git to use.
func editorOfGit(ctx context.Context) string {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", "config", "--get", "core.editor").Output()
	if err != nil {
		return "" // it is not set, or there is no git
	}
	return strings.TrimSpace(string(out))
}

// warnOfEditor says what is known of an editor that gitseal cannot keep from
// writing the text elsewhere.
func warnOfEditor(u *ui, c *editor.Command) {
	switch {
	case c.Keeps() != "":
		u.warn(c.Name() + ": " + c.Keeps())
	case !c.Known():
		u.warn(c.Name() + " is not an editor that gitseal knows: it may keep copies of the text (backups, undo, history)")
	}
}

// editorOptions are the options to open a file of a format in an editor.
func editorOptions(s std, u *ui, command *editor.Command, in input) (editor.Options, error) {
	self, err := os.Executable()
	if err != nil {
		return editor.Options{}, err
	}
	o := editor.Options{
		Command: command, Name: in.editorName(), Comment: commentOf(in.formatName),
		Places: editor.Places{RuntimeDir: s.getenv("XDG_RUNTIME_DIR"), TempDir: os.TempDir()},
		Guard:  []string{self, guardName}, Environ: os.Environ(), MaxSize: formats.MaxSealed,
		Tell: u.note, Warn: u.warn,
	}
	o.In, _ = s.in.(*os.File) // without one, there is nothing to read
	o.Out, _ = s.out.(*os.File)
	o.Err, _ = s.err.(*os.File)
	if u.canAsk() {
		o.Ask = func(ctx context.Context, question string) (string, error) { return u.ask(ctx, question, false) }
	}
	return o, nil
}

// commentOf is what begins a comment in a format, "" if it has none.
func commentOf(format string) string {
	if format == "yaml" || format == "dotenv" || format == "ini" {
		return "#"
	}
	return ""
}

// openEditor opens a session and says where the text will be, if that is worth
// knowing.
func openEditor(ctx context.Context, s std, u *ui, command *editor.Command, in input) (*editor.Session, error) {
	o, err := editorOptions(s, u, command, in)
	if err != nil {
		return nil, err
	}
	session, err := editor.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if swap := editor.PlainSwap(); session.OnDisk() {
		u.warn("there is no folder in memory: the plain text is in " + session.Dir() + " while you edit it")
	} else if swap != "" {
		u.warn("swap is not encrypted (" + swap + "): what you edit can get there")
	}
	return session, nil
}

// explainEditor turns the error of a session into what people are told.
func explainEditor(err error, command *editor.Command) error {
	var exit *editor.ExitError
	switch {
	case errors.Is(err, editor.ErrInterrupted):
		return &commandError{code: exitInterrupted, text: "interrupted while editing", hint: "nothing was written but what was reported as written"}
	case errors.As(err, &exit):
		return failure(exit.Error(), "so nothing was written; end the editor without an error to save")
	case errors.Is(err, editor.ErrDetached):
		return failure(command.Name()+" returned at once, and nothing has changed", "if it goes on in a window, give it the switch to wait until the file is closed, as in --editor 'code --wait'")
	case errors.Is(err, editor.ErrNoTerminal):
		return failure(err.Error(), "run gitseal on a terminal, or name an editor that needs none")
	case errors.Is(err, editor.ErrEmpty):
		return failure(err.Error(), "nothing was written; to remove the file, delete it")
	case errors.Is(err, editor.ErrNoText), errors.Is(err, editor.ErrNotRegular):
		return failure(err.Error(), "nothing was written")
	case errors.Is(err, editor.ErrNotFound):
		return failure(err.Error(), "name another with --editor, or in the variable EDITOR")
	}
	return err
}
