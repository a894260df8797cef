// Package toolcache builds the real programs that tests run against. It is for
// tests and their tools only.
//
// Each folder below testdata/tools is a module of its own. Its go.mod names the
// programs in tool directives, and with go.sum pins every byte of their source. What
// is built is kept in a cache, in one folder for each module and everything that
// the result depends on.
package toolcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The environment variables that steer the tests.
const (
	// CacheEnv names the folder that keeps the programs. Without it they are kept
	// in gitseal-test in the user's cache folder.
	CacheEnv = "GITSEAL_TEST_CACHE"
	// NoSkipEnv, if not empty, makes a test that cannot have what it needs fail
	// where it would be skipped otherwise.
	NoSkipEnv = "GITSEAL_TEST_NO_SKIP"
)

// ErrNoModule means that testdata/tools has no module for a tool, or that the
// working directory is not in the repository.
var ErrNoModule = errors.New("no such module in testdata/tools above the working directory")

// buildArgs are the flags of official binaries where they matter for speed and
// size; they are part of the cache's key.
var buildArgs = []string{"build", "-trimpath", "-buildvcs=false"}

// stripped are the linker's flags for every tool, and part of the key, too.
const stripped = "-s -w"

const (
	// buildTime is how long a build may take in a test: everything has to be
	// downloaded and compiled the first time.
	buildTime = 25 * time.Minute
	// waitDelay is how long the compilers get to end after the go command was killed.
	waitDelay = time.Second
)

// Tool is a module below testdata/tools.
type Tool struct {
	// Module is the name of its folder, such as sops-3.13.3.
	Module string
	// Tags are the build tags, separated by commas.
	Tags string
	// LDFlags are flags for the linker, beside those of buildArgs.
	LDFlags string
}

// Need returns the folder that holds the tool's programs, building them on first
// use. If they cannot be built, the test is skipped, or fails if [NoSkipEnv] is set;
// it always fails if there is no such module.
func (t Tool) Need(tb testing.TB) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), buildTime)
	defer cancel()
	dir, err := t.Build(ctx, os.Stderr)
	switch {
	case err == nil:
		return dir
	case errors.Is(err, ErrNoModule):
		tb.Fatal(err)
	default:
		Unavailable(tb, err)
	}
	return ""
}

// Unavailable ends a test that cannot have what it needs: it is skipped, or fails if
// [NoSkipEnv] is set. The error says what is missing.
func Unavailable(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv(NoSkipEnv) != "" {
		tb.Fatal(err)
	}
	tb.Skipf("%v (set %s=1 to make this a failure)", err, NoSkipEnv)
}

// Program returns the path of a program in the folder that [Tool.Build] or
// [Tool.Need] returned.
func Program(dir, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}

// Build returns the folder that holds the tool's programs. If the cache does not
// hold it, Build says so on log in one line and builds it with the go command, which
// may download modules. The working directory must lie in the repository. Several
// processes may call Build at once: one builds, the others wait.
func (t Tool) Build(ctx context.Context, log io.Writer) (dir string, err error) {
	module, err := t.find()
	if err != nil {
		return "", err
	}
	dir, err = t.entry(module)
	if err != nil || isFolder(dir) {
		return dir, err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("waiting for another build of %s: %w", t.Module, err)
	}
	defer unlock()
	if isFolder(dir) {
		return dir, nil
	}
	if err := t.build(ctx, module, dir, log); err != nil {
		return "", fmt.Errorf("building %s: %w", t.Module, err)
	}
	return dir, nil
}

// build builds all programs of the module. The folder appears under its final name
// in one step, so that nobody sees half of it.
func (t Tool) build(ctx context.Context, module, dir string, log io.Writer) error {
	fmt.Fprintf(log, "building %s once, for the tests, into %s (may take minutes, and needs the module proxy for what is not downloaded yet)\n", t.Module, dir)
	start := time.Now()
	partial, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".partial-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	// The separator at the end makes the go command write into the folder.
	args := append(slices.Clone(buildArgs), "-ldflags="+strings.TrimSpace(stripped+" "+t.LDFlags), "-tags="+t.Tags,
		"-o", partial+string(filepath.Separator), "tool")
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.WaitDelay = module, waitDelay
	// Settings of the outer go command (a race build, another target, a
	// workspace) are none of the tool's business.
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, lastLines(out.String(), 5))
	}
	// Temporary folders are their maker's alone; the cache may be for more users.
	if err := os.Chmod(partial, 0o755); err != nil {
		return err
	}
	// Where there are no locks somebody else may have been first.
	if err := os.Rename(partial, dir); err != nil && !isFolder(dir) {
		return err
	}
	fmt.Fprintf(log, "built %s in %s\n", t.Module, time.Since(start).Round(time.Second))
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
