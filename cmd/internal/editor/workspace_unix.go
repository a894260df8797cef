//go:build unix

package editor

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gitseal/gitseal/cmd/internal/folderlock"
)

// basePlace chooses the first folder that is in memory, belongs to us or to all,
// and can be written to; else the one for temporary files.
func basePlace(p Places) (dir string, inMemory bool) {
	for _, dir := range []string{p.RuntimeDir, fmt.Sprintf("/run/user/%d", os.Getuid()), "/dev/shm", p.TempDir} {
		if filepath.IsAbs(dir) && isInMemory(dir) && isTrusted(dir) && unix.Access(dir, unix.W_OK|unix.X_OK) == nil {
			return dir, true
		}
	}
	return p.TempDir, false
}

// isTrusted reports whether nobody else can replace what we make in a folder: it
// is ours, or root's with the sticky bit.
func isTrusted(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	const others = 0o022
	switch {
	case !ok:
		return false
	case info.Mode()&fs.ModeSticky != 0:
		return s.Uid == 0 || int(s.Uid) == os.Getuid()
	}
	return info.Mode().Perm()&others == 0 && int(s.Uid) == os.Getuid()
}

func isOurs(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	const others = 0o077
	return ok && int(s.Uid) == os.Getuid() && info.Mode().Perm()&others == 0
}

// lockBlocksRemoval: a folder can be removed while it is locked.
const lockBlocksRemoval = false

// lockFolder locks a folder that is still there until the result is closed, or the
// process ends.
func lockFolder(dir string) (*os.File, error) { return folderlock.Lock(dir) }
