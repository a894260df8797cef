// Command gitseal-keyservice holds the key sources that ask other machines, and
// with them the libraries that gitseal does not want to load each time it starts.
// Gitseal starts it when it needs it; it can also serve sops's key service
// protocol to gitseal, sops and others.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// The exit codes, which are those of gitseal.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	// exitRefused: plaintext is kept from whoever runs this (gitseal doors).
	exitRefused = 6
)

const help = `gitseal-keyservice - wrap and unwrap data keys for gitseal and sops

Usage:
   gitseal-keyservice serve [FLAGS]   serve sops's key service protocol
   gitseal-keyservice child           serve the gitseal that started it; not for people
   gitseal-keyservice --version

serve lets others who may connect use your keys, without giving the keys to them:

   gitseal-keyservice serve &
   sops --enable-local-keyservice=false --keyservice unix://$XDG_RUNTIME_DIR/gitseal/keyservice.sock decrypt FILE

A unix socket takes connections of your own user only; TCP needs mutual TLS.

It is a door of gitseal's, closed when an AI agent seems to run it: see gitseal doors.

Exit codes: 0 done, 1 failed, 2 wrong usage, 6 refused because the door is closed.
`

func main() {
	harden()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
	name := "--help"
	if len(args) > 0 {
		name = args[0]
	}
	var err error
	switch name {
	case "child":
		err = runChild(ctx, args[1:], s)
	case "serve":
		err = runServe(ctx, args[1:], s)
	case "--help", "-h", "-help", "help":
		fmt.Fprint(s.out, help)
	case "--version", "-version", "-v":
		fmt.Fprintln(s.out, "gitseal-keyservice version", version())
	default:
		err = &usageError{text: fmt.Sprintf("there is no command %q", name)}
	}
	return report(s.err, err)
}

// usageError is a mistake in the arguments.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// hinted is an error that says what to do.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }

// refused is that a door is closed.
type refused struct{ hinted }

// report prints an error and its hint, and returns the exit code.
func report(w io.Writer, err error) int {
	var usage *usageError
	var h *hinted
	var closed *refused
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.As(err, &usage):
		printLine(w, "error: "+err.Error())
		printLine(w, "hint: see gitseal-keyservice --help, gitseal-keyservice serve --help")
		return exitUsage
	}
	printLine(w, "error: "+err.Error())
	if errors.As(err, &closed) {
		printLine(w, "hint: "+closed.hint)
		return exitRefused
	}
	if errors.As(err, &h) {
		printLine(w, "hint: "+h.hint)
	}
	return exitFailed
}

func printLine(w io.Writer, text string) {
	fmt.Fprintf(w, "gitseal-keyservice: %s\n", oneLine(text))
}

// oneLine keeps a message on its line: what clients name can hold anything.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0x9b {
			return '?'
		}
		return r
	}, strings.ReplaceAll(s, "\n", "; "))
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
