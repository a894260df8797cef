package agents

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// maxAncestors bounds the way up: far more than anybody has.
const maxAncestors = 64

// maxCommandLine bounds what is read of a command line.
const maxCommandLine = 4096

// ancestors yields the processes above this one, the nearest first.
func ancestors(yield func(Process) bool) {
	pid := os.Getppid()
	for range maxAncestors {
		if pid <= 1 {
			return
		}
		name, parent, ok := readStat(pid)
		if !ok || !yield(Process{Name: name, Args: readArgs(pid)}) {
			return
		}
		pid = parent
	}
}

// readStat returns the name and the parent of a process, from proc(5):
// pid (name) state ppid …, where the name may hold anything, parentheses, too.
func readStat(pid int) (name string, parent int, ok bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if err != nil || open < 0 || end < open {
		return "", 0, false
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) < 2 {
		return "", 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return string(data[open+1 : end]), parent, err == nil
}

func readArgs(pid int) []string {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return nil
	}
	defer f.Close()
	buf := make([]byte, maxCommandLine)
	n, err := f.Read(buf)
	if err != nil || n == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00")
}
