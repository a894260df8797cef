package main_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// killsEnv is how many times each command is killed at a random moment.
	killsEnv     = "GITSEAL_TEST_KILLS"
	defaultKills = 150
	shortKills   = 25
	// allErrorsEnv makes every call fail in every way, and not in one of them.
	allErrorsEnv = "GITSEAL_TEST_ALL_ERRORS"
)

// faults are the calls with which the program changes files, or finds out that it
// cannot.
var faults = []string{"openat", "write", "fsync", "fchmod", "fchown", "renameat", "renameat2", "close", "flock"}

// TestFaults is about what power cuts, full disks and impatient people do to a
// file that is sealed or unsealed in place: it is old or new to the byte, and
// there is no plaintext where there was none.
func TestFaults(t *testing.T) {
	bin := buildProgram(t)
	t.Run("kill at every system call", func(t *testing.T) { eachVerb(t, bin, killEverywhere) })
	t.Run("error at every system call", func(t *testing.T) { eachVerb(t, bin, failEverywhere) })
	t.Run("kill at random", func(t *testing.T) { eachVerb(t, bin, killAtRandom) })
	t.Run("full disk", func(t *testing.T) { eachVerb(t, bin, fillDisk) })
	t.Run("file size limit", func(t *testing.T) { eachVerb(t, bin, limitSize) })
	t.Run("truncating writer is caught", func(t *testing.T) { truncatingWriterIsCaught(t, bin) })
}

// strace runs the program under strace with a fault.
type strace struct {
	*workbench
	// program replaces the command under test, for the control.
	program []string
	trace   string
	// sites counts, for each call that the program makes once it has begun with
	// the target, how many faults hit it.
	sites map[string]int
	// passed are the kinds of calls that have been gone through once.
	passed map[string]bool
	// kills: the faults end the program.
	kills      bool
	violations []string
}

func newStrace(t *testing.T, w *workbench) *strace {
	t.Helper()
	err := exec.Command("strace", "-qq", "-o", os.DevNull, "true").Run()
	if err != nil && os.Getenv(noSkipEnv) != "" {
		t.Fatalf("strace does not work here: %v", err)
	}
	if err != nil {
		t.Skipf("strace does not work here: %v", err)
	}
	return &strace{workbench: w, program: w.args(), trace: filepath.Join(filepath.Dir(w.dir), "trace"), sites: map[string]int{}, passed: map[string]bool{}}
}

// straced runs the program once and returns the lines of the trace.
func (s *strace) straced(flags ...string) (code int, stderr string, lines []string) {
	s.t.Helper()
	s.reset()
	args := append([]string{"strace", "-f", "-qq", "-y", "-o", s.trace}, flags...)
	cmd, buf := s.command(append(args, s.program...)...)
	// One thread runs Go code at a time, so that the calls come in much the same
	// order each time.
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1", "GOGC=off")
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		s.t.Fatal(err)
	}
	trace, err := os.ReadFile(s.trace)
	if err != nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), buf.String(), strings.Split(strings.TrimSuffix(string(trace), "\n"), "\n")
}

var straceCall = regexp.MustCompile(`^(\d+) +(\w+)\(`)

// most returns how often a thread calls each of the faults at most, and notes the
// sites.
func (s *strace) most() map[string]int {
	s.t.Helper()
	code, stderr, lines := s.straced("-e", "trace="+strings.Join(faults, ","))
	if code != 0 {
		s.t.Fatalf("without faults: exit code %d: %s", code, stderr)
	}
	perThread, most := map[string]int{}, map[string]int{}
	for i, line := range lines {
		if i >= s.begin(lines) && s.site(line) != "" {
			s.sites[s.site(line)] += 0
		}
		if m := straceCall.FindStringSubmatch(line); m != nil {
			perThread[m[1]+m[2]]++
			most[m[2]] = max(most[m[2]], perThread[m[1]+m[2]])
		}
	}
	return most
}

// begin returns the number of the first line that is about the target.
func (s *strace) begin(lines []string) int {
	i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, s.dir) })
	if i < 0 {
		return len(lines)
	}
	return i
}

// site names a call by its kind and what it is about, "" if it is none.
func (s *strace) site(line string) string {
	m := straceCall.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	about := "other"
	switch {
	case strings.Contains(line, ".gitseal-tmp"):
		about = "temp"
	case strings.Contains(line, s.target):
		about = "target"
	case strings.Contains(line, s.dir):
		about = "folder"
	}
	for _, flag := range []string{"O_CREAT", "LOCK_UN"} {
		if strings.Contains(line, flag) {
			about += " " + flag
		}
	}
	return m[2] + " " + about
}

// hit injects a fault into the k-th call of a kind and looks at the outcome.
func (s *strace) hit(call, fault string, k int) {
	s.t.Helper()
	code, stderr, lines := s.straced("-e", "trace="+strings.Join(faults, ","), "-e", fmt.Sprintf("inject=%s:%s:when=%d", call, fault, k))
	injected := ""
	for i, line := range lines {
		hit := strings.Contains(line, "(INJECTED)") || code == -1 && strings.Contains(line, " "+call+"(")
		if hit && i >= s.begin(lines) {
			injected = line
		}
	}
	if injected != "" {
		s.sites[s.site(injected)]++
	}
	problem := s.problem(code, stderr)
	if problem == "" && code == 0 && essential(injected) {
		problem = "the failure was not reported: " + injected
	}
	if problem != "" {
		s.violations = append(s.violations, fmt.Sprintf("%s %s at %d: %s", call, fault, k, problem))
	}
}

// essential reports whether a failing call is one without which the new content is
// not safely in place.
func essential(line string) bool {
	m := straceCall.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	switch m[2] {
	case "fsync", "fchmod", "fchown", "renameat", "renameat2":
		return true
	case "write", "close", "openat":
		return strings.Contains(line, ".gitseal-tmp")
	}
	return false
}

// maxPasses is how often the faults are gone through. The program has several
// threads, faults are counted for each, and which thread makes a call differs from
// run to run: a call may be missed because the same fault hit another thread first.
const maxPasses = 12

// sweep calls inject for each call of each kind, and again for the kinds of which
// a site was not hit yet.
func (s *strace) sweep(inject func(call string, k, n, pass int)) {
	s.t.Helper()
	passes := maxPasses
	if testing.Short() {
		passes = 1
	}
	for pass := range passes {
		for call, n := range s.most() {
			for k := 1; k <= n+1 && !s.covered(call); k++ {
				inject(call, k, n, pass)
			}
		}
	}
	s.t.Logf("hits by site: %v", s.sites)
	if missed := s.missed(""); len(missed) > 0 && !testing.Short() {
		s.t.Errorf("no fault hit %q", missed)
	}
	if len(s.sites) < 10 {
		s.t.Errorf("the program makes only %d calls", len(s.sites))
	}
}

// missed returns the sites of a kind of call, or of all, that no fault has hit.
// What has nothing to do with the target may be missed, and so may kills when a
// file is opened: that changes nothing that is not there before the next change.
func (s *strace) missed(call string) []string {
	var out []string
	for site, n := range s.sites {
		minor := strings.HasSuffix(site, " other") || s.kills && strings.HasPrefix(site, "openat ")
		if n == 0 && !minor && (call == "" || strings.HasPrefix(site, call+" ")) {
			out = append(out, site)
		}
	}
	slices.Sort(out)
	return out
}

// covered reports whether all sites of a kind have been hit in an earlier pass.
func (s *strace) covered(call string) bool {
	return s.passed[call] && len(s.missed(call)) == 0
}

func killEverywhere(t *testing.T, w *workbench) {
	s := newStrace(t, w)
	s.kills = true
	s.sweep(func(call string, k, n, _ int) {
		s.hit(call, "signal=KILL", k)
		s.passed[call] = s.passed[call] || k > n
	})
	for _, v := range s.violations {
		t.Error(v)
	}
}

func failEverywhere(t *testing.T, w *workbench) {
	s := newStrace(t, w)
	errnos := []string{"ENOSPC", "EIO", "EDQUOT", "EROFS", "EACCES"}
	s.sweep(func(call string, k, n, pass int) {
		// The few calls that write fail in every way; of the others, each fails in
		// one of them.
		every := os.Getenv(allErrorsEnv) != "" || n <= 2 && !testing.Short()
		for i, errno := range errnos {
			if every || (k+pass+len(call))%len(errnos) == i {
				s.hit(call, "error="+errno, k)
			}
		}
		s.passed[call] = s.passed[call] || k > n
	})
	// A disk that says to have taken one byte, and has taken none.
	for k := 1; k <= 3; k++ {
		s.hit("write", "retval=1", k)
	}
	for _, v := range s.violations {
		t.Error(v)
	}
}

func killAtRandom(t *testing.T, w *workbench) {
	n := defaultKills
	if testing.Short() {
		n = shortKills
	}
	if v := os.Getenv(killsEnv); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			t.Fatalf("%s: %v", killsEnv, err)
		}
	}
	var whole time.Duration
	for range 5 {
		w.reset()
		start := time.Now()
		if code, stderr := w.run(w.args()...); code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		whole += time.Since(start) / 5
	}
	seen := map[outcome]int{}
	killed := 0
	for range n {
		w.reset()
		cmd, stderr := w.command(w.args()...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(whole * 6 / 5))
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // the exit code says it
		if cmd.ProcessState.ExitCode() == -1 {
			killed++
		}
		seen[w.outcome()]++
		if p := w.problem(cmd.ProcessState.ExitCode(), stderr.String()); p != "" {
			t.Error(p)
		}
	}
	t.Logf("%d of %d killed; a whole run takes %v; outcomes: %v", killed, n, whole, seen)
	if killed < n/4 {
		t.Errorf("only %d of %d were killed in time", killed, n)
	}
}

func fillDisk(t *testing.T, w *workbench) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	// Room for either content, but not for both.
	if err := errors.Join(os.RemoveAll(w.dir), os.Mkdir(w.dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	w.dir = filepath.Dir(w.dir) + "/disk"
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	size := fmt.Sprintf("size=%dk", 4*(max(pages(w.sealed), pages(w.plain))+1))
	if err := syscall.Mount("tmpfs", w.dir, "tmpfs", 0, size); err != nil {
		t.Skipf("mounting a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(w.dir, 0); err != nil {
			t.Error(err)
		}
	})
	w.target = filepath.Join(w.dir, "secret.yaml")
	content := map[string][]byte{"seal": w.plain, "unseal": w.sealed}[w.verb]
	if err := errors.Join(os.WriteFile(w.target, content, 0o640), os.Chmod(w.target, 0o640)); err != nil {
		t.Fatal(err)
	}
	// The rest is taken by a file outside of the folder's view: a deleted one.
	filler, err := os.Create(filepath.Join(w.dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	// It must be closed before the unmounting above, which comes last.
	t.Cleanup(func() {
		if err := filler.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); ; {
		if _, err := filler.Write(block); err != nil {
			break
		}
	}
	code, stderr := w.run(w.args()...)
	if p := w.problem(code, stderr); p != "" || code != 1 || w.outcome() != isOld || !strings.Contains(stderr, "no space left") {
		t.Errorf("exit code %d, %s, %q: %s", code, w.outcome(), p, stderr)
	}
}

func pages(content []byte) int { return (len(content) + 4095) / 4096 }

func limitSize(t *testing.T, w *workbench) {
	w.reset()
	code, stderr := w.run(append([]string{"bash", "-c", `ulimit -f 1; exec "$@"`, "bash"}, w.args()...)...)
	if p := w.problem(code, stderr); p != "" || code != 1 || w.outcome() != isOld || !strings.Contains(stderr, "file too large") {
		t.Errorf("exit code %d, %s, %q: %s", code, w.outcome(), p, stderr)
	}
}

// truncatingWriterIsCaught is the control: a program that writes over the file in
// place must be found out by both sweeps.
func truncatingWriterIsCaught(t *testing.T, bin string) {
	for _, fault := range []string{"signal=KILL", "error=ENOSPC"} {
		s := newStrace(t, newWorkbench(t, bin, "unseal"))
		source := filepath.Join(filepath.Dir(s.dir), "plain")
		if err := os.WriteFile(source, s.plain, 0o600); err != nil {
			t.Fatal(err)
		}
		s.program = []string{"bash", "-c", `cat "$0" > "$1"`, source, s.target}
		for k := 1; k <= 3; k++ {
			s.hit("write", fault, k)
		}
		if len(s.violations) == 0 {
			t.Errorf("%s: nothing was caught", fault)
		}
	}
}
