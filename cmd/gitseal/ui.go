package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// ui prints for people. The rules: data goes to standard output, everything else
// to standard error; a message begins with "gitseal:", is lower case and has no
// full stop; errors, warnings and hints say so. Nothing here is ever given a
// secret.
type ui struct {
	out, err io.Writer
	// color and progress are for terminals only.
	color, progress bool
	quiet           bool

	mu    sync.Mutex // guards what follows, and the order of lines
	shown bool       // a progress line is on the screen
	last  time.Time
	// report, if not nil, takes what is said in place of lines.
	report *editorReport
}

func newUI(s std) *ui {
	tty := isTerminal(s.err) && s.getenv("TERM") != "dumb"
	return &ui{out: s.out, err: s.err, color: tty && s.getenv("NO_COLOR") == "", progress: tty}
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (u *ui) line(label, color, text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clearProgress()
	if u.report != nil {
		u.report.Warnings = append(u.report.Warnings, oneLine(text))
		return
	}
	if label != "" {
		if u.color {
			label = "\x1b[" + color + "m" + label + "\x1b[0m"
		}
		label += " "
	}
	fmt.Fprintf(u.err, "gitseal: %s%s\n", label, oneLine(text))
}

// oneLine keeps a message on its line: file names and keys can hold anything.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		// Control and format characters could move the cursor, or turn text round.
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029 {
			return '?'
		}
		return r
	}, strings.ReplaceAll(s, "\n", "; "))
}

func (u *ui) errorf(text string, hints ...string) {
	u.line("error:", "31", text)
	for _, h := range hints {
		if h != "" {
			u.line("hint:", "36", h)
		}
	}
}

func (u *ui) warn(text string) { u.line("warning:", "33", text) }

// note tells what was done, unless people asked for quiet.
func (u *ui) note(text string) {
	if !u.quiet {
		u.line("", "", text)
	}
}

// json prints a value as indented JSON on standard output.
func (u *ui) json(v any) error {
	e := json.NewEncoder(u.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// progressEvery is how often the progress line changes.
const progressEvery = 100 * time.Millisecond

// step shows that n of total pieces of work are done, on terminals.
func (u *ui) step(what string, n, total int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.progress || u.quiet || total < 2 || time.Since(u.last) < progressEvery {
		return
	}
	u.last, u.shown = time.Now(), true
	fmt.Fprintf(u.err, "\r\x1b[Kgitseal: %s %d of %d", what, n, total)
}

// stepsDone takes the progress line off the screen.
func (u *ui) stepsDone() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clearProgress()
}

func (u *ui) clearProgress() {
	if u.shown {
		fmt.Fprint(u.err, "\r\x1b[K")
		u.shown = false
	}
}
