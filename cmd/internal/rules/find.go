package rules

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

// ErrNotFound: no configuration file applies to the file.
var ErrNotFound = errors.New("no " + fileName + " found")

// Find returns the configuration file for a file: the nearest .sops.yaml from the
// file's own folder upwards. Links in the file's name are followed first. The
// search ends at the top of the git work tree that the file is in, and at the top
// of the file system outside of any.
//
// It refuses a configuration that somebody could have slipped in: one that anybody
// may write, or that belongs to another user than us, root and the file's owner.
func Find(file string) (string, error) {
	path, err := atomicfile.Resolve(file)
	if err != nil {
		return "", err
	}
	dir := folderOf(path)
	for {
		config, err := lookIn(dir)
		if err != nil {
			return "", err
		}
		if config != "" {
			return config, trust(config, path)
		}
		parent := filepath.Dir(dir)
		if gitrepo.HasGit(dir) || parent == dir {
			return "", ErrNotFound
		}
		dir = parent
	}
}

// folderOf returns the folder in which the search for a resolved file begins: a folder is its
// own.
func folderOf(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

// lookIn returns the configuration file of one folder, "" if it has none.
func lookIn(dir string) (string, error) {
	config := filepath.Join(dir, fileName)
	_, err := os.Lstat(config)
	if err == nil {
		return config, nil
	}
	// A folder that is yet to be made has no configuration.
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	wrong := filepath.Join(dir, wrongName)
	if _, err := os.Lstat(wrong); err == nil {
		return "", &ConfigError{Path: wrong, Msg: "a configuration file must be called " + fileName}
	}
	return "", nil
}
