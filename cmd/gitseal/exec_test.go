//go:build unix

package main_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// execBench is the program and a sealed file with a canary.
type execBench struct {
	*workbench
	file string
}

const execCanary = "canary-of-exec-0123456789"

func newExecBench(t *testing.T) *execBench {
	t.Helper()
	b := &execBench{workbench: newWorkbench(t, buildProgram(t), "unseal")}
	b.file = filepath.Join(b.dir, "x.yaml")
	if err := os.WriteFile(b.file, []byte("SECRET: "+execCanary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stderr := b.run(b.bin, "seal", b.file); code != 0 {
		t.Fatalf("sealing: %d: %s", code, stderr)
	}
	return b
}

// exec returns a call of gitseal exec with a script.
func (b *execBench) exec(flags []string, script string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	b.t.Cleanup(cancel)
	args := append(append([]string{"exec"}, flags...), b.file, "--", "sh", "-c", script)
	cmd := exec.CommandContext(ctx, b.bin, args...)
	cmd.Env, cmd.Dir = b.env, b.dir
	return cmd
}

// TestExec is about what scripts cannot show: signals, terminals, traces.
func TestExec(t *testing.T) {
	b := newExecBench(t)
	t.Run("interrupted", b.interrupted)
	t.Run("interrupted before it begins", b.interruptedBefore)
	t.Run("terminal", b.terminal)
	t.Run("no trace", b.leavesNoTrace)
}

// interrupted: what becomes of an interrupt is the command's decision.
func (b *execBench) interrupted(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		sig          syscall.Signal
		want         int
	}{
		{"handled", `trap 'exit 7' INT; echo ready; while :; do sleep 0.05; done`, syscall.SIGINT, 7},
		{"handled well", `trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done`, syscall.SIGTERM, 0},
		{"not handled", `echo ready; exec sleep 60`, syscall.SIGTERM, 143},
		{"hung up", `echo ready; exec sleep 60`, syscall.SIGHUP, 129},
		{"Ctrl-C", `echo ready; exec sleep 60`, syscall.SIGINT, 130},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if signal.Ignored(tt.sig) {
				t.Skip("this signal is ignored here (nohup), and programs leave it so")
			}
			cmd := b.exec(nil, tt.script)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 16)
			if n, err := out.Read(buf); string(buf[:n]) != "ready\n" {
				t.Fatalf("got %q, %v", buf[:n], err)
			}
			if err := cmd.Process.Signal(tt.sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the code tells
			if got := cmd.ProcessState.ExitCode(); got != tt.want || stderr.Len() > 0 {
				t.Errorf("code %d, want %d; said %q", got, tt.want, stderr.String())
			}
		})
	}
}

// interruptedBefore: an interrupt while files are opened is ours, and the
// command does not run.
func (b *execBench) interruptedBefore(t *testing.T) {
	slow := filepath.Join(b.dir, "slow")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\n: >"+slow+".started\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := b.exec(nil, ": >ran")
	cmd.Env = []string{"HOME=" + b.dir, "PATH=" + os.Getenv("PATH"), "GITSEAL_DOORS=open", "SOPS_AGE_KEY_CMD=" + slow}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(slow + ".started"); err == nil {
			break
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the code tells
	if got := cmd.ProcessState.ExitCode(); got != 130 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("code %d, said %q", got, stderr.String())
	}
	if _, err := os.Stat(filepath.Join(b.dir, "ran")); err == nil {
		t.Error("the command ran")
	}
}

// terminal: a command at a terminal gets the terminal itself, unless
// masking is asked for.
func (b *execBench) terminal(t *testing.T) {
	const script = `test -t 1 && echo terminal || echo pipe; echo "<$SECRET>"; test -t 2 || echo no terminal for errors`
	for _, tt := range []struct{ mode, want string }{
		{"auto", "terminal\r\n<" + execCanary + ">\r\n"},
		{"never", "terminal\r\n<" + execCanary + ">\r\n"},
		{"always", "pipe\r\n<*****>\r\nno terminal for errors\r\n"},
	} {
		tty, err := pty.Start(b.exec([]string{"--mask", tt.mode}, script))
		if err != nil {
			t.Skipf("opening a terminal: %v", err)
		}
		var got bytes.Buffer
		_, _ = got.ReadFrom(tty) // ends with an error
		if got.String() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.mode, got.String(), tt.want)
		}
	}
}

// leavesNoTrace: while the command runs, the value is in no argument and
// environment but the command's, and in no file.
func (b *execBench) leavesNoTrace(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip(err)
	}
	temp := t.TempDir()
	b.env = append(b.env, "TMPDIR="+temp, "XDG_RUNTIME_DIR="+temp)
	for _, flags := range [][]string{nil, {"--file", "SECRET=F"}, {"--file", "ALL"}, {"--fifo", "--allow-disk", "--file", "SECRET=F"}} {
		cmd := b.exec(append(flags, "--mask", "never"), `cat /proc/$PPID/cmdline /proc/$PPID/environ /proc/$$/cmdline; ulimit -c; echo started; read line; echo "$SECRET"; test -z "$F$ALL" || cat $F $ALL`)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		seen := readUntil(t, out, "started\n")
		if strings.Contains(seen, execCanary) || !strings.Contains(seen, "\n0\n") && !strings.Contains(seen, "0\nstarted") {
			t.Errorf("%q: in arguments or environment, or core files are on: %q", flags, seen)
		}
		for _, root := range []string{temp, filepath.Dir(b.dir), "/dev/shm"} {
			searchFiles(t, root, execCanary)
		}
		if _, err := in.Write([]byte("\n")); err != nil {
			t.Fatal(err)
		}
		if rest := readUntil(t, out, execCanary); !strings.Contains(rest, execCanary) {
			t.Errorf("%q: the control does not see the value: %q", flags, rest)
		}
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%q: %v", flags, err)
		}
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func readUntil(t *testing.T, r interface{ Read([]byte) (int, error) }, want string) string {
	t.Helper()
	var all []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(all, []byte(want)) {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			break
		}
	}
	return string(all)
}

func searchFiles(t *testing.T, root, secret string) {
	t.Helper()
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // gone again, or a pipe
		}
		data, err := os.ReadFile(path)
		if err == nil && bytes.Contains(data, []byte(secret)) {
			t.Errorf("%s holds the value", path)
		}
		return nil
	})
}
