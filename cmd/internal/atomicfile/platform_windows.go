package atomicfile

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/windows"
)

const (
	lockWait = 30 * time.Second
	// lockSlots bounds the number of lock files.
	lockSlots = 64
)

// lockFolder locks a file in the user's cache folder that stands for the folder,
// because Windows has no locks on folders and a lock file would be litter in the
// work tree. Writers of different users are not kept apart.
func lockFolder(dir *os.File) (unlock func() error, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	cache = filepath.Join(cache, "gitseal")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(dir.Name()))
	name := filepath.Join(cache, "lock-"+strconv.Itoa(int(sum[0])%lockSlots))
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(windows.Handle(f.Fd())); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// Closing the file gives the lock up.
	return f.Close, nil
}

func lockFile(h windows.Handle) error {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	for deadline := time.Now().Add(lockWait); ; time.Sleep(5 * time.Millisecond) {
		err := windows.LockFileEx(h, how, 0, 1, 0, &windows.Overlapped{})
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, windows.ERROR_LOCK_VIOLATION):
			return err
		case time.Now().After(deadline):
			return ErrLocked
		}
	}
}

// syncFolder does nothing: the renames are written through.
func syncFolder(*os.File) error { return nil }

func rename(from, to string) error {
	return move(from, to, windows.MOVEFILE_WRITE_THROUGH|windows.MOVEFILE_REPLACE_EXISTING)
}

// renameNew renames unless the new name is taken, which it reports as an error
// that is fs.ErrExist.
func renameNew(from, to string) error {
	return move(from, to, windows.MOVEFILE_WRITE_THROUGH)
}

func move(from, to string, flags uint32) error {
	a, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	b, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	return windows.MoveFileEx(a, b, flags)
}

func links(fs.FileInfo) int { return 1 }

func ownedByUs(fs.FileInfo) bool { return true }

func sameAccess(a, b fs.FileInfo) bool { return a.Mode() == b.Mode() }

func umask() os.FileMode { return 0 }

// copyAccess copies the access list of the file at path. Without that the file
// would get the one that its folder hands down, which may allow more.
func copyAccess(f *os.File, path string, _ fs.FileInfo) error {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND) {
		return nil
	}
	if err != nil {
		return err
	}
	control, _, err := sd.Control()
	if err != nil {
		return err
	}
	var what windows.SECURITY_INFORMATION = windows.DACL_SECURITY_INFORMATION | windows.UNPROTECTED_DACL_SECURITY_INFORMATION
	if control&windows.SE_DACL_PROTECTED != 0 {
		what = windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION
	}
	return windows.SetNamedSecurityInfo(f.Name(), windows.SE_FILE_OBJECT, what, nil, nil, dacl, nil)
}
