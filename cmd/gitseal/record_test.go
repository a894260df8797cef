package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	gitseal "github.com/gitseal/gitseal/cmd/gitseal"
)

// The program runs in the scripts as a child of a recorder, which notes down its
// arguments, what it prints and what it changes. After the scripts, all that is
// on record must keep the contract of the command line and hold no secret.
const (
	// recordsEnv names the folder for the records. Without it nothing is recorded.
	recordsEnv = "GITSEAL_TEST_RECORDS"
	// recordedEnv marks the child.
	recordedEnv = "GITSEAL_TEST_RECORDED"
	// weakEnv takes root's power over permissions away from the program.
	weakEnv = "GITSEAL_TEST_WEAK"
	// noSkipEnv turns skips for want of a tool into failures.
	noSkipEnv = "GITSEAL_TEST_NO_SKIP"
)

// record is one call of the program, or of a program that it started.
type record struct {
	Script string
	Args   []string
	Exit   int
	Stderr string
	// Stdout is empty for calls whose business it is to print plaintext.
	Stdout string
	// Printed tells whether there was anything on standard output at all.
	Printed bool
	// Changed are the files that a failing call changed.
	Changed []string
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"gitseal": program, "seal": program, "unseal": program, "git": recordedGit,
	})
}

// program is what the scripts call gitseal.
func program() {
	dir := os.Getenv(recordsEnv)
	if dir == "" || os.Getenv(recordedEnv) != "" {
		gitseal.Main()
		return
	}
	r, err := recordProgram()
	if err == nil {
		err = r.save(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "recorder:", err)
		os.Exit(99)
	}
	os.Exit(r.Exit)
}

func recordProgram() (*record, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	root := os.Getenv("WORK")
	before, err := snapshot(root)
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(self)
	cmd.Args = slices.Clone(os.Args)
	cmd.Env = append(os.Environ(), recordedEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, io.MultiWriter(os.Stdout, &stdout), io.MultiWriter(os.Stderr, &stderr)
	if info, err := os.Stdout.Stat(); err == nil && info.Mode()&fs.ModeNamedPipe == 0 {
		// A script that leads the output elsewhere wants the program to meet
		// whatever there is.
		cmd.Stdout = os.Stdout
	}
	if err := runForwarding(cmd); err != nil {
		return nil, err
	}
	r := &record{
		Script: filepath.Base(root), Args: cmd.Args, Exit: cmd.ProcessState.ExitCode(),
		Stderr: stderr.String(), Printed: stdout.Len() > 0,
	}
	if !printsPlaintext(r.Args) {
		r.Stdout = stdout.String()
	}
	if r.Exit == 0 {
		return r, nil
	}
	after, err := snapshot(root)
	r.Changed = differing(before, after)
	return r, err
}

// runForwarding runs a command and passes signals on to it. Exiting with an error
// is no error here.
func runForwarding(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if os.Getenv(weakEnv) != "" {
		if err := dropPower(); err != nil {
			return err
		}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	if errors.As(err, new(*exec.ExitError)) {
		return nil
	}
	return err
}

// printsPlaintext tells the calls that may print plaintext on standard output.
func printsPlaintext(args []string) bool {
	return filepath.Base(args[0]) == "unseal" || slices.ContainsFunc(args, func(a string) bool {
		return slices.Contains([]string{"unseal", "get", "--reveal", "--plaintext", "cat-file", "cat", "kustomize", "post-render"}, a)
	}) && !slices.Contains(args, "masked")
}

func (r *record) save(dir string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "*.json")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// readRecords returns all records of a folder.
func readRecords(t *testing.T, dir string) []record {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []record
	for _, name := range names {
		data, err := os.ReadFile(name)
		var r record
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// recordedGit stands before the real git, so that the arguments with which the
// program calls it are on record.
func recordedGit() {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	var path []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if dir != filepath.Dir(self) {
			path = append(path, dir)
		}
	}
	// Hooks and drivers that git runs must find the program where the scripts do.
	whole := os.Getenv("PATH")
	if err := os.Setenv("PATH", strings.Join(path, string(filepath.ListSeparator))); err != nil {
		panic(err)
	}
	git, err := exec.LookPath("git")
	if err := errors.Join(err, os.Setenv("PATH", whole)); err != nil {
		panic(err)
	}
	if dir := os.Getenv(recordsEnv); dir != "" {
		r := &record{Script: filepath.Base(os.Getenv("WORK")), Args: os.Args}
		if err := r.save(dir); err != nil {
			panic(err)
		}
	}
	cmd := exec.Command(git, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := runForwarding(cmd); err != nil {
		fmt.Fprintln(os.Stderr, "recorder:", err)
		os.Exit(99)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

// maxHashed is the size up to which snapshot looks at a file's content.
const maxHashed = 1 << 20

// snapshot describes the files of a script's work folder by name, except for
// those of git and the identities, which may come into being in a failing call.
func snapshot(root string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || path == filepath.Join(root, "home") || path == filepath.Join(root, ".tmp") {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out[path] = describe(path, info)
		return nil
	})
	return out, err
}

func describe(path string, info fs.FileInfo) string {
	text := fmt.Sprintf("%v %d", info.Mode(), info.Size())
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return text + fmt.Sprint(target, err)
	case !info.Mode().IsRegular():
		return text
	case info.Size() > maxHashed:
		return text + info.ModTime().String()
	}
	data, err := os.ReadFile(path)
	sum := sha256.Sum256(data)
	return text + hex.EncodeToString(sum[:]) + fmt.Sprint(err)
}

// differing returns the names that two snapshots do not agree on.
func differing(a, b map[string]string) []string {
	var out []string
	for name := range a {
		if a[name] != b[name] {
			out = append(out, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkContract returns what is wrong with a call by the rules for all commands:
// a failure is one error line and at least one hint line, prints no data and
// changes no file; every line says who speaks; no message is a sentence.
func checkContract(r record) []string {
	var bad []string
	if len(r.Args) == 0 || filepath.Base(r.Args[0]) == "git" {
		return nil
	}
	if !slices.Contains(slices.Collect(maps.Keys(exitCodes)), r.Exit) {
		bad = append(bad, fmt.Sprintf("exit code %d", r.Exit))
	}
	said, wrong := asMessages(r)
	bad = append(bad, wrong...)
	errs, hints := 0, 0
	for line := range strings.Lines(said) {
		text, ours := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "gitseal: ")
		switch {
		case !ours:
			bad = append(bad, "a line does not begin with the program's name")
		case strings.HasPrefix(text, "error: "):
			errs++
		case strings.HasPrefix(text, "hint: "):
			hints++
		}
		if strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "..") {
			bad = append(bad, "a message ends in a full stop")
		}
	}
	switch {
	case r.Exit == 0 && errs > 0:
		bad = append(bad, "an error line, but exit code 0")
	case r.Exit == 0:
	case r.Exit == 1 && comparesLikeGit(r.Args) && r.Stderr == "":
		// diff --exit-code says with it that there are differences, as git does.
	case errs != 1 || hints < 1:
		bad = append(bad, fmt.Sprintf("%d error lines and %d hint lines", errs, hints))
	case r.Exit == 3 && len(r.Args) > 1 && r.Args[1] == "accept" && strings.Contains(r.Stderr, " left that could not be accepted so\n"):
		// Done but for those: see accept's help.
	case r.Exit == 3 && reportsFindings(r.Args):
		// What was found is the data.
	case len(r.Args) > 1 && r.Args[1] == "kustomize" && r.Printed && len(r.Changed) == 0:
		// What it prints are the results of a function that failed: a script looks at them.
	case r.Exit == 1 && len(r.Args) > 1 && r.Args[1] == "merge":
		// To git it says that there are conflicts, which the file it was given now has.
	case r.Printed:
		bad = append(bad, "a failure, but something on standard output")
	case len(r.Changed) > 0:
		bad = append(bad, fmt.Sprintf("a failure, but changed: %q", r.Changed))
	}
	return bad
}

// exitCodes are all that there are.
var exitCodes = map[int]string{0: "done", 1: "failed", 2: "usage", 3: "wrong state", 4: "no identity", 5: "tampered", 6: "refused", 130: "interrupted"}

// TestContractCatches is the control of checkContract.
func TestContractCatches(t *testing.T) {
	const fine = "gitseal: error: x\ngitseal: hint: y\n"
	for _, tt := range []struct {
		name string
		r    record
		bad  int
	}{
		{"a success", record{Stderr: "gitseal: x.yaml: sealed 2 values\n", Printed: true}, 0},
		{"a failure", record{Exit: 1, Stderr: "gitseal: warning: w\n" + fine}, 0},
		{"no hint", record{Exit: 1, Stderr: "gitseal: error: x\n"}, 1},
		{"two errors", record{Exit: 1, Stderr: fine + fine}, 1},
		{"silent failure", record{Exit: 3}, 1},
		{"failure with data", record{Exit: 1, Stderr: fine, Printed: true}, 1},
		{"failure that changes a file", record{Exit: 1, Stderr: fine, Changed: []string{"f"}}, 1},
		{"error without exit code", record{Stderr: fine}, 1},
		{"panic", record{Exit: 2, Stderr: "panic: x\n\ngoroutine 1 [running]:\n" + fine}, 3},
		{"unknown exit code", record{Exit: 7, Stderr: fine}, 1},
		{"sentence", record{Exit: 1, Stderr: "gitseal: error: x.\ngitseal: hint: y\n"}, 1},
	} {
		tt.r.Args = []string{"gitseal"}
		if bad := checkContract(tt.r); len(bad) != tt.bad {
			t.Errorf("%s: got %q, want %d", tt.name, bad, tt.bad)
		}
	}
}
