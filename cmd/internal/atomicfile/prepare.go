package atomicfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Job is one file of a [WriteAll].
type Job struct {
	Target string
	Data   []byte
	Options
}

// pending is a temporary file that is complete and verified.
type pending struct {
	job    Job
	result Result
	temp   string
	// old is the target as it was when its mode and owner were copied, nil if
	// there was none.
	old fs.FileInfo
	// done is set once temp has been renamed away.
	done bool
}

func (p *pending) fail(step string, err error) error {
	return &Error{Target: p.result.Path, Step: step, Err: err}
}

// discard removes the temporary file unless it has become the target. Its errors
// are dropped: the write has failed already, and a later one sweeps.
func (p *pending) discard() {
	if !p.done && p.temp != "" {
		_ = os.Remove(p.temp)
	}
}

// locate finds the target of a job and refuses what must not be replaced.
func locate(job Job) (*pending, error) {
	p := &pending{job: job, result: Result{Path: job.Target}}
	path, err := Resolve(job.Target)
	if err != nil {
		return nil, p.fail("following links", err)
	}
	p.result.Path = path
	if job.Root != "" {
		root, err := Resolve(job.Root)
		if err != nil {
			return nil, p.fail("following links", err)
		}
		if !Below(root, path) {
			return nil, p.fail("following links", ErrOutside)
		}
	}
	p.old, err = os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.old, p.result.Created = nil, true
	case err != nil:
		return nil, p.fail("looking at the file", err)
	case !p.old.Mode().IsRegular():
		return nil, p.fail("looking at the file", ErrNotRegular)
	default:
		p.result.OtherLinks = links(p.old) - 1
	}
	if exists := p.old != nil; job.Expect.kind != anything && exists != (job.Expect.kind == holding) {
		return nil, p.fail("looking at the file", ErrChanged)
	}
	return p, nil
}

// write creates, fills, flushes and verifies the temporary file. The caller
// discards p whatever happens.
func (p *pending) write() error {
	// The name is random and O_EXCL refuses whatever stands there, links included.
	name := filepath.Join(filepath.Dir(p.result.Path), tempPrefix+rand.Text()+tempSuffix)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return p.fail("creating a temporary file", err)
	}
	p.temp = name
	verdict := make(chan error, 1)
	step, err := p.fill(f, verdict)
	// Some file systems report a failed write only here.
	if closeErr := f.Close(); err == nil && closeErr != nil {
		step, err = "closing", closeErr
	}
	if err == nil {
		step, err = "reading back", sameContent(name, p.job.Data)
	}
	// Whatever happened, Verify must not run on behind the caller's back.
	if bad := <-verdict; err == nil && bad != nil {
		step, err = "verifying", bad
	}
	if err != nil {
		return p.fail(step, err)
	}
	return nil
}

// fill writes and flushes the temporary file. Meanwhile the data are verified:
// what Verify says of them holds for the file, which is compared with them. Its
// error goes to verdict, on which one is sent in any case.
func (p *pending) fill(f *os.File, verdict chan<- error) (step string, err error) {
	// Access comes first: while an ACL is copied and the mode has yet to narrow it,
	// there is nothing in the file.
	if err := p.setAccess(f); err != nil {
		verdict <- nil
		return "copying owner and mode", err
	}
	if p.job.Verify == nil {
		verdict <- nil
	} else {
		go func() { verdict <- p.job.Verify(p.job.Data) }()
	}
	// os.File.Write goes on after short writes.
	if _, err := f.Write(p.job.Data); err != nil {
		return "writing", err
	}
	return "flushing", f.Sync()
}

// setAccess gives the temporary file the access rights of the file that it is to
// replace, or those asked for.
func (p *pending) setAccess(f *os.File) error {
	if p.old != nil && p.job.Private {
		return copyAccess(f, p.result.Path, narrowed{p.old})
	}
	if p.old != nil {
		return copyAccess(f, p.result.Path, p.old)
	}
	perm := p.job.Perm.Perm()
	if perm == 0 || perm == 0o600 {
		return nil
	}
	return f.Chmod(perm)
}

// narrowed is a file's state without the rights of group and others.
type narrowed struct{ fs.FileInfo }

func (n narrowed) Mode() fs.FileMode { return n.FileInfo.Mode() &^ 0o077 }

// compareChunk is how much of a file is read back at a time.
const compareChunk = 1 << 18

// sameContent reads a file and reports ErrReadBack if it does not hold data. It
// is opened anew, so that a file system that lost the file or cut it short is
// found out.
func sameContent(path string, data []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = sameBytes(f, data)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("closing: %w", closeErr)
	}
	return err
}

func sameBytes(r io.Reader, data []byte) error {
	// One byte more than expected tells a file that is too long.
	buf := make([]byte, min(compareChunk, len(data)+1))
	for {
		n, err := io.ReadFull(r, buf)
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		switch {
		case err != nil && !ended:
			return err
		case n > len(data) || !bytes.Equal(buf[:n], data[:n]) || ended && n < len(data):
			return ErrReadBack
		case ended:
			return nil
		}
		data = data[n:]
	}
}
