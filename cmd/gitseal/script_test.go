package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gitseal/gitseal/cmd/internal/agents"
	"github.com/gitseal/gitseal/keysources/age"
)

// minCalls is how many calls of the program the scripts make at least; with fewer
// on record, the recorder is broken.
const minCalls = 200

// TestScripts runs testdata/script and then looks at all that the program did
// there. Each script is about one topic; its comments name what is proven.
func TestScripts(t *testing.T) {
	const dir = "testdata/script"
	records := t.TempDir()
	found := &evidence{}
	scripts := scriptsOf(t, dir)
	t.Run("run", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Files: scripts, RequireUniqueNames: true, Cmds: scriptCommands(), Condition: condition,
			Setup: func(env *testscript.Env) error { return setUp(env, records, found) },
		})
	})
	all := readRecords(t, records)
	byScript := map[string][]record{}
	calls := 0
	for _, r := range all {
		byScript[r.Script] = append(byScript[r.Script], r)
		if filepath.Base(r.Args[0]) != "git" {
			calls++
		}
		for _, bad := range checkContract(r) {
			t.Errorf("%s: %q: %s; it said:\n%s", r.Script, r.Args, bad, r.Stderr)
		}
	}
	for _, path := range scripts {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := "script-" + strings.TrimSuffix(filepath.Base(path), ".txtar")
		found.addScript(name, archive)
		for _, leak := range found.leaks(name, byScript[name]) {
			t.Error("a secret got out: ", leak)
		}
		for _, path := range found.litter[name] {
			t.Errorf("%s left %s", name, path)
		}
	}
	t.Logf("%d calls in %d scripts", calls, len(scripts))
	if calls < minCalls && !someWereChosen() {
		t.Errorf("only %d calls are on record", calls)
	}
}

// slowScripts begin the names of scripts that mostly wait for git and editors: the
// race detector makes them slow, and finds nothing in them that others do not have.
const slowScripts = "git_ check log report edit redacted"

// scriptsOf lists the scripts of a folder that are to be run.
func scriptsOf(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d scripts, %v", len(all), err)
	}
	if !raceEnabled || !testing.Short() {
		return all
	}
	return slices.DeleteFunc(all, func(path string) bool {
		return slices.ContainsFunc(strings.Fields(slowScripts), func(prefix string) bool { return strings.HasPrefix(filepath.Base(path), prefix) })
	})
}

// someWereChosen reports whether -run leaves scripts out.
func someWereChosen() bool {
	return slices.ContainsFunc(os.Args, func(a string) bool {
		return strings.HasPrefix(a, "-test.run=") && a != "-test.run=" || strings.HasPrefix(a, "-test.skip=") && a != "-test.skip="
	})
}

// setUp gives a script a home of its own and two people with keys.
func setUp(env *testscript.Env, records string, found *evidence) error {
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("HOME", home)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	env.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, "gitconfig"))
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	env.Setenv("newline", "\n")
	env.Setenv("esc", "\x1b")
	env.Setenv("SOPS_DISABLE_VERSION_CHECK", "1")
	env.Setenv("KEYS", filepath.Join(home, ".config", "sops", "age", "keys.txt"))
	env.Setenv(recordsEnv, records)
	if _, found := agents.Detect(agents.OfProcess(func(string) string { return "" })); found {
		// An agent runs the tests. Scripts about doors unset this again.
		env.Setenv("GITSEAL_DOORS", "open")
	}
	if os.Getenv("GORACE") == "" {
		// By default every process of a race build sleeps for a second at its end.
		env.Setenv("GORACE", "atexit_sleep_ms=20")
	}
	files := map[string]string{"home/gitconfig": "[user]\n\tname = Tester\n\temail = tester@example.invalid\n[init]\n\tdefaultBranch = main\n"}
	for _, name := range []string{"alice", "bob", "paula"} {
		id, err := age.Generate(name == "paula")
		if err != nil {
			return err
		}
		files["home/"+name+".key"] = "# a comment\n" + id.SecretText() + "\n"
		env.Setenv(strings.ToUpper(name), id.Recipient().String())
		env.Setenv(strings.ToUpper(name)+"_FILE", filepath.Join(home, name+".key"))
	}
	for name, content := range files {
		path := filepath.Join(env.WorkDir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	script := filepath.Base(env.WorkDir)
	env.Defer(func() {
		if err := found.gather(script, env.WorkDir); err != nil {
			env.T().Fatal("looking through the work folder: ", err)
		}
	})
	return nil
}

// condition knows [noskip] and [sops].
func condition(name string) (bool, error) {
	switch name {
	case "noskip":
		return os.Getenv(noSkipEnv) != "", nil
	case "sops":
		_, err := sopsBinary("")
		if err != nil && os.Getenv(noSkipEnv) != "" {
			return false, err
		}
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}
