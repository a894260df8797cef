package atomicfile

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	tempPrefix = "."
	tempSuffix = ".gitseal-tmp"
	// staleAfter is the age at which a temporary file belongs to nobody any more.
	// A writer that slept for longer fails at its rename and harms nothing.
	staleAfter = time.Hour
)

// IsTemp reports whether a file of this base name is, or was left by a killed
// process as, a temporary file of this package.
func IsTemp(base string) bool {
	return strings.HasPrefix(base, tempPrefix) && strings.HasSuffix(base, tempSuffix)
}

// sweep removes the stale temporary files that this user's killed processes left
// in a folder. What cannot be removed stays.
func sweep(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	names, err := f.Readdirnames(-1)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if IsTemp(name) {
			sweepOne(filepath.Join(dir, name))
		}
	}
	return nil
}

func sweepOne(path string) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || !ownedByUs(info) {
		return
	}
	if time.Since(info.ModTime()) > staleAfter {
		_ = os.Remove(path)
	}
}
