package toolcache_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// fakeGo puts a go command on the path that runs a shell script, with the folder of
// the programs in $out, and empties the cache. Each call adds a line to the returned
// file.
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
	emptyCache(t)
	return calls
}

func emptyCache(t *testing.T) {
	t.Helper()
	t.Setenv(toolcache.CacheEnv, filepath.Join(t.TempDir(), "cache"))
}

// repository makes a folder that holds modules below testdata/tools, each as a map
// of its files, and changes into a package of it.
func repository(t *testing.T, modules map[string]map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for module, files := range modules {
		for name, text := range files {
			write(t, filepath.Join(root, "testdata", "tools", module, name), text)
		}
	}
	deep := filepath.Join(root, "some", "package")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	return root
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// hello is a module with two programs, of which one depends on a tag.
var hello = map[string]string{
	"go.mod":         "module example.test/hello\n\ngo 1.26.0\n\ntool (\n\texample.test/hello/one\n\texample.test/hello/two\n)\n",
	"one/main.go":    "package main\n\nfunc main() { println(\"one\", word) }\n",
	"one/plain.go":   "//go:build !loud\n\npackage main\n\nconst word = \"hello\"\n",
	"one/loud.go":    "//go:build loud\n\npackage main\n\nconst word = \"HELLO\"\n",
	"two/main.go":    "package main\n\nfunc main() { println(\"two\") }\n",
	"other/other.go": "package main\n\nfunc main() {}\n",
}

var helloTool = toolcache.Tool{Module: "hello"}

func TestBuildsEveryProgramOfTheModule(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles")
	}
	emptyCache(t)
	repository(t, map[string]map[string]string{"hello": hello})
	// What is set for the outer go command must not matter.
	t.Setenv("GOFLAGS", "-tags=loud")
	t.Setenv("GOOS", "plan9")
	for _, tt := range []struct{ tags, one string }{{"", "one hello\n"}, {"loud,other", "one HELLO\n"}} {
		dir, err := toolcache.Tool{Module: "hello", Tags: tt.tags}.Build(t.Context(), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"one": tt.one, "two": "two\n"} {
			got, err := exec.Command(toolcache.Program(dir, name)).CombinedOutput()
			if err != nil || string(got) != want {
				t.Errorf("tags %q: %s prints %q, error %v, want %q", tt.tags, name, got, err, want)
			}
		}
		if n := len(programs(t, dir)); n != 2 {
			t.Errorf("tags %q: got %d programs, want those of the tool directives", tt.tags, n)
		}
	}
}

func TestBuildsOnceForAll(t *testing.T) {
	calls := fakeGo(t, `sleep 0.5; echo binary >"$out/one"`)
	root := repository(t, map[string]map[string]string{"hello": hello})
	const callers = 8
	var wg sync.WaitGroup
	var log strings.Builder
	for i := range callers {
		w := io.Discard
		if i == 0 {
			w = &log
		}
		wg.Go(func() {
			dir, err := helloTool.Build(t.Context(), w)
			if err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "one")); err != nil || string(got) != "binary\n" {
				t.Errorf("%s holds %q, error %v", dir, got, err)
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got), "\n"); n != 1 {
		t.Errorf("go was called %d times, want once:\n%s", n, got)
	}
	if !strings.Contains(string(got), filepath.Join(root, "testdata", "tools", "hello")+" ") {
		t.Errorf("go did not run in the nested module: %s", got)
	}
	if text := log.String(); text != "" && strings.Count(text, "\n") != 2 {
		t.Errorf("the log holds %q, want a line before and one after, or nothing if another call built", text)
	}
}

func TestSaysWhatItDoes(t *testing.T) {
	fakeGo(t, `echo binary >"$out/one"`)
	repository(t, map[string]map[string]string{"hello": hello})
	for _, want := range [][]string{{"building hello once", "module proxy", "built hello in 0s"}, nil} {
		var log strings.Builder
		if _, err := helloTool.Build(t.Context(), &log); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(log.String(), w) {
				t.Errorf("the log lacks %q: %q", w, log.String())
			}
		}
		if want == nil && log.Len() > 0 {
			t.Errorf("it says %q about what is there already", log.String())
		}
	}
}

func TestFailedBuildLeavesNothingAndSaysWhy(t *testing.T) {
	fakeGo(t, `echo half >"$out/one"; echo "dial tcp: no such host" >&2; exit 1`)
	repository(t, map[string]map[string]string{"hello": hello})
	_, err := helloTool.Build(t.Context(), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "building hello") || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got error %v", err)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv(toolcache.CacheEnv), "*"))
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0], ".lock") {
		t.Errorf("left behind: %q, error %v, want the lock alone", left, err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	fakeGo(t, `sleep 1; echo binary >"$out/one"`)
	repository(t, map[string]map[string]string{"hello": hello})
	started := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := helloTool.Build(t.Context(), &onFirstWrite{f: func() { close(started) }})
		done <- err
	}()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := helloTool.Build(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("the waiting call: got error %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("the building call: %v", err)
	}
}

// TestBuildingEndsWithTheContext, though a compiler still holds the output open.
func TestBuildingEndsWithTheContext(t *testing.T) {
	calls := fakeGo(t, `sleep 20 & wait`)
	repository(t, map[string]map[string]string{"hello": hello})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for !exists(calls) && t.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	start := time.Now()
	if _, err := helloTool.Build(ctx, io.Discard); err == nil || ctx.Err() == nil {
		t.Errorf("got error %v, and of the context %v", err, ctx.Err())
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestEntryDependsOnWhatTheProgramsDependOn: each of these gives a folder of its own,
// and nothing else does.
func TestEntryDependsOnWhatTheProgramsDependOn(t *testing.T) {
	fakeGo(t, `echo binary >"$out/one"`)
	root := repository(t, map[string]map[string]string{"hello": hello, "hello-2": hello})
	module := filepath.Join(root, "testdata", "tools", "hello")
	seen := map[string]string{}
	for _, change := range []struct {
		name string
		file string
		tool toolcache.Tool
	}{
		{"nothing", "", helloTool},
		{"another version", "", toolcache.Tool{Module: "hello-2"}},
		{"a tag", "", toolcache.Tool{Module: "hello", Tags: "minimal"}},
		{"go.mod", "go.mod", helloTool},
		{"go.sum", "go.sum", helloTool},
		{"a source", "one/main.go", helloTool},
		{"a new source", "one/new.go", helloTool},
		{"the same source elsewhere", "two/new.go", helloTool},
	} {
		if change.file != "" {
			write(t, filepath.Join(module, change.file), "changed")
		}
		for range 2 {
			dir, err := change.tool.Build(t.Context(), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if owner, ok := seen[dir]; ok && owner != change.name {
				t.Errorf("%s and %s share %s", owner, change.name, dir)
			}
			seen[dir] = change.name
		}
	}
	if want := 8; len(seen) != want {
		t.Errorf("got %d folders, want %d: the same call twice must give the same", len(seen), want)
	}
}

func TestModulesThatAreNotThere(t *testing.T) {
	repository(t, map[string]map[string]string{"hello": hello, "empty": {"README": "no module"}})
	for _, module := range []string{"", ".", "..", "none", "empty", "../hello", "../tools/hello", "hello/one"} {
		if _, err := (toolcache.Tool{Module: module}).Build(t.Context(), io.Discard); !errors.Is(err, toolcache.ErrNoModule) {
			t.Errorf("module %q: got error %v", module, err)
		}
	}
}

func TestWithoutToolSkipsUnlessForbidden(t *testing.T) {
	fakeGo(t, "exit 1")
	repository(t, map[string]map[string]string{"hello": hello})
	for _, tt := range []struct{ module, setting, want string }{
		{"hello", "", "skipped"},
		{"hello", "1", "failed"},
		{"none", "", "failed"}, // a mistake in the test, not a lack of the machine
	} {
		t.Setenv(toolcache.NoSkipEnv, tt.setting)
		tb := &recordingTB{TB: t}
		toolcache.Tool{Module: tt.module}.Need(tb)
		if tb.got != tt.want {
			t.Errorf("%s, %s=%q: the test %s, want %s", tt.module, toolcache.NoSkipEnv, tt.setting, tb.got, tt.want)
		}
	}
}

// onFirstWrite calls a function at the first write.
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

func (r *recordingTB) Fatal(...any)         { r.end("failed") }
func (r *recordingTB) Skipf(string, ...any) { r.end("skipped") }

// end keeps the first of the ways, at which a real test would end.
func (r *recordingTB) end(how string) {
	if r.got == "" {
		r.got = how
	}
}
