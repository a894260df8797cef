package gitrepo_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

// TestCompareOnRealGit looks at everything that can become of a file.
func TestCompareOnRealGit(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	git := func(args ...string) string {
		t.Helper()
		out, err := gitrepo.Git(ctx, dir, append([]string{"-c", "user.name=T", "-c", "user.email=t@example.invalid"}, args...)...)
		if err != nil {
			t.Fatalf("git %q: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list := func(o gitrepo.CompareOptions) []string {
		t.Helper()
		found, err := gitrepo.Compare(ctx, dir, o)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, d := range found {
			out = append(out, string(d.Status)+" "+d.Old.Path+" > "+d.New.Path)
		}
		return out
	}
	git("init", "-q", "-b", "main")
	if found, err := gitrepo.Compare(ctx, dir, gitrepo.CompareOptions{}); err != nil || len(found) > 0 {
		t.Fatalf("an empty repository: %v, %v", found, err)
	}
	for _, name := range []string{"changed", "gone", "moved", "tab\there", "line\nfeed", "link"} {
		write(name, "the text of "+name+"\nwith lines\nto know it by\n")
	}
	git("add", ".")
	git("commit", "-qm", "one")
	first := git("rev-parse", "HEAD")
	write("changed", "x")
	write("tab\there", "x")
	write("line\nfeed", "x")
	git("rm", "-q", "--cached", "gone")
	git("mv", "moved", "moved away")
	write("new", "x")
	git("add", "new")
	if err := os.Remove(filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("changed", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"M changed > changed", "M line\nfeed > line\nfeed", "T link > link", "M tab\there > tab\there"}, list(gitrepo.CompareOptions{})); diff != "" {
		t.Error("work tree:", diff)
	}
	if diff := cmp.Diff([]string{"D gone > ", "R moved > moved away", "A  > new"}, list(gitrepo.CompareOptions{Staged: true})); diff != "" {
		t.Error("index:", diff)
	}
	if diff := cmp.Diff([]string{"M changed > changed"}, list(gitrepo.CompareOptions{Paths: []string{"changed"}})); diff != "" {
		t.Error("one path:", diff)
	}
	git("commit", "-qam", "two")
	if got := list(gitrepo.CompareOptions{Commits: []string{first, git("rev-parse", "HEAD")}}); len(got) != 7 {
		t.Errorf("two commits: %q", got)
	}
}

func TestConflictIsOneDifference(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	git := func(args ...string) error {
		_, err := gitrepo.Git(ctx, dir, append([]string{"-c", "user.name=T", "-c", "user.email=t@example.invalid"}, args...)...)
		return err
	}
	commit := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(git("add", "."), git("commit", "-qm", text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := git("init", "-q", "-b", "main"); err != nil {
		t.Fatal(err)
	}
	commit("base\n")
	if err := git("branch", "side"); err != nil {
		t.Fatal(err)
	}
	commit("ours\n")
	if err := git("switch", "-q", "side"); err != nil {
		t.Fatal(err)
	}
	commit("theirs\n")
	if err := git("merge", "-q", "main"); gitrepo.ExitCode(err) != 1 {
		t.Fatalf("merging: %v", err)
	}
	got, err := gitrepo.Compare(ctx, dir, gitrepo.CompareOptions{})
	if err != nil || len(got) != 1 || got[0].Status != 'U' || got[0].New != (gitrepo.Side{Path: "f", Regular: true}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestResolveTakesNoOptions(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	if _, err := gitrepo.Git(ctx, dir, "init", "-q"); err != nil {
		t.Fatal(err)
	}
	for _, rev := range []string{"HEAD", "nowhere", "--all", "-h", "", "--output=x"} {
		if id, err := gitrepo.Resolve(ctx, dir, rev); !errors.Is(err, gitrepo.ErrNone) {
			t.Errorf("%q: %q, %v", rev, id, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("files were made: %v %v", entries, err)
	}
}

// TestCompareNamesNoMissingObject: git gives the contents that it has compared to find
// renames names, also if only the work tree has them.
func TestCompareNamesNoMissingObject(t *testing.T) {
	root := newRepo(t)
	text := strings.Repeat("some line of text\n", 20)
	write(t, filepath.Join(root, "a"), text)
	git(t, root, "add", "a")
	git(t, root, "commit", "-qm", "one")
	git(t, root, "mv", "a", "b")
	write(t, filepath.Join(root, "b"), text+"more\n")
	head, err := gitrepo.Resolve(t.Context(), root, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	list, err := gitrepo.Compare(t.Context(), root, gitrepo.CompareOptions{Commits: []string{head}})
	if err != nil || len(list) != 1 || list[0].Status != 'R' || list[0].New.Path != "b" || list[0].New.ID != "" {
		t.Errorf("%+v, %v", list, err)
	}
	list, err = gitrepo.Compare(t.Context(), root, gitrepo.CompareOptions{Staged: true})
	if err != nil || len(list) != 1 || list[0].New.ID == "" {
		t.Errorf("staged: %+v, %v", list, err)
	}
}
