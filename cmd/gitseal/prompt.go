package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"

	"github.com/gitseal/gitseal/keysources/age"
)

// errNoTerminal: there is nobody to ask.
var errNoTerminal = errors.New("there is no terminal to ask on")

// canAsk reports whether questions can be asked: messages go to a terminal, and
// there is one to read from, whatever standard input is.
func (u *ui) canAsk() bool {
	if !u.progress {
		return false
	}
	tty, err := openTerminal()
	if err != nil {
		return false
	}
	return tty.Close() == nil
}

func openTerminal() (*os.File, error) {
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	return os.OpenFile(name, os.O_RDWR, 0)
}

// ask shows a question on the terminal and reads a line from there, without showing
// what is typed if it is secret. It gives up when ctx is done. Without a terminal it
// returns errNoTerminal at once.
func (u *ui) ask(ctx context.Context, prompt string, secret bool) (string, error) {
	if !u.progress {
		return "", errNoTerminal
	}
	tty, err := openTerminal()
	if err != nil {
		return "", errNoTerminal
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clearProgress()
	fmt.Fprintf(u.err, "gitseal: %s: ", oneLine(prompt))
	type answer struct {
		text string
		err  error
	}
	state, stateErr := term.GetState(int(tty.Fd()))
	answered := make(chan answer, 1)
	go func() {
		defer tty.Close()
		text, err := readAnswer(tty, secret)
		answered <- answer{text, err}
	}()
	select {
	case a := <-answered:
		if secret {
			fmt.Fprintln(u.err)
		}
		return a.text, a.err
	case <-ctx.Done():
		// The reader hangs in its system call; the terminal must show typing again.
		if stateErr == nil {
			_ = term.Restore(int(tty.Fd()), state)
		}
		fmt.Fprintln(u.err)
		return "", ctx.Err()
	}
}

// maxAnswer bounds a line that is typed, in bytes.
const maxAnswer = 1 << 20

func readAnswer(tty *os.File, secret bool) (string, error) {
	if secret {
		b, err := term.ReadPassword(int(tty.Fd()))
		if err == io.EOF {
			err = nil // Ctrl-D
		}
		return string(b), err
	}
	line, err := bufio.NewReader(io.LimitReader(tty, maxAnswer)).ReadString('\n')
	if err == io.EOF {
		err = nil // Ctrl-D: the answer is what was typed, perhaps nothing
	}
	return strings.TrimRight(line, "\r\n"), err
}

// confirm asks a question that is answered with y or n; no is the default.
func (u *ui) confirm(ctx context.Context, question string) (bool, error) {
	text, err := u.ask(ctx, question+" [y/N]", false)
	text = strings.ToLower(strings.TrimSpace(text))
	return text == "y" || text == "yes", err
}

// ageUI lets age's keys ask for passphrases and PINs.
func (u *ui) ageUI() age.UI {
	out := age.UI{Tell: u.note, Warn: u.warn}
	if !u.canAsk() {
		return out
	}
	out.Ask = u.ask
	out.Confirm = func(ctx context.Context, prompt, yes, no string) (bool, error) {
		choice := "[" + yes + "]"
		if no != "" {
			choice = "[y: " + yes + ", n: " + no + "]"
		}
		text, err := u.ask(ctx, prompt+" "+choice, false)
		return no == "" || strings.HasPrefix(strings.ToLower(strings.TrimSpace(text)), "y"), err
	}
	return out
}
