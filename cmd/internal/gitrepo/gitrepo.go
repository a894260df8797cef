// Package gitrepo finds the git repository that a file lies in and reads earlier
// versions of the file from it.
//
// Finding needs no git. Reading runs the real git, so that every layout that git
// knows (worktrees, submodules, packs, alternates, partial clones) works.
package gitrepo

import (
	"os"
	"path/filepath"
)

// Root returns the topmost folder of the work tree that path lies in: the nearest
// folder, from path itself upwards, that has a .git (a folder, or a file in linked
// worktrees and submodules). Links in path are not followed.
func Root(path string) (string, bool) {
	dir, err := filepath.Abs(path)
	if err != nil {
		return "", false
	}
	for {
		if HasGit(dir) {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// HasGit reports whether dir is the topmost folder of a work tree.
func HasGit(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, ".git"))
	// A link to a folder is what some tools make of it.
	return err == nil && (info.IsDir() || info.Mode().IsRegular() || info.Mode()&os.ModeSymlink != 0)
}
