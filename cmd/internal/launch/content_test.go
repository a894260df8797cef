//go:build unix

package launch_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/launch"
)

const secretText = "hunter2, and what follows"

// TestMemoryFile: the program reads the file as often as it likes, maps it, and
// cannot change it.
func TestMemoryFile(t *testing.T) {
	for _, size := range []int{len(secretText), 3 << 20} {
		data := []byte(strings.Repeat(secretText, size/len(secretText)))
		c, err := launch.MemoryFile(data, 3)
		if errors.Is(err, launch.ErrNoMemoryFile) && runtime.GOOS != "linux" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p := program("reopen", c.Path)
		p.Extra = []*os.File{c.File}
		out, code := run(t, p)
		one := fmt.Sprintf("%d hunt %s\n", len(data), data[len(data)-4:])
		want := one + one + "written: false\nwritten: false\n" + fmt.Sprintf("a child: %d bytes\n", len(data))
		if code != 0 || out != want {
			t.Errorf("code %d, got %q, want %q", code, out, want)
		}
		if s := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(s, "hunter2") {
			t.Errorf("prints %q", s)
		}
	}
}

func newPipe(t *testing.T, data []byte) (*launch.Content, string) {
	t.Helper()
	dir := t.TempDir()
	c, err := launch.Pipe(launch.PipeOptions{Data: data, RuntimeDir: dir, AllowDisk: true})
	if err != nil {
		t.Fatal(err)
	}
	return c, filepath.Dir(filepath.Dir(c.Path))
}

func TestPipe(t *testing.T) {
	data := []byte(strings.Repeat(secretText, 10_000)) // more than a pipe holds
	c, base := newPipe(t, data)
	for _, path := range []string{c.Path, filepath.Dir(c.Path)} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	for range 20 {
		if got, err := os.ReadFile(c.Path); err != nil || string(got) != string(data) {
			t.Fatalf("got %d bytes, want %d; %v", len(got), len(data), err)
		}
	}
	// One that goes away early, and one that reads slowly, harm nobody.
	early, err := os.Open(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	const apart = 50 * time.Millisecond // those who come at the same moment share
	time.Sleep(apart)
	slow, err := os.Open(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(apart)
	_ = early.Close()
	if got, err := os.ReadFile(c.Path); err != nil || string(got) != string(data) {
		t.Fatalf("beside others: got %d bytes; %v", len(got), err)
	}
	if got, err := io.ReadAll(slow); err != nil || string(got) != string(data) {
		t.Fatalf("slowly: got %d bytes; %v", len(got), err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Dir(c.Path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left in %s", c.Path, base)
	}
}

// TestPipeCloses at any time: before the first reader, and amid readers.
func TestPipeCloses(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for i := range rounds {
		c, _ := newPipe(t, []byte(strings.Repeat("x", 1<<17)))
		var wg sync.WaitGroup
		for range i % 4 {
			wg.Go(func() {
				f, err := os.OpenFile(c.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
				if err == nil {
					_, _ = io.CopyN(io.Discard, f, 1000)
					_ = f.Close()
				}
			})
		}
		done := make(chan error)
		go func() { done <- c.Close() }()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it does not close")
		}
		wg.Wait()
	}
}

func TestPipeOnDiskIsRefused(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("stat", "-f", "-c", "%T", dir).Output(); err != nil || strings.TrimSpace(string(out)) == "tmpfs" {
		t.Skipf("%s is in memory, or there is no telling", dir)
	}
	c, err := launch.Pipe(launch.PipeOptions{Data: []byte("x"), RuntimeDir: dir})
	if err == nil {
		// /dev/shm served.
		if strings.HasPrefix(c.Path, dir) {
			t.Error("a folder on a disk was taken")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, launch.ErrOnDisk) {
		t.Error(err)
	}
}

// TestPipeIsRemovedAfterSignals, and what SIGKILL leaves is removed by the next.
func TestPipeIsRemovedAfterSignals(t *testing.T) {
	dir := "/dev/shm"
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		dir = t.TempDir()
	} else if dir, err = os.MkdirTemp(dir, "launch-test"); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		cmd := wrapper(t, "fifo", "signals")
		cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		r := started(t, cmd)
		expect(t, r, "ready")
		left, err := filepath.Glob(dir + "/gitseal-exec-*/content")
		if err != nil || len(left) != 1 {
			t.Fatalf("the control sees %q, %v", left, err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if sig == syscall.SIGKILL {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its program, too
		}
		_ = cmd.Wait() // its code is not the point
		left, _ = filepath.Glob(dir + "/*")
		if sig == syscall.SIGTERM && len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		if sig == syscall.SIGKILL {
			checkSwept(t, dir, left)
		}
	}
}

func checkSwept(t *testing.T, dir string, left []string) {
	t.Helper()
	if len(left) != 1 {
		t.Fatalf("SIGKILL left %q", left)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(left[0], old, old); err != nil {
		t.Fatal(err)
	}
	// A folder in use is as old.
	used, err := launch.Pipe(launch.PipeOptions{Data: []byte("x"), RuntimeDir: dir, AllowDisk: true})
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	if _, err := os.Lstat(left[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there", left[0])
	}
	if err := os.Chtimes(filepath.Dir(used.Path), old, old); err != nil {
		t.Fatal(err)
	}
	other, err := launch.Pipe(launch.PipeOptions{Data: []byte("x"), RuntimeDir: dir, AllowDisk: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := os.Lstat(used.Path); err != nil {
		t.Errorf("one that is in use was removed: %v", err)
	}
}
