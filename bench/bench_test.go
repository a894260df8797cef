package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

// The benchmark is run here as a program, with a stand-in for gitseal: this test
// binary, which does the work with sops, right or wrong as fakeEnv says.
const (
	fakeEnv = "GITSEAL_BENCH_TEST_FAKE"
	sopsEnv = "GITSEAL_BENCH_TEST_SOPS"
)

func TestMain(m *testing.M) {
	if how := os.Getenv(fakeEnv); how != "" {
		if err := fakeGitseal(how, os.Getenv(sopsEnv), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fakeGitseal knows the calls that the benchmark makes.
func fakeGitseal(how, sops string, args []string) error {
	if args[0] == "--version" {
		fmt.Println("fake")
		return nil
	}
	if how == "fails" {
		return fmt.Errorf("as it was told")
	}
	call, files := []string{"decrypt"}, args[1:]
	switch {
	case args[0] == "seal":
		call, files = []string{"encrypt", "-i", args[1], args[2]}, args[3:]
	case args[1] == "-i":
		call, files = []string{"decrypt", "-i"}, args[2:]
	}
	if how == "leaves plain" && args[0] == "seal" {
		return nil
	}
	for _, f := range files {
		if how == "changes data" && args[0] == "seal" {
			if err := replaceInFile(f, "name_1", "name_x"); err != nil {
				return err
			}
		}
		cmd := exec.Command(sops, append(slices.Clone(call), f)...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if how == "changes bytes" {
			// sops's own output has the right data in other bytes.
			if err := cmd.Run(); err != nil {
				return err
			}
			continue
		}
		if err := openExactly(cmd, args[0], f); err != nil {
			return err
		}
	}
	return nil
}

// openExactly stands in for gitseal's byte-exact unsealing: the plain file is kept
// in a comment of the sealed one, which is no way to treat a secret.
func openExactly(cmd *exec.Cmd, verb, path string) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	inPlace := slices.Contains(cmd.Args, "-i")
	if verb == "seal" {
		if err := cmd.Run(); err != nil {
			return err
		}
		return appendFile(path, fmt.Sprintf("# %x\n", before))
	}
	var plain []byte
	at := bytes.LastIndex(before, []byte("\n# "))
	if at < 0 {
		return cmd.Run() // sealed by sops itself
	}
	if _, err := fmt.Sscanf(string(before[at+3:]), "%x", &plain); err != nil {
		return err
	}
	if inPlace {
		return os.WriteFile(path, plain, 0o600)
	}
	_, err = os.Stdout.Write(plain)
	return err
}

func replaceInFile(path, from, to string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes.ReplaceAll(data, []byte(from), []byte(to)), 0o600)
}

func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// runBench builds the benchmark and runs it with a stand-in. It returns its
// standard output, what it logged, and whether it succeeded.
func runBench(t *testing.T, how string, args ...string) (stdout, log string, ok bool) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in needs a shell")
	}
	sops := sopstest.Binary(t, "3.13.3")
	dir := t.TempDir()
	bin := filepath.Join(dir, "bench")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the benchmark: %v: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The benchmark gives its programs a clean environment, so the settings come
	// from a script around the stand-in.
	fake := filepath.Join(dir, "gitseal")
	script := fmt.Sprintf("#!/bin/sh\n%s='%s' %s='%s' exec '%s' \"$@\"\n", fakeEnv, how, sopsEnv, sops, self)
	for _, name := range []string{fake, fake + "-keyservice"} {
		if err := os.WriteFile(name, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bin, append([]string{"-small", "-gitseal", fake}, args...)...)
	var out, logged bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &logged
	err = cmd.Run()
	return out.String(), logged.String(), err == nil
}

// report is what the tests read of a report in JSON.
type report struct {
	Results []struct {
		Name          string
		Sample        int
		Gitseal, Sops struct {
			Runs   int
			Wall   struct{ Median, Min, Max int64 } `json:"wall_ns"`
			CPU    struct{ Median int64 }           `json:"cpu_ns"`
			Memory struct{ Median int64 }           `json:"memory_bytes"`
		}
	}
}

func runReport(t *testing.T, args ...string) report {
	t.Helper()
	stdout, log, ok := runBench(t, "right", append([]string{"-json"}, args...)...)
	if !ok {
		t.Fatalf("failed:\n%s", log)
	}
	var r report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReportsEveryYAMLCase(t *testing.T) {
	results := runReport(t, "-runs", "2", "-only", "version,small,files,yaml").Results
	if len(results) != 8 {
		t.Errorf("got %d cases, want 8", len(results))
	}
	for _, r := range results {
		for _, f := range []int64{
			r.Gitseal.Wall.Min, r.Gitseal.CPU.Median, r.Gitseal.Memory.Median,
			r.Sops.Wall.Min, r.Sops.CPU.Median, r.Sops.Memory.Median,
			int64(r.Gitseal.Runs - 1), r.Sops.Wall.Median - r.Sops.Wall.Min + 1, r.Sops.Wall.Max - r.Sops.Wall.Median + 1,
		} {
			if f <= 0 {
				t.Errorf("%s: a figure is missing: %+v", r.Name, r)
				break
			}
		}
		// sops links many SDKs; a smaller figure is not its own.
		if r.Sops.Memory.Median < 20<<20 {
			t.Errorf("%s: sops took only %d bytes of memory", r.Name, r.Sops.Memory.Median)
		}
	}
}

// TestKeyManagementServiceIsSlow: its latency is in the times, and those of a sample
// are scaled.
func TestKeyManagementServiceIsSlow(t *testing.T) {
	results := runReport(t, "-runs", "1", "-only", "kms").Results
	if len(results) != 5 {
		t.Errorf("got %d cases, want 5", len(results))
	}
	for _, r := range results {
		// With -small there are ten files, and each waits for 20 ms.
		files, sample := int64(1), 0
		if strings.HasPrefix(r.Name, "kms1000") {
			files, sample = 10, 1
		}
		// The stand-in for gitseal, which is sops, keeps what it has sealed.
		asks := strings.HasSuffix(r.Name, "-seal")
		if least := files * 20e6; r.Sample != sample || r.Sops.Wall.Min < least || asks && r.Gitseal.Wall.Min < least {
			t.Errorf("%s: a sample of %d files, sops took %d ns and the stand-in %d ns; want a sample of %d, and %d ns at least",
				r.Name, r.Sample, r.Sops.Wall.Min, r.Gitseal.Wall.Min, sample, least)
		}
	}
}

func TestMarkdownHasRatiosAndGoals(t *testing.T) {
	stdout, log, ok := runBench(t, "right", "-runs", "1", "-only", "small-unseal")
	if !ok {
		t.Fatalf("failed:\n%s", log)
	}
	row := regexp.MustCompile(`(?m)^\| unseal one YAML file of 10 values \| time \| 1, 1 \| [0-9.]+ ms \| [0-9.]+ ms \| [0-9./]+ \| 1/4 \| (yes|\*\*no\*\*) \|$`)
	if !row.MatchString(stdout) {
		t.Errorf("no row as expected in:\n%s", stdout)
	}
}

func TestWrongResultsAreFailures(t *testing.T) {
	for _, tt := range []struct{ how, only, want string }{
		{"leaves plain", "small-seal", "0 of 10 values are sealed"},
		{"changes data", "yaml200k-seal", "the data differs"},
		{"changes bytes", "small-unseal", "not the bytes that were sealed"},
		{"fails", "small-seal", "as it was told"},
	} {
		t.Run(tt.how, func(t *testing.T) {
			stdout, log, ok := runBench(t, tt.how, "-runs", "1", "-only", tt.only)
			if ok {
				t.Error("the run succeeded")
			}
			if !strings.Contains(log, tt.want) {
				t.Errorf("the log does not say %q:\n%s", tt.want, log)
			}
			if !strings.Contains(stdout, "**failed**") || strings.Contains(stdout, " ms") {
				t.Errorf("the report gives a time:\n%s", stdout)
			}
		})
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"-only", "nothing"}, {"extra"}, {"-no-such-flag"}} {
		if _, log, ok := runBench(t, "right", args...); ok || log == "" {
			t.Errorf("%v: succeeded, or failed without a word", args)
		}
	}
}
