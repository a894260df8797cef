package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/gitseal/gitseal/keysources/keyservice"
)

// prompter asks the person at the terminal.
type prompter struct {
	tty   *os.File
	lines <-chan string
}

func openPrompter() (*prompter, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil || !term.IsTerminal(int(tty.Fd())) {
		return nil, errors.New("there is no terminal")
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for r := bufio.NewScanner(tty); r.Scan(); {
			lines <- r.Text()
		}
	}()
	return &prompter{tty: tty, lines: lines}, nil
}

// ask returns true if the answer is yes. What was typed before the question is no
// answer to it.
func (p *prompter) ask(ctx context.Context, e keyservice.Event) bool {
	for {
		select {
		case _, open := <-p.lines:
			if !open {
				return false
			}
			continue
		default:
		}
		break
	}
	fmt.Fprintf(p.tty, "%s: %s %s for %s? [y/N] ", oneLine(e.Peer), e.Method, e.Type, oneLine(e.Reader))
	select {
	case line := <-p.lines:
		line = strings.ToLower(strings.TrimSpace(line))
		return line == "y" || line == "yes"
	case <-ctx.Done():
		fmt.Fprintln(p.tty, "\nno answer in time")
		return false
	}
}
