package editors_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// patience is for how long something is waited for before it counts as never coming.
const patience = 40 * time.Second

// session is an editor on a terminal.
type session struct {
	t    *testing.T
	tty  *os.File
	done chan struct{}

	mu    sync.Mutex // guards shown
	shown bytes.Buffer
}

// start runs a program on a terminal of its own.
func start(t *testing.T, cmd *exec.Cmd) *session {
	t.Helper()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 250})
	if err != nil {
		t.Fatalf("starting %s on a terminal: %v", cmd.Path, err)
	}
	s := &session{t: t, tty: tty, done: make(chan struct{})}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 64<<10)
		for {
			n, err := tty.Read(buf)
			s.mu.Lock()
			s.shown.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return // it has ended
			}
		}
	}()
	go func() {
		_ = cmd.Wait() // how it ends is seen from what it did
		close(s.done)
	}()
	t.Cleanup(func() {
		select {
		case <-s.done:
		default:
			_ = cmd.Process.Kill()
			<-s.done
		}
		_ = tty.Close()
		<-read
	})
	return s
}

// keys types.
func (s *session) keys(text string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(text); err != nil {
		s.t.Fatalf("typing: %v", err)
	}
}

func (s *session) screen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// wait waits for a condition.
func (s *session) wait(what string, met func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-s.done:
			if !met() {
				s.t.Fatalf("the editor has ended, and not: %s\n%s", what, tail(s.screen()))
			}
			return
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not within %v: %s\n%s", patience, what, tail(s.screen()))
		}
	}
}

// sees waits until a text has been on the screen.
func (s *session) sees(text string) {
	s.t.Helper()
	s.wait("the screen shows "+text, func() bool { return strings.Contains(s.screen(), text) })
}

// ends waits for the end of the program.
func (s *session) ends() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatalf("the editor does not end\n%s", tail(s.screen()))
	}
}

// tail returns the end of what was shown, without what moves the cursor.
func tail(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\x1b' {
			return '~'
		}
		return r
	}, s[max(0, len(s)-3000):])
}

// changes reports whether a file no longer holds a text.
func changes(path, before string) func() bool {
	return func() bool {
		data, err := os.ReadFile(path)
		return err == nil && string(data) != before
	}
}

func exists(path string) func() bool {
	return func() bool { _, err := os.Stat(path); return err == nil }
}
