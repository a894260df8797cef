package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/workset"
)

// collectAll lists the files of one argument: with a folder, also those in other
// git repositories below it, which commands that write leave alone.
func (r *whoRun) collectAll(ctx context.Context, arg string) ([]workset.File, error) {
	all := workset.Options{Match: func(string) bool { return true }}
	files, err := workset.Collect([]string{arg}, all)
	if err != nil && !asError(err, new(*workset.NoMatchError)) {
		return nil, err
	}
	nested, err := nestedRepositories(ctx, arg)
	if err != nil {
		return nil, err
	}
	for _, root := range nested {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		more, err := workset.Collect([]string{root}, all)
		if err != nil && !asError(err, new(*workset.NoMatchError)) {
			return nil, err
		}
		for _, f := range more {
			f.Arg = arg
			files = append(files, f)
		}
		r.nested[root] = true
	}
	return files, nil
}

// nestedRepositories returns the work trees of git below a folder, to any depth; none
// of what is no folder. As everywhere, node_modules and vendored code are left out.
func nestedRepositories(ctx context.Context, folder string) ([]string, error) {
	top, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, err
	}
	if top, err = filepath.Abs(top); err != nil {
		return nil, err
	}
	var out []string
	err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case err != nil:
			return err
		case !d.IsDir() || path == top:
			return nil
		case isForeign(path):
			return filepath.SkipDir
		case gitrepo.HasGit(path):
			out = append(out, path)
		}
		return nil
	})
	return out, err
}

// isForeign reports whether a folder holds what is not its repository's own.
func isForeign(folder string) bool {
	switch filepath.Base(folder) {
	case ".git", "node_modules":
		return true
	case "vendor":
		for _, marker := range []string{"modules.txt", "autoload.php"} {
			if _, err := os.Lstat(filepath.Join(folder, marker)); err == nil {
				return true
			}
		}
	}
	return false
}

// ignoredRoot reports whether a repository was found in a folder that is ignored by
// the repository around it: git itself does not look into it.
func (r *whoRun) ignoredRoot(ctx context.Context, root string) bool {
	for r.nested[root] {
		outer, ok := gitrepo.Root(filepath.Dir(root))
		if !ok {
			return false
		}
		if ignored, err := gitrepo.Ignored(ctx, outer, root); err == nil && ignored {
			return true
		}
		root = outer
	}
	return false
}

// dropIgnored leaves out the files of folders that git ignores: copies that builds
// have made. Where there is no git, none is.
func (r *whoRun) dropIgnored(ctx context.Context, found []foundFile) []foundFile {
	byRoot := map[string][]string{}
	roots := map[string]string{}
	for _, f := range found {
		dir := filepath.Dir(f.in.path)
		root, known := roots[dir]
		if !known {
			root, _ = gitrepo.Root(dir)
			roots[dir] = root
		}
		if root != "" && f.in.fromFolder {
			byRoot[root] = append(byRoot[root], f.in.path)
		}
	}
	ignored := map[string]bool{}
	for root, files := range byRoot {
		some, err := gitrepo.IgnoredAmong(ctx, root, files)
		if err != nil {
			some = nil
		}
		whole := r.ignoredRoot(ctx, root)
		for _, name := range files {
			ignored[name] = whole || some[name]
		}
	}
	var kept []foundFile
	for _, f := range found {
		if f.in.fromFolder && ignored[f.in.path] {
			r.ignored++
			continue
		}
		kept = append(kept, f)
	}
	return kept
}
