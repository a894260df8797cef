//go:build linux

package launch_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// console is a terminal with somebody at it.
type console struct {
	t     *testing.T
	tty   *os.File
	lines chan string
}

func open(t *testing.T, cmd *exec.Cmd) *console {
	t.Helper()
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Skipf("opening a terminal: %v", err)
	}
	keepOutput(t, tty)
	c := &console{t: t, tty: tty, lines: make(chan string, 1000)}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(tty); s.Scan(); {
			c.lines <- strings.TrimSpace(s.Text())
		}
	}()
	t.Cleanup(func() { _ = tty.Close() })
	return c
}

// keepOutput has the terminal drop nothing at Ctrl-C and the like: the kernel sends
// the signal first, and may then drop what the program has answered to it.
func keepOutput(t *testing.T, tty *os.File) {
	t.Helper()
	fd := int(tty.Fd())
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	settings.Lflag |= unix.NOFLSH
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
}

func (c *console) types(text string) {
	c.t.Helper()
	if _, err := c.tty.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// sees waits for a line that ends in a text and returns those before it.
func (c *console) sees(want string) (before []string) {
	c.t.Helper()
	return c.seesTyping(want, "")
}

// stops types Ctrl-Z and a command of the shell whose last words are given, and waits
// for them. A program that has just been continued may miss the key: the SIGCONT that
// is passed on to it takes back a stop that is not older.
func (c *console) stops(command, want string) (before []string) {
	c.t.Helper()
	c.types("\x1a")
	c.types(command + "\n")
	return c.seesTyping(want, "\x1a")
}

// seesTyping is sees for somebody who presses a key now and then.
func (c *console) seesTyping(want, key string) (before []string) {
	c.t.Helper()
	timeout := time.After(time.Minute)
	patience := time.NewTicker(3 * time.Second)
	defer patience.Stop()
	for {
		select {
		case <-patience.C:
			c.types(key)
		case line, ok := <-c.lines:
			if strings.HasSuffix(line, want) {
				return before
			}
			if !ok {
				c.t.Fatalf("%q never came, but %q", want, before)
			}
			before = append(before, line)
		case <-timeout:
			c.t.Fatalf("%q did not come, but %q", want, before)
		}
	}
}

// TestKeyboard: what the terminal sends to all its processes reaches the program
// once, not twice.
func TestKeyboard(t *testing.T) {
	for _, filter := range []string{"plain", "mask"} {
		cmd := wrapper(t, filter, "signals")
		c := open(t, cmd)
		c.sees("ready")
		c.types("\x03")
		c.sees("SIGINT")
		c.types("\x1c")
		if before := c.sees("SIGQUIT"); strings.Contains(fmt.Sprint(before), "SIGINT") {
			t.Errorf("%s: a second SIGINT: %q", filter, before)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if before := c.sees("SIGTERM"); strings.Contains(fmt.Sprint(before), "SIG") {
			t.Errorf("%s: a second SIGQUIT: %q", filter, before)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 9 {
			t.Errorf("%s: %v", filter, err)
		}
	}
}

// TestStopAndGoOn: Ctrl-Z gives the shell its prompt back, and fg goes on; so it
// does if the program stops only itself.
func TestStopAndGoOn(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	p := program("wrapper")
	shell := exec.CommandContext(t.Context(), "bash", "--norc", "--noprofile", "-i")
	shell.Env = append(p.Env, "PS1=", "TERM=dumb", "WRAPPER="+p.Path)
	c := open(t, shell)
	c.types("stty -echo noflsh\n")
	c.types("echo the shell is 'there'\n")
	c.sees("the shell is there")
	c.types("\"$WRAPPER\" plain signals\n")
	c.sees("ready")
	c.stops("echo stopped 'once'", "stopped once")
	c.types("jobs; fg\n")
	c.sees("SIGCONT")
	c.types("\x03")
	c.sees("SIGINT")
	c.stops("echo stopped 'twice'", "stopped twice")
	c.types("echo \"the process is\" $(jobs -p); fg\n")
	pid := 0
	for _, line := range c.sees("SIGCONT") {
		_, _ = fmt.Sscanf(line, "the process is %d", &pid) // other lines are not
	}
	if pid == 0 {
		t.Fatal("there is no job")
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.sees("SIGTERM")
	c.types("echo code $? 'is it'\n")
	c.sees("code 9 is it")
	// A program that stops only itself.
	c.types("\"$WRAPPER\" plain stop-itself\n")
	c.sees("about to stop")
	c.types("echo stopped 'again'; fg\n")
	if before := c.sees("stopped again"); strings.Contains(fmt.Sprint(before), "went on") {
		t.Error("it did not stop")
	}
	c.sees("went on")
	c.types("exit\n")
	if err := shell.Wait(); err != nil {
		t.Logf("the shell: %v", err)
	}
}
