package gitrepo_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

func sidePaths(sides []gitrepo.Side) []string {
	var out []string
	for _, s := range sides {
		out = append(out, s.Path)
	}
	return out
}

func TestListings(t *testing.T) {
	root := newRepo(t)
	for _, name := range []string{"a", "d/b", "d/ünï", "d/sp ace", "d/tab\there", "dd/c", "ignored", "staged"} {
		write(t, filepath.Join(root, name), name)
	}
	write(t, filepath.Join(root, ".gitignore"), "ignored\n")
	if err := os.Symlink("a", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	git(t, root, "add", ".")
	git(t, root, "commit", "-qm", "one")
	write(t, filepath.Join(root, "d/new"), "x")
	write(t, filepath.Join(root, "staged2"), "x")
	git(t, root, "add", "staged2")

	listed, err := gitrepo.Listed(t.Context(), root, root)
	want := []string{".gitignore", "a", "d/b", "d/new", "d/sp ace", "d/tab\there", "d/ünï", "dd/c", "link", "staged", "staged2"}
	if diff := cmp.Diff(want, listed); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	listed, err = gitrepo.Listed(t.Context(), root, filepath.Join(root, "d"))
	if diff := cmp.Diff([]string{"d/b", "d/new", "d/sp ace", "d/tab\there", "d/ünï"}, listed); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	files := []string{".gitignore", "a", "d/b", "d/sp ace", "d/tab\there", "d/ünï", "dd/c", "staged"}
	tree, err := gitrepo.InTree(t.Context(), root, "HEAD")
	if diff := cmp.Diff(files, sidePaths(tree)); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	index, err := gitrepo.Indexed(t.Context(), root)
	if diff := cmp.Diff(append(files, "staged2"), sidePaths(index)); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	repo := open(t, root)
	for _, s := range tree {
		byID, err1 := repo.Blob(s.ID)
		byName, err2 := repo.InCommit("HEAD", s.Path)
		if string(byID) != string(byName) || err1 != nil || err2 != nil {
			t.Errorf("%s: %q, %v, and %q, %v", s.Path, byID, err1, byName, err2)
		}
	}
	if _, err := repo.InCommit("HEAD", "no such\nfile"); !errors.Is(err, gitrepo.ErrNone) {
		t.Error(err)
	}
}

// TestCommitsBetween: each commit with what it changed; a merge with what it made
// itself.
func TestCommitsBetween(t *testing.T) {
	root := newRepo(t)
	commit := func(message string, files ...string) string {
		for _, f := range files {
			write(t, filepath.Join(root, f), message)
		}
		git(t, root, "add", "-A")
		git(t, root, "commit", "-q", "--allow-empty", "-m", message)
		id, err := gitrepo.Resolve(t.Context(), root, "HEAD")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := commit("first", "a", "b", "odd\nname")
	second := commit("second", "a")
	empty := commit("empty")
	git(t, root, "checkout", "-q", "-b", "side", first)
	side := commit("side", "c")
	git(t, root, "checkout", "-q", "main")
	git(t, root, "merge", "-q", "--no-ff", "--no-commit", "side")
	merge := commit("merge", "evil")
	if err := os.Remove(filepath.Join(root, "b")); err != nil {
		t.Fatal(err)
	}
	gone := commit("gone")

	got := map[string]string{}
	list, err := gitrepo.CommitsBetween(t.Context(), root, "", "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		var changed []string
		for _, d := range c.Files {
			changed = append(changed, string(d.Status)+" "+d.Old.Path+":"+d.New.Path)
		}
		got[c.Commit] = strings.Join(changed, " ")
	}
	delete(got, empty) // git may leave it out
	want := map[string]string{first: "A :a A :b A :odd\nname", second: "M a:a", side: "A :c", merge: "A :evil", gone: "D b:"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	list, err = gitrepo.CommitsBetween(t.Context(), root, second, "side")
	if err != nil || len(list) != 1 || list[0].Commit != side {
		t.Errorf("%v, %v", list, err)
	}
	if list, err = gitrepo.CommitsBetween(t.Context(), root, "HEAD", "HEAD"); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestHolding: many contents at once; what is not there holds nothing.
func TestHolding(t *testing.T) {
	root := newRepo(t)
	for _, name := range []string{"a", "b", "mark"} {
		write(t, filepath.Join(root, name), "x\n"+name+"\n")
	}
	git(t, root, "add", ".")
	git(t, root, "commit", "-qm", "one")
	tree, err := gitrepo.InTree(t.Context(), root, "HEAD")
	if err != nil || len(tree) != 3 {
		t.Fatal(tree, err)
	}
	none := strings.Repeat("01", len(tree[0].ID)/2)
	have, err := open(t, root).Holding([]string{tree[0].ID, none, tree[2].ID, tree[1].ID}, []byte("mark"))
	want := map[string]bool{tree[0].ID: false, none: false, tree[2].ID: true, tree[1].ID: false}
	if diff := cmp.Diff(want, have); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
