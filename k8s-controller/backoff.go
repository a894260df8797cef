package controller

import (
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The pauses between tries of what failed for a reason that may pass.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	// Few that fail are tried often: nothing says when a right was given back or a server
	// is well again. Of many, about 30 are tried in a second, so that a cause that lasts
	// does not keep the controller busy.
	lastOfFew = 15 * time.Second
	lastOfOne = 30 * time.Millisecond // times those that fail
)

// backoff says when what failed is tried again: after one second, two, four, … up to 15
// seconds, or five minutes if many fail, without end, each time a little off so that
// what failed together is not tried together. It is safe for concurrent use.
type backoff struct {
	mu       sync.Mutex // guards the maps
	failures map[reconcile.Request]int
	least    map[reconcile.Request]time.Duration
}

var _ workqueue.TypedRateLimiter[reconcile.Request] = (*backoff)(nil)

func newBackoff() *backoff {
	return &backoff{failures: make(map[reconcile.Request]int), least: make(map[reconcile.Request]time.Duration)}
}

// When returns the pause before the next try, and counts a failure.
func (b *backoff) When(r reconcile.Request) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.failures[r]
	b.failures[r]++
	d := min(max(lastOfFew, time.Duration(len(b.failures))*lastOfOne), lastRetry)
	if n < 9 { // 2⁹ seconds are more than five minutes
		d = min(firstRetry<<n, d)
	}
	d += rand.N(d/4) - d/8
	d = max(d, b.least[r])
	delete(b.least, r)
	return d
}

// atLeast lets the next pause be no shorter: a server said so.
func (b *backoff) atLeast(r reconcile.Request, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.least[r] = min(d, lastRetry)
}

// Forget takes note of a success.
func (b *backoff) Forget(r reconcile.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.failures, r)
	delete(b.least, r)
}

// NumRequeues returns how often r failed.
func (b *backoff) NumRequeues(r reconcile.Request) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures[r]
}
