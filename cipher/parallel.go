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
	panics := make([]any, parts)
	for p := range parts {
		wg.Go(func() {
			defer func() { panics[p] = recover() }()
			errs[p] = work(n*p/parts, n*(p+1)/parts)
		})
	}
	wg.Wait()
	for _, p := range panics {
		rethrow(p)
	}
	return errs
}

// later does work at the same time and returns a function that gives its result.
// It must be called at most once.
func later[T any](work func() T) func() T {
	type outcome struct {
		value  T
		panics any
	}
	result := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			o.panics = recover()
			result <- o
		}()
		o.value = work()
	}()
	return func() T {
		o := <-result
		rethrow(o.panics)
		return o.value
	}
}

// rethrow panics on the caller's goroutine with what another one panicked with, so
// that a long-running program can contain a defect to the file that met it.
func rethrow(v any) {
	if v != nil {
		panic(v)
	}
}

// textArena turns many small byte strings into strings with few allocations.
type textArena struct {
	b *strings.Builder
	// chunk is how much is taken at a time: more each time, so that small files stay
	// small.
	chunk int
}

const firstChunk, arenaChunk = 1 << 9, 1 << 16

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
		a.chunk = min(max(firstChunk, 4*a.chunk), arenaChunk)
		a.b = &strings.Builder{}
		a.b.Grow(max(a.chunk, n))
	}
}
