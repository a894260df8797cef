package gitrepo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// underWay are what git keeps, in a repository, of a merge, cherry-pick, revert or rebase
// that is not done. REBASE_HEAD is none of it: git leaves it there when a rebase has ended.
var underWay = []string{"MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"}

// Merging reports whether a merge, cherry-pick, revert or rebase is under way in a work
// tree, or runs us in one of its hooks.
func Merging(ctx context.Context, root string) (bool, error) {
	for _, kv := range os.Environ() {
		// git merge says by it what its heads are called, and has no MERGE_HEAD yet in
		// pre-merge-commit.
		if strings.HasPrefix(kv, "GITHEAD_") {
			return true, nil
		}
	}
	args := []string{"rev-parse"}
	for _, name := range underWay {
		args = append(args, "--git-path", name)
	}
	out, err := Git(ctx, root, args...)
	if err != nil {
		return false, err
	}
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSuffix(path, "\n")
		if !filepath.IsAbs(path) {
			path = filepath.Join(root, path)
		}
		if _, err := os.Lstat(path); err == nil {
			return true, nil
		}
	}
	return false, nil
}
