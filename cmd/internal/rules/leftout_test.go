package rules_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/rules"
)

func runGit(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %q: %v: %s", args, err, out)
	}
}

func TestLeftOut(t *testing.T) {
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	const some = "creation_rules:\n- {age: a}\n"
	dir := tree(t, map[string]string{".sops.yaml": some, "a/.sops.yaml": some, "a/b/c/x": "", "d/x": "", "e/.sops.yaml": some, "e/x": ""})
	runGit(t, dir, "init", "-q")
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "-qm", "one")
	runGit(t, dir, "sparse-checkout", "set", "--no-cone", "/a/b/", "/d/", "/e/")
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Symlink("../a/b/c/x", at("d/link")); err != nil {
		t.Skip(err)
	}
	var l rules.LeftOut
	for file, want := range map[string]string{
		"a/b/c/x": "a/.sops.yaml", "a/b/c": "a/.sops.yaml", "a/b/new/y": "a/.sops.yaml", "d/link": "a/.sops.yaml",
		"d/x": ".sops.yaml", "new": ".sops.yaml", "e/x": "", "e": "",
	} {
		found, err := rules.Find(at(file))
		if err != nil && !errors.Is(err, rules.ErrNotFound) {
			t.Fatal(err)
		}
		path, root, err := l.Nearer(t.Context(), at(file), found)
		if want != "" {
			want = at(want)
		}
		if path != want || err != nil || path != "" && root != dir {
			t.Errorf("%s: %q in %q, %v, want %q", file, path, root, err, want)
		}
		if path == "" {
			continue
		}
		if c, err := rules.LoadIndexed(t.Context(), path, root); err != nil || c.Path != want || len(c.Rules) != 1 {
			t.Errorf("%s: %v, %v", file, c, err)
		}
	}

	// Where there is no repository, or none that git takes for one.
	for _, git := range []string{"", ".git"} {
		dir := tree(t, map[string]string{"x/y": "", filepath.Join("info", "sparse-checkout"): ""})
		if git != "" {
			if err := errors.Join(os.Mkdir(filepath.Join(dir, git), 0o755), os.Rename(filepath.Join(dir, "info"), filepath.Join(dir, git, "info"))); err != nil {
				t.Fatal(err)
			}
		}
		if path, _, err := l.Nearer(t.Context(), filepath.Join(dir, "x/y"), ""); path != "" || err != nil {
			t.Errorf("%q: %q, %v", git, path, err)
		}
	}
}
