package main

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// output is standard output for what is printed line by line. It remembers the first
// error, and prints nothing behind it: the lines themselves need not look.
type output struct {
	w io.Writer

	mu  sync.Mutex // guards err, and the order of lines
	err error
}

// Write writes p, and fails for ever once it has failed. That nobody reads on is no
// error of the program's.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return n, err
	}
	o.err = failure("writing to standard output: "+err.Error(), "make room, or send it elsewhere; what the command does besides printing is done")
	return n, o.err
}

// failure returns the first error, nil if there was none.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
