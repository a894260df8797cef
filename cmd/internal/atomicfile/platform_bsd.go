//go:build dragonfly || freebsd || netbsd || openbsd

package atomicfile

import "os"

// renameNew renames to a name that was free under the lock. These systems have no
// rename that refuses to replace.
func renameNew(from, to string) error { return os.Rename(from, to) }
