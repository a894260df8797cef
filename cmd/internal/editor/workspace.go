package editor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// dirPrefix begins the names of all workspaces, by which those that were left
// behind are found.
const dirPrefix = "gitseal-edit-"

// The folders in a workspace.
const (
	fileDir  = "file"  // the text, under its own name
	stateDir = "state" // what the editor wants to keep, and its temporary files
)

// Places are the folders in which a workspace may be made.
type Places struct {
	// RuntimeDir is the user's folder for such things (XDG_RUNTIME_DIR), "" if there
	// is none, and TempDir the one for temporary files.
	RuntimeDir, TempDir string
}

// workspace is a folder that only the user can enter, in memory if there is such a
// place, with a guard that removes it if we cannot.
type workspace struct {
	dir string
	// onDisk: there was no place in memory.
	onDisk bool
	lock   *os.File
	guard  *guard
}

// newWorkspace makes a workspace, after removing those of processes that were
// killed together with their guards.
func newWorkspace(places Places, guardArgs, env []string) (*workspace, error) {
	base, inMemory := basePlace(places)
	// The guard and the editor may look from another folder.
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, fmt.Errorf("making a private folder: %w", err)
	}
	Sweep(base)
	w := &workspace{onDisk: !inMemory}
	if err := w.create(base); err != nil {
		return nil, fmt.Errorf("making a private folder: %w", err)
	}
	if w.guard, err = startGuard(guardArgs, w.dir, env); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the guard of the private folder: %w", err), w.remove())
	}
	return w, nil
}

// create makes the folder and holds its lock, so that it is not swept away.
func (w *workspace) create(base string) error {
	const tries = 100
	var err error
	for range tries {
		if w.dir, err = os.MkdirTemp(base, dirPrefix); err != nil {
			return err
		}
		if w.lock, err = lockFolder(w.dir); err != nil {
			continue // somebody who sweeps was there first
		}
		for _, sub := range []string{fileDir, stateDir} {
			if err == nil {
				err = os.Mkdir(filepath.Join(w.dir, sub), 0o700)
			}
		}
		if err == nil {
			return nil
		}
		w.unlock()
		if !errors.Is(err, os.ErrNotExist) {
			return errors.Join(err, os.RemoveAll(w.dir))
		}
	}
	return err
}

func (w *workspace) unlock() {
	if w.lock != nil {
		_ = w.lock.Close() // nothing was written to it
	}
	w.lock = nil
}

// path is where the text is, under its file's own name.
func (w *workspace) path(name string) string { return filepath.Join(w.dir, fileDir, name) }

func (w *workspace) state() string { return filepath.Join(w.dir, stateDir) }

// put writes a text for the editor.
func (w *workspace) put(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// The editor may have put something else under the name.
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// remove removes the folder with all that is in it.
func (w *workspace) remove() error {
	if lockBlocksRemoval {
		w.unlock()
	}
	err := removeTree(w.dir, time.Second)
	w.unlock()
	return err
}

// close removes the folder and lets the guard go.
func (w *workspace) close() error {
	err := w.remove()
	w.guard.dismiss(err == nil)
	return err
}

// keep leaves the folder where it is.
func (w *workspace) keep() {
	w.unlock()
	w.guard.dismiss(true)
}

// removeTree removes a folder, for a while again and again, since an editor may
// still be writing there.
func removeTree(dir string, patience time.Duration) error {
	const every = 10 * time.Millisecond
	deadline := time.Now().Add(patience)
	for {
		err := os.RemoveAll(dir)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(every)
	}
}

// Sweep removes the workspaces in a folder whose processes have ended without
// removing them. Others are left alone.
func Sweep(base string) {
	names, _ := filepath.Glob(filepath.Join(base, dirPrefix+"*")) // a folder without any is as good
	for _, dir := range names {
		if !isWorkspace(dir) {
			continue
		}
		lock, err := lockFolder(dir)
		if err != nil {
			continue // in use
		}
		if lockBlocksRemoval {
			_ = lock.Close()
		}
		_ = removeTree(dir, 0) // the next call tries again
		_ = lock.Close()
	}
}

// isWorkspace reports whether dir is a folder of ours, as far as its name, its
// owner and its mode say.
func isWorkspace(dir string) bool {
	if !filepath.IsAbs(dir) || !strings.HasPrefix(filepath.Base(dir), dirPrefix) {
		return false
	}
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir() && isOurs(info)
}
