//go:build !unix

package editor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// basePlace: there is no folder in memory that every system of this kind has.
func basePlace(p Places) (dir string, inMemory bool) { return p.TempDir, false }

// isOurs: the folder for temporary files is the user's own here.
func isOurs(fs.FileInfo) bool { return true }

const lockName = "lock"

// lockBlocksRemoval: a file that is open cannot be removed.
const lockBlocksRemoval = true

// lockFolder locks a folder until the result is closed, or the process ends: a file
// that is open cannot be removed here.
func lockFolder(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}
