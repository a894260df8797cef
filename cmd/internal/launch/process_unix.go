//go:build unix

package launch

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalBase is what shells add to the number of the signal that ended a program.
const signalBase = 128

// signals are those that come to us and belong to the program.
type signals struct {
	ch   chan os.Signal
	quit chan struct{}
}

// forwarded are the signals that are passed on. Those that only concern ourselves
// (SIGCHLD, SIGURG, SIGPIPE) and those that cannot be caught are not among them.
func forwarded() []os.Signal {
	return []os.Signal{
		unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGWINCH, unix.SIGTSTP, unix.SIGCONT,
	}
}

// catchSignals takes the signals over from now on. What whoever started us has
// chosen to ignore (nohup) stays ignored, for the program as well.
func catchSignals() *signals {
	const room = 64
	s := &signals{ch: make(chan os.Signal, room), quit: make(chan struct{})}
	for _, sig := range forwarded() {
		if !signal.Ignored(sig) {
			signal.Notify(s.ch, sig)
		}
	}
	// A reader of our output who goes away must not end us before the program.
	signal.Notify(s.ch, unix.SIGPIPE)
	return s
}

// usualSignals ends, until restore, our own ignoring of the limit on file sizes,
// which the program would inherit.
func usualSignals() (restore func()) {
	if !signal.Ignored(unix.SIGXFSZ) {
		return func() {}
	}
	signal.Reset(unix.SIGXFSZ)
	return func() { signal.Ignore(unix.SIGXFSZ) }
}

func (s *signals) stop() {
	signal.Stop(s.ch)
	close(s.quit)
}

// forward passes signals on until stop.
func (s *signals) forward(p *os.Process) {
	for {
		select {
		case <-s.quit:
			return
		case sig := <-s.ch:
			if sig != unix.SIGPIPE && !(fromKeyboard(sig) && inForeground()) {
				_ = p.Signal(sig) // it may have ended
			}
		}
	}
}

// fromKeyboard tells the signals that a terminal sends to all processes in its
// foreground. The program is one of them and has had the signal already; with a
// second one many programs give up cleaning up.
func fromKeyboard(sig os.Signal) bool {
	return sig == unix.SIGINT || sig == unix.SIGQUIT || sig == unix.SIGTSTP || sig == unix.SIGWINCH
}

// inForeground reports whether we are in the foreground of a terminal.
func inForeground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// wait waits for the program's end. While it is stopped, so are we, for a shell
// that waits for us has to know. As the first process of a container we are also
// the one who has to bury orphans.
func wait(p *os.Process) (int, error) {
	target := p.Pid
	if os.Getpid() == 1 {
		target = -1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(target, &status, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case pid != p.Pid:
		case status.Exited():
			return status.ExitStatus(), nil
		case status.Signaled():
			return signalBase + int(status.Signal()), nil
		case status.Stopped():
			stopToo(p)
		}
	}
}

// stopToo stops us with the program, until a SIGCONT, which is passed on. Without
// a terminal there is no shell that waits to go on.
func stopToo(p *os.Process) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return
	}
	_ = tty.Close()
	var status unix.WaitStatus
	pid, err := unix.Wait4(p.Pid, &status, unix.WNOHANG|unix.WCONTINUED, nil)
	if err == nil && pid == 0 {
		_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
	}
}

func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
