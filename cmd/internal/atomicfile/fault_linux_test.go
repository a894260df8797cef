package atomicfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

// The harness runs a small writer (this test binary, started again) under strace,
// which kills it at a chosen system call or makes that call fail, and looks at
// what is on disk afterwards.

const (
	childEnv   = "GITSEAL_ATOMICFILE_CHILD"
	targetEnv  = "GITSEAL_ATOMICFILE_TARGET"
	noSkipEnv  = "GITSEAL_TEST_NO_SKIP"
	markerFile = "/nonexistent/gitseal-marker"
	// foreignID owns the target if the tests run as root, so that the owner has to
	// be copied.
	foreignID = 54321
	// The writer's exit codes.
	exitUntouched, exitReplaced = 1, 3
)

func oldBytes() []byte { return bytes.Repeat([]byte("old line\n"), 1000) }
func newBytes() []byte { return bytes.Repeat([]byte("a new line\n"), 1500) }

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		os.Exit(child(mode, os.Getenv(targetEnv)))
	}
	os.Exit(m.Run())
}

// child is the writer. The marker tells the harness where the start-up ends.
func child(mode, target string) int {
	runtime.LockOSThread()
	_ = syscall.Access(markerFile, 0)
	var err error
	switch mode {
	case "replace":
		_, err = atomicfile.Write(target, newBytes(), atomicfile.Options{Expect: atomicfile.Holding(oldBytes())})
	case "create":
		_, err = atomicfile.Write(target, newBytes(), atomicfile.Options{Perm: 0o640})
	case "truncate":
		// What must not be done: the control that shows the harness at work.
		err = os.WriteFile(target, newBytes(), 0o600)
	}
	var e *atomicfile.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e) && e.Replaced:
		return exitReplaced
	}
	return exitUntouched
}

// harness is one kind of write in a folder of its own.
type harness struct {
	t           *testing.T
	mode        string
	dir, target string
	trace       string
	// runs counts the runs in which a fault hit the writer at work.
	runs       int
	violations []string
}

func newHarness(t *testing.T, mode string) *harness {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(strace, "-qq", "-o", os.DevNull, "true").Run()
	}
	if err != nil {
		if os.Getenv(noSkipEnv) == "1" {
			t.Fatalf("strace does not work here: %v", err)
		}
		t.Skipf("strace does not work here: %v", err)
	}
	base := resolvedTemp(t)
	dir := filepath.Join(base, "work")
	return &harness{t: t, mode: mode, dir: dir, target: filepath.Join(dir, "f"), trace: filepath.Join(base, "trace")}
}

// reset puts the folder into the state before the write.
func (h *harness) reset() {
	h.t.Helper()
	if err := errors.Join(os.RemoveAll(h.dir), os.Mkdir(h.dir, 0o700)); err != nil {
		h.t.Fatal(err)
	}
	if h.mode == "create" {
		return
	}
	if err := errors.Join(os.WriteFile(h.target, oldBytes(), 0o600), os.Chmod(h.target, 0o640)); err != nil {
		h.t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(h.target, foreignID, foreignID); err != nil {
			h.t.Fatal(err)
		}
	}
}

// run starts the writer under strace and returns its exit code, -1 if killed, and
// the trace up to the marker and from it on.
func (h *harness) run(args ...string) (code int, startup, work []string) {
	h.t.Helper()
	h.reset()
	cmd := exec.Command("strace", append(append([]string{"-f", "-qq", "-o", h.trace}, args...), os.Args[0])...)
	cmd.Env = append(os.Environ(), childEnv+"="+h.mode, targetEnv+"="+h.target, "GOMAXPROCS=1", "GOGC=off")
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	b, err := os.ReadFile(h.trace)
	if err != nil {
		h.t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	if i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, markerFile) }); i >= 0 {
		return cmd.ProcessState.ExitCode(), lines[:i], lines[i:]
	}
	return cmd.ProcessState.ExitCode(), lines, nil
}

// calls returns the names of the system calls that the writer makes, and for each
// how often it made it during start-up.
func (h *harness) calls() (names []string, before map[string]int) {
	h.t.Helper()
	code, startup, work := h.run()
	if code != 0 || work == nil {
		h.t.Fatalf("the writer without faults: exit code %d, %d lines of trace", code, len(work))
	}
	thread, _, _ := strings.Cut(work[0], " ")
	call := regexp.MustCompile(`^` + thread + ` +(\w+)\(`)
	before = map[string]int{}
	for _, line := range startup {
		if m := call.FindStringSubmatch(line); m != nil {
			before[m[1]]++
		}
	}
	for _, line := range work {
		if m := call.FindStringSubmatch(line); m != nil && m[1] != "exit_group" && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names, before
}

// sweep injects the fault at every occurrence of the call, one a run.
func (h *harness) sweep(call, fault string, before int) {
	h.t.Helper()
	// Start-up is not quite the same each time, so begin a little early and end
	// only after two runs that were not hit.
	for k, missed := max(1, before-1), 0; missed < 2; k++ {
		code, startup, work := h.run(
			"-e", "trace=faccessat,faccessat2,"+call,
			"-e", fmt.Sprintf("inject=%s:%s:when=%d", call, fault, k))
		injected := func(l string) bool { return strings.Contains(l, "INJECTED") }
		atWork := slices.ContainsFunc(work, injected) || code == -1 && work != nil
		if !atWork && code != -1 && !slices.ContainsFunc(startup, injected) {
			missed++
			continue
		}
		missed = 0
		if atWork {
			h.runs++
		}
		if problem := h.problem(code, atWork); problem != "" {
			h.violations = append(h.violations, fmt.Sprintf("%s %s at %d: %s", call, fault, k, problem))
		}
	}
}

// problem says what is wrong with the folder after a run that was hit, if
// anything is.
func (h *harness) problem(code int, atWork bool) string {
	h.t.Helper()
	got, err := os.ReadFile(h.target)
	isNew := err == nil && bytes.Equal(got, newBytes())
	isOld := err == nil && bytes.Equal(got, oldBytes())
	if h.mode == "create" {
		isOld = errors.Is(err, os.ErrNotExist)
	}
	temps := slices.DeleteFunc(names(h.t, h.dir), func(n string) bool { return n == "f" })
	switch {
	case !isOld && !isNew:
		return fmt.Sprintf("neither old nor new: %d bytes, %v", len(got), err)
	case code == 0 && atWork:
		return "the failure was not reported"
	case code == 0 && !isNew, code == exitReplaced && !isNew, code == exitUntouched && !isOld:
		return fmt.Sprintf("exit code %d, but new is %v", code, isNew)
	case len(temps) > 1, len(temps) == 1 && !atomicfile.IsTemp(temps[0]):
		return fmt.Sprintf("litter: %q", temps)
	case code != -1 && len(temps) > 0:
		return fmt.Sprintf("a temporary file was left: %q", temps)
	}
	return h.access(isNew)
}

// access checks the mode and, as root, the owner.
func (h *harness) access(isNew bool) string {
	if h.mode == "create" && !isNew {
		return ""
	}
	info, err := os.Stat(h.target)
	if err != nil {
		return err.Error()
	}
	owner := info.Sys().(*syscall.Stat_t)
	if info.Mode() != 0o640 {
		return fmt.Sprintf("mode %o", info.Mode())
	}
	if os.Geteuid() == 0 && h.mode != "create" && (owner.Uid != foreignID || owner.Gid != foreignID) {
		return fmt.Sprintf("owner %d:%d", owner.Uid, owner.Gid)
	}
	return ""
}

func TestKillAtEverySystemCall(t *testing.T) {
	for _, mode := range []string{"replace", "create"} {
		t.Run(mode, func(t *testing.T) {
			h := newHarness(t, mode)
			names, before := h.calls()
			for _, call := range names {
				h.sweep(call, "signal=KILL", before[call])
			}
			t.Logf("%d kills at %d kinds of calls: %v", h.runs, len(names), names)
			if h.runs < 40 {
				t.Errorf("only %d kills hit the writer at work", h.runs)
			}
			for _, v := range h.violations {
				t.Error(v)
			}
		})
	}
}

func TestErrorAtEverySystemCall(t *testing.T) {
	faulty := []string{"openat", "read", "write", "fsync", "fchmod", "fchown", "renameat", "renameat2", "close", "flock", "getdents64"}
	for _, mode := range []string{"replace", "create"} {
		t.Run(mode, func(t *testing.T) {
			h := newHarness(t, mode)
			names, before := h.calls()
			for _, call := range names {
				if !slices.Contains(faulty, call) {
					continue
				}
				for _, errno := range []string{"ENOSPC", "EIO", "EDQUOT", "EACCES", "EROFS"} {
					h.sweep(call, "error="+errno, before[call])
				}
			}
			// A disk that takes one byte and says so, but stores none.
			h.sweep("write", "retval=1", before["write"])
			t.Logf("%d errors", h.runs)
			if h.runs < 80 {
				t.Errorf("only %d errors hit the writer at work", h.runs)
			}
			for _, v := range h.violations {
				t.Error(v)
			}
		})
	}
}

// A writer that truncates the file in place must be caught by both sweeps, or
// they prove nothing.
func TestHarnessCatchesATruncatingWriter(t *testing.T) {
	for _, fault := range []string{"signal=KILL", "error=ENOSPC"} {
		h := newHarness(t, "truncate")
		_, before := h.calls()
		h.sweep("write", fault, before["write"])
		if len(h.violations) == 0 || h.runs == 0 {
			t.Errorf("%s: %d runs, nothing caught", fault, h.runs)
		}
	}
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := resolvedTemp(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mounting a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	old := bytes.Repeat([]byte("x"), 30<<10)
	target := put(t, filepath.Join(dir, "f"), string(old), 0o600)
	opts := atomicfile.Options{Expect: atomicfile.Holding(old)}
	_, err := atomicfile.Write(target, bytes.Repeat([]byte("y"), 40<<10), opts)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	if all := names(t, dir); len(all) != 1 || content(t, target) != string(old) {
		t.Errorf("after the failure: files %q, %d bytes", all, len(content(t, target)))
	}
	if _, err := atomicfile.Write(target, bytes.Repeat([]byte("y"), 20<<10), opts); err != nil {
		t.Errorf("what fits: %v", err)
	}
}
