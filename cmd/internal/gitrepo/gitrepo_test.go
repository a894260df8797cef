package gitrepo_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

const limit = 1 << 20

// newRepo makes an empty repository and returns its resolved folder.
func newRepo(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("GITSEAL_TEST_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, name := range []string{"GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+who+"_NAME", "Test")
		t.Setenv("GIT_"+who+"_EMAIL", "test@example.com")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "-q", "-b", "main")
	return dir
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "protocol.file.allow=always"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// versions returns what is there of a file, newest first.
func versions(t *testing.T, repo *gitrepo.Repo, file string) []string {
	t.Helper()
	var got []string
	for blob, err := range repo.Versions(file) {
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		got = append(got, string(blob))
	}
	return got
}

func open(t *testing.T, root string) *gitrepo.Repo {
	t.Helper()
	// The test's own context ends before its clean-up, and git with it.
	repo, err := gitrepo.Open(context.Background(), root, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := repo.Close(); err != nil {
			t.Error(err)
		}
	})
	return repo
}

func check(t *testing.T, repo *gitrepo.Repo, file string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, versions(t, repo, file)); diff != "" {
		t.Errorf("%q (-want +got):\n%s", file, diff)
	}
}

func TestRoot(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/.git/HEAD"), "")
	write(t, filepath.Join(dir, "a/sub/.git"), "gitdir: elsewhere")
	write(t, filepath.Join(dir, "a/b/c/f"), "")
	for path, want := range map[string]string{
		"a": "a", "a/b/c/f": "a", "a/b/c": "a", "a/sub": "a/sub", "a/sub/x/y": "a/sub", "a/nonexistent/f": "a", "b": "",
	} {
		got, ok := gitrepo.Root(filepath.Join(dir, path))
		if want == "" {
			if ok && strings.HasPrefix(got, dir) {
				t.Errorf("%s: got %s, want none", path, got)
			}
			continue
		}
		if !ok || got != filepath.Join(dir, want) {
			t.Errorf("%s: got %s, %v, want %s", path, got, ok, want)
		}
	}
}

func TestIndexComesBeforeHead(t *testing.T) {
	root := newRepo(t)
	f := filepath.Join(root, "d", "f")
	repo := open(t, root)
	write(t, f, "one")
	check(t, repo, f)
	git(t, root, "add", ".")
	check(t, repo, f, "one") // no commit yet
	git(t, root, "commit", "-qm", "one")

	repo = open(t, root)
	check(t, repo, f, "one")
	write(t, f, "two")
	check(t, repo, f, "one")
	git(t, root, "add", ".")
	repo = open(t, root)
	check(t, repo, f, "two", "one")
	git(t, root, "rm", "-q", "--cached", "d/f")
	repo = open(t, root)
	check(t, repo, f, "one")
	check(t, repo, filepath.Join(root, "new"))
	check(t, repo, filepath.Join(root, "d")) // a folder is no version
}

func TestFileNames(t *testing.T) {
	root := newRepo(t)
	names := []string{
		"plain", "with space", " lead", "trail ", "ünï/çødé 日本.yaml", "line\nfeed", "-dash", ":colon", ":(top)x",
		`back\slash`, "quote\"'", "x missing", "a blob 3", "tab\there", "*?[a]", "HEAD:x", "a@{1}", "^caret",
	}
	for i, name := range names {
		write(t, filepath.Join(root, name), fmt.Sprint("content ", i))
	}
	git(t, root, "add", ".")
	git(t, root, "commit", "-qm", "all")
	repo := open(t, root)
	for i, name := range names {
		check(t, repo, filepath.Join(root, name), fmt.Sprint("content ", i))
	}
	for _, name := range []string{"nope", "no\npe", "no pe"} {
		check(t, repo, filepath.Join(root, name))
	}
	for _, path := range []string{filepath.Dir(root), filepath.Join(root, "../x"), filepath.Join(root, "a\x00b"), "relative"} {
		if _, err := repo.Read(path, gitrepo.Index); err == nil || errors.Is(err, gitrepo.ErrNone) {
			t.Errorf("%q: got %v, want an error about its place", path, err)
		}
	}
}

func TestWorktreesAndSubmodules(t *testing.T) {
	inner, outer := newRepo(t), newRepo(t)
	write(t, filepath.Join(inner, "f"), "inner")
	git(t, inner, "add", ".")
	git(t, inner, "commit", "-qm", "inner")
	write(t, filepath.Join(outer, "f"), "outer")
	git(t, outer, "submodule", "--quiet", "add", inner, "sub")
	git(t, outer, "add", ".")
	git(t, outer, "commit", "-qm", "outer")
	tree := filepath.Join(filepath.Dir(outer), "tree")
	git(t, outer, "worktree", "add", "-q", "-b", "other", tree)
	write(t, filepath.Join(tree, "f"), "tree")
	git(t, tree, "add", "f")

	for _, tt := range []struct{ root, file, want string }{
		{outer, "f", "outer"},
		{filepath.Join(outer, "sub"), "f", "inner"},
		{tree, "f", "tree"},
	} {
		file := filepath.Join(tt.root, tt.file)
		if root, ok := gitrepo.Root(file); !ok || root != tt.root {
			t.Errorf("%s: root %s, %v", file, root, ok)
		}
		got, err := gitrepo.Previous(t.Context(), file, limit)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %q, %v, want %q", file, got, err, tt.want)
		}
	}
	check(t, open(t, outer), filepath.Join(outer, "sub")) // a commit is no version
}

// git runs hooks with an index of its own ("git commit FILE"), which is the one
// that counts; unless the file belongs to another repository.
func TestVariablesOfHooks(t *testing.T) {
	root, other := newRepo(t), newRepo(t)
	for _, dir := range []string{root, other} {
		write(t, filepath.Join(dir, "f"), "committed in "+filepath.Base(dir))
		git(t, dir, "add", ".")
		git(t, dir, "commit", "-qm", "one")
	}
	index := filepath.Join(root, ".git", "next-index")
	write(t, filepath.Join(root, "f"), "in the hook's index")
	t.Setenv("GIT_INDEX_FILE", index)
	git(t, root, "add", ".")

	for _, dir := range []string{root, filepath.Join(root, ".git", "..")} {
		t.Chdir(dir)
		t.Setenv("GIT_INDEX_FILE", filepath.Join(".git", "next-index"))
		t.Setenv("GIT_DIR", ".git")
		check(t, open(t, root), filepath.Join(root, "f"), "in the hook's index", "committed in "+filepath.Base(root))
		check(t, open(t, other), filepath.Join(other, "f"), "committed in "+filepath.Base(other))
	}
}

func TestRealHookSeesWhatIsCommitted(t *testing.T) {
	root := newRepo(t)
	write(t, filepath.Join(root, "f"), "one")
	git(t, root, "add", ".")
	git(t, root, "commit", "-qm", "one")
	write(t, filepath.Join(root, "f"), "two")
	out := filepath.Join(filepath.Dir(root), "out")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, ".git/hooks/pre-commit"), "#!/bin/sh\n"+hookEnv+"="+out+" exec '"+self+"'\n")
	if err := os.Chmod(filepath.Join(root, ".git/hooks/pre-commit"), 0o755); err != nil {
		t.Fatal(err)
	}
	// The file is not added: git puts it into a temporary index.
	git(t, root, "commit", "-qm", "two", "f")
	got, err := os.ReadFile(out)
	if err != nil || string(got) != "two" {
		t.Errorf("the hook saw %q, %v, want the version being committed", got, err)
	}
}

const hookEnv = "GITSEAL_GITREPO_HOOK"

func TestMain(m *testing.M) {
	if out := os.Getenv(hookEnv); out != "" {
		file, err := filepath.Abs("f")
		if err == nil {
			var blob []byte
			blob, err = gitrepo.Previous(context.Background(), file, limit)
			err = errors.Join(err, os.WriteFile(out, blob, 0o600))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestConflictFallsBackToHead(t *testing.T) {
	root := newRepo(t)
	f := filepath.Join(root, "f")
	commit := func(content string) {
		write(t, f, content)
		git(t, root, "add", ".")
		git(t, root, "commit", "-qm", content)
	}
	commit("base")
	git(t, root, "checkout", "-qb", "theirs")
	commit("theirs")
	git(t, root, "checkout", "-q", "main")
	commit("ours")
	if err := exec.Command("git", "-C", root, "merge", "-q", "theirs").Run(); err == nil {
		t.Fatal("no conflict")
	}
	check(t, open(t, root), f, "ours")
}

func TestTooLarge(t *testing.T) {
	root := newRepo(t)
	for name, size := range map[string]int{"fits": limit, "large": limit + 1, "la\nrge": limit + 1} {
		write(t, filepath.Join(root, name), strings.Repeat("x", size))
	}
	git(t, root, "add", ".")
	repo := open(t, root)
	for _, name := range []string{"large", "la\nrge"} {
		if _, err := repo.Read(filepath.Join(root, name), gitrepo.Index); !errors.Is(err, gitrepo.ErrTooLarge) {
			t.Errorf("%q: got %v, want ErrTooLarge", name, err)
		}
	}
	// The conversation goes on after an answer that was skipped.
	if got, err := repo.Read(filepath.Join(root, "fits"), gitrepo.Index); err != nil || len(got) != limit {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestNoGit(t *testing.T) {
	root := newRepo(t)
	write(t, filepath.Join(root, "f"), "x")
	git(t, root, "add", ".")
	plain := t.TempDir()
	if _, err := gitrepo.Previous(t.Context(), filepath.Join(plain, "f"), limit); !errors.Is(err, gitrepo.ErrNone) {
		t.Errorf("no repository: got %v, want ErrNone", err)
	}
	if err := os.Mkdir(filepath.Join(plain, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := gitrepo.Previous(t.Context(), filepath.Join(plain, "f"), limit); !errors.Is(err, gitrepo.ErrNone) {
		t.Errorf("an empty .git: got %v, want ErrNone", err)
	}
	t.Setenv("PATH", plain)
	if _, err := gitrepo.Previous(t.Context(), filepath.Join(root, "f"), limit); !errors.Is(err, gitrepo.ErrNone) {
		t.Errorf("no program: got %v, want ErrNone", err)
	}
}

func TestRefusalOfGitIsAnError(t *testing.T) {
	root := newRepo(t)
	for _, name := range []string{"f", "f\ng"} {
		write(t, filepath.Join(root, name), "x")
	}
	git(t, root, "add", ".")
	write(t, filepath.Join(root, ".git/config"), "[core\n")
	for _, name := range []string{"f", "f\ng"} {
		_, err := gitrepo.Previous(t.Context(), filepath.Join(root, name), limit)
		var e *gitrepo.Error
		if !errors.As(err, &e) || !strings.Contains(e.Text, "config") {
			t.Errorf("%q: got %v, want git's complaint about its config", name, err)
		}
	}
}

func TestCanceled(t *testing.T) {
	root := newRepo(t)
	write(t, filepath.Join(root, "f"), "x")
	git(t, root, "add", ".")
	ctx, cancel := context.WithCancel(t.Context())
	repo, err := gitrepo.Open(ctx, root, limit)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := repo.Read(filepath.Join(root, "f"), gitrepo.Index); err == nil || errors.Is(err, gitrepo.ErrNone) {
		t.Errorf("got %v, want an error", err)
	}
}

// A thousand files take one git, asked from several goroutines at once.
func TestManyFiles(t *testing.T) {
	const n = 1000
	root := newRepo(t)
	for i := range n {
		write(t, filepath.Join(root, fmt.Sprint("f", i)), fmt.Sprint("old ", i))
	}
	git(t, root, "add", ".")
	git(t, root, "commit", "-qm", "all")
	repo := open(t, root)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < n; i += 4 {
				got, err := repo.Read(filepath.Join(root, fmt.Sprint("f", i)), gitrepo.Head)
				if want := fmt.Sprint("old ", i); err != nil || string(got) != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
		})
	}
	wg.Wait()
}
