// Command gitseal-controller opens the SealedManifests of a cluster and keeps the
// Secrets that they describe.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// The exit codes, which are those of gitseal.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitWrongState  = 3
	exitInterrupted = 130
)

// release is the version; the build sets it with -ldflags "-X main.release=…".
var release = ""

const description = `In the cluster, it runs without arguments of a person's:

   gitseal-controller run --leader-elect

Before it can open anything, an administrator gives it a key:

   gitseal-controller init --recovery-out recovery.txt

Each flag of run has a variable: GITSEAL_CONTROLLER_CLASS for --class, and so on.

Exit codes: 0 done, 1 failed (or lost the lead), 2 wrong usage, 3 wrong state,
130 interrupted.`

func main() {
	harden()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], std{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv})
	stop()
	os.Exit(code)
}

// std is the process's surroundings.
type std struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, s std) int {
	err := newApp(s).RunContext(ctx, append([]string{"gitseal-controller"}, withCommand(args)...))
	return report(s.err, err)
}

// withCommand adds the command if there is none but flags: it is run.
func withCommand(args []string) []string {
	if len(args) == 0 {
		return []string{"run"}
	}
	switch args[0] {
	case "--help", "-h", "-help", "--version", "-v", "-version":
		return args
	}
	if strings.HasPrefix(args[0], "-") {
		return append([]string{"run"}, args...)
	}
	return args
}

func newApp(s std) *cli.App {
	app := &cli.App{
		Name:                      "gitseal-controller",
		HelpName:                  "gitseal-controller",
		Usage:                     "open sealed manifests in the cluster, and nowhere else",
		UsageText:                 "gitseal-controller [COMMAND] [FLAGS]",
		Description:               description,
		Version:                   versionText(),
		Reader:                    s.in,
		Writer:                    s.out,
		ErrWriter:                 s.err,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {}, // exit codes are main's
		OnUsageError:              onUsageError,
		Action:                    unknownCommand,
		Commands:                  []*cli.Command{runCommand(s), initCommand(s), versionCommand(s)},
	}
	for _, c := range app.Commands {
		c.OnUsageError = onUsageError
		c.HideHelpCommand = true
	}
	return app
}

func versionCommand(s std) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			_, err := fmt.Fprintln(s.out, "gitseal-controller version", versionText())
			return err
		},
	}
}

func versionText() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// commandError is an error that knows its exit code and hint.
type commandError struct {
	error
	code int
	hint string
}

func (e *commandError) Unwrap() error { return e.error }

// usageError is a mistake in the arguments.
func usageError(text, hint string) error {
	return &commandError{error: errors.New(text), code: exitUsage, hint: hint}
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	where := "gitseal-controller"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != where {
		where += " " + c.Command.Name
	}
	return usageError(err.Error(), "see "+where+" --help")
}

// unknownCommand is what runs if the first argument is not a command.
func unknownCommand(c *cli.Context) error {
	return usageError(fmt.Sprintf("there is no command %q", c.Args().First()), "see gitseal-controller --help")
}

// noArguments refuses what is left behind the flags: a flag behind it would not count.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usageError(fmt.Sprintf("unexpected argument %q", c.Args().First()), "see gitseal-controller "+c.Command.Name+" --help")
	}
	return nil
}

// report prints an error and its hint, and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	code, hint := exitFailed, ""
	var own *commandError
	switch {
	case errors.As(err, &own):
		code, hint = own.code, own.hint
	case errors.Is(err, context.Canceled):
		code = exitInterrupted
	}
	fmt.Fprintf(w, "gitseal-controller: error: %s\n", oneLine(err.Error()))
	if hint != "" {
		fmt.Fprintf(w, "gitseal-controller: hint: %s\n", oneLine(hint))
	}
	return code
}

// oneLine keeps a message on its line: what servers answer can hold anything.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0x9b {
			return '?'
		}
		return r
	}, strings.ReplaceAll(s, "\n", "; "))
}
