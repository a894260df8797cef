//go:build unix

package folderlock_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gitseal/gitseal/cmd/internal/folderlock"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	held, err := folderlock.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folderlock.Lock(dir); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("a folder in use: got %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := folderlock.Lock(dir)
	if err != nil {
		t.Errorf("a folder that is not in use any more: %v", err)
	}
	again.Close()
	if _, err := folderlock.Lock(filepath.Join(dir, "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: got %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if _, err := folderlock.Lock(link); err == nil {
		t.Error("a link was followed")
	}
}
