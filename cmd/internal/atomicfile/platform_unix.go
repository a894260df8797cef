//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package atomicfile

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long a writer waits for the others. A lock is held for one
// comparison and one rename.
const lockWait = 30 * time.Second

// lockFolder takes the advisory lock of an open folder. The folder itself is
// locked, not the file (which the rename replaces) and not a lock file (which
// would be litter in the work tree). Where the file system has no such locks
// (some network file systems) the write goes on without.
func lockFolder(dir *os.File) (unlock func() error, err error) {
	fd := int(dir.Fd())
	for deadline := time.Now().Add(lockWait); ; {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() error { return unix.Flock(fd, unix.LOCK_UN) }, nil
		case errors.Is(err, unix.EBADF), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOSYS), unsupported(err):
			return func() error { return nil }, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, err
		case time.Now().After(deadline):
			return nil, ErrLocked
		}
		// A random pause keeps a crowd of writers from starving one of them.
		time.Sleep(time.Millisecond + rand.N(4*time.Millisecond))
	}
}

// syncFolder makes renames in the folder survive a power cut. File systems that
// cannot flush folders say so with EINVAL or ENOTSUP.
func syncFolder(dir *os.File) error {
	err := dir.Sync()
	if unsupported(err) {
		return nil
	}
	return err
}

func unsupported(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP)
}

func rename(from, to string) error { return os.Rename(from, to) }

func links(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Nlink)
	}
	return 1
}

func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// sameAccess reports whether a and b have the same kind, mode and owner.
func sameAccess(a, b fs.FileInfo) bool {
	sa, okA := a.Sys().(*syscall.Stat_t)
	sb, okB := b.Sys().(*syscall.Stat_t)
	return okA && okB && a.Mode() == b.Mode() && sa.Uid == sb.Uid && sa.Gid == sb.Gid
}

// umask reads the process's umask, which cannot be done without setting it.
func umask() os.FileMode {
	old := unix.Umask(0o077)
	unix.Umask(old)
	return os.FileMode(old).Perm()
}

// copyAccess gives f the owner, extended attributes and mode of the file at path,
// whose state is old. The mode comes last: a change of owner clears parts of it,
// and until then only we can open the file.
func copyAccess(f *os.File, path string, old fs.FileInfo) error {
	mode := old.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	kept, err := copyOwner(f, old)
	if err != nil {
		return err
	}
	if !kept {
		mode &^= fs.ModeSetuid | fs.ModeSetgid
	}
	if err := copyXattrs(f, path); err != nil {
		return err
	}
	return f.Chmod(mode)
}

// copyOwner reports whether f has old's owner and group now. Being refused that is
// no error as long as nobody gains access by it: a lost owner loses access, while
// members of a new group may gain what others do not have.
func copyOwner(f *os.File, old fs.FileInfo) (kept bool, err error) {
	want, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return false, ErrOwner
	}
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	have, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false, ErrOwner
	}
	if have.Uid == want.Uid && have.Gid == want.Gid {
		return true, nil
	}
	err = f.Chown(int(want.Uid), int(want.Gid))
	if err == nil || !refused(err) {
		return err == nil, err
	}
	if have.Gid == want.Gid {
		return false, nil
	}
	// Only root may give files away, but anybody may use the groups they are in.
	err = f.Chown(-1, int(want.Gid))
	if err == nil || !refused(err) {
		return false, err
	}
	perm := old.Mode().Perm()
	if group, others := perm>>3&7, perm&7; group&^others != 0 {
		return false, ErrOwner
	}
	return false, nil
}

// refused reports whether err says that this user, or this file system, cannot
// do the thing at all. In a user namespace an unmapped id gives EINVAL.
func refused(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || unsupported(err)
}
