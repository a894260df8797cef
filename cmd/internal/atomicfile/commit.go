package atomicfile

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// committer renames prepared files into place. It keeps the folder of the last
// one open, because a run of files in one folder needs only one flush of it.
type committer struct {
	dir string
	f   *os.File
	// dirty is the last file renamed in the folder since its last flush.
	dirty *pending
}

// commit puts one prepared file in its place.
func (c *committer) commit(p *pending) error {
	dir := filepath.Dir(p.result.Path)
	if c.f == nil || c.dir != dir {
		if err := c.open(dir, p); err != nil {
			return err
		}
	}
	unlock, err := lockFolder(c.f)
	if err != nil {
		return p.fail("locking", err)
	}
	step, err := p.swap()
	if err == nil {
		c.dirty = p
	}
	if unlockErr := unlock(); err == nil && unlockErr != nil {
		return &Error{Target: p.result.Path, Step: "unlocking", Replaced: true, Err: unlockErr}
	}
	if err != nil {
		return p.fail(step, err)
	}
	return nil
}

func (c *committer) open(dir string, p *pending) error {
	if err := c.close(); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return p.fail("opening the folder", err)
	}
	c.dir, c.f = dir, f
	return nil
}

// close flushes and closes the folder. Its error names the last file renamed.
func (c *committer) close() error {
	if c.f == nil {
		return nil
	}
	f, p := c.f, c.dirty
	c.f, c.dirty = nil, nil
	var err error
	if p != nil {
		err = syncFolder(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		return nil
	}
	if p == nil {
		return &Error{Target: c.dir, Step: "closing the folder", Err: err}
	}
	return &Error{Target: p.result.Path, Step: "flushing the folder", Replaced: true, Err: err}
}

// swap is compare and rename. The caller holds the folder's lock.
func (p *pending) swap() (step string, err error) {
	if err := p.compare(); err != nil {
		return "comparing", err
	}
	if p.old == nil && p.job.Expect.kind != anything {
		err = renameNew(p.temp, p.result.Path)
		if errors.Is(err, fs.ErrExist) {
			err = ErrChanged
		}
	} else {
		err = rename(p.temp, p.result.Path)
	}
	if err != nil {
		return "renaming", err
	}
	p.done = true
	return "", nil
}

// compare reports ErrChanged if the target is not as expected, or no longer has
// the owner and mode that were copied.
func (p *pending) compare() error {
	now, err := os.Lstat(p.result.Path)
	if errors.Is(err, fs.ErrNotExist) {
		now, err = nil, nil
	}
	if err != nil {
		return err
	}
	if (now == nil) != (p.old == nil) {
		return ErrChanged
	}
	if now != nil && !sameAccess(now, p.old) {
		return ErrChanged
	}
	if p.job.Expect.kind != holding {
		return nil
	}
	sum, err := hashFile(p.result.Path)
	if err == nil && sum != p.job.Expect.sum {
		err = ErrChanged
	}
	return err
}

func hashFile(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	h.Sum(sum[:0])
	return sum, err
}
