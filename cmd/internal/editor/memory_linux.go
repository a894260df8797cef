package editor

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// isInMemory reports whether a folder's files are in memory.
func isInMemory(dir string) bool {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return false
	}
	return s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC
}

// PlainSwap returns a place to which memory is swapped out unencrypted, "" if none
// is known. A folder in memory can end there.
func PlainSwap() string {
	table, err := os.ReadFile("/proc/swaps")
	if err != nil {
		return ""
	}
	return plainSwapIn(string(table), os.ReadFile)
}

// plainSwapIn looks through the table of swap areas. Compressed memory (zram) is
// memory; of a mapped device, the system tells whether it is encrypted.
func plainSwapIn(table string, read func(string) ([]byte, error)) string {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	for _, line := range lines[min(1, len(lines)):] {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		device := filepath.Base(words[0])
		if resolved, err := filepath.EvalSymlinks(words[0]); err == nil {
			device = filepath.Base(resolved)
		}
		uuid, err := read("/sys/block/" + device + "/dm/uuid")
		if strings.HasPrefix(device, "zram") || err == nil && strings.HasPrefix(string(uuid), "CRYPT-") {
			continue
		}
		return words[0]
	}
	return ""
}
