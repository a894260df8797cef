// Package vaulttest runs a real Vault server for tests.
//
// The server is built from the nested module testdata/tools/vault of this
// repository, whose go.mod and go.sum pin every byte of the source, and is kept in
// a cache. OpenBao cannot be had as a Go module; its transit engine and protocol
// are those of Vault 1.14. Namespaces are a feature of Vault Enterprise and of
// OpenBao, so that this server has none.
package vaulttest

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

// The environment variables that steer the builder; package sopstest has the same.
const (
	// CacheEnv names the folder that keeps the binary. Without it it is kept in
	// gitseal-test in the user's cache folder.
	CacheEnv = "GITSEAL_TEST_CACHE"
	// NoSkipEnv, if not empty, makes a test that cannot have what it needs fail
	// where it would be skipped otherwise.
	NoSkipEnv = "GITSEAL_TEST_NO_SKIP"
)

// errNoModule means that the working directory is not in this repository.
var errNoModule = errors.New("testdata/tools/vault is not there: the working directory is not in the repository")

// buildArgs leave out the cloud secrets engines and databases (tag minimal), two
// thirds of the build's time. They are part of the cache's key.
var buildArgs = []string{"build", "-p", "2", "-tags=minimal", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}

// buildTime is how long a build may take: about five minutes on two cores when
// everything has to be downloaded and compiled.
const buildTime = 25 * time.Minute

// Binary returns the path of the server's program, building it on first use. If it
// cannot be built, the test is skipped, or fails if [NoSkipEnv] is set.
func Binary(tb testing.TB) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	path, err := Build(ctx, os.Stderr)
	switch {
	case err == nil:
		return path
	case errors.Is(err, errNoModule), os.Getenv(NoSkipEnv) != "":
		tb.Fatal(err)
	default:
		tb.Skipf("%v (set %s=1 to make this a failure)", err, NoSkipEnv)
	}
	return ""
}

// Build returns the path of the server's program. If the cache does not hold it,
// Build says so on log in one line and builds it with the go command, which may
// download modules. The working directory must lie in the repository. Several
// processes may call Build at once: one builds, the others wait.
func Build(ctx context.Context, log io.Writer) (string, error) {
	module, err := findModule()
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
		return "", fmt.Errorf("waiting for another build of Vault: %w", err)
	}
	defer unlock()
	if isFile(path) {
		return path, nil
	}
	if err := build(ctx, module, path, log); err != nil {
		return "", fmt.Errorf("building Vault: %w", err)
	}
	return path, nil
}

// build builds the tool of the nested module. The binary appears under its final
// name in one step, so that nobody sees half of it.
func build(ctx context.Context, module, path string, log io.Writer) error {
	fmt.Fprintf(log, "building Vault once, as the server of the tests, into %s (needs about five minutes, 3 GB of modules and the module proxy for what is not downloaded yet)\n", path)
	start := time.Now()
	partial := fmt.Sprintf("%s.partial-%d", path, os.Getpid())
	defer os.Remove(partial)
	cmd := exec.CommandContext(ctx, "go", append(slices.Clone(buildArgs), "-o", partial, "github.com/hashicorp/vault")...)
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
	fmt.Fprintf(log, "built Vault in %s\n", time.Since(start).Round(time.Second))
	return nil
}

// findModule returns the nested module, looking upwards from the working
// directory, which for a test is its package's folder.
func findModule() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		module := filepath.Join(dir, "testdata", "tools", "vault")
		if isFile(filepath.Join(module, "go.mod")) {
			return module, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errNoModule
		}
		dir = parent
	}
}

// cachePath returns where the binary belongs. The name depends on everything that
// the binary depends on.
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
	name := "vault-" + hex.EncodeToString(h.Sum(nil)[:8])
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
