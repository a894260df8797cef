package gitrepo_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

func TestIgnored(t *testing.T) {
	root := newRepo(t)
	if err := os.WriteFile(filepath.Join(root, ".gitignore"), []byte("*.plain\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a.plain": true, "deep/b.plain": true, "a.yaml": false, "-x": false} {
		got, err := gitrepo.Ignored(context.Background(), root, filepath.Join(root, name))
		if err != nil || got != want {
			t.Errorf("Ignored(%s) = %v, %v, want %v", name, got, err, want)
		}
	}
}

func TestIgnoredAmong(t *testing.T) {
	root := newRepo(t)
	files := map[string]bool{"a.plain": true, "deep/b.plain": true, "a.yaml": false, "odd\nname.plain": true, "-x.plain": true}
	var paths []string
	for name := range files {
		paths = append(paths, filepath.Join(root, name))
	}
	if got, err := gitrepo.IgnoredAmong(context.Background(), root, paths); err != nil || len(got) != 0 {
		t.Errorf("without .gitignore: %v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(root, ".gitignore"), []byte("*.plain\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := gitrepo.IgnoredAmong(context.Background(), root, paths)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got[filepath.Join(root, name)] != want {
			t.Errorf("%q: ignored %v, want %v", name, !want, want)
		}
	}
}
