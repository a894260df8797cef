// Package sopstest runs real sops binaries and compares what they read with
// what we read. It is for tests and benchmarks only.
//
// The binaries are built from the nested modules testdata/tools/sops-VERSION of
// this repository, whose go.mod and go.sum pin every byte of the source, and are
// kept in a cache. Each runs with an environment of its own and never reads the
// keys or the configuration of whoever runs the tests.
package sopstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// Versions are the releases of sops that the tests can build, newest first.
// 3.9 brought sub-commands and 3.13 another order of the metadata; 3.8 stands
// for what older installations run.
var Versions = []string{"3.13.3", "3.9.4", "3.8.1"}

// The environment variables that steer the builder.
const (
	// CacheEnv names the folder that keeps the binaries. Without it they are
	// kept in gitseal-test in the user's cache folder.
	CacheEnv = "GITSEAL_TEST_CACHE"
	// NoSkipEnv, if not empty, makes a test that cannot have what it needs fail
	// where it would be skipped otherwise.
	NoSkipEnv = "GITSEAL_TEST_NO_SKIP"
)

// ErrUnknownVersion means that this repository has no module for a version.
var ErrUnknownVersion = errors.New("no such version of sops in testdata/tools")

// buildArgs are the flags of the official binaries where they matter for speed
// and size; they are part of the cache's key.
var buildArgs = []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}

// buildTime is how long a build may take: everything has to be downloaded and
// compiled the first time.
const buildTime = 25 * time.Minute

// Binary returns the path of sops in the given version, building it on first
// use. If it cannot be built, the test is skipped, or fails if [NoSkipEnv] is set.
func Binary(tb testing.TB, version string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	path, err := Build(ctx, version, os.Stderr)
	switch {
	case err == nil:
		return path
	case errors.Is(err, ErrUnknownVersion), os.Getenv(NoSkipEnv) != "":
		tb.Fatal(err)
	default:
		tb.Skipf("%v (set %s=1 to make this a failure)", err, NoSkipEnv)
	}
	return ""
}

// Build returns the path of sops in the given version. If the cache does not
// hold it, Build says so on log in one line and builds it with the go command,
// which may download modules. The working directory must lie in the repository.
// Several processes may call Build at once: one builds, the others wait.
func Build(ctx context.Context, version string, log io.Writer) (string, error) {
	if !slices.Contains(Versions, version) {
		return "", fmt.Errorf("%w: %s", ErrUnknownVersion, version)
	}
	module, err := findModule(version)
	if err != nil {
		return "", err
	}
	path, err := cachePath(module)
	if err != nil {
		return "", err
	}
	if isFile(path) {
		return path, nil
	}
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return "", fmt.Errorf("waiting for another build of sops %s: %w", version, err)
	}
	defer unlock()
	if isFile(path) {
		return path, nil
	}
	if err := build(ctx, module, path, log); err != nil {
		return "", fmt.Errorf("building sops %s: %w", version, err)
	}
	return path, nil
}

// build builds the tool of a nested module. The binary appears under its final
// name in one step, so that nobody sees half of it.
func build(ctx context.Context, module, path string, log io.Writer) error {
	fmt.Fprintf(log, "building %s once, as the peer of the tests, into %s (needs a few minutes, and the module proxy for what is not downloaded yet)\n",
		filepath.Base(module), path)
	start := time.Now()
	partial := fmt.Sprintf("%s.partial-%d", path, os.Getpid())
	defer os.Remove(partial)
	args := append(slices.Clone(buildArgs), "-o", partial, "github.com/getsops/sops/v3/cmd/sops")
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = module
	// Settings of the outer go command (a race build, another target, a
	// workspace) are none of the tool's business.
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, lastLines(out.String(), 5))
	}
	if err := os.Rename(partial, path); err != nil {
		return err
	}
	fmt.Fprintf(log, "built %s in %s\n", filepath.Base(module), time.Since(start).Round(time.Second))
	return nil
}

// findModule returns the nested module of a version, looking upwards from the
// working directory, which for a test is its package's folder.
func findModule(version string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		module := filepath.Join(dir, "testdata", "tools", "sops-"+version)
		if isFile(filepath.Join(module, "go.mod")) {
			return module, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%w: %s: the working directory is not in the repository", ErrUnknownVersion, version)
		}
		dir = parent
	}
}

// cachePath returns where the binary of a module belongs. The name depends on
// everything that the binary depends on.
func cachePath(module string) (string, error) {
	dir := os.Getenv(CacheEnv)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding a cache folder (%s sets one): %w", CacheEnv, err)
		}
		dir = filepath.Join(user, "gitseal-test")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %s %q\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, buildArgs)
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%d\n%s", len(data), data)
	}
	name := filepath.Base(module) + "-" + hex.EncodeToString(h.Sum(nil)[:8])
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Abs(filepath.Join(dir, name))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
