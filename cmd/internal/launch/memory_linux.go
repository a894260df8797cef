package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// MemoryFile puts data into a file that exists in memory only, that nobody can
// change or shorten, and that the program has as its descriptor number. The path
// leads to it for the program itself, however often it opens the file, and for
// those of its children that it leaves the descriptor to.
func MemoryFile(data []byte, number int) (*Content, error) {
	f, err := memfd()
	if err != nil {
		return nil, err
	}
	c := &Content{Path: "/proc/self/fd/" + strconv.Itoa(number), File: f, closers: []io.Closer{f}}
	err = writeAll(f, data)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil {
		const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a file in memory: %w", plainError(err)), c.Close())
	}
	return c, nil
}

func memfd() (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("gitseal", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("gitseal", flags)
	}
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil, ErrNoMemoryFile
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return nil, errors.Join(ErrNoMemoryFile, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "memfd"), nil
}

// inMemory reports whether a folder's files are in memory.
func inMemory(dir string) bool {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return false
	}
	return s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC
}

// Harden keeps other processes of the user from reading our memory.
func Harden() {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // a further defence only
}
