//go:build unix

package editor

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// setApart gives a process a session of its own: what ends a terminal, or all
// processes of a job, does not reach it.
func setApart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func ignoreSignals() {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2)
}

// endings are the signals that end programs. Those that are ignored already, as
// by nohup, stay so.
func endings() []os.Signal {
	out := []os.Signal{syscall.SIGPIPE}
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			out = append(out, s)
		}
	}
	return out
}

// effect is what a signal means to a session.
func effect(s os.Signal, editing bool) int {
	switch s {
	case syscall.SIGPIPE:
		return effectNone // who read our messages is gone; the text is what matters
	case syscall.SIGINT, syscall.SIGQUIT:
		if editing {
			return effectNone // a key to the editor, which has it already
		}
	}
	if editing {
		return effectSoon
	}
	return effectNow
}

// terminalName is the terminal of the process, whatever its streams are.
const terminalName = "/dev/tty"

// openAtOnce opens a file without waiting for whoever is at its other end, and no link.
const openAtOnce = unix.O_NONBLOCK | unix.O_NOFOLLOW

// inForeground reports whether we may change a terminal: those in the background are
// stopped for it.
func inForeground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
