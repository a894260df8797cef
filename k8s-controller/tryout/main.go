// Command tryout shows on your own machine how a sealed manifest becomes a Secret, and
// how one that was tampered with does not. It starts a real Kubernetes control plane
// and the controller, from nothing but this repository:
//
//	go run ./k8s-controller/tryout
//
// Everything it makes is in a temporary folder, listens on loopback only, and is gone
// when it ends.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// The exit codes, which are those of gitseal.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	code := Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Run is the whole program. It returns the exit code.
func Run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	usage := false
	app := &cli.App{
		Name:      "tryout",
		Usage:     "a cluster to try the controller in",
		UsageText: "go run ./k8s-controller/tryout [--once] [--reveal]",
		Description: `The first time, the programs of Kubernetes are built, which takes some ten minutes and
needs the Go module proxy; after that it is a matter of seconds. The value that is
sealed is made up on the spot and is masked unless you ask for it.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "once", Usage: "end when all has been shown, without waiting"},
			&cli.BoolFlag{Name: "reveal", Usage: "show the made-up value that comes out of the Secret"},
		},
		Reader: in, Writer: out, ErrWriter: errs,
		HideHelpCommand: true, HideVersion: true,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { usage = true; return err },
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				usage = true
				return fmt.Errorf("unexpected argument %q", c.Args().First())
			}
			return show(c.Context, &screen{out: out, answers: answersOf(in, out), reveal: c.Bool("reveal")}, c.Bool("once"))
		},
	}
	err := app.RunContext(ctx, append([]string{"tryout"}, args...))
	switch {
	case err == nil:
		return exitDone
	case errors.Is(ctx.Err(), context.Canceled):
		return exitInterrupted
	}
	fmt.Fprintf(errs, "tryout: error: %v\n", err)
	if usage {
		fmt.Fprintln(errs, "tryout: hint: see go run ./k8s-controller/tryout --help")
		return exitUsage
	}
	return exitFailed
}

// answersOf returns the person who can be asked, nil if there is none.
func answersOf(in io.Reader, out io.Writer) *bufio.Reader {
	for _, end := range []any{in, out} {
		f, ok := end.(*os.File)
		if !ok || !term.IsTerminal(int(f.Fd())) {
			return nil
		}
	}
	return bufio.NewReader(in)
}

// show sets the stage, plays, and waits for the end.
func show(ctx context.Context, s *screen, once bool) (err error) {
	dir, err := os.MkdirTemp("", "gitseal-tryout-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs := filepath.Join(dir, "programs")
	if err := errors.Join(os.Mkdir(programs, 0o700), Build(ctx, programs, s)); err != nil {
		return err
	}
	stage, err := NewStage(ctx, dir, programs, s)
	if err != nil {
		return err
	}
	defer stage.Close()
	if err := play(ctx, stage, s); err != nil || once {
		return err
	}
	s.invite(stage)
	select {
	case <-ctx.Done():
		s.say("\nStopping everything.\n")
		return nil
	case err := <-stage.Ended():
		return fmt.Errorf("the controller ended: %w", err)
	}
}
