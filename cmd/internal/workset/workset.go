// Package workset finds the files that a command works on: those that are named,
// and in folders that are named those that the caller's rules mean.
package workset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

// ErrNotRegular: a device, pipe or socket was named.
var ErrNotRegular = errors.New("neither a regular file nor a folder")

// NoMatchError says that a folder holds no file that the rules mean.
type NoMatchError struct {
	// Folder is the argument that named it.
	Folder string
}

// Error names the folder.
func (e *NoMatchError) Error() string {
	return "no file in the folder " + e.Folder + " is meant by a rule"
}

// File is one file to work on.
type File struct {
	// Arg is the argument that named the file, or the folder it was found in.
	Arg string
	// Path is absolute and free of links.
	Path string
	// Rel is Path as seen from the top of its git work tree, or from the working
	// folder if it lies in none, with slashes. If it is in neither, it is Path.
	Rel string
}

// Options are the choices of Collect.
type Options struct {
	// Match reports whether a file found in a folder is to be taken; nil takes none.
	// Its argument is absolute and free of links.
	Match func(path string) bool
}

// Collect returns the files that the arguments name, in the order of the
// arguments and by name within folders. A file that is reached twice, through
// links or another spelling of its name, is taken once. Hard links are different
// files: replacing one does not change the others.
//
// Folders are searched to the bottom, except for .git, node_modules, vendored
// code and the work trees of other repositories; links in them are not followed.
// A folder without any match is a [*NoMatchError]; whatever cannot be read is an
// error that names it.
func Collect(args []string, opts Options) ([]File, error) {
	c := &collector{match: opts.Match, seen: map[string][]fs.FileInfo{}, roots: map[string]string{}}
	for _, arg := range args {
		if err := c.add(arg); err != nil {
			return nil, err
		}
	}
	return c.files, nil
}

type collector struct {
	match func(path string) bool
	files []File
	// seen has the files taken, by their paths without regard to case: only such
	// can be the same file on a file system that has none.
	seen map[string][]fs.FileInfo
	// roots caches the work tree of each folder.
	roots map[string]string
}

func (c *collector) add(arg string) error {
	if arg == "" {
		return errors.New("a file name is empty")
	}
	info, err := os.Stat(arg)
	if err != nil {
		return fmt.Errorf("looking for %s: %w", arg, cause(err))
	}
	path, err := atomicfile.Resolve(arg)
	if err != nil {
		return fmt.Errorf("following the links of %s: %w", arg, cause(err))
	}
	switch {
	case info.IsDir():
		return c.folder(arg, path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: %w", arg, ErrNotRegular)
	}
	c.take(arg, path, info)
	return nil
}

// cause leaves out what an error of the file system repeats of the name.
func cause(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func (c *collector) folder(arg, root string) error {
	found := false
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("searching %s: %w", path, cause(err))
		case d.IsDir() && path != root && skipped(path):
			return filepath.SkipDir
		case !d.Type().IsRegular() || atomicfile.IsTemp(d.Name()) || c.match == nil || !c.match(path):
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			// Gone since the folder was read.
			return nil
		}
		if err != nil {
			return fmt.Errorf("searching %s: %w", path, cause(err))
		}
		found = true
		c.take(arg, path, info)
		return nil
	})
	if err == nil && !found {
		err = &NoMatchError{Folder: arg}
	}
	return err
}

// skipped reports whether a folder below the one that was named is left out: it
// belongs to somebody else.
func skipped(dir string) bool {
	switch filepath.Base(dir) {
	case ".git", "node_modules":
		return true
	case "vendor":
		// Only where a tool has put its marker: the name alone may well be a
		// folder of somebody's own configuration.
		return exists(filepath.Join(dir, "modules.txt")) || exists(filepath.Join(dir, "autoload.php"))
	}
	return gitrepo.HasGit(dir)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// take adds a file unless it is there already.
func (c *collector) take(arg, path string, info fs.FileInfo) {
	key := strings.ToLower(path)
	if slices.ContainsFunc(c.seen[key], func(other fs.FileInfo) bool { return os.SameFile(other, info) }) {
		return
	}
	c.seen[key] = append(c.seen[key], info)
	c.files = append(c.files, File{Arg: arg, Path: path, Rel: c.rel(path)})
}

func (c *collector) rel(path string) string {
	dir := filepath.Dir(path)
	base, ok := c.roots[dir]
	if !ok {
		base = baseOf(dir)
		c.roots[dir] = base
	}
	if rel, err := filepath.Rel(base, path); base != "" && err == nil && filepath.IsLocal(rel) {
		path = rel
	}
	return filepath.ToSlash(path)
}

// baseOf returns the folder that names in dir are relative to, "" for none.
func baseOf(dir string) string {
	if root, ok := gitrepo.Root(dir); ok {
		return root
	}
	wd, err := os.Getwd()
	if err != nil {
		return ""
	}
	wd, err = filepath.EvalSymlinks(wd)
	if err != nil {
		return ""
	}
	return wd
}
