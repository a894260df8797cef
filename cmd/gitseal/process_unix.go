//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// harden keeps keys and plaintext out of core files, and turns reaching the limit
// on file sizes from a signal that ends the process into an error. Failing to is
// no reason to stop.
func harden() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	signal.Ignore(syscall.SIGXFSZ)
}
