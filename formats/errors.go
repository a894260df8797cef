package formats

import (
	"errors"
	"fmt"
	"strconv"
)

// The limits that every format keeps. They bound memory and time on hostile
// input; none of them is near what people keep in such files.
const (
	// MaxSource is the largest plain file, in bytes, of a format with values.
	MaxSource = 16 << 20
	// MaxSealed is the largest sealed file, in bytes. A sealed value is about
	// 130 bytes and a third longer than the plain one.
	MaxSealed = 256 << 20
	// MaxDepth is how deep maps and lists may be nested.
	MaxDepth = 128
	// MaxLeaves is how many values and comments a file may hold, written-out
	// aliases included.
	MaxLeaves = 1 << 20
	// MaxValue is the longest single value in bytes.
	MaxValue = 8 << 20
)

// The causes that an [Error] may wrap. Each stands for one way out.
var (
	// ErrSyntax: the input is not a file of this format.
	ErrSyntax = errors.New("syntax error")
	// ErrNotSealable: the input is valid, but no sops file can hold it (a list at
	// the top, keys that are not strings, …). Sealing it as binary works.
	ErrNotSealable = errors.New("not possible in a sealed file")
	// ErrDuplicate: a key stands twice in one map.
	ErrDuplicate = errors.New("duplicate key")
	// ErrLimit: one of this package's limits is exceeded.
	ErrLimit = errors.New("limit exceeded")
	// ErrMetadata: the metadata block is not as sops or we write it.
	ErrMetadata = errors.New("bad metadata block")
	// ErrLineEnds: the line ends of a sealed file were changed, as git does with
	// core.autocrlf. It is an [ErrMetadata].
	ErrLineEnds = fmt.Errorf("%w: line ends were changed", ErrMetadata)
)

// Error is how a format refuses an input. Its text never holds a part of the
// input other than keys.
type Error struct {
	// Cause is one of the sentinels of this package.
	Cause error
	// Line and Column count from 1; Column counts bytes. Both are 0 if there is
	// no one place.
	Line, Column int
	// Path is where in the document it happened, nil if that is not known.
	Path *Path
	// Msg says what is wrong, in a few constant words.
	Msg string
}

// Error returns "line L, column C: path: message".
func (e *Error) Error() string {
	s := ""
	if e.Line > 0 {
		s = "line " + strconv.Itoa(e.Line) + ", column " + strconv.Itoa(e.Column) + ": "
	}
	if e.Path != nil {
		s += e.Path.String() + ": "
	}
	return s + e.Msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ErrorAt returns an Error for the byte at offset off of src.
func ErrorAt(cause error, src []byte, off int, p *Path, msg string) *Error {
	off = min(max(off, 0), len(src))
	line, start := 1, 0
	for i, c := range src[:off] {
		if c == '\n' {
			line, start = line+1, i+1
		}
	}
	return &Error{Cause: cause, Line: line, Column: off - start + 1, Path: p, Msg: msg}
}
