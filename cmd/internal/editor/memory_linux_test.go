package editor_test

import (
	"errors"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/editor"
)

// TestPlainSwap: swap that is encrypted, or is memory, is no reason to warn.
func TestPlainSwap(t *testing.T) {
	const head = "Filename\tType\tSize\tUsed\tPriority\n"
	read := func(name string) ([]byte, error) {
		if name == "/sys/block/dm-7/dm/uuid" {
			return []byte("CRYPT-PLAIN-swap\n"), nil
		}
		if name == "/sys/block/dm-8/dm/uuid" {
			return []byte("LVM-abc\n"), nil
		}
		return nil, errors.New("none")
	}
	for table, want := range map[string]string{
		"": "", head: "",
		head + "/dev/zram0 partition 1 0 100\n":                                   "",
		head + "/dev/dm-7 partition 1 0 100\n":                                    "",
		head + "/dev/dm-8 partition 1 0 100\n":                                    "/dev/dm-8",
		head + "/dev/zram0 partition 1 0 100\n\n/swapfile-of-test file 1 0 100\n": "/swapfile-of-test",
	} {
		if got := editor.PlainSwapIn(table, read); got != want {
			t.Errorf("%q: got %q, want %q", table, got, want)
		}
	}
}
