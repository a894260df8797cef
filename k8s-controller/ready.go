package controller

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

// identityGrace is how long the identities may take to be loaded before the log says
// what to do.
const identityGrace = 15 * time.Second

// The reasons for not being ready.
var (
	errNotSynced  = errors.New("the caches are not in step with the API server yet")
	errNoIdentity = errors.New("no SealKeyring has a usable identity: run gitseal-controller init, or see the conditions of the SealKeyrings")
)

// addChecks adds /healthz, which says that the process answers, and /readyz: it has
// all it needs to open manifests.
func addChecks(mgr manager.Manager, store *keyring.Store, seen *watching) error {
	synced := &syncCheck{cache: mgr.GetCache()}
	return errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("caches", synced.check),
		mgr.AddReadyzCheck("watches", seen.check),
		mgr.AddReadyzCheck("identity", func(*http.Request) error {
			if !store.Ready() {
				return errNoIdentity
			}
			return nil
		}),
		mgr.Add(always(func(ctx context.Context) error { return remind(ctx, store) })),
	)
}

// syncCheck reports whether a cache was in step once: what happens later is for
// watching to say.
type syncCheck struct {
	cache cache.Cache

	mu   sync.Mutex // guards done
	done bool
}

func (s *syncCheck) check(r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), 200*time.Millisecond)
	defer cancel()
	if s.done = s.cache.WaitForCacheSync(ctx); !s.done {
		return errNotSynced
	}
	return nil
}

// always is a runnable that standbys run, too.
type always func(context.Context) error

// Start implements manager.Runnable.
func (f always) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (always) NeedLeaderElection() bool { return false }

// remind says in the log, now and then, that there is no identity.
func remind(ctx context.Context, store *keyring.Store) error {
	wait := identityGrace
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if !store.Ready() {
			logf.FromContext(ctx).Error(errNoIdentity, "not ready")
		}
		wait = 5 * time.Minute
	}
}

// firstPass measures how long it takes until every manifest that there was at the
// start was looked at. It is safe for concurrent use.
type firstPass struct {
	report func(time.Duration)

	mu      sync.Mutex // guards what follows
	began   time.Time
	over    bool
	many    bool
	done    map[types.NamespacedName]bool // looked at before it was known what there is
	pending map[types.NamespacedName]bool // nil until that is known
}

func newFirstPass(report func(time.Duration)) *firstPass {
	return &firstPass{report: report, done: make(map[types.NamespacedName]bool)}
}

// begin says which manifests there are.
func (f *firstPass) begin(began time.Time, keys []types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.began, f.pending = began, make(map[types.NamespacedName]bool)
	for _, k := range keys {
		if !f.done[k] {
			f.pending[k] = true
		}
	}
	f.done, f.many = nil, len(f.pending) > manyAtStart
	f.settle()
}

// pass says that a manifest was looked at.
func (f *firstPass) pass(k types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.over:
	case f.pending == nil:
		f.done[k] = true
	default:
		delete(f.pending, k)
		f.settle()
	}
}

// settle reports once nothing is left. The caller holds the lock.
func (f *firstPass) settle() {
	if len(f.pending) == 0 && !f.over {
		f.over = true
		f.report(time.Since(f.began))
	}
}

// manyAtStart is how many manifests make a first pass long.
const manyAtStart = 100

// isLong reports whether there is a first pass over many manifests, which is not over.
func (f *firstPass) isLong() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.many && !f.over
}

// leading begins the first pass when this replica takes the lead.
type leading struct {
	first *firstPass
	list  func(context.Context, ...client.ListOption) ([]v1alpha1.SealedManifest, error)
}

// Start implements manager.Runnable.
func (l leading) Start(ctx context.Context) error {
	began := time.Now()
	list, err := l.list(ctx)
	if err != nil {
		return err
	}
	var keys []types.NamespacedName
	for i := range list {
		keys = append(keys, client.ObjectKeyFromObject(&list[i]))
	}
	l.first.begin(began, keys)
	return nil
}
