// Package fence keeps a process that is not the leader from writing.
//
// A leader that was stopped (by SIGSTOP, a frozen node, a long pause) goes on where
// it was, before its leader election has noticed that another took over. The fence
// asks, for each write, whether the last renewed lease is valid at this moment.
//
// What has left the process can no longer be kept: that is why writes of what the
// controller knows carry preconditions, too.
package fence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// ErrDeposed is returned (wrapped) for a write that was refused, because this process
// is not known to lead. Nothing was sent.
var ErrDeposed = errors.New("not the leader at this moment")

// Options of a Fence.
type Options struct {
	// Now is the clock, time.Now if nil. Its times have to be monotonic.
	Now func() time.Time
	// Refused, if not nil, is told of each refused write.
	Refused func()
}

// Fence knows until when this process leads. It is safe for concurrent use.
type Fence struct {
	now     func() time.Time
	refused func()

	mu    sync.Mutex // guards until
	until time.Time
}

// New returns a fence that is closed until a lock that it watches was acquired.
func New(o Options) *Fence {
	f := &Fence{now: o.Now, refused: o.Refused}
	if f.now == nil {
		f.now = time.Now
	}
	if f.refused == nil {
		f.refused = func() {}
	}
	return f
}

// Leads reports whether the last renewed lease is valid now.
func (f *Fence) Leads() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	// By both clocks: the monotonic one stands still while a machine sleeps, the wall
	// clock may be set back.
	return now.Before(f.until) && now.Round(0).Before(f.until.Round(0))
}

// Close makes this process no leader, until the lock is acquired again.
func (f *Fence) Close() { f.set(time.Time{}) }

func (f *Fence) set(until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.until = until
}

// Watch returns a lock that works as l does and tells the fence what becomes of it.
// It is what controller-runtime's LeaderElectionResourceLockInterface is given.
func (f *Fence) Watch(l resourcelock.Interface) resourcelock.Interface {
	return &lock{Interface: l, fence: f}
}

// lock is a resource lock that is watched.
type lock struct {
	resourcelock.Interface
	fence *Fence
}

// Get closes the fence if somebody else holds the lock.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	r, raw, err := l.Interface.Get(ctx)
	if err == nil && r.HolderIdentity != l.Identity() {
		l.fence.Close()
	}
	return r, raw, err
}

// Create opens the fence if it succeeds.
func (l *lock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	began := l.fence.now()
	err := l.Interface.Create(ctx, r)
	l.wrote(began, r, err)
	return err
}

// Update opens the fence, or closes it if the lock was released. If it fails, the
// lease that was there still counts.
func (l *lock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if r.HolderIdentity != l.Identity() {
		l.fence.Close() // before others can see it
	}
	began := l.fence.now()
	err := l.Interface.Update(ctx, r)
	l.wrote(began, r, err)
	return err
}

// wrote takes note of a lease. It counts from before the request: whoever waits for
// it to expire has seen it later.
func (l *lock) wrote(began time.Time, r resourcelock.LeaderElectionRecord, err error) {
	if err == nil && r.HolderIdentity == l.Identity() {
		l.fence.set(began.Add(time.Duration(r.LeaseDurationSeconds) * time.Second))
	}
}

// Wrap returns a RoundTripper that refuses writes while this process does not lead.
// It is made for [k8s.io/client-go/rest.Config.Wrap].
func (f *Fence) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper{fence: f, next: next}
}

type roundTripper struct {
	fence *Fence
	next  http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if !writes(r) || t.fence.Leads() {
		return t.next.RoundTrip(r)
	}
	if r.Body != nil {
		r.Body.Close() // as a RoundTripper has to
	}
	t.fence.refused()
	return nil, fmt.Errorf("%s %s was not sent: %w", r.Method, r.URL.Path, ErrDeposed)
}

// WrappedRoundTripper lets client-go find what is below, to close connections.
func (t roundTripper) WrappedRoundTripper() http.RoundTripper { return t.next }

// writes reports whether a request changes what only the leader may. What it does not
// know does.
func writes(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	if r.URL.Query().Get("dryRun") == "All" {
		return false
	}
	switch group, resource := target(r.URL.Path); group + "/" + resource {
	case "coordination.k8s.io/leases", "/events", "events.k8s.io/events":
		return false
	case "authentication.k8s.io/tokenreviews", "authorization.k8s.io/subjectaccessreviews":
		return false // questions, which the endpoint of metrics asks on standbys, too
	}
	return true
}

// target returns the group and the resource of a path of the API, which may have a
// prefix:
//
//	/api/v1[/namespaces/NS]/RESOURCE[/NAME…]
//	/apis/GROUP/VERSION[/namespaces/NS]/RESOURCE[/NAME…]
func target(path string) (group, resource string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for len(parts) > 0 && parts[0] != "api" && parts[0] != "apis" {
		parts = parts[1:]
	}
	if len(parts) > 2 && parts[0] == "apis" {
		group, parts = parts[1], parts[1:]
	}
	if len(parts) < 3 {
		return "", ""
	}
	parts = parts[2:]
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	return group, parts[0]
}
