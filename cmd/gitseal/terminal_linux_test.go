package main_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal runs a command with a terminal as its standard error, and returns
// what appears there.
func onTerminal(t *testing.T, env []string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("opening a terminal: %v", err)
	}
	defer master.Close()
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		var b bytes.Buffer
		_, _ = io.Copy(&b, master) // ends with an error when the other side closes
		shown <- b.String()
	}()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stderr = env, slave
	_ = cmd.Run() // what it shows is the point
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	return <-shown
}

// TestTerminal: colours and progress are for terminals, and for people who have
// not said otherwise.
func TestTerminal(t *testing.T) {
	bin := buildProgram(t)
	home := "HOME=" + t.TempDir()
	missing := []string{bin, "seal", "nowhere.yaml"}
	for _, tt := range []struct {
		name    string
		env     []string
		colored bool
	}{
		{"terminal", []string{home, "TERM=xterm"}, true},
		{"NO_COLOR", []string{home, "TERM=xterm", "NO_COLOR=1"}, false},
		{"dumb terminal", []string{home, "TERM=dumb"}, false},
	} {
		got := onTerminal(t, tt.env, missing...)
		if !strings.Contains(got, "nowhere.yaml") || strings.Contains(got, "\x1b[31m") != tt.colored || !tt.colored && strings.Contains(got, "\x1b") {
			t.Errorf("%s: got %q, want colours: %v", tt.name, got, tt.colored)
		}
	}
	dir := t.TempDir()
	args := []string{bin, "seal"}
	for i := range 300 {
		name := filepath.Join(dir, fmt.Sprintf("%d.yaml", i))
		if err := os.WriteFile(name, []byte("a: canary-terminal\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	got := onTerminal(t, []string{home, "TERM=xterm"}, args...)
	if !strings.Contains(got, "300 files: 300 sealed") || !strings.Contains(got, "gitseal: sealing ") || strings.Contains(got, "canary") {
		t.Errorf("sealing many files: got %q", got)
	}
	// The line of progress is gone before anything else is said.
	for line := range strings.SplitSeq(got, "\n") {
		if at := strings.LastIndex(line, "\r\x1b[K"); strings.Contains(line, "sealing") && strings.Contains(line, "300 sealed") && strings.Contains(line[at:], "sealing") {
			t.Errorf("progress and message share a line: %q", line)
		}
	}
}
