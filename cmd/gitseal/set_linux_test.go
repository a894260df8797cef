package main_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// session is a program on a terminal of its own.
type session struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	done chan struct{} // closed when there is nothing more to come

	mu    sync.Mutex // guards shown
	shown strings.Builder
	seen  int
}

func onOwnTerminal(w *workbench, args ...string) *session {
	s := &session{t: w.t, done: make(chan struct{})}
	s.cmd, _ = w.command(args...)
	s.cmd.Stderr = nil
	var err error
	if s.tty, err = pty.Start(s.cmd); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		buf := make([]byte, 1024)
		for {
			n, err := s.tty.Read(buf)
			s.mu.Lock()
			s.shown.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// text is all that was shown so far.
func (s *session) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// answer waits for a text and then types another.
func (s *session) answer(question, answer string) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if at := strings.Index(s.text()[s.seen:], question); at >= 0 {
			s.seen += at + len(question)
			if _, err := s.tty.WriteString(answer); err != nil {
				s.t.Fatal(err)
			}
			return
		}
	}
	_ = s.cmd.Process.Kill()
	s.t.Fatalf("%q was not asked; shown: %q", question, s.text())
}

// end waits for the program and returns its exit code.
func (s *session) end() int {
	s.t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	_ = s.cmd.Wait() // the exit code says it
	<-s.done         // all that it showed has arrived
	return s.cmd.ProcessState.ExitCode()
}

// echoes reports whether the terminal shows what is typed.
func (s *session) echoes() bool {
	s.t.Helper()
	state, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// TestSetAsksOnATerminal: for the value, twice, without showing it.
func TestSetAsksOnATerminal(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.reset()
	s := onOwnTerminal(w, w.bin, "set", w.target, "key0")
	s.answer("new value (not shown): ", "canary-typed\n")
	s.answer("once more: ", "canary-typed\n")
	if code := s.end(); code != 0 || strings.Contains(s.text(), "canary") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	if c := w.call(w.bin, "get", w.target, "key0"); c.stdout != "canary-typed" {
		t.Errorf("got %q, %s", c.stdout, c.stderr)
	}
	s = onOwnTerminal(w, w.bin, "set", "--once", w.target, "key0")
	s.answer("new value (not shown): ", "canary-once\n")
	if code := s.end(); code != 0 || strings.Contains(s.text(), "once more") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	s = onOwnTerminal(w, w.bin, "set", w.target, "key0")
	s.answer("new value (not shown): ", "canary-typed\n")
	s.answer("once more: ", "canary-mistyped\n")
	if code := s.end(); code != 1 || !strings.Contains(s.text(), "the two values are not the same") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	if c := w.call(w.bin, "get", w.target, "key0"); c.stdout != "canary-once" {
		t.Errorf("got %q, %s", c.stdout, c.stderr)
	}
	// On a terminal, a line break follows what is printed.
	s = onOwnTerminal(w, w.bin, "get", w.target, "key0")
	code := s.end()
	<-s.done
	if code != 0 || s.text() != "canary-once\r\n" {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
}

// TestSetInterrupted: who interrupts the question has the terminal back as it was.
func TestSetInterrupted(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.reset()
	s := onOwnTerminal(w, w.bin, "set", w.target, "key0")
	s.answer("new value (not shown): ", "canary-half")
	if s.echoes() {
		t.Error("what is typed is shown")
	}
	s.answer("", "\x03")
	if code := s.end(); code != 130 || !s.echoes() {
		t.Errorf("exit code %d, echoes: %v, shown: %q", code, s.echoes(), s.text())
	}
	if got, err := os.ReadFile(w.target); err != nil || string(got) != string(w.sealed) {
		t.Errorf("the file was changed, %v", err)
	}
}

// TestSetEndOfInput: ^D ends the input, as the line break does; keys that erase do.
func TestSetEndOfInput(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.reset()
	s := onOwnTerminal(w, w.bin, "set", w.target, "key0")
	s.answer("new value (not shown): ", "\x04")
	if code := s.end(); code != 1 || !s.echoes() || !strings.Contains(s.text(), "no value was typed") {
		t.Errorf("exit code %d, echoes: %v, shown: %q", code, s.echoes(), s.text())
	}
	if got, err := os.ReadFile(w.target); err != nil || string(got) != string(w.sealed) {
		t.Errorf("the file was changed, %v", err)
	}
	long := strings.Repeat("canary-", 1000) // longer than the lines of terminals
	s = onOwnTerminal(w, w.bin, "set", w.target, "key0")
	s.answer("new value (not shown): ", "wrong\x15canary-äö\x7f"+long+"\x04")
	s.answer("once more: ", "canary-ä"+long+"\r")
	if code := s.end(); code != 0 || strings.Contains(s.text(), "canary") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	if c := w.call(w.bin, "get", w.target, "key0"); c.stdout != "canary-ä"+long {
		t.Errorf("got %q, %s", c.stdout, c.stderr)
	}
}

// TestAcceptAsksOnATerminal: about each proposal; values are shown only on demand.
func TestAcceptAsksOnATerminal(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.reset()
	value := w.dir + "-value"
	if err := os.WriteFile(value, []byte("canary-proposed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"new.a", "new.b", "new.c", "new.d"} {
		if code, stderr := w.run(w.bin, "set", "--propose", "--file", value, w.target, path); code != 0 {
			t.Fatal(stderr)
		}
	}
	const question = "accept it? [y]es, [n]o, [d]rop it, [r]eveal it, [q]uit: "
	s := onOwnTerminal(w, w.bin, "accept", w.target)
	s.answer("new.a: a string, new, by ", "")
	s.answer(question, "nonsense\ny\n")
	if strings.Contains(s.text(), "canary") {
		t.Error("the value was shown")
	}
	s.answer("new.b: ", "")
	s.answer(question, "r\n")
	s.answer(`"canary-proposed"`, "d\n")
	s.answer("new.c: ", "n\n")
	s.answer("new.d: ", "q\n")
	if code := s.end(); code != 0 || !strings.Contains(s.text(), "1 proposal accepted, 1 proposal dropped, 2 left") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	if c := w.call(w.bin, "get", w.target, "new"); c.stdout != `{"a":"canary-proposed"}`+"\n" {
		t.Errorf("got %q, %s", c.stdout, c.stderr)
	}
	if c := w.call(w.bin, "accept", "--list", w.target); strings.Count(c.stdout, "\n") != 2 {
		t.Errorf("left: %s", c.stdout)
	}
}

// TestAcceptSaysWhatHasChanged: who is asked about a proposal is told that the value was
// set after it was made, and that the place of another is gone, whose value is to be had.
func TestAcceptSaysWhatHasChanged(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.reset()
	value, other := w.dir+"-value", w.dir+"-other"
	for name, text := range map[string]string{value: "canary-proposed\n", other: "canary-set\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"--propose", "--file", value, w.target, "key0"}, {"--propose", "--file", value, w.target, "new[0]"},
		{"--file", other, w.target, "key0"}, {"--file", other, w.target, "new[0]"},
	} {
		if code, stderr := w.run(append([]string{w.bin, "set"}, args...)...); code != 0 {
			t.Fatal(stderr)
		}
	}
	s := onOwnTerminal(w, w.bin, "accept", w.target)
	s.answer("key0: a string IN PLACE OF a string that was set after it was proposed, by ", "")
	s.answer("accept it? [y]es, [n]o, [d]rop it, [r]eveal it, [q]uit: ", "y\n")
	s.answer("new[0]: CANNOT BE ACCEPTED (the list item that it was to add is there by now), by ", "")
	s.answer("drop it? [d]rop it, [n]o, [r]eveal it, [q]uit: ", "r\n")
	s.answer(`"canary-proposed"`, "d\n")
	if code := s.end(); code != 0 || !strings.Contains(s.text(), "1 proposal accepted, 1 proposal dropped") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	if c := w.call(w.bin, "get", w.target, "key0"); c.stdout != "canary-proposed" {
		t.Errorf("got %q, %s", c.stdout, c.stderr)
	}
	if c := w.call(w.bin, "get", w.target, "new"); c.stdout != `["canary-set"]`+"\n" {
		t.Errorf("got %q, %s", c.stdout, c.stderr)
	}
}
