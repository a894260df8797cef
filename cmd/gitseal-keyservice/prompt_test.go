//go:build linux

package main_test

import (
	"bufio"
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keyservice"
)

// TestThePersonAtTheTerminalIsAsked runs the server at a terminal of its own.
func TestThePersonAtTheTerminalIsAsked(t *testing.T) {
	path, key := program(t), newKey(t)
	socket := filepath.Join(t.TempDir(), "s")
	terminal, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	cmd := exec.Command(path, "serve", "--prompt", "--listen", "unix://"+socket, "--timeout", "10s")
	cmd.Env = environ(t, "SOPS_AGE_KEY="+key.Identity)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	startAndWait(t, cmd, socket)
	tty.Close()

	client, err := keyservice.Dial(func(string) string { return "" }, "unix://"+socket)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r, err := client.Recipient(ageKey(key.Recipient))
	if err != nil {
		t.Fatal(err)
	}
	screen := bufio.NewReader(terminal)
	for _, tt := range []struct {
		answer string
		want   keysources.Reason
	}{{"y\n", ""}, {"n\n", keysources.Denied}, {"\n", keysources.Denied}, {"yes\n", ""}} {
		done := make(chan error, 1)
		go func() {
			_, err := r.Wrap(t.Context(), bytes.Repeat([]byte{1}, 32))
			done <- err
		}()
		question, err := screen.ReadString('?')
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(question, "Encrypt age for "+key.Recipient) {
			t.Errorf("the question: %q", question)
		}
		if _, err := terminal.WriteString(tt.answer); err != nil {
			t.Fatal(err)
		}
		err = <-done
		if got := keysources.ReasonOf(err); got != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("answered %q: got %v", tt.answer, err)
		}
	}
}

func TestPromptNeedsATerminal(t *testing.T) {
	cmd := exec.Command(program(t), "serve", "--prompt", "--listen", "unix://"+filepath.Join(t.TempDir(), "s"))
	cmd.Env = environ(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "there is no terminal") {
		t.Errorf("got %q, %v", out, err)
	}
}
