package main

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process the parent of what its children leave running
// when they end, so that [waitForOrphans] can count it.
func adoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// waitForOrphans waits until all children have ended, and adds up what they took.
func waitForOrphans() (cpu time.Duration, memory int64) {
	for {
		var usage syscall.Rusage
		_, err := syscall.Wait4(-1, nil, 0, &usage)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return cpu, memory
		}
		cpu += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		memory = max(memory, int64(usage.Maxrss)*1024)
	}
}
