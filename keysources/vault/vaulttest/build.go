// Package vaulttest runs a real Vault server for tests.
//
// The server is built from the nested module testdata/tools/vault of this
// repository, see package toolcache. OpenBao cannot be had as a Go module; its
// transit engine and protocol are those of Vault 1.14. Namespaces are a feature of
// Vault Enterprise and of OpenBao, so that this server has none.
package vaulttest

import (
	"context"
	"io"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// Binary returns the path of the server's program, building it on first use. If it
// cannot be built, the test is skipped, or fails if GITSEAL_TEST_NO_SKIP is set.
func Binary(tb testing.TB) string {
	tb.Helper()
	return toolcache.Program(toolcache.Vault().Need(tb), "vault")
}

// Build returns the path of the server's program, building it on first use and
// saying so on log. The working directory must lie in the repository.
func Build(ctx context.Context, log io.Writer) (string, error) {
	dir, err := toolcache.Vault().Build(ctx, log)
	if err != nil {
		return "", err
	}
	return toolcache.Program(dir, "vault"), nil
}
