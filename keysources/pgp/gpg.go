package pgp

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/gitseal/gitseal/keysources"
)

const (
	// maxOutput is how much of what gpg writes is kept; if there is more, gpg is
	// stopped. What belongs here has less than maxMessage bytes.
	maxOutput = 2 * maxMessage
	// killDelay is how long gpg's descendants may hold its pipes after its end.
	killDelay = 2 * time.Second
	// statusPrefix begins the lines that are meant for programs; all others are for
	// people, in their language.
	statusPrefix = "[GNUPG:] "
)

// errUnavailable means that gpg could not be started.
var errUnavailable = errors.New("gpg cannot be started")

// output is what came of running gpg.
type output struct {
	stdout []byte
	// status are the lines for programs, split into words.
	status [][]string
	// exit is the exit code, -1 if it was killed.
	exit int
	// tooMuch says that it was stopped because it wrote more than maxOutput bytes.
	tooMuch bool
}

func (o output) ok() bool { return o.exit == 0 && !o.tooMuch }

// has reports whether there is a line with this keyword.
func (o output) has(keyword string) bool { return o.line(keyword) != nil }

// line returns the first line with this keyword, nil if there is none.
func (o output) line(keyword string) []string {
	for _, words := range o.status {
		if words[0] == keyword {
			return words
		}
	}
	return nil
}

// run runs gpg with input on its standard input. No argument may come from a file
// unchecked. The error is the context's, or errUnavailable.
func (s *Source) run(ctx context.Context, input string, args ...string) (output, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return output{}, ctx.Err()
	}
	// The status goes where the messages go: other descriptors cannot be passed on
	// everywhere.
	cmd := exec.CommandContext(ctx, s.program(), append([]string{"--status-fd", "2"}, args...)...)
	cmd.Env, cmd.WaitDelay = s.environ(), killDelay
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr limited
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return output{}, ctx.Err()
	}
	o := output{stdout: stdout.buf.Bytes(), tooMuch: stdout.over || stderr.over}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		o.exit = exit.ExitCode()
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, exec.ErrDot):
		return output{}, errUnavailable
	case err != nil:
		o.exit = -1
	}
	o.status = statusLines(stderr.buf.String())
	return o, nil
}

// statusLines picks the lines for programs.
func statusLines(text string) [][]string {
	var out [][]string
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, statusPrefix)
		if words := strings.Fields(rest); ok && len(words) > 0 {
			out = append(out, words)
		}
	}
	return out
}

// limited keeps up to maxOutput bytes and then fails, which stops the copying and
// with it the process.
type limited struct {
	buf  bytes.Buffer
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.buf.Len()+len(p) > maxOutput {
		l.over = true
		return 0, errors.New("too much")
	}
	return l.buf.Write(p)
}

func (s *Source) program() string {
	if p := s.env("SOPS_GPG_EXEC"); p != "" {
		return p
	}
	return "gpg"
}

// passed are the variables that gpg, its agent and the programs that ask for
// passphrases use, and passedPrefixes how more of them begin.
var (
	passed = []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LANGUAGE", "TERM", "TZ",
		"GNUPGHOME", "GPG_TTY", "GPG_AGENT_INFO", "PINENTRY_USER_DATA", "INSIDE_EMACS",
		"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XMODIFIERS", "GTK_IM_MODULE", "QT_IM_MODULE", "DBUS_SESSION_BUS_ADDRESS",
		"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "USERPROFILE", "USERNAME", "TEMP", "TMP",
	}
	passedPrefixes = []string{"LC_", "XDG_", "GPG_", "GNUPG_", "PINENTRY_", "QUBES_"}
)

// environ returns the environment of gpg.
func (s *Source) environ() []string {
	var out []string
	seen := map[string]bool{}
	add := func(name string) {
		if v := s.env(name); v != "" && !seen[name] {
			seen[name] = true
			out = append(out, name+"="+v)
		}
	}
	for _, name := range passed {
		add(name)
	}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		for _, prefix := range passedPrefixes {
			if strings.HasPrefix(name, prefix) {
				add(name)
			}
		}
	}
	if tty := terminal(); tty != "" && !seen["GPG_TTY"] {
		out = append(out, "GPG_TTY="+tty)
	}
	return out
}

// terminal returns the path of the terminal that we run in, "" if there is none or
// the system does not tell. The agent asks for passphrases there. gpg itself looks
// only at its standard input, which is a pipe here.
func terminal() string {
	for fd := range 3 {
		if !term.IsTerminal(fd) {
			continue
		}
		if path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil && strings.HasPrefix(path, "/dev/") {
			return path
		}
	}
	return ""
}

// explain turns an error of run into that of a key source.
func explain(reader string, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &keysources.Error{Reader: reader, Reason: keysources.Timeout}
	case errors.Is(err, errUnavailable):
		return &keysources.Error{Reader: reader, Reason: keysources.Unavailable, Detail: "gpg; SOPS_GPG_EXEC may name it"}
	}
	return err
}
