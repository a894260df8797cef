// Package sealedsecrettest runs the real kubeseal, and the controller's own code for
// what kubeseal no longer does. It is for tests only.
//
// The programs are built from the nested module testdata/tools/kubeseal of this
// repository, see package toolcache.
package sealedsecrettest

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

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
	dir := toolcache.Kubeseal().Need(tb)
	return Tools{Kubeseal: toolcache.Program(dir, "kubeseal"), SealV1: toolcache.Program(dir, "sealv1")}
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
