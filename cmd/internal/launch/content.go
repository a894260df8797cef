package launch

import (
	"errors"
	"io"
	"os"
)

// ErrNoMemoryFile means that this system has no files in memory that a program
// could be handed.
var ErrNoMemoryFile = errors.New("this system has no files in memory")

// ErrOnDisk means that the only folders for a pipe are on a disk.
var ErrOnDisk = errors.New("no folder in memory to keep a pipe in")

// Content is a secret that a program gets as a file. It prints redacted.
type Content struct {
	// Path is what the program opens.
	Path string
	// File, if not nil, is what Path leads to: it has to be the program's
	// descriptor of the number that MemoryFile was asked for.
	File *os.File

	closers []io.Closer
}

// String says nothing of the content.
func (c *Content) String() string { return "<content at " + c.Path + ">" }

// GoString is String.
func (c *Content) GoString() string { return c.String() }

// Close ends serving the content and removes what was made for it.
func (c *Content) Close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i].Close())
	}
	c.closers = nil
	return errors.Join(errs...)
}

// writeAll writes data in chunks and fails when something is left.
func writeAll(w io.Writer, data []byte) error {
	n, err := w.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	return err
}
