package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// askSecret reads a line from a terminal that does not show it, from before the
// prompt appears. If ctx ends meanwhile, the terminal is as before, too.
func askSecret(ctx context.Context, s std, in *os.File, prompt string) (text string, err error) {
	fd := int(in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("asking for the value: %w", plainPathError(err))
	}
	defer func() {
		err = errors.Join(err, term.Restore(fd, before))
		fmt.Fprintln(s.err)
	}()
	fmt.Fprint(s.err, "gitseal: "+prompt)
	text, err = awaitLine(ctx, func() (string, error) { return readSecretLine(in) })
	if errors.Is(err, io.EOF) {
		return "", failure("no value was typed", "nothing was changed")
	}
	return text, plainPathError(err)
}

// The keys that a raw terminal leaves to who reads from it.
const (
	keyInterrupt = 0x03 // ^C
	keyEnd       = 0x04 // ^D
	keyBackspace = 0x08
	keyKill      = 0x15 // ^U
	keySuspend   = 0x1a // ^Z
	keyQuit      = 0x1c // ^\
	keyDelete    = 0x7f
)

// readSecretLine reads a line from a raw terminal, byte by byte, so that what is
// typed ahead is left for the next question. The terminal's own lines will not do:
// they end at 4,095 bytes, and term.ReadPassword waits on when they end with ^D.
// Here that ends the line, with io.EOF if nothing was typed.
func readSecretLine(in io.Reader) (string, error) {
	var line []byte
	for key := make([]byte, 1); ; {
		n, err := in.Read(key)
		if err == nil && n == 0 {
			continue
		}
		if err == nil && key[0] == keyEnd {
			err = io.EOF
		}
		switch {
		case errors.Is(err, io.EOF) && len(line) > 0:
			return string(line), nil
		case err != nil:
			return "", err
		case len(line) > maxNewValue:
			return "", failure("the new value is too long", "nothing was changed")
		}
		switch key[0] {
		case '\r', '\n':
			return string(line), nil
		case keyInterrupt, keyQuit:
			return "", &commandError{code: exitInterrupted, text: "interrupted", hint: "nothing was written"}
		case keyBackspace, keyDelete:
			_, size := utf8.DecodeLastRune(line)
			line = line[:len(line)-size]
		case keyKill:
			line = line[:0]
		case keySuspend: // a terminal that shows nothing is left by typing on
		default:
			line = append(line, key[0])
		}
	}
}
