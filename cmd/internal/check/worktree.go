package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/workset"
)

// WorkTree returns the files that arguments name, and of folders those that git tracks or
// would add; outside of a repository, all that are not another project's. What a sparse
// checkout leaves out of the work tree is read from the index.
func WorkTree(ctx context.Context, args []string, o Options) (*Set, error) {
	s := &Set{explicit: o.Config}
	t := newWorkTree(o.Config)
	seen := map[string]bool{}
	for _, arg := range args {
		f, err := workFiles(ctx, arg)
		if err == nil && f.missing {
			err = s.addSkipped(ctx, f, seen)
		}
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		for _, path := range f.paths {
			if !seen[path] {
				seen[path] = true
				s.targets = append(s.targets, target{name: shown(path), path: path, tree: t})
			}
		}
	}
	return s, nil
}

// addSkipped adds the files of a folder that git tracks and was told to leave out of the
// work tree.
func (s *Set) addSkipped(ctx context.Context, f folderFiles, seen map[string]bool) error {
	skipped, err := gitrepo.Skipped(ctx, f.root, f.folder)
	if err != nil || len(skipped) == 0 {
		return err
	}
	repo, err := gitrepo.Open(ctx, f.root, maxBlob)
	if err != nil {
		return err
	}
	s.repos = append(s.repos, repo)
	index := newGitTree(ctx, repo, f.root, "", s.explicit)
	for _, side := range skipped {
		path := filepath.Join(f.root, filepath.FromSlash(side.Path))
		if _, err := os.Lstat(path); err == nil || seen[path] {
			continue // somebody has put it there
		}
		seen[path] = true
		s.add(f.root, index, "", []gitrepo.Side{side})
	}
	return nil
}

// folderFiles are the files that one argument means, absolute and free of links.
type folderFiles struct {
	paths []string
	// missing: git tracks more below folder, in the work tree root, than lies there.
	missing      bool
	root, folder string
}

func workFiles(ctx context.Context, arg string) (f folderFiles, err error) {
	if info, err := os.Stat(arg); err != nil || !info.IsDir() {
		return collect(arg)
	}
	f.folder, err = filepath.Abs(arg)
	if err == nil {
		f.folder, err = filepath.EvalSymlinks(f.folder)
	}
	if err != nil {
		return f, err
	}
	root, found := gitrepo.Root(f.folder)
	if !found {
		return collect(arg)
	}
	f.root = root
	names, err := gitrepo.Listed(ctx, root, f.folder)
	if ctx.Err() != nil {
		return f, ctx.Err()
	}
	if err != nil {
		return collect(arg) // without git, or with something that only looks like a repository
	}
	for _, n := range names {
		path := filepath.Join(root, filepath.FromSlash(n))
		info, err := os.Lstat(path)
		switch {
		case err != nil:
			f.missing = true
		case info.Mode().IsRegular():
			f.paths = append(f.paths, path)
		}
	}
	return f, nil
}

func collect(arg string) (f folderFiles, err error) {
	files, err := workset.Collect([]string{arg}, workset.Options{Match: func(string) bool { return true }})
	if none := (*workset.NoMatchError)(nil); errors.As(err, &none) {
		return f, nil // an empty folder
	}
	for _, file := range files {
		f.paths = append(f.paths, file.Path)
	}
	return f, err
}
