package gitrepo_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

func TestSparse(t *testing.T) {
	root := newRepo(t)
	names := []string{".rc", "a/.rc", "a/x", "ü \tb/.rc", "ü \tb/x.rc", "c/link/x"}
	for _, name := range names {
		write(t, filepath.Join(root, name), name)
	}
	if err := os.Symlink("../.rc", filepath.Join(root, "c/.rc")); err != nil {
		t.Fatal(err)
	}
	git(t, root, "add", ".")
	git(t, root, "commit", "-qm", "one")
	if gitrepo.MayBeSparse(root) || gitrepo.MayBeSparse(filepath.Join(root, "a")) {
		t.Error("it is no sparse checkout")
	}
	linked := filepath.Join(t.TempDir(), "linked")
	git(t, root, "worktree", "add", "-q", "--detach", linked)
	for _, dir := range []string{root, linked} {
		git(t, dir, "sparse-checkout", "set", "--no-cone", "/a/")
		if !gitrepo.MayBeSparse(dir) {
			t.Errorf("%s is a sparse checkout", dir)
		}
		got, err := gitrepo.SkippedNamed(t.Context(), dir, ".rc")
		slices.Sort(got)
		if diff := cmp.Diff([]string{".rc", "c/.rc", "ü \tb/.rc"}, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		for path, want := range map[string]bool{"ü \tb/x.rc": true, "c/.rc": true, "a/x": false, "ü \tb": false, "*/x.rc": false, "nowhere": false} {
			if is, err := gitrepo.IsSkipped(t.Context(), dir, path); is != want || err != nil {
				t.Errorf("%s: %v, %v", path, is, err)
			}
		}
		cone, err := gitrepo.IsCone(t.Context(), dir)
		if cone || err != nil {
			t.Errorf("cone: %v, %v", cone, err)
		}
		git(t, dir, "sparse-checkout", "set", "--cone", "a")
		got, err = gitrepo.SkippedNamed(t.Context(), dir, ".rc")
		slices.Sort(got)
		if diff := cmp.Diff([]string{"c/.rc", "ü \tb/.rc"}, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		if cone, err = gitrepo.IsCone(t.Context(), dir); !cone || err != nil {
			t.Errorf("cone: %v, %v", cone, err)
		}
	}

	// What looks like a linked work tree, and leads nowhere.
	for _, text := range []string{"", "gitdir: nowhere\n", "gitdir: ", "nothing"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, ".git"), text)
		if gitrepo.MayBeSparse(dir) {
			t.Errorf("%q", text)
		}
	}
	if gitrepo.MayBeSparse(t.TempDir()) {
		t.Error("there is no repository")
	}
}
