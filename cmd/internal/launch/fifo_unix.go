//go:build unix

package launch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gitseal/gitseal/cmd/internal/folderlock"
)

const (
	pipePrefix = "gitseal-exec-"
	pipeName   = "content"
	// pipeSpare is the name of the pipe that is next.
	pipeSpare = "next"
)

// Pipe serves data through a named pipe in a folder that only the user can enter.
// Everyone who opens it for reading gets all of the data, but for two who open it
// at the same moment: they share one copy. It cannot be sought in. Close removes
// the folder.
func Pipe(o PipeOptions) (*Content, error) {
	base, err := pipeBase(o)
	if err != nil {
		return nil, err
	}
	sweep(base)
	dir, err := os.MkdirTemp(base, pipePrefix)
	if err != nil {
		return nil, fmt.Errorf("making a folder for a pipe: %w", err)
	}
	s := &pipeServer{dir: dir, path: filepath.Join(dir, pipeName), data: bytes.Clone(o.Data), open: map[*os.File]bool{}}
	if s.lock, err = folderlock.Lock(dir); err == nil {
		err = s.listen()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.serving.Go(s.serve)
	return &Content{Path: s.path, closers: []io.Closer{s}}, nil
}

// pipeBase chooses the first folder that is in memory.
func pipeBase(o PipeOptions) (string, error) {
	folders := []string{o.RuntimeDir, "/dev/shm", fmt.Sprintf("/run/user/%d", os.Getuid()), o.TempDir}
	for _, dir := range folders {
		if filepath.IsAbs(dir) && inMemory(dir) && unix.Access(dir, unix.W_OK|unix.X_OK) == nil {
			return dir, nil
		}
	}
	if !o.AllowDisk {
		return "", ErrOnDisk
	}
	if filepath.IsAbs(o.RuntimeDir) {
		return o.RuntimeDir, nil
	}
	return o.TempDir, nil
}

// sweep removes the folders of processes that were killed: those that nobody holds
// a lock on. There is nothing in them but pipes.
func sweep(base string) {
	const settled = time.Minute
	names, _ := filepath.Glob(filepath.Join(base, pipePrefix+"*")) // a folder without any is as good
	for _, dir := range names {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < settled {
			continue
		}
		lock, err := folderlock.Lock(dir)
		if err != nil {
			continue // in use, or another's
		}
		removePipes(dir)
		_ = lock.Close()
	}
}

// removePipes removes a folder with pipes in it, and leaves alone whatever else
// there may be.
func removePipes(dir string) {
	for _, name := range []string{pipeName, pipeSpare} {
		path := filepath.Join(dir, name)
		if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
			_ = os.Remove(path) // Remove(dir) tells
		}
	}
	_ = os.Remove(dir) // the next call tries again
}

// pipeServer writes its data into a pipe, once for each reader.
type pipeServer struct {
	dir, path string
	data      []byte
	lock      *os.File
	// serving and writing end when nothing is left to do.
	serving, writing sync.WaitGroup

	mu     sync.Mutex // guards what follows
	closed bool
	open   map[*os.File]bool // the pipes that are being written to
}

// listen makes the pipe that the next reader opens. It replaces one that a reader
// has open, who keeps it.
func (s *pipeServer) listen() error {
	spare := filepath.Join(s.dir, pipeSpare)
	const private = 0o600
	if err := unix.Mkfifo(spare, private); err != nil {
		return os.NewSyscallError("mkfifo", err)
	}
	return os.Rename(spare, s.path)
}

// serve ends with Close.
func (s *pipeServer) serve() {
	for {
		f, err := os.OpenFile(s.path, os.O_WRONLY, 0) // waits for a reader
		if err != nil || !s.begin(f) {
			return
		}
		err = s.listen()
		s.writing.Go(func() { s.write(f) })
		if err != nil {
			return
		}
	}
}

func (s *pipeServer) begin(f *os.File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = f.Close() // nothing was written
		return false
	}
	s.open[f] = true
	return true
}

// write serves one reader. One who goes away early is none of our business.
func (s *pipeServer) write(f *os.File) {
	_ = writeAll(f, s.data)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, f)
	_ = f.Close() // that is how the reader learns of the end
}

// Close implements [io.Closer].
func (s *pipeServer) Close() error {
	s.mu.Lock()
	s.closed = true
	for f := range s.open {
		_ = f.Close() // the program has ended
	}
	s.mu.Unlock()
	s.release()
	s.writing.Wait()
	clear(s.data)
	removePipes(s.dir)
	err := s.lock.Close()
	if _, gone := os.Lstat(s.dir); gone == nil {
		err = errors.Join(err, fmt.Errorf("%s could not be removed", s.dir))
	}
	return err
}

// release lets serve, which may wait for a reader at any time from now on, go.
func (s *pipeServer) release() {
	done := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(done)
	}()
	const every = time.Millisecond
	for {
		if fd, err := unix.Open(s.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
			defer unix.Close(fd)
		}
		select {
		case <-done:
			return
		case <-time.After(every):
		}
	}
}
