// Command gitseal seals the values of configuration files, so that the files can
// live in git, and unseals them again. See README.md.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	harden()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	process := std{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv}
	// A second signal ends the program at once. So does the first, after a while: it
	// may hang in reading a pipe, which no context ends. Files are safe from both.
	context.AfterFunc(ctx, stop)
	if !waitsForOthers(os.Args) {
		context.AfterFunc(ctx, func() { time.AfterFunc(gracePeriod, func() { os.Exit(interrupted(uiFor(process, os.Args))) }) })
	}
	code := run(ctx, os.Args, process)
	stop()
	os.Exit(code)
}

// uiFor prints for whom a call is, as far as its arguments alone tell.
func uiFor(s std, args []string) *ui {
	u := newUI(s)
	for _, a := range args {
		switch a {
		case "--":
			return u
		case "--editor", "-editor", "--editor=true":
			u.beEditor()
			return u
		}
	}
	return u
}

// interrupted says so, and returns the exit code.
func interrupted(u *ui) int {
	u.fail(context.Canceled, explanation{code: exitInterrupted, text: "interrupted", hints: []string{"nothing was written but what was reported as written"}})
	return exitInterrupted
}

// gracePeriod is how long an interrupted program may take to end by itself.
const gracePeriod = 2 * time.Second

// waitsForOthers reports whether a call runs another program, which is given the
// signals and may take its time.
func waitsForOthers(args []string) bool {
	at := 1 + slices.IndexFunc(args[1:], func(a string) bool { return !strings.HasPrefix(a, "-") })
	return at > 0 && (args[at] == "exec" || args[at] == "keyservice" || args[at] == "edit")
}

// std is the process's surroundings.
type std struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, s std) int {
	u, out := newUI(s), &output{w: s.out}
	u.out = out
	app := newApp(s, u)
	args = withVerb(args)
	if words, asked := complete(app, s, args); asked {
		_, _ = io.WriteString(s.out, words) // nobody is there to be told
		return exitDone
	}
	args, err := flagsFirst(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	switch failed := out.failure(); {
	case failed == nil || errors.Is(err, failed):
	case err == nil:
		err = failed
	default: // there are findings, say, and nobody could see them
		u.warn(failed.Error())
	}
	if err == nil {
		return exitDone
	}
	if child := (*childStatus)(nil); errors.As(err, &child) {
		return child.code
	}
	if ctx.Err() != nil {
		return interrupted(u)
	}
	e := explain(err)
	u.fail(err, e)
	return e.code
}

// withVerb makes seal of a program that was called under the name seal (through
// a link), and likewise for unseal.
func withVerb(args []string) []string {
	name := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	if name == "seal" || name == "unseal" {
		return append([]string{"gitseal", name}, args[1:]...)
	}
	return args
}
