package gitrepo_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

func TestBlobsHaveTheNamesThatGitGives(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		root := newRepo(t)
		if format == "sha256" {
			root = filepath.Join(root, "r256")
			git(t, filepath.Dir(root), "init", "-q", "--object-format=sha256", root)
		}
		write(t, filepath.Join(root, "f"), "some\r\ncontent")
		out, err := exec.Command("git", "-C", root, "hash-object", "-w", "--no-filters", "f").Output()
		if err != nil {
			t.Fatal(err)
		}
		n, err := gitrepo.NewNamer(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}
		id := n.ID([]byte("some\r\ncontent"))
		if want := strings.TrimSpace(string(out)); id != want {
			t.Errorf("%s: got %s, want %s", format, id, want)
		}
		repo := open(t, root)
		if got, err := repo.Blob(id); err != nil || string(got) != "some\r\ncontent" {
			t.Errorf("%s: got %q, %v", format, got, err)
		}
		for _, bad := range []string{"", "HEAD", n.ID([]byte("other")), id[:10], id + "\n" + id, "HEAD:f"} {
			if _, err := repo.Blob(bad); !errors.Is(err, gitrepo.ErrNone) {
				t.Errorf("%s: blob %q: got %v, want ErrNone", format, bad, err)
			}
		}
	}
}

func TestNamesOutsideOfRepositoriesAreSHA1(t *testing.T) {
	newRepo(t) // for its variables
	n, err := gitrepo.NewNamer(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got := n.ID(nil); got != "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" {
		t.Errorf("the empty content: got %s", got)
	}
}

func TestStagesOfAConflict(t *testing.T) {
	root := newRepo(t)
	f, odd := filepath.Join(root, "d", "f"), filepath.Join(root, "two\nlines")
	commit := func(text string) {
		write(t, f, text)
		write(t, odd, text)
		git(t, root, "add", ".")
		git(t, root, "commit", "-qm", text)
	}
	commit("base")
	git(t, root, "checkout", "-qb", "side")
	commit("theirs")
	git(t, root, "checkout", "-q", "main")
	commit("ours")
	if err := exec.Command("git", "-C", root, "merge", "-q", "side").Run(); err == nil {
		t.Fatal("no conflict")
	}
	repo := open(t, root)
	for stage, want := range map[int]string{gitrepo.StageBase: "base", gitrepo.StageOurs: "ours", gitrepo.StageTheirs: "theirs"} {
		for _, file := range []string{f, odd} {
			if got, err := repo.Stage(file, stage); err != nil || string(got) != want {
				t.Errorf("%q: stage %d: got %q, %v", file, stage, got, err)
			}
		}
	}
	if _, err := repo.Stage(filepath.Join(root, "none"), gitrepo.StageOurs); !errors.Is(err, gitrepo.ErrNone) {
		t.Errorf("no such file: got %v", err)
	}
	if _, err := repo.Stage("/elsewhere", gitrepo.StageOurs); !errors.Is(err, gitrepo.ErrNone) {
		t.Errorf("outside: got %v", err)
	}
}
