package editors_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// calls are those by which text can get from a process to a file, into a name, or
// into another process's arguments.
const calls = "execve,open,openat,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,unlink,unlinkat," +
	"write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendfile,copy_file_range,splice,tee,vmsplice"

// traced returns a command that runs another one under strace.
func traced(t *testing.T, cmd *exec.Cmd) (*exec.Cmd, string) {
	t.Helper()
	path := need(t, "strace")
	if err := exec.Command(path, "-qq", "-o", os.DevNull, "true").Run(); err != nil {
		toolcache.Unavailable(t, fmt.Errorf("strace does not work here: %w", err))
	}
	trace := filepath.Join(t.TempDir(), "trace")
	args := append([]string{"-f", "-qq", "-y", "-s", "1000000", "-e", "trace=" + calls, "-o", trace}, cmd.Args...)
	out := exec.Command(path, args...)
	out.Env, out.Dir = cmd.Env, cmd.Dir
	return out, trace
}

// harmless is a write to another process or to the terminal.
var harmless = regexp.MustCompile(`^\d+ +(write|writev|sendto|sendmsg)\(\d+<(pipe:|socket:|UNIX|/dev/pts/|/dev/tty|/dev/ptmx)`)

// betrayals lists the calls of a trace in which the canary went anywhere but to the
// terminal and through pipes, and counts the latter.
func betrayals(t *testing.T, trace string) (bad []string, piped int) {
	t.Helper()
	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		for _, g := range guises() {
			if !bytes.Contains(line, g) {
				continue
			}
			if harmless.Match(line) {
				piped++
			} else {
				bad = append(bad, strings.TrimSpace(string(line[:min(len(line), 200)])))
			}
			break
		}
	}
	return bad, piped
}

// checkTrace checks that no call gave the canary away, and that the trace would
// have shown it: the canary did pass through pipes.
func checkTrace(t *testing.T, trace string) {
	t.Helper()
	bad, piped := betrayals(t, trace)
	for _, line := range bad {
		t.Errorf("plaintext goes to a file: %s", line)
	}
	if piped == 0 {
		t.Error("the trace shows no plaintext at all, not even between the programs")
	}
}
