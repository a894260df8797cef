package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

const (
	// startTime is how long a child may take until its hello.
	startTime = 20 * time.Second
	// stopTime is how long a child may take to end when its standard input closes.
	stopTime = 3 * time.Second
	// outgoing is how many frames wait to be written; more make their callers wait.
	outgoing = 64
)

// child is the parent's side of a running child.
type child struct {
	cmd *exec.Cmd
	out chan []byte   // :: frames to write
	bye chan struct{} // closed to end the child
	// dead is closed when no response can come any more; cause is set before.
	dead  chan struct{}
	cause error
	once  sync.Once

	mu sync.Mutex // guards what follows
	// waiting holds who waits for which response. :: ID → caller
	waiting  map[uint64]chan response
	lastID   uint64
	answered bool
}

// errClosed means that the service was closed before the child was ready.
var errClosed = errors.New("it was stopped")

// startChild starts a command and waits for its hello, or until closing is closed.
func startChild(cmd *exec.Cmd, stderr io.Writer, closing <-chan struct{}) (*child, error) {
	cmd.Stderr = stderr
	cmd.WaitDelay = stopTime
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, unavailable(cmd.Path + " cannot be started; " + installHint)
	}
	c := &child{
		cmd: cmd, out: make(chan []byte, outgoing), bye: make(chan struct{}), dead: make(chan struct{}),
		waiting: map[uint64]chan response{},
	}
	ready := make(chan error, 1)
	go c.write(stdin)
	go c.read(stdout, ready)
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case err = <-ready:
	case <-closing:
		_ = cmd.Process.Kill()
		c.stop()
		return nil, errClosed
	case <-timer.C:
		err = fmt.Errorf("no answer within %s", startTime)
	}
	if err != nil {
		// It has nothing to finish.
		_ = cmd.Process.Kill()
		c.stop()
		return nil, unavailable(fmt.Sprintf("%s does not speak our protocol (%v); %s", cmd.Path, err, installHint))
	}
	return c, nil
}

// write writes frames until the child is told to end, or dies.
func (c *child) write(stdin io.WriteCloser) {
	// A child whose input has ended ends itself.
	defer stdin.Close()
	greeting, err := encodeFrame(hello{Protocol: protocolName, Version: protocolVersion, Role: roleParent})
	if err != nil {
		return
	}
	frame := greeting
	for {
		if _, err := stdin.Write(frame); err != nil {
			_ = c.cmd.Process.Kill() // it may have closed its input only
			return
		}
		clear(frame)
		select {
		case frame = <-c.out:
		case <-c.bye:
			return
		case <-c.dead:
			return
		}
	}
}

// read reads responses until there are no more, and then buries the child.
func (c *child) read(stdout io.Reader, ready chan<- error) {
	r := bufio.NewReader(stdout)
	var h hello
	err := readFrame(r, &h)
	if err == nil {
		err = h.check(roleChild)
	}
	ready <- err
	for err == nil {
		var answer response
		if err = readFrame(r, &answer); err == nil {
			c.deliver(answer)
		}
	}
	// What does not speak the protocol, or not any more, has no reason to live.
	if errors.Is(err, errFrame) {
		_ = c.cmd.Process.Kill()
	}
	c.once.Do(func() { close(c.bye) })
	c.bury(err)
}

// bury waits for the child's end, and then fails all calls.
func (c *child) bury(err error) {
	killer := time.AfterFunc(stopTime, func() { _ = c.cmd.Process.Kill() })
	waitErr := c.cmd.Wait()
	killer.Stop()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, errFrame):
		c.cause = err
	case errors.As(waitErr, &exit):
		c.cause = errors.New("it ended: " + exit.String())
	default:
		c.cause = errors.New("it ended")
	}
	close(c.dead)
}

func (c *child) deliver(answer response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = true
	// A response that nobody waits for came too late.
	if caller, ok := c.waiting[answer.ID]; ok {
		caller <- answer
		delete(c.waiting, answer.ID)
	}
}

func (c *child) hasAnswered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered
}

func (c *child) isDead() bool {
	select {
	case <-c.dead:
		return true
	default:
		return false
	}
}

// stop ends the child and waits until it is gone.
func (c *child) stop() {
	c.once.Do(func() { close(c.bye) })
	select {
	case <-c.dead:
	case <-time.After(stopTime):
		_ = c.cmd.Process.Kill()
		<-c.dead
	}
}

// call sends a request and waits for the response, at most until shortly after
// the deadline of the context.
func (c *child) call(ctx context.Context, r request) (response, error) {
	answers := make(chan response, 1)
	c.mu.Lock()
	c.lastID++
	r.ID = c.lastID
	c.waiting[r.ID] = answers
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, r.ID)
		c.mu.Unlock()
	}()
	if deadline, ok := ctx.Deadline(); ok {
		r.Timeout = max(1, int64(time.Until(deadline)))
	}
	frame, err := encodeFrame(r)
	if err != nil {
		return response{}, &keysources.Error{Reason: keysources.Malformed, Detail: "it is too large"}
	}
	select {
	case c.out <- frame:
	case <-ctx.Done():
		return response{}, ctx.Err()
	case <-c.dead:
		return response{}, c.cause
	}
	return c.await(ctx, r.ID, answers)
}

func (c *child) await(ctx context.Context, id uint64, answers <-chan response) (response, error) {
	select {
	case answer := <-answers:
		return answer, nil
	case <-c.dead:
		return response{}, c.cause
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		select {
		case answer := <-answers:
			return answer, nil
		case <-c.dead:
		case <-time.After(lateAnswer):
		}
	}
	if frame, err := encodeFrame(request{ID: id, Op: opCancel}); err == nil {
		select {
		case c.out <- frame:
		default: // the child is busy; it knows the deadline, if there is one
		}
	}
	return response{}, ctx.Err()
}
