package rules

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

// LeftOut finds configuration files that sparse checkouts leave out of their work trees, and
// asks git once for each repository. The zero value is ready for use, by one goroutine at a
// time.
type LeftOut struct {
	// byRoot has those of repositories, by the folders that they are in; nil for one that is
	// no sparse checkout.
	byRoot map[string]map[string]bool
}

// Nearer returns the configuration file for a file, as it would be called, if git has it and
// was told to leave it out, and the repository's topmost folder; "" if there is none. Only
// what is nearer than found counts, which [Find] has returned for the file, "" if nothing.
//
// Outside of sparse checkouts it runs no git, and where git is missing or refuses the
// repository, nothing is known to be left out.
func (l *LeftOut) Nearer(ctx context.Context, file, found string) (path, root string, err error) {
	resolved, err := atomicfile.Resolve(file)
	if err != nil {
		return "", "", err
	}
	dir := folderOf(resolved)
	if found != "" && dir == filepath.Dir(found) {
		return "", "", nil
	}
	root, inGit := gitrepo.Root(dir)
	if !inGit {
		return "", "", nil
	}
	folders, err := l.in(ctx, root)
	if err != nil || len(folders) == 0 {
		return "", "", err
	}
	for ; found == "" || dir != filepath.Dir(found); dir = filepath.Dir(dir) {
		if folders[dir] {
			return filepath.Join(dir, fileName), root, nil
		}
		if dir == root {
			break
		}
	}
	return "", "", nil
}

// in returns the folders of a repository of which the configuration is left out.
func (l *LeftOut) in(ctx context.Context, root string) (map[string]bool, error) {
	if folders, known := l.byRoot[root]; known {
		return folders, nil
	}
	var folders map[string]bool
	if gitrepo.MayBeSparse(root) {
		paths, err := gitrepo.SkippedNamed(ctx, root, fileName)
		if err != nil && !errors.Is(err, exec.ErrNotFound) && !errors.As(err, new(*gitrepo.Error)) {
			return nil, err
		}
		folders = map[string]bool{}
		for _, p := range paths {
			folders[filepath.Dir(filepath.Join(root, filepath.FromSlash(p)))] = true
		}
	}
	if l.byRoot == nil {
		l.byRoot = map[string]map[string]bool{}
	}
	l.byRoot[root] = folders
	return folders, nil
}

// LoadIndexed is [Load] for a configuration file that lies in no work tree, but in the index of
// the repository with the given topmost folder.
func LoadIndexed(ctx context.Context, path, root string) (*Config, error) {
	repo, err := gitrepo.Open(ctx, root, MaxSize)
	if err != nil {
		return nil, err
	}
	src, err := repo.Read(path, gitrepo.Index)
	if err = errors.Join(err, repo.Close()); err != nil {
		return nil, fmt.Errorf("reading %s, which a sparse checkout leaves out: %w", path, err)
	}
	return Parse(path, src)
}
