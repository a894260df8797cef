package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory has the garbage collector work harder before a container's memory limit
// is reached, unless GOMEMLIMIT says something. A tenth is left to what is not Go's.
func limitMemory(getenv func(string) string) {
	if getenv("GOMEMLIMIT") != "" {
		return
	}
	text, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return // no container, or none that says
	}
	if limit, ok := parseLimit(string(text)); ok {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}

// parseLimit reads a file memory.max, which is a number of bytes or "max".
func parseLimit(text string) (bytes int64, ok bool) {
	bytes, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return bytes, err == nil && bytes > 0
}
