package remote

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

// Options are what a [Service] may be told; the zero value is useful.
type Options struct {
	// Command returns the child that is to be started, ready to be. Nil stands for
	// the program that [Find] finds, with the argument "child".
	Command func() (*exec.Cmd, error)
	// Stderr gets what the child writes to its standard error. Nil discards it.
	Stderr io.Writer
}

// Service is a child process with key sources. Several goroutines may use it.
type Service struct {
	command func() (*exec.Cmd, error)
	stderr  io.Writer
	// closing is closed by Close.
	closing chan struct{}

	mu sync.Mutex // guards what follows
	// current is the child, nil before the first call.
	current *start
	// failures counts the children that in a row ended without any answer.
	failures int
	closed   bool
}

// maxFailures is after how many children that answered nothing none is started
// any more.
const maxFailures = 2

// start is a child that is being started, or was.
type start struct {
	done  chan struct{} // closed when child or err is there
	child *child
	err   error
}

// New returns a service whose child is started when it is first needed.
// Environment (os.Getenv, usually) says where to find the program.
func New(env func(string) string, o Options) *Service {
	if o.Command == nil {
		o.Command = func() (*exec.Cmd, error) {
			path, err := Find(env)
			if err != nil {
				return nil, err
			}
			return exec.Command(path, "child"), nil
		}
	}
	return &Service{command: o.Command, stderr: o.Stderr, closing: make(chan struct{})}
}

// String returns the name of the program.
func (s *Service) String() string { return Program }

// GoString returns the name of the program.
func (s *Service) GoString() string { return Program }

// Close ends the child, and with it all calls that wait for it. No other is
// started any more.
func (s *Service) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	current := s.current
	s.mu.Unlock()
	if current == nil {
		return nil
	}
	<-current.done
	if current.child != nil {
		current.child.stop()
	}
	return nil
}

// lateAnswer is how long an answer is waited for after the deadline. The child
// knows the deadline too, and can say what it waited for.
const lateAnswer = 100 * time.Millisecond

// call sends a request to the child and waits for the response.
func (s *Service) call(ctx context.Context, r request) (response, error) {
	reader := r.Stanza.Reader()
	c, err := s.child(ctx)
	if err != nil {
		return response{}, named(ctx, reader, err)
	}
	answer, err := c.call(ctx, r)
	if err != nil {
		return response{}, named(ctx, reader, err)
	}
	if answer.Error != nil {
		return response{}, answer.Error.err()
	}
	return answer, nil
}

// child returns the child that takes calls, starting one if there is none.
func (s *Service) child(ctx context.Context) (*child, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, &keysources.Error{Reason: keysources.Unreachable, Detail: Program + " was stopped"}
	}
	if s.current == nil || s.current.over() && s.mayRestart() {
		s.current = s.launch()
	}
	current := s.current
	s.mu.Unlock()
	select {
	case <-current.done:
		return current.child, current.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// over reports whether the child could not be started, or has ended.
func (t *start) over() bool {
	select {
	case <-t.done:
		return t.err != nil || t.child.isDead()
	default:
		return false
	}
}

// mayRestart is called with the lock held when the child is over.
func (s *Service) mayRestart() bool {
	if c := s.current.child; c != nil && c.hasAnswered() {
		s.failures = 0
	}
	s.failures++
	return s.failures < maxFailures
}

func (s *Service) launch() *start {
	t := &start{done: make(chan struct{})}
	go func() {
		defer close(t.done)
		cmd, err := s.command()
		if err != nil {
			t.err = err
			return
		}
		t.child, t.err = startChild(cmd, s.stderr, s.closing)
	}()
	return t
}

// named returns an error about a reader for what went wrong with the child.
func named(ctx context.Context, reader string, err error) error {
	var known *keysources.Error
	switch {
	case errors.As(err, &known):
		k := *known
		k.Reader = reader
		return &k
	case errors.Is(err, context.Canceled):
		return &remoteError{text: reader + ": cancelled", causes: []error{context.Canceled}}
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return &keysources.Error{Reader: reader, Reason: keysources.Timeout, Detail: Program + " has not answered"}
	}
	return &keysources.Error{Reader: reader, Reason: keysources.Unreachable, Detail: Program + ": " + err.Error()}
}
