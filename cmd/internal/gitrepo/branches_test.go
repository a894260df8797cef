package gitrepo_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

func TestOtherBranches(t *testing.T) {
	dir := newRepo(t)
	if got, err := gitrepo.OtherBranches(t.Context(), dir); err != nil || len(got) != 0 {
		t.Errorf("before the first commit: got %v, %v", got, err)
	}
	write(t, filepath.Join(dir, "f"), "a")
	one := commitAll(t, dir, "one")
	git(t, dir, "branch", "old/one")
	git(t, dir, "update-ref", "refs/remotes/origin/main", one)
	git(t, dir, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	git(t, dir, "tag", "v1")
	write(t, filepath.Join(dir, "f"), "b")
	commitAll(t, dir, "two")
	git(t, dir, "branch", "same")
	got, err := gitrepo.OtherBranches(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []gitrepo.Branch{{Name: "old/one", Commit: one}, {Name: "origin/main", Commit: one}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
