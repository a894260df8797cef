// Package atomicfile replaces files so that at every moment, whatever fails, the
// file holds either all of its old bytes or all of its new ones.
//
// A write goes to a temporary file beside the target, which is flushed to disk,
// read back and verified before it is renamed over the target. Before the rename
// the target must still hold what the caller read from it, so that two writers
// cannot undo each other's work.
//
// Everything is reported: short writes, the close of every file, even of those
// that were only read, and the flush of the folder.
package atomicfile

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// The conditions that callers tell apart. All reach them in an [*Error].
var (
	// ErrChanged: the target is no longer what [Options].Expect says. Reading it
	// again and redoing the work is the way on.
	ErrChanged = errors.New("the file was changed by somebody else")
	// ErrNotRegular: the target is a folder, device, pipe or socket.
	ErrNotRegular = errors.New("not a regular file")
	// ErrOutside: the target, links resolved, is not below [Options].Root.
	ErrOutside = errors.New("leads out of its repository")
	// ErrReadBack: the disk did not give back what was written to it.
	ErrReadBack = errors.New("the bytes read back are not those written")
	// ErrOwner: the group cannot be kept, and the new one would gain access.
	ErrOwner = errors.New("the file's group cannot be kept, and another group would gain access")
	// ErrLocked: somebody else held the lock for longer than the write waits.
	ErrLocked = errors.New("locked by another writer")
	// ErrTwice: two jobs of one WriteAll lead to the same file.
	ErrTwice = errors.New("written twice in one go")
)

// Error is a failed write. Unless Replaced is set, the target is untouched.
type Error struct {
	// Target is the file to be written, links resolved if that was possible.
	Target string
	// Step says what was being done, as in "flushing".
	Step string
	// Replaced: the target has its new content already; what failed is making
	// sure that it survives a power cut.
	Replaced bool
	// Err is the cause.
	Err error
}

// Error returns "writing TARGET: STEP: cause". The cause is shown without the
// name of the temporary file, which is gone by then.
func (e *Error) Error() string {
	cause := e.Err
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(e.Err, &pathErr):
		cause = pathErr.Err
	case errors.As(e.Err, &linkErr):
		cause = linkErr.Err
	}
	s := "writing " + e.Target + ": " + e.Step + ": " + cause.Error()
	if e.Replaced {
		s += " (the file has its new content, but a power cut could undo that)"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Expect says what the target must be for a write to happen. The zero value is
// [Absent].
type Expect struct {
	kind expectKind
	sum  [sha256.Size]byte
}

type expectKind uint8

const (
	absent expectKind = iota
	holding
	anything
)

// Absent expects that there is no such file.
func Absent() Expect { return Expect{} }

// Holding expects a file of exactly these bytes. Only their hash is kept.
func Holding(content []byte) Expect {
	return Expect{kind: holding, sum: sha256.Sum256(content)}
}

// Anything gives up the protection against other writers.
func Anything() Expect { return Expect{kind: anything} }

// Options are the choices of one write. The zero value creates a new file that
// only its owner can read.
type Options struct {
	// Expect is what the target must be. It is checked under a lock just before
	// the rename.
	Expect Expect
	// Perm are the permission bits of a new file, taken as they are (no umask);
	// 0 means 0600. A file that is replaced keeps its own.
	Perm os.FileMode
	// Private takes the rights of group and others away from a file that is
	// replaced: for plaintext.
	Private bool
	// Root, if set, is the folder that the target, links resolved, must lie in.
	Root string
	// Verify, if set, is given the data while they are written; what is read back
	// from the temporary file must then equal them. Its error stops the write.
	Verify func(data []byte) error
}

// Result tells what a write did.
type Result struct {
	// Path is the file that was written, absolute and with links resolved.
	Path string
	// Created is set if there was no such file.
	Created bool
	// OtherLinks counts the hard links that the old file had besides this one.
	// They still lead to the old content, so it is worth a warning.
	OtherLinks int
}

// Write replaces or creates the file that target leads to. All its errors are
// [*Error]; with one that says Replaced there is a result too.
func Write(target string, data []byte, opts Options) (Result, error) {
	p, err := locate(Job{Target: target, Data: data, Options: opts})
	if err != nil {
		return Result{}, err
	}
	defer p.discard()
	if err := sweep(filepath.Dir(p.result.Path)); err != nil {
		return Result{}, p.fail("looking for leftovers", err)
	}
	if err := p.write(); err != nil {
		return Result{}, err
	}
	var c committer
	err = c.commit(p)
	if closeErr := c.close(); err == nil {
		err = closeErr
	}
	if !p.done {
		return Result{}, err
	}
	return p.result, err
}

// Umasked returns what the process's umask leaves of permission bits, for new
// files that are nobody's secret.
func Umasked(perm os.FileMode) os.FileMode { return perm &^ umask() }
