package chaostest_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// replica is one of the two: its process is started again whenever it ends, as in a
// pod. It is safe for concurrent use.
type replica struct {
	user    string
	proxy   *proxy
	program string
	args    []string
	log     string // path

	mu      sync.Mutex // guards what follows
	process *os.Process
	told    bool   // to end
	stopped bool   // by SIGSTOP
	over    bool   // not to be started again
	exits   []exit // that nobody asked for
	starts  int
	done    chan struct{} // closed when the supervision has ended
}

// exit is the end of a process that nobody asked for.
type exit struct {
	code int
	last string // what it said last
	at   time.Time
}

// supervise runs the program until stop is called.
func (r *replica) supervise() {
	defer close(r.done)
	// The kernel counts the thread as the parent, and kills the child with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for r.once() {
		time.Sleep(200 * time.Millisecond)
	}
}

// once runs the program to its end, and reports whether it is to be started again.
func (r *replica) once() bool {
	out, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.note(exit{code: -1, last: err.Error(), at: time.Now()})
		return false
	}
	defer out.Close()
	info, err := out.Stat()
	if err != nil {
		r.note(exit{code: -1, last: err.Error(), at: time.Now()})
		return false
	}
	cmd := exec.Command(r.program, r.args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = []string{"HOME=" + filepath.Dir(r.log), "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if !r.begin(cmd) {
		return false
	}
	err = cmd.Wait()
	r.mu.Lock()
	told, over := r.told, r.over
	r.told, r.stopped, r.process = false, false, nil
	r.mu.Unlock()
	if !told {
		code := 0
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			code = ended.ExitCode()
		}
		r.note(exit{code: code, last: lastError(r.log, info.Size()), at: time.Now()})
	}
	return !over
}

// begin starts the process unless it is over.
func (r *replica) begin(cmd *exec.Cmd) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	if err := cmd.Start(); err != nil {
		r.exits = append(r.exits, exit{code: -1, last: err.Error(), at: time.Now()})
		return false
	}
	r.process = cmd.Process
	r.starts++
	return true
}

func (r *replica) note(e exit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exits = append(r.exits, e)
}

// signal sends a signal to the process. One that ends it is noted before.
func (r *replica) signal(s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return
	}
	switch s {
	case syscall.SIGKILL, syscall.SIGTERM:
		r.told = true
	case syscall.SIGSTOP:
		r.stopped = true
	case syscall.SIGCONT:
		r.stopped = false
	}
	_ = r.process.Signal(s) // it may have ended a moment ago
}

// stop ends the process for good.
func (r *replica) stop() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.signal(syscall.SIGCONT)
	r.signal(syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		r.signal(syscall.SIGKILL)
		<-r.done
	}
}

// unasked returns the ends that nobody asked for.
func (r *replica) unasked() []exit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]exit(nil), r.exits...)
}

// lastError returns what a process said why it ended, else its last line. Others may
// have said something after it.
func lastError(path string, from int64) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text[from:])), "\n")
	for _, line := range slices.Backward(lines) {
		if strings.HasPrefix(line, "gitseal-controller: error:") {
			return line
		}
	}
	return lines[len(lines)-1]
}

// excused says why an end that nobody asked for is as it should be, "" if it is not: a
// replica ends that lost the lead, cannot start without an API server, or remembers what
// never was.
func (e exit) excused() string {
	if e.code != 1 && e.code != 3 {
		return ""
	}
	for _, reason := range []string{
		"leader election lost", "the API server's data was set back", "connecting to the API server", "the CustomResourceDefinitions of gitseal.dev are not installed",
		"setting up a cache", "failed waiting for all Informers to sync", "timed out waiting for cache",
	} {
		if strings.HasPrefix(e.last, "gitseal-controller: error:") && strings.Contains(e.last, reason) {
			return reason
		}
	}
	return ""
}

func (e exit) String() string { return fmt.Sprintf("exit %d: %s", e.code, e.last) }
