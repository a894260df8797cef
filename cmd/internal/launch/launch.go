// Package launch runs a program with secrets in its environment or in files that
// are on no disk, stands between it and the signals that it should have, and
// returns how it ended. It never uses a shell.
package launch

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Program is what to run and what with.
type Program struct {
	// Path is where the program is, Args its arguments, the first of which is its
	// name, and Env its environment.
	Path string
	Args []string
	Env  []string
	// In, Out and Err are its standard streams; nil is the null device.
	In, Out, Err *os.File
	// Extra are its descriptors from 3 on.
	Extra []*os.File
	// Filter, if not nil, is what FilterOut and FilterErr ask for: it copies what
	// the program writes from src to dst, until src ends.
	Filter               func(dst io.Writer, src Source) error
	FilterOut, FilterErr bool
}

// Source is the end of a pipe that a Filter reads.
type Source interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// Process is a program that runs.
type Process struct {
	process *os.Process
	streams []*stream
	done    chan struct{} // closed when all streams have ended
	// errs are the streams' errors, to be read when done is closed.
	errs []error
	sig  *signals
}

// Start starts a program. Its error does not hold arguments or environment.
func Start(p Program) (*Process, error) {
	in, err := orNull(p.In)
	if err != nil {
		return nil, err
	}
	proc := &Process{done: make(chan struct{})}
	out, errOut, theirs, err := proc.connect(p)
	if err != nil {
		return nil, err
	}
	sig := catchSignals()
	files := append([]*os.File{in, out, errOut}, p.Extra...)
	restore := usualSignals()
	proc.process, err = os.StartProcess(p.Path, p.Args, &os.ProcAttr{Env: p.Env, Files: files})
	restore()
	for _, f := range theirs {
		_ = f.Close() // the program has its own copy
	}
	if err != nil {
		sig.stop()
		proc.closeStreams()
		return nil, fmt.Errorf("starting %s: %w", p.Path, plainError(err))
	}
	proc.sig = sig
	proc.copyStreams(p.Filter)
	go sig.forward(proc.process)
	return proc, nil
}

// Wait waits until the program has ended and its output has been passed on. It
// returns the exit code, which is 128 and the number of the signal if a signal has
// ended the program. The error is that of passing on output.
func (p *Process) Wait() (code int, err error) {
	defer p.sig.stop()
	code, err = wait(p.process)
	p.drain()
	for _, e := range p.errs {
		if err == nil && !isBrokenPipe(e) {
			err = e
		}
	}
	return code, err
}

func plainError(err error) error {
	if p, ok := err.(*os.PathError); ok {
		return p.Err
	}
	return err
}

func orNull(f *os.File) (*os.File, error) {
	if f != nil {
		return f, nil
	}
	return os.OpenFile(os.DevNull, os.O_RDWR, 0)
}

// stream is a pipe from the program.
type stream struct {
	*os.File
	dst *os.File
	// reading is since when a read has been going on, in nanoseconds; 0 if none is.
	reading atomic.Int64
}

// Read implements [io.Reader].
func (s *stream) Read(b []byte) (int, error) {
	s.reading.Store(time.Now().UnixNano())
	n, err := s.File.Read(b)
	s.reading.Store(0)
	return n, err
}

// connect returns what the program gets as its standard output and error, and
// which files to close when it has them. If both go to one place through a
// filter, they share a pipe, so that their order is kept.
func (p *Process) connect(prog Program) (out, errOut *os.File, theirs []*os.File, err error) {
	if out, err = orNull(prog.Out); err != nil {
		return nil, nil, nil, err
	}
	if errOut, err = orNull(prog.Err); err != nil {
		return nil, nil, nil, err
	}
	shared := prog.FilterOut && prog.FilterErr && sameFile(out, errOut)
	if prog.FilterOut {
		if out, err = p.pipe(out); err != nil {
			return nil, nil, nil, err
		}
		theirs = append(theirs, out)
	}
	switch {
	case shared:
		errOut = out
	case prog.FilterErr:
		if errOut, err = p.pipe(errOut); err != nil {
			return nil, nil, nil, err
		}
		theirs = append(theirs, errOut)
	}
	return out, errOut, theirs, nil
}

func sameFile(a, b *os.File) bool {
	x, err := a.Stat()
	if err != nil {
		return false
	}
	y, err := b.Stat()
	return err == nil && os.SameFile(x, y)
}

func (p *Process) pipe(dst *os.File) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	p.streams = append(p.streams, &stream{File: r, dst: dst})
	return w, nil
}

func (p *Process) closeStreams() {
	for _, s := range p.streams {
		_ = s.Close() // nothing is in it
	}
}

func (p *Process) copyStreams(filter func(io.Writer, Source) error) {
	p.errs = make([]error, len(p.streams))
	var wg sync.WaitGroup
	for i, s := range p.streams {
		wg.Go(func() {
			p.errs[i] = filter(s.dst, s)
			// Whoever goes on writing learns that nobody reads.
			_ = s.Close()
		})
	}
	go func() {
		wg.Wait()
		close(p.done)
	}()
}

// silence is how long the pipes of a program that has ended may stay silent before
// they are closed. Something that it left running may hold them open for ever.
const silence = time.Second

// drain waits until all that the program wrote has been passed on.
func (p *Process) drain() {
	const every = 20 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case now := <-tick.C:
			for _, s := range p.streams {
				if since := s.reading.Load(); since != 0 && now.Sub(time.Unix(0, since)) > silence {
					_ = s.Close()
				}
			}
		}
	}
}
