package atomicfile

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// aclAttr holds a file's POSIX ACL. While a file has one, the group bits of its
// mode are the ACL's mask: without the ACL they would open it to its group.
const aclAttr = "system.posix_acl_access"

// renameNew renames unless the new name is taken, which it reports as an error
// that is fs.ErrExist.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// The file system or a very old kernel knows no such flag. The lock still
		// holds off our own kind.
		return os.Rename(from, to)
	}
	return err
}

// copyXattrs copies the extended attributes of the file at path to f. An ACL must
// arrive; of the others those that this user may not set are left out.
func copyXattrs(f *os.File, path string) error {
	names, err := listXattrs(path)
	if err != nil {
		return err
	}
	hadACL := false
	for _, name := range names {
		if !copied(name) {
			continue
		}
		hadACL = hadACL || name == aclAttr
		err := copyXattr(f, path, name)
		if err == nil || name != aclAttr && refused(err) {
			continue
		}
		return err
	}
	if hadACL {
		return nil
	}
	// The folder's default ACL may have given the new file one.
	err = unix.Fremovexattr(int(f.Fd()), aclAttr)
	if err == nil || errors.Is(err, unix.ENODATA) || refused(err) {
		return nil
	}
	return err
}

// copied leaves out what is bound to the old content: capabilities and signatures.
func copied(name string) bool {
	return !strings.HasPrefix(name, "security.") || name == "security.selinux"
}

func listXattrs(path string) ([]string, error) {
	size, err := unix.Llistxattr(path, nil)
	if refused(err) {
		return nil, nil
	}
	if err != nil || size == 0 {
		return nil, err
	}
	// One may have been added meanwhile; twice the room is room enough.
	buf := make([]byte, 2*size)
	size, err = unix.Llistxattr(path, buf)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimRight(string(buf[:size]), "\x00"), "\x00"), nil
}

func copyXattr(f *os.File, path, name string) error {
	size, err := unix.Lgetxattr(path, name, nil)
	if err != nil {
		return err
	}
	buf := make([]byte, 2*size)
	if size, err = unix.Lgetxattr(path, name, buf); err != nil {
		return err
	}
	return unix.Fsetxattr(int(f.Fd()), name, buf[:size], 0)
}
