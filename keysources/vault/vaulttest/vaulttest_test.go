package vaulttest_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources/vault/vaulttest"
)

// TestBuild builds the server if the cache does not hold it, so that a script can
// do it ahead of all other tests, and starts it.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("may build for minutes")
	}
	s := vaulttest.Start(t)
	if !s.Alive(t.Context()) {
		t.Error("it does not answer")
	}
	s.Stop()
	if s.Alive(t.Context()) {
		t.Error("it answers after its end")
	}
}

// TestTokensAreLimited holds what the tests of others rely on.
func TestTokensAreLimited(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	s := vaulttest.Start(t)
	s.CreateKey(t, "k")
	token := s.Token(t, time.Hour, "transit/keys/k=read")
	if token == s.Root || token == "" {
		t.Fatalf("got the token %q", token)
	}
	lookup := s.Write(t, "auth/token/lookup", map[string]any{"token": token})
	policies, _ := lookup.Data["policies"].([]any)
	if len(policies) != 1 || !strings.HasPrefix(policies[0].(string), "test-") {
		t.Errorf("policies: got %v", policies)
	}
}

// fakeGo puts a go command on the path that runs a shell script, with the output
// file in $out. Each call adds a line to the returned file.
func fakeGo(t *testing.T, script string) (calls string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	text := `#!/bin/sh
echo "$PWD $*" >>` + calls + `
while [ $# -gt 0 ]; do case $1 in -o) out=$2;; esac; shift; done
` + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(vaulttest.CacheEnv, filepath.Join(t.TempDir(), "cache"))
	return calls
}

func TestBuildsOnceForAll(t *testing.T) {
	calls := fakeGo(t, `sleep 0.3; echo binary >"$out"`)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			path, err := vaulttest.Build(t.Context(), io.Discard)
			if err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != "binary\n" {
				t.Errorf("%s holds %q, error %v", path, got, err)
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(calls)
	if err != nil || strings.Count(string(got), "\n") != 1 || !strings.Contains(string(got), filepath.Join("testdata", "tools", "vault")) {
		t.Errorf("calls of go: got %q, error %v, want one in the nested module", got, err)
	}
}

func TestFailedBuildLeavesNothingAndSaysWhy(t *testing.T) {
	fakeGo(t, `echo half >"$out"; echo "dial tcp: no such host" >&2; exit 1`)
	_, err := vaulttest.Build(t.Context(), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got error %v", err)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv(vaulttest.CacheEnv), "vault*"))
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0], ".lock") {
		t.Errorf("left behind: %q, error %v, want the lock alone", left, err)
	}
}

func TestWithoutBinarySkipsUnlessForbidden(t *testing.T) {
	fakeGo(t, "exit 1")
	for setting, want := range map[string]string{"": "skipped", "1": "failed"} {
		t.Setenv(vaulttest.NoSkipEnv, setting)
		tb := &recordingTB{TB: t}
		vaulttest.Binary(tb)
		if tb.got != want {
			t.Errorf("%s=%q: the test %s, want %s", vaulttest.NoSkipEnv, setting, tb.got, want)
		}
	}
}

// recordingTB is a test that only notes how it ended.
type recordingTB struct {
	testing.TB
	got string
}

func (r *recordingTB) Fatal(...any)         { r.got = "failed" }
func (r *recordingTB) Skipf(string, ...any) { r.got = "skipped" }
