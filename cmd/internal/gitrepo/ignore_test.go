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
