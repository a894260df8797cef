//go:build unix

// Package folderlock tells private folders that are in use from those that a killed
// process has left behind.
package folderlock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Lock locks a folder that is there until the result is closed, or the process ends. It
// does not wait: the error says that the folder is gone, no folder, or in use. Links are
// not followed, and programs that are started do not inherit the lock.
func Lock(dir string) (*os.File, error) {
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
