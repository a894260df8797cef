// Package sealedsecrettest builds and runs the real kubeseal, and the controller's
// own code for what kubeseal no longer does. It is for tests only.
//
// The programs are built from the nested module testdata/tools/kubeseal of this
// repository, whose go.mod and go.sum pin every byte of the source, and are kept in
// a cache.
package sealedsecrettest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The environment variables that steer the builder, the same as for other tools of
// the tests.
const (
	cacheEnv  = "GITSEAL_TEST_CACHE"
	noSkipEnv = "GITSEAL_TEST_NO_SKIP"
)

// buildTime is how long a build may take: everything has to be downloaded and
// compiled the first time.
const buildTime = 15 * time.Minute

// sources are what the cache's key depends on.
var sources = []string{"go.mod", "go.sum", filepath.Join("sealv1", "main.go")}

// Tools are the programs.
type Tools struct {
	// Kubeseal is the real one. SealV1 seals and unseals whole Secrets, see its
	// source.
	Kubeseal, SealV1 string
}

// Build returns the programs, building them on first use. If they cannot be built,
// the test is skipped, or fails if GITSEAL_TEST_NO_SKIP is set.
func Build(tb testing.TB) Tools {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	dir, err := folder(ctx)
	if err != nil && os.Getenv(noSkipEnv) != "" {
		tb.Fatal(err)
	}
	if err != nil {
		tb.Skipf("%v (set %s=1 to make this a failure)", err, noSkipEnv)
	}
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	return Tools{Kubeseal: filepath.Join(dir, "kubeseal"+suffix), SealV1: filepath.Join(dir, "sealv1"+suffix)}
}

// folder returns the cache's folder with the programs in it.
func folder(ctx context.Context) (string, error) {
	module, err := findModule()
	if err != nil {
		return "", err
	}
	dir, err := cachePath(module)
	if err != nil || isFolder(dir) {
		return dir, err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("waiting for another build of kubeseal: %w", err)
	}
	defer unlock()
	if isFolder(dir) {
		return dir, nil
	}
	if err := build(ctx, module, dir); err != nil {
		return "", fmt.Errorf("building kubeseal: %w", err)
	}
	return dir, nil
}

// build builds both programs. The folder appears under its final name in one step,
// so that nobody sees half of it.
func build(ctx context.Context, module, dir string) error {
	fmt.Fprintln(os.Stderr, "building kubeseal once, as the peer of the tests, into "+dir)
	partial := fmt.Sprintf("%s.partial-%d", dir, os.Getpid())
	defer os.RemoveAll(partial)
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
		"-o", partial+string(filepath.Separator), "github.com/bitnami/sealed-secrets/cmd/kubeseal", "./sealv1")
	cmd.Dir = module
	// Settings of the outer go command are none of the tool's business.
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%w: %s", err, strings.Join(lines[max(0, len(lines)-5):], "; "))
	}
	return os.Rename(partial, dir)
}

// findModule looks for the nested module, upwards from the working directory.
func findModule() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		module := filepath.Join(dir, "testdata", "tools", "kubeseal")
		if isFolder(module) {
			return module, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("there is no testdata/tools/kubeseal: the working directory is not in the repository")
		}
		dir = parent
	}
}

// cachePath returns where the programs belong. The name depends on everything that
// they depend on.
func cachePath(module string) (string, error) {
	cache := os.Getenv(cacheEnv)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding a cache folder (%s sets one): %w", cacheEnv, err)
		}
		cache = filepath.Join(user, "gitseal-test")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range sources {
		data, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%d\n%s", len(data), data)
	}
	return filepath.Abs(filepath.Join(cache, "kubeseal-"+hex.EncodeToString(h.Sum(nil)[:8])))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Run runs a program with an input and returns what it prints; a failure ends the
// test. Its settings come from nowhere but the arguments.
func Run(tb testing.TB, input []byte, program string, args ...string) []byte {
	tb.Helper()
	out, err := Try(tb, input, program, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// Try is Run for calls that may fail.
func Try(tb testing.TB, input []byte, program string, args ...string) ([]byte, error) {
	tb.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"HOME=" + tb.TempDir(), "KUBECONFIG=" + filepath.Join(tb.TempDir(), "none")}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %q: %w: %s", filepath.Base(program), args, err, stderr.String())
	}
	return stdout.Bytes(), nil
}
