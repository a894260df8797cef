//go:build unix

package editor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
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
func lockFolder(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	f := os.NewFile(uintptr(fd), dir)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(os.NewSyscallError("flock", err), f.Close())
	}
	return f, nil
}
