//go:build !linux

package kubetest

import (
	"os/exec"
	"syscall"
)

const terminate = syscall.SIGTERM

// dieWithParent does nothing here: a test binary that is killed leaves its servers.
func dieWithParent(*exec.Cmd) {}
