package kubetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	// graceTime is how long a server gets to end by itself.
	graceTime = 10 * time.Second
	// readyTime is how long a server gets to become ready on a busy machine.
	readyTime = 3 * time.Minute
	pollTime  = 50 * time.Millisecond
	// tailLines of a log are shown if a server does not start.
	tailLines = 15
)

// process is a running server.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// errEnded means that a server ended when it should have started.
var errEnded = errors.New("the server ended")

// startError is a server that did not start, with what it said last.
type startError struct {
	name, tail string
	err        error
}

func (e *startError) Error() string {
	return fmt.Sprintf("%s: %v; its log ends:\n%s", e.name, e.err, e.tail)
}
func (e *startError) Unwrap() error { return e.err }

func isPortTaken(err error) bool {
	var s *startError
	return errors.As(err, &s) && strings.Contains(s.tail, "address already in use")
}

// run starts a program, which writes its log below dir. A log that exists is
// continued.
func run(dir, program string, args ...string) (*process, error) {
	name := filepath.Base(program)
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir}
	dieWithParent(p.cmd)
	started := make(chan error)
	go func() {
		// The kernel counts the thread as the parent, so it has to live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		defer log.Close()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// stop ends the process and returns when it is gone.
func (p *process) stop(kill bool) {
	if !kill {
		_ = p.cmd.Process.Signal(terminate) // it may be gone already
		select {
		case <-p.done:
			return
		case <-time.After(graceTime):
		}
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// wait polls until ready says yes.
func (p *process) wait(ready func() error) error {
	deadline := time.Now().Add(readyTime)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return &startError{name: p.name, tail: p.tail(), err: errEnded}
		case <-time.After(pollTime):
		}
		if time.Now().After(deadline) {
			return &startError{name: p.name, tail: p.tail(), err: fmt.Errorf("not ready after %s: %w", readyTime, err)}
		}
	}
}

func (p *process) tail() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
