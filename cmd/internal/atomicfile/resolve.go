package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLinks is how many symbolic links in a row are followed, as in Linux.
const maxLinks = 40

// Resolve returns the absolute path, free of symbolic links, of the file that a
// write to path would create or replace. Neither the file nor its folders need to
// exist: a link to nothing leads to where its target would be.
func Resolve(path string) (string, error) {
	return resolve(path, maxLinks)
}

func resolve(path string, links int) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return filepath.Abs(real)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if links == 0 {
		return "", &fs.PathError{Op: "resolve", Path: path, Err: errors.New("too many links")}
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path, nil
	}
	if parent, err = resolve(parent, links-1); err != nil {
		return "", err
	}
	path = filepath.Join(parent, filepath.Base(path))
	link, err := os.Readlink(path)
	if err != nil {
		// Not a link, or nothing at all: the path is final.
		return path, nil
	}
	if !filepath.IsAbs(link) {
		link = filepath.Join(parent, link)
	}
	return resolve(link, links-1)
}

// Below reports whether path lies in the folder root. Both must be resolved.
func Below(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != "." && filepath.IsLocal(rel)
}
