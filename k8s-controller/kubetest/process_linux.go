package kubetest

import (
	"os/exec"
	"syscall"
)

const terminate = syscall.SIGTERM

// dieWithParent has the kernel kill the server if the test binary dies, however it
// does.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
