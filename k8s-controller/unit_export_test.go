package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// For the tests of what needs no server.

// Check completes options.
func (o Options) Check() error {
	_, err := o.complete()
	return err
}

// Backoff is the pauses of one request, and what becomes of them.
type Backoff struct{ b *backoff }

// NewBackoff returns a Backoff.
func NewBackoff() Backoff { return Backoff{newBackoff()} }

// Next fails once more.
func (b Backoff) Next() time.Duration { return b.b.When(reconcile.Request{}) }

// Others is how many other requests fail.
func (b Backoff) Others(n int) {
	for i := range n {
		b.b.When(reconcile.Request{NamespacedName: client.ObjectKey{Name: fmt.Sprint(i)}})
	}
}

// AtLeast is what a server asked for.
func (b Backoff) AtLeast(d time.Duration) { b.b.atLeast(reconcile.Request{}, d) }

// Succeed ends the failures.
func (b Backoff) Succeed() { b.b.Forget(reconcile.Request{}) }

// Memory is what is known better than the cache.
type Memory struct{ y *memory }

// NewMemory returns an empty one.
func NewMemory() Memory { return Memory{newMemory()} }

// Wrote remembers what the API server returned.
func (y Memory) Wrote(m *v1alpha1.SealedManifest) { y.y.wrote(m) }

// CatchUp brings what the cache has up to date.
func (y Memory) CatchUp(m *v1alpha1.SealedManifest) bool { return y.y.catchUp(m) }

// Tried takes note of a pass over m with a digest that wrote again what was written.
func (y Memory) Tried(m *v1alpha1.SealedManifest, digest string, at time.Time) {
	y.y.tried(m, attemptOf(m, digest), true, at)
}

// Fight is how long others are let be.
func (y Memory) Fight(m *v1alpha1.SealedManifest, digest string, at time.Time) time.Duration {
	return y.y.fight(m, attemptOf(m, digest), at)
}

// panicking is an opener that panics.
type panicking struct{ with any }

func (p panicking) Open(context.Context, opening.Request) (*opening.Opened, error) { panic(p.with) }

// one is a client that has one object.
type one struct {
	client.Client
	m *v1alpha1.SealedManifest
}

func (o one) Get(_ context.Context, _ client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	if m, ok := out.(*v1alpha1.SealedManifest); ok {
		o.m.DeepCopyInto(m)
	}
	return nil
}

// absent is an API server that has nothing.
type absent struct{ client.Client }

func (absent) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "things"}, key.Name)
}

// Confirm reports whether a pass over a manifest goes on, if the API server has no
// such manifest and the cache of Secrets has only those named.
func Confirm(m *v1alpha1.SealedManifest, secrets ...string) bool {
	r := &reconciler{live: absent{}, known: func(key client.ObjectKey) (string, string, bool) {
		return "u", "1", slices.Contains(secrets, key.Name)
	}}
	result, err := r.confirm(context.Background(), m)
	return err == nil && result == ""
}

// PassWithPanic makes a pass over a manifest in which the opener panics, and returns
// the status that comes of it.
func PassWithPanic(m *v1alpha1.SealedManifest, with any, log logr.Logger) (v1alpha1.SealedManifestStatus, error) {
	store := &keyring.Store{}
	set, err := keyring.New(keyring.Parts{Name: "default"})
	if err != nil {
		return v1alpha1.SealedManifestStatus{}, err
	}
	store.Put(set)
	store.SetLoaded()
	counts, err := metrics.New(prometheus.NewRegistry(), metrics.Options{})
	if err != nil {
		return v1alpha1.SealedManifestStatus{}, err
	}
	r := &reconciler{
		cached: one{m: m}, keys: store, opener: panicking{with}, memory: newMemory(), backoff: newBackoff(), metrics: counts, now: time.Now,
	}
	v := r.pass(logr.NewContext(context.Background(), log), m)
	return v.status(m, time.Now()), nil
}

// StatusAfter is the status after a pass that applied, or that failed.
func StatusAfter(m *v1alpha1.SealedManifest, outcome applying.Outcome, failed *applying.Failure) v1alpha1.SealedManifestStatus {
	v := verdict{digest: "sha256:new", keyring: "default", integrity: &v1alpha1.Integrity{MAC: "Verified"}, keys: []v1alpha1.KeyUse{{ID: "age1new"}}, outcome: &outcome, applied: failed == nil}
	if failed != nil {
		return v.refused(failed).status(m, now())
	}
	return v.succeed().status(m, now())
}

func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// Ready is the condition of a status.
func Ready(s v1alpha1.SealedManifestStatus) metav1.Condition { return readyOf(s) }

// Settled reports whether there is nothing to open.
func Settled(m *v1alpha1.SealedManifest, digest string) bool {
	return settled(m, digest) && answered(m)
}

// FirstPass measures the first pass.
type FirstPass struct{ *firstPass }

// NewFirstPass returns one.
func NewFirstPass(report func(time.Duration)) FirstPass { return FirstPass{newFirstPass(report)} }

// Begin says which manifests there are.
func (f FirstPass) Begin(keys ...client.ObjectKey) { f.begin(time.Now(), keys) }

// Pass says that one was looked at.
func (f FirstPass) Pass(key client.ObjectKey) { f.pass(key) }

// NewLock is the lease of leader election over a connection.
func NewLock(c *rest.Config) error {
	o, err := Options{Config: c, KeyringNamespace: "gitseal-system"}.complete()
	if err != nil {
		return err
	}
	_, err = newLock(c, o)
	return err
}

// LeaseName is the name of that lease.
func (o Options) LeaseName() string { return o.leaseName() }

// ending is an API server with one manifest, in a namespace that may be going, and all
// that the end of the manifest needs.
type ending struct {
	client.Client
	one
	terminating, released, unbound bool
	err                            error
	events                         int
}

func (e *ending) Get(ctx context.Context, key client.ObjectKey, out client.Object, opts ...client.GetOption) error {
	if now := metav1.Now(); e.terminating {
		out.SetDeletionTimestamp(&now)
	}
	return e.one.Get(ctx, key, out, opts...)
}

func (e *ending) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	e.unbound = true
	return nil
}

func (e *ending) Release(context.Context, *v1alpha1.SealedManifest) error {
	e.released = true
	return e.err
}

func (*ending) LetGo(context.Context, *v1alpha1.SealedManifest) error { return nil }

func (e *ending) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {
	e.events++
}

// Finish looks at a deleted manifest of a controller without class.
func Finish(m *v1alpha1.SealedManifest, terminating bool, err error, at time.Time) (released, unbound bool, events int) {
	counts, _ := metrics.New(prometheus.NewRegistry(), metrics.Options{})
	e := &ending{one: one{m: m}, terminating: terminating, err: err}
	r := &reconciler{
		opts: Options{leaveGrace: leaveGrace}, metrics: counts, cached: e, release: e, memory: newMemory(), now: func() time.Time { return at }, first: newFirstPass(func(time.Duration) {}),
		status: statusWriter{client: e, events: e},
	}
	if m.Spec.Class == "" {
		r.finish(context.Background(), m)
	} else {
		_, _ = r.leave(context.Background(), m)
	}
	return e.released, e.unbound, e.events
}
