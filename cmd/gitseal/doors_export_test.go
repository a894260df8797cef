package main

import (
	"io"

	"github.com/urfave/cli/v2"
)

// Commands are all that the program has, for the tests.
func Commands() []*cli.Command {
	s := std{out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }}
	return newApp(s, newUI(s)).Commands
}
