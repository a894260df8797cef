//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// alone keeps a terminal's Ctrl-C from a program.
func alone(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
