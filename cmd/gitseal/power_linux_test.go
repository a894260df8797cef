package main_test

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// dropPower makes processes that this goroutine starts subject to permission
// bits, even if they are root's. Only root has to be stopped from ignoring them.
func dropPower() error {
	if unix.Geteuid() != 0 {
		return nil
	}
	// The bounding set belongs to the thread, and a child inherits that of the
	// thread which starts it.
	runtime.LockOSThread()
	for _, power := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, power, 0, 0, 0); err != nil {
			return err
		}
	}
	return nil
}
