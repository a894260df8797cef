package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

const (
	// callsAtOnce is how many calls the sources are given at the same time; more
	// wait.
	callsAtOnce = 64
	// leaveTime is how long calls may take to notice that the parent is gone.
	leaveTime = 500 * time.Millisecond
)

// errNoSource is returned by a lookup for a name it does not know.
var errNoSource = errors.New("this program has no such key source")

// Sources returns a lookup in a map.
func Sources(m map[string]keysources.Source) func(string) (keysources.Source, error) {
	return func(name string) (keysources.Source, error) {
		if s, ok := m[name]; ok {
			return s, nil
		}
		return nil, errNoSource
	}
}

// Serve answers the requests of a [Service] that come from r on w, until r ends:
// then its parent is gone, or needs nothing any more. It returns nil then, and an
// error if the other side does not speak the protocol, or cannot be written to.
// Lookup returns the source of a name; it is called for each request.
func Serve(ctx context.Context, r io.Reader, w io.Writer, lookup func(name string) (keysources.Source, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &server{
		lookup: lookup, w: w, slots: make(chan struct{}, callsAtOnce), fail: cancel,
		running: map[uint64]context.CancelFunc{},
	}
	s.send(hello{Protocol: protocolName, Version: protocolVersion, Role: roleChild})
	read := make(chan error, 1)
	go func() { read <- s.readAll(ctx, bufio.NewReader(r)) }()
	var err error
	select {
	case err = <-read:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	cancel(nil)
	s.wait()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// server is the child's side.
type server struct {
	lookup func(string) (keysources.Source, error)
	slots  chan struct{}
	fail   context.CancelCauseFunc
	calls  sync.WaitGroup

	writing sync.Mutex // guards w
	w       io.Writer

	mu sync.Mutex // guards what follows
	// running holds how to cancel what is being done. :: ID → cancel
	running map[uint64]context.CancelFunc
	// leaving means that no more calls are begun.
	leaving bool
}

// readAll reads requests and has them answered.
func (s *server) readAll(ctx context.Context, r io.Reader) error {
	var h hello
	if err := readFrame(r, &h); err != nil {
		return err
	}
	if err := h.check(roleParent); err != nil {
		return err
	}
	for {
		var req request
		if err := readFrame(r, &req); err != nil {
			return err
		}
		if req.Op == opCancel {
			s.cancel(req.ID)
			continue
		}
		if err := s.begin(ctx, req); err != nil {
			return err
		}
	}
}

func (s *server) begin(ctx context.Context, req request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.running[req.ID]; twice {
		return fmt.Errorf("%w: a request came twice", errFrame)
	}
	if s.leaving {
		return io.EOF
	}
	ctx, cancel := withTimeout(ctx, time.Duration(req.Timeout))
	s.running[req.ID] = cancel
	s.calls.Go(func() {
		answer := s.answer(ctx, req)
		s.cancel(req.ID)
		answer.ID = req.ID
		s.send(answer)
		clear(req.DataKey)
		clear(answer.DataKey)
	})
	return nil
}

func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

func (s *server) cancel(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel, ok := s.running[id]; ok {
		cancel()
		delete(s.running, id)
	}
}

// answer waits for a free slot and does what is asked.
func (s *server) answer(ctx context.Context, req request) response {
	reader := req.Stanza.Reader()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return response{Error: toWire(reader, ctx.Err())}
	}
	answer, err := s.do(ctx, req)
	if err != nil {
		return response{Error: toWire(reader, err)}
	}
	return answer
}

func (s *server) do(ctx context.Context, req request) (answer response, err error) {
	// One bad stanza must not end the calls for all others.
	defer func() {
		if recover() != nil {
			err = &keysources.Error{Reader: req.Stanza.Reader(), Reason: keysources.Malformed, Detail: "the key source failed; please report this"}
		}
	}()
	src, err := s.lookup(req.Source)
	if err != nil {
		return response{}, err
	}
	switch req.Op {
	case opUnwrap:
		key, err := src.Unwrap(ctx, req.Stanza)
		return response{DataKey: key}, err
	case opWrap:
		r, err := src.Recipient(req.Stanza)
		if err != nil {
			return response{}, err
		}
		st, err := r.Wrap(ctx, req.DataKey)
		return response{Stanza: st}, err
	}
	return response{}, fmt.Errorf("%w: an unknown request", errFrame)
}

// send writes a message. If that is impossible, there is nobody to serve.
func (s *server) send(v any) {
	frame, err := encodeFrame(v)
	if r, ok := v.(response); ok && err != nil {
		frame, err = encodeFrame(response{ID: r.ID, Error: toWire("", err)})
	}
	if err == nil {
		s.writing.Lock()
		_, err = s.w.Write(frame)
		s.writing.Unlock()
		clear(frame)
	}
	if err != nil {
		s.fail(fmt.Errorf("writing to the parent: %w", err))
	}
}

// wait gives calls a moment to end.
func (s *server) wait() {
	s.mu.Lock()
	s.leaving = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.calls.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(leaveTime):
	}
}
