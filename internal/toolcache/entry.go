package toolcache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// find returns the folder of the tool's module, looking upwards from the working
// directory, which for a test is its package's folder.
func (t Tool) find() (string, error) {
	if t.Module != filepath.Base(t.Module) {
		return "", fmt.Errorf("%w: %q", ErrNoModule, t.Module)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		module := filepath.Join(dir, "testdata", "tools", t.Module)
		if info, err := os.Stat(filepath.Join(module, "go.mod")); err == nil && info.Mode().IsRegular() {
			return module, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%w: %q", ErrNoModule, t.Module)
		}
		dir = parent
	}
}

// entry returns the cache's folder for the tool, which exists if it is built. Its
// name depends on everything that the programs depend on.
func (t Tool) entry(module string) (string, error) {
	cache := os.Getenv(CacheEnv)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding a cache folder (%s sets one): %w", CacheEnv, err)
		}
		cache = filepath.Join(user, "gitseal-test")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	h := sha256.New()
	flags := append(slices.Clone(buildArgs), "-ldflags="+stripped)
	fmt.Fprintf(h, "%s %s %s %q %q\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, flags, t.Tags)
	if t.LDFlags != "" {
		fmt.Fprintf(h, "%q\n", t.LDFlags)
	}
	if err := hashFiles(h, module); err != nil {
		return "", err
	}
	return filepath.Abs(filepath.Join(cache, t.Module+"-"+hex.EncodeToString(h.Sum(nil)[:8])))
}

// hashFiles writes the names and contents of all files below a folder, in the order
// of their names: go.mod, go.sum and the sources of programs of our own.
func hashFiles(w io.Writer, dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%q %d\n%s", filepath.ToSlash(name), len(data), data)
		return err
	})
}
