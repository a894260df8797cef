package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

// linkTree makes a repository root, a folder beside it, and links between them.
func linkTree(t *testing.T) (base, root string) {
	t.Helper()
	base = resolvedTemp(t)
	root = filepath.Join(base, "root")
	for _, d := range []string{"root/a", "root/b", "out"} {
		if err := os.MkdirAll(filepath.Join(base, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(base, "out/f"), "old", 0o600)
	put(t, filepath.Join(root, "b/f"), "old", 0o600)
	for link, to := range map[string]string{
		"a/in": "../b/f", "a/chain": "in", "a/new": "../b/new", "a/out": "../../out/f", "a/outnew": "../../out/new",
		"dir": "../out", "a/abs": filepath.Join(root, "b/f"), "a/loop": "loop",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	return base, root
}

func TestLinks(t *testing.T) {
	base, root := linkTree(t)
	for _, tt := range []struct {
		target, path string
		want         error
	}{
		{"a/in", "root/b/f", nil},
		{"a/chain", "root/b/f", nil},
		{"a/abs", "root/b/f", nil},
		{"a/new", "root/b/new", nil},
		{"a/out", "out/f", atomicfile.ErrOutside},
		{"a/outnew", "out/new", atomicfile.ErrOutside},
		{"dir/f", "out/f", atomicfile.ErrOutside},
		{"../out/f", "out/f", atomicfile.ErrOutside},
	} {
		t.Run(tt.target, func(t *testing.T) {
			opts := atomicfile.Options{Root: root, Expect: atomicfile.Anything()}
			got, err := atomicfile.Write(filepath.Join(root, tt.target), []byte("new"), opts)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			path := filepath.Join(base, tt.path)
			if err != nil {
				if b, err := os.ReadFile(path); err == nil && string(b) != "old" {
					t.Errorf("wrote %q through the link", b)
				}
				return
			}
			if got.Path != path || content(t, path) != "new" {
				t.Errorf("got path %s with %q, want %s", got.Path, content(t, path), path)
			}
		})
	}
	if info, err := os.Lstat(filepath.Join(root, "a/in")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link itself was replaced: %v, %v", info, err)
	}
	if _, err := atomicfile.Write(filepath.Join(root, "a/loop"), nil, atomicfile.Options{}); err == nil {
		t.Error("wrote through a link to itself")
	}
}
