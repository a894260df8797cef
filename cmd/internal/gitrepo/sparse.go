package gitrepo

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MayBeSparse reports whether the work tree with the given topmost folder may be a sparse
// checkout. It runs no git, and is right about those that are; one that was may look like it.
func MayBeSparse(root string) bool {
	dir := filepath.Join(root, ".git")
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	if !info.IsDir() {
		if dir = linkedDir(root, dir); dir == "" {
			return false
		}
	}
	_, err = os.Stat(filepath.Join(dir, "info", "sparse-checkout"))
	return err == nil
}

// linkedDir returns the folder that a .git file leads to, as linked work trees and submodules
// have it; "" if it leads nowhere.
func linkedDir(root, file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	const longest = 1 << 15
	text, err := io.ReadAll(io.LimitReader(f, longest))
	dir, found := strings.CutPrefix(string(text), "gitdir: ")
	if err != nil || !found {
		return ""
	}
	if dir = strings.TrimRight(dir, "\r\n"); !filepath.IsAbs(dir) {
		dir = filepath.Join(root, dir)
	}
	return dir
}

// SkippedNamed returns the paths, seen from the root, of what is called name in any folder of
// the index and was left out of the work tree by a sparse checkout (skip-worktree): files and
// links, there or put there by somebody all the same.
func SkippedNamed(ctx context.Context, root, name string) ([]string, error) {
	return skipped(ctx, root, ":(top,glob)**/"+name)
}

// IsSkipped reports whether the file or link at a path, seen from the root, is in the index and
// was left out of the work tree by a sparse checkout.
func IsSkipped(ctx context.Context, root, path string) (bool, error) {
	list, err := skipped(ctx, root, ":(top,literal)"+path)
	return slices.Contains(list, path), err
}

func skipped(ctx context.Context, root, pathspec string) ([]string, error) {
	out, err := Git(ctx, root, "ls-files", "-z", "-t", "--", pathspec)
	if err != nil {
		return nil, err
	}
	// S SP <path> NUL
	var list []string
	for line := range strings.SplitSeq(string(out), "\x00") {
		if path, skipped := strings.CutPrefix(line, "S "); skipped {
			list = append(list, path)
		}
	}
	return list, nil
}

// IsCone reports whether a sparse checkout is one of whole folders, and not of patterns.
func IsCone(ctx context.Context, root string) (bool, error) {
	out, err := Git(ctx, root, "config", "--type=bool", "--default=false", "--get", "core.sparseCheckoutCone")
	return strings.TrimSpace(string(out)) == "true", err
}
