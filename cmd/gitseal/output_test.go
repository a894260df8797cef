package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
)

// failing fails in its second write.
type failing struct {
	bytes.Buffer
	err error
	n   int
}

func (w *failing) Write(p []byte) (int, error) {
	if w.n++; w.n == 2 {
		return 0, w.err
	}
	return w.Buffer.Write(p)
}

func TestOutputRemembersItsFirstError(t *testing.T) {
	w := &failing{err: errors.New("disk full")}
	o := &output{w: w}
	for i := range 4 {
		fmt.Fprintln(o, i)
	}
	if err := o.failure(); err == nil || err.Error() != "writing to standard output: disk full" {
		t.Errorf("got %v", err)
	}
	if got := w.String(); got != "0\n" {
		t.Errorf("lines are missing in the middle: %q", got)
	}
}

// gitseal log | head -1 is quiet, with SIGPIPE ignored, too.
func TestAReaderWhoHasGoneIsNoError(t *testing.T) {
	o := &output{w: &failing{err: fmt.Errorf("write: %w", syscall.EPIPE)}}
	for range 2 {
		_, _ = io.WriteString(o, "line\n")
	}
	if err := o.failure(); err != nil {
		t.Errorf("got %v", err)
	}
}
