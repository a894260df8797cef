package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/cmd/internal/scan"
	"github.com/gitseal/gitseal/cmd/internal/workset"
)

// WorkTree returns the files that arguments name, and of folders those that git tracks or
// would add; outside of a repository, all that are not another project's. What a sparse
// checkout leaves out of the work tree is read from the index: files, and the configurations
// of others.
func WorkTree(ctx context.Context, args []string, o Options) (*Set, error) {
	s := &Set{explicit: o.Config}
	t := newWorkTree(ctx, s)
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

// workTree is the files on the disk.
type workTree struct{ configCache }

func newWorkTree(ctx context.Context, s *Set) *workTree {
	t := &workTree{configCache{explicit: s.explicit, byFolder: map[string]configEntry{}}}
	loaded := map[string]configEntry{}
	var leftOut rules.LeftOut
	t.find = func(folder string) configEntry {
		unknown := configEntry{name: shown(filepath.Join(folder, ConfigName))}
		file, err := rules.Find(filepath.Join(folder, "x"))
		if e := (*rules.ConfigError)(nil); errors.As(err, &e) {
			return configEntry{name: shown(e.Path), err: err}
		}
		if err != nil && !errors.Is(err, rules.ErrNotFound) {
			unknown.err = err
			return unknown
		}
		nearer, root, err := leftOut.Nearer(ctx, filepath.Join(folder, "x"), file)
		switch {
		case err != nil:
			unknown.err = err
			return unknown
		case nearer != "":
			return s.indexedConfig(ctx, root, filepath.Dir(nearer))
		case file == "":
			return configEntry{}
		}
		e, known := loaded[file]
		if !known {
			e.name = shown(file)
			e.config, e.err = rules.Load(file)
			loaded[file] = e
		}
		return e
	}
	return t
}

func (t *workTree) read(f *target) ([]byte, error) { return t.beside(f.path) }

func (t *workTree) beside(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxBlob {
		return largeHead(f)
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(f, data)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil
	}
	return data[:n], err
}

// largeHead stands for a file that is too large to be read: what is no text would not be
// looked through anyway.
func largeHead(f *os.File) ([]byte, error) {
	head := make([]byte, 8<<10)
	n, err := io.ReadFull(f, head)
	if _, wide := scan.FromUTF16(head[:n]); err != nil || scan.IsText(head[:n]) || wide {
		return nil, errTooLarge
	}
	return head[:n], nil
}

// indexedConfig returns the configuration that the index names in a folder.
func (s *Set) indexedConfig(ctx context.Context, root, folder string) configEntry {
	at := filepath.Join(folder, ConfigName)
	index, err := s.index(ctx, root)
	if err != nil {
		return configEntry{name: shown(at), err: err}
	}
	config, name, err := index.config(at)
	if err == nil && name != shown(at) {
		return configEntry{name: shown(at), err: fmt.Errorf("a sparse checkout leaves it out, and %w", errMissing)}
	}
	return configEntry{config, name, err}
}

// index returns the index of a repository, of which there is one in a set. It is for one
// goroutine at a time.
func (s *Set) index(ctx context.Context, root string) (*gitTree, error) {
	if t := s.indexes[root]; t != nil {
		return t, nil
	}
	repo, err := gitrepo.Open(ctx, root, maxBlob)
	if err != nil {
		return nil, err
	}
	s.repos = append(s.repos, repo)
	if s.indexes == nil {
		s.indexes = map[string]*gitTree{}
	}
	s.indexes[root] = newGitTree(ctx, repo, root, "", s.explicit)
	return s.indexes[root], nil
}

// addSkipped adds the files of a folder that git tracks and was told to leave out of the
// work tree.
func (s *Set) addSkipped(ctx context.Context, f folderFiles, seen map[string]bool) error {
	skipped, err := gitrepo.Skipped(ctx, f.root, f.folder)
	if err != nil || len(skipped) == 0 {
		return err
	}
	index, err := s.index(ctx, f.root)
	if err != nil {
		return err
	}
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
