package main

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/rules"
)

// inFlight is how many files are worked on at a time: one a processor if they are
// large, for the sake of memory, and else as many as hide the time that a key
// management service takes to answer.
func inFlight(in []input) int {
	const many, small = 64, 64 << 20
	size := 0
	for _, f := range in {
		size += len(f.data)
	}
	if size > small {
		return runtime.GOMAXPROCS(0)
	}
	return many
}

// forAll calls work for 0 … n-1, so many at a time, and returns the error of the
// smallest number that failed. After a failure no new work begins.
func forAll(ctx context.Context, n, atOnce int, work func(i int) error) error {
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
	for range min(n, atOnce) {
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

func isNoRule(err error) bool        { return asError(err, new(*rules.NoRuleError)) }
func isNotSealed(err error) bool     { return errors.Is(err, cipher.ErrNotSealed) }
func asAlreadySealed(err error) bool { return errors.Is(err, cipher.ErrAlreadySealed) }

// asError is errors.As for a target of a known type.
func asError[T error](err error, target *T) bool { return errors.As(err, target) }
