// Package sopstest runs real sops binaries and compares what they read with
// what we read. It is for tests and benchmarks only.
//
// The binaries are built from the nested modules testdata/tools/sops-VERSION of
// this repository, see package toolcache. Each runs with an environment of its own
// and never reads the keys or the configuration of whoever runs the tests.
package sopstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// Versions are the releases of sops that the tests can build, newest first.
// 3.9 brought sub-commands and 3.13 another order of the metadata; 3.8 stands
// for what older installations run.
var Versions = []string{"3.13.3", "3.9.4", "3.8.1"}

// The environment variables that steer the tests, see package toolcache.
const (
	CacheEnv  = toolcache.CacheEnv
	NoSkipEnv = toolcache.NoSkipEnv
)

// ErrUnknownVersion means that this repository has no module for a version.
var ErrUnknownVersion = errors.New("no such version of sops in testdata/tools")

// Binary returns the path of sops in the given version, building it on first
// use. If it cannot be built, the test is skipped, or fails if [NoSkipEnv] is set.
func Binary(tb testing.TB, version string) string {
	tb.Helper()
	if err := known(version); err != nil {
		tb.Fatal(err)
	}
	return toolcache.Program(toolcache.Sops(version).Need(tb), "sops")
}

// Build returns the path of sops in the given version, building it on first use
// and saying so on log. The working directory must lie in the repository.
func Build(ctx context.Context, version string, log io.Writer) (string, error) {
	if err := known(version); err != nil {
		return "", err
	}
	dir, err := toolcache.Sops(version).Build(ctx, log)
	if err != nil {
		return "", err
	}
	return toolcache.Program(dir, "sops"), nil
}

func known(version string) error {
	if slices.Contains(Versions, version) {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnknownVersion, version)
}
