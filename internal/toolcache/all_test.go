package toolcache_test

import (
	"flag"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// tools is the folder of the modules, seen from this package.
const tools = "../../testdata/tools"

// notForTests are the modules in the folder that no test needs.
var notForTests = []string{"staticcheck"}

// TestBuildAll builds every tool, so that a script can do it ahead of all other
// tests. It may take a quarter of an hour, and so only runs if it is asked for:
// go test -v -timeout 60m -run '^TestBuildAll$' ./internal/toolcache
func TestBuildAll(t *testing.T) {
	if asked := flag.Lookup("test.run").Value.String(); !strings.Contains(asked, t.Name()) {
		t.Skip("only if -run names it")
	}
	for _, tool := range toolcache.All() {
		t.Run(tool.Module, func(t *testing.T) {
			start := time.Now()
			dir, err := tool.Build(t.Context(), os.Stderr)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s is there after %s: %s", tool.Module, time.Since(start).Round(time.Millisecond), dir)
			if got, want := programs(t, dir), declared(t, tool); !slices.Equal(got, want) {
				t.Errorf("it holds %q, want %q", got, want)
			}
		})
	}
}

// TestAllKnowsEveryModule: who adds a module below testdata/tools adds it to All, or
// says that it is not for tests.
func TestAllKnowsEveryModule(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(tools, "*", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, path := range found {
		if name := filepath.Base(filepath.Dir(path)); !slices.Contains(notForTests, name) {
			got = append(got, name)
		}
	}
	var want []string
	for _, tool := range toolcache.All() {
		want = append(want, tool.Module)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modules below testdata/tools (-in All +there):\n%s", diff)
	}
}

// programs lists what is in a folder, each of which must be a program.
func programs(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 && filepath.Ext(entry.Name()) != ".exe" {
			t.Errorf("%s is no program: %s", entry.Name(), info.Mode())
		}
		names = append(names, entry.Name())
	}
	return names
}

// declared lists the programs that a module's tool directives name, in the order of
// a folder.
func declared(t *testing.T, tool toolcache.Tool) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tools, tool.Module, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	block := false
	for line := range strings.Lines(string(text)) {
		pkg, isTool := strings.CutPrefix(strings.TrimSpace(line), "tool ")
		switch {
		case isTool && pkg == "(":
			block = true
		case pkg == ")":
			block = false
		case isTool || block && pkg != "":
			names = append(names, toolcache.Program("", programOf(pkg)))
		}
	}
	slices.Sort(names)
	return names
}

// programOf returns the name that the go command gives to the program of a package:
// the last element of its path that is no major version.
func programOf(pkg string) string {
	name := path.Base(pkg)
	if major, found := strings.CutPrefix(name, "v"); found && strings.Trim(major, "0123456789") == "" {
		return path.Base(path.Dir(pkg))
	}
	return name
}
