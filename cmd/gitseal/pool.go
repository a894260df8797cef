package main

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/gitseal/gitseal/cipher"
)

// forAll calls work for 0 … n-1, as many at a time as there are processors, and
// returns the error of the smallest number that failed. After a failure no new
// work begins.
func forAll(ctx context.Context, n int, work func(i int) error) error {
	var (
		mu    sync.Mutex // guards next, errAt and err
		next  int
		errAt = n
		err   error
		wg    sync.WaitGroup
	)
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if err != nil || ctx.Err() != nil || next == n {
			return -1
		}
		next++
		return next - 1
	}
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := take(); i >= 0; i = take() {
				e := work(i)
				mu.Lock()
				if e != nil && i < errAt {
					errAt, err = i, e
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// tuneCollector sets how far the heap may grow between two runs of the garbage
// collector, in percent of what is alive: with a large input, which leaves much
// alive, to forLarge. Many small ones leave much garbage and little alive, so that
// for them memory buys time.
func tuneCollector(in []input, forLarge int) {
	const large, otherwise = 1 << 20, 400
	if slices.ContainsFunc(in, func(f input) bool { return len(f.data) >= large }) {
		debug.SetGCPercent(forLarge)
		return
	}
	debug.SetGCPercent(otherwise)
}

func isNotSealed(err error) bool     { return errors.Is(err, cipher.ErrNotSealed) }
func asAlreadySealed(err error) bool { return errors.Is(err, cipher.ErrAlreadySealed) }

// asError is errors.As for a target of a known type.
func asError[T error](err error, target *T) bool { return errors.As(err, target) }
