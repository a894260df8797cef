//go:build linux

package editor_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/editor"
)

// The test's program plays parts, told by its first argument.
const (
	guardPart = "guard-for-test"
	heldPart  = "hold-a-workspace-for-test"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == guardPart {
		if err := editor.Guard(os.Stdin, os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == heldPart {
		os.Exit(holdWorkspace(os.Args[2]))
	}
	os.Exit(m.Run())
}

// holdWorkspace edits in a place, with an editor that takes a minute.
func holdWorkspace(place string) int {
	c, err := editor.Parse("sh -c 'touch \"$(dirname \"$1\")/started\"; sleep 60' sh")
	if err != nil {
		return 1
	}
	s, err := editor.Open(context(), options(c, place))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Close()
	if _, err := s.Edit([]byte("canary-held")); err != nil {
		time.Sleep(time.Millisecond)
	}
	return 0
}
