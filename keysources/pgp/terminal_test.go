//go:build linux

package pgp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/pgp"
	"github.com/gitseal/gitseal/keysources/pgp/pgptest"
)

// stanzaEnv makes the test program be one that unwraps a stanza in a terminal.
const stanzaEnv = "PGP_TEST_STANZA"

// TestUnwrapInTerminal is that program; as a test it does nothing.
func TestUnwrapInTerminal(t *testing.T) {
	text := os.Getenv(stanzaEnv)
	if text == "" {
		return
	}
	var st keysources.Stanza
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		t.Fatal(err)
	}
	got, err := pgp.New(os.Getenv).Unwrap(context.Background(), st)
	fmt.Printf("\nresult: right=%v error=%v\n", bytes.Equal(got, dataKey()), err)
}

// TestPassphraseIsAskedForInTheTerminal, in that of the program, though nobody has
// set GPG_TTY: by the agent's program for it, and by gpg itself.
func TestPassphraseIsAskedForInTheTerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for prompts")
	}
	h := pgptest.NewHome(t)
	pinentry, err := exec.LookPath("pinentry-curses")
	if err != nil {
		if os.Getenv(pgptest.NoSkipEnv) != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	st := wrap(t, pgp.New(h.Env), h.Generate(t, pgptest.Key{Name: "me", Passphrase: "hunter2"}))
	for _, tt := range []struct{ name, file, line, typed, want string }{
		{"pinentry", "gpg-agent.conf", "pinentry-program " + pinentry, "hunter2\r", "right=true error=<nil>"},
		{"pinentry, wrong", "gpg-agent.conf", "max-cache-ttl 1", "wrong\rwrong\rwrong\r", "wrong passphrase"},
		{"gpg", "gpg.conf", "pinentry-mode loopback", "hunter2\r", "right=true error=<nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.Configure(t, tt.file, tt.line) // and the agent forgets
			if out := inTerminal(t, h, st, tt.typed); !strings.Contains(out, tt.want) || strings.Contains(out, "hunter2") {
				t.Errorf("got %q, want %q in it", out, tt.want)
			}
		})
	}
}

// inTerminal unwraps in a terminal of its own, where somebody types when asked, and
// returns what was to be seen there.
func inTerminal(t *testing.T, h *pgptest.Home, st keysources.Stanza, typed string) string {
	t.Helper()
	text, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestUnwrapInTerminal$")
	cmd.Env = append(h.Environ(), "TERM=xterm", stanzaEnv+"="+string(text))
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	timer := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	screen := &screen{}
	go screen.copy(terminal)
	for _, line := range strings.SplitAfter(typed, "\r") {
		if line == "" {
			break
		}
		if !screen.waitFor("assphrase:") {
			break
		}
		time.Sleep(200 * time.Millisecond) // it discards what was typed before
		if _, err := io.WriteString(terminal, line); err != nil {
			t.Fatal(err)
		}
	}
	screen.waitFor("result:")
	screen.waitFor("\n")
	_ = cmd.Wait() // what it printed says all
	return screen.all()
}

// screen is what a terminal has shown.
type screen struct {
	mu   sync.Mutex // guards text and seen
	text strings.Builder
	seen int
}

func (s *screen) copy(r io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// waitFor waits until words appear after what was waited for before.
func (s *screen) waitFor(words string) bool {
	for range 300 {
		s.mu.Lock()
		i := strings.Index(s.text.String()[s.seen:], words)
		if i >= 0 {
			s.seen += i + len(words)
		}
		s.mu.Unlock()
		if i >= 0 {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}
