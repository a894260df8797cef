package cipher

import (
	"runtime"
	"strings"
	"sync"
)

// parallelFrom is the number of leaves from which several processors are used.
const parallelFrom = 2000

// inParallel calls work for consecutive ranges that cover [0, n), at once if n
// is large, and returns their errors in order.
func inParallel(n int, work func(from, to int) error) []error {
	parts := 1
	if n >= parallelFrom {
		parts = runtime.GOMAXPROCS(0)
	}
	errs := make([]error, parts)
	if parts == 1 {
		errs[0] = work(0, n)
		return errs
	}
	var wg sync.WaitGroup
	for p := range parts {
		wg.Go(func() { errs[p] = work(n*p/parts, n*(p+1)/parts) })
	}
	wg.Wait()
	return errs
}

// later does work at the same time and returns a function that gives its result.
// It must be called at most once.
func later[T any](work func() T) func() T {
	result := make(chan T, 1)
	go func() { result <- work() }()
	return func() T { return <-result }
}

// textArena turns many small byte strings into strings with few allocations.
type textArena struct{ b *strings.Builder }

const arenaChunk = 1 << 16

// keep returns b as a string.
func (a *textArena) keep(b []byte) string {
	a.reserve(len(b))
	start := a.b.Len()
	a.b.Write(b)
	return a.b.String()[start:]
}

// reserve makes room for n more bytes, so that writing them moves no string that
// was handed out.
func (a *textArena) reserve(n int) {
	if a.b == nil || a.b.Cap()-a.b.Len() < n {
		a.b = &strings.Builder{}
		a.b.Grow(max(arenaChunk, n))
	}
}
