package sopstest_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

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
	t.Setenv(sopstest.CacheEnv, filepath.Join(t.TempDir(), "cache"))
	return calls
}

func TestBuildsOnceForAll(t *testing.T) {
	calls := fakeGo(t, `sleep 0.5; echo binary >"$out"`)
	const callers = 8
	var wg sync.WaitGroup
	var log strings.Builder
	paths := make([]string, callers)
	for i := range callers {
		w := io.Discard
		if i == 0 {
			w = &log
		}
		wg.Go(func() {
			path, err := sopstest.Build(t.Context(), sopstest.Versions[0], w)
			if err != nil {
				t.Error(err)
			}
			paths[i] = path
		})
	}
	wg.Wait()
	for _, p := range paths {
		if got, err := os.ReadFile(p); err != nil || string(got) != "binary\n" {
			t.Errorf("%s holds %q, error %v", p, got, err)
		}
	}
	got, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got), "\n"); n != 1 {
		t.Errorf("go was called %d times, want once:\n%s", n, got)
	}
	if !strings.Contains(string(got), filepath.Join("testdata", "tools", "sops-"+sopstest.Versions[0])) {
		t.Errorf("go did not run in the nested module: %s", got)
	}
}

func TestFailedBuildLeavesNothingAndSaysWhy(t *testing.T) {
	fakeGo(t, `echo half >"$out"; echo "dial tcp: no such host" >&2; exit 1`)
	_, err := sopstest.Build(t.Context(), sopstest.Versions[0], io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got error %v", err)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv(sopstest.CacheEnv), "sops*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if !strings.HasSuffix(name, ".lock") {
			t.Errorf("left behind: %s", name)
		}
	}
}

func TestVersionsShareNoCacheEntry(t *testing.T) {
	fakeGo(t, `pwd >"$out"`)
	seen := map[string]bool{}
	for _, v := range sopstest.Versions {
		path, err := sopstest.Build(t.Context(), v, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		seen[path] = true
	}
	if len(seen) != len(sopstest.Versions) {
		t.Errorf("got %d files for %d versions", len(seen), len(sopstest.Versions))
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	fakeGo(t, `sleep 3; echo binary >"$out"`)
	started := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := sopstest.Build(t.Context(), sopstest.Versions[0], writerFunc(func() { close(started) }))
		done <- err
	}()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sopstest.Build(ctx, sopstest.Versions[0], io.Discard); !errors.Is(err, context.Canceled) && runtime.GOOS != "windows" {
		t.Errorf("the waiting call: got error %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("the building call: %v", err)
	}
}

func TestUnknownVersion(t *testing.T) {
	for _, v := range []string{"", "3.0.0", "../sops-3.13.3"} {
		if _, err := sopstest.Build(t.Context(), v, io.Discard); !errors.Is(err, sopstest.ErrUnknownVersion) {
			t.Errorf("version %q: got error %v", v, err)
		}
	}
}

func TestWithoutBinarySkipsUnlessForbidden(t *testing.T) {
	fakeGo(t, "exit 1")
	for setting, want := range map[string]string{"": "skipped", "1": "failed"} {
		t.Setenv(sopstest.NoSkipEnv, setting)
		tb := &recordingTB{TB: t}
		sopstest.Binary(tb, sopstest.Versions[0])
		if tb.got != want {
			t.Errorf("%s=%q: the test %s, want %s", sopstest.NoSkipEnv, setting, tb.got, want)
		}
	}
}

// writerFunc calls itself at the first write.
func writerFunc(f func()) io.Writer { return &onFirstWrite{f: f} }

type onFirstWrite struct {
	once sync.Once
	f    func()
}

func (w *onFirstWrite) Write(p []byte) (int, error) {
	w.once.Do(w.f)
	return len(p), nil
}

// recordingTB is a test that only notes how it ended.
type recordingTB struct {
	testing.TB
	got string
}

func (r *recordingTB) Fatal(...any)         { r.got = "failed" }
func (r *recordingTB) Skipf(string, ...any) { r.got = "skipped" }
