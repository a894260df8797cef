package atomicfile

import (
	"fmt"
	"path/filepath"
	"sync"
)

// parallel is how many files are written and flushed at once. Flushes that wait
// together share one commit of the file system's journal.
const parallel = 16

// PartialError says that a [WriteAll] stopped half-way: the files of Done have
// their new content, the others their old.
type PartialError struct {
	Done []Result
	Err  error
}

// Error names the failure and counts the files that are done.
func (e *PartialError) Error() string {
	return fmt.Sprintf("%v (%d files before it were already replaced)", e.Err, len(e.Done))
}

// Unwrap returns the failure, an [*Error].
func (e *PartialError) Unwrap() error { return e.Err }

// WriteAll writes several files. All of them are written beside their targets and
// verified, and all targets compared with what is expected, before the first one
// is renamed; then they are renamed in the order of jobs.
//
// An [*Error] means that no file has changed (unless its Replaced says so), a
// [*PartialError] that some have. The results are in the order of jobs.
// Verify functions are called from several goroutines.
func WriteAll(jobs []Job) ([]Result, error) {
	all, err := prepareAll(jobs)
	defer func() {
		for _, p := range all {
			p.discard()
		}
	}()
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if err := p.compare(); err != nil {
			return nil, p.fail("comparing", err)
		}
	}
	return commitAll(all)
}

// locateAll finds all targets, refuses two jobs for one, and sweeps each folder.
func locateAll(jobs []Job) ([]*pending, error) {
	all := make([]*pending, len(jobs))
	seen := make(map[string]bool, len(jobs))
	swept := make(map[string]bool)
	for i, job := range jobs {
		p, err := locate(job)
		if err != nil {
			return nil, err
		}
		all[i] = p
		if seen[p.result.Path] {
			return nil, p.fail("following links", ErrTwice)
		}
		seen[p.result.Path] = true
		dir := filepath.Dir(p.result.Path)
		if swept[dir] {
			continue
		}
		swept[dir] = true
		if err := sweep(dir); err != nil {
			return nil, p.fail("looking for leftovers", err)
		}
	}
	return all, nil
}

// prepareAll brings all jobs up to the rename. On an error too, the caller
// discards what is returned.
func prepareAll(jobs []Job) ([]*pending, error) {
	all, err := locateAll(jobs)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(all))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(parallel, len(all)) {
		wg.Go(func() {
			for i := range next {
				errs[i] = all[i].write()
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func commitAll(all []*pending) ([]Result, error) {
	var c committer
	done := make([]Result, 0, len(all))
	var failure error
	for _, p := range all {
		failure = c.commit(p)
		if p.done {
			done = append(done, p.result)
		}
		if failure != nil {
			break
		}
	}
	if err := c.close(); failure == nil {
		failure = err
	}
	if failure != nil && len(done) > 0 {
		failure = &PartialError{Done: done, Err: failure}
	}
	return done, failure
}
