package gitrepo

import (
	"os"
	"path/filepath"
)

// Bare returns the bare repository that path lies in, or is, with its links resolved: the
// nearest folder, from path itself upwards, that looks like one. It is not found if a work
// tree is nearer, or has it for its .git.
func Bare(path string) (string, bool) {
	dir, err := filepath.Abs(path)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", false
	}
	for {
		if HasGit(dir) || filepath.Base(dir) == ".git" {
			return "", false
		}
		if isGitDir(dir) {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// isGitDir reports whether a folder has what git asks of a repository (gitrepository-layout(5)),
// and is nobody's linked work tree or submodule.
func isGitDir(dir string) bool {
	for _, name := range []string{"objects", "refs"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return false
		}
	}
	if info, err := os.Lstat(filepath.Join(dir, "HEAD")); err != nil || info.IsDir() {
		return false
	}
	_, err := os.Lstat(filepath.Join(dir, "config"))
	return err == nil
}
