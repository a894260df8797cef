package agents

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxAncestors bounds the way up: far more than anybody has.
const maxAncestors = 64

// ancestors yields the processes above this one, the nearest first.
func ancestors(yield func(Process) bool) {
	pid := os.Getppid()
	for range maxAncestors {
		if pid <= 1 {
			return
		}
		info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
		if err != nil {
			return
		}
		name := unix.ByteSliceToString(info.Proc.P_comm[:])
		if !yield(Process{Name: name, Args: readArgs(pid)}) {
			return
		}
		pid = int(info.Eproc.Ppid)
	}
}

// readArgs returns the command line of a process: the system gives the number of
// arguments, the program's path, zeros, and the arguments with a zero behind each.
func readArgs(pid int) []string {
	const size = 4
	data, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil || len(data) < size {
		return nil
	}
	n := int(binary.NativeEndian.Uint32(data))
	_, rest, _ := bytes.Cut(data[size:], []byte{0})
	rest = bytes.TrimLeft(rest, "\x00")
	args := strings.Split(string(rest), "\x00")
	return args[:min(max(n, 0), len(args))]
}
