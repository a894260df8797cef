package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/keyrings"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
	"github.com/gitseal/gitseal/k8s-controller/opening"
	"github.com/gitseal/gitseal/k8s-controller/rollout"
	"github.com/gitseal/gitseal/keysources/all"
)

// name is that of the controller: in events, of the lease, as field manager.
const name = applying.FieldManager

// passTimeout bounds one pass over one manifest: a key service that hangs holds up
// one worker, and not for long.
const passTimeout = 2 * time.Minute

// ErrNotInstalled is wrapped by errors about missing CustomResourceDefinitions.
var ErrNotInstalled = errors.New("the CustomResourceDefinitions of gitseal.dev are not installed")

// setup adds to a manager all that keeps SealKeyrings and SealedManifests.
func setup(ctx context.Context, mgr manager.Manager, o Options, m *metrics.Metrics, seen *watching) error {
	store := &keyring.Store{}
	store.Subscribe(func(name string) { observeKeys(store, m.Tracker(), name) })
	r, err := newReconciler(mgr, o, m, store)
	if err != nil {
		return err
	}
	if !o.writeOnly() {
		if err := indexOwners(ctx, mgr.GetFieldIndexer()); err != nil {
			return explained("setting up the index of Secrets' owners", err)
		}
	}
	if err := preheat(ctx, mgr.GetCache(), o); err != nil {
		return err
	}
	err = keyrings.Setup(mgr, keyrings.Options{
		Namespace: o.KeyringNamespace, Store: store, Sources: all.Sources(o.Env), Uses: r.uses,
		NewInformer: seen.newInformer(false), WatchError: seen.tried,
	})
	if err != nil {
		return explained("setting up keyrings", err)
	}
	if err := r.watch(mgr); err != nil {
		return fmt.Errorf("setting up watches: %w", err)
	}
	if err := mgr.Add(leading{r.first, r.list}); err != nil {
		return fmt.Errorf("adding the measurement of the first pass: %w", err)
	}
	back := setbacks{version: versionOf(r.live), seen: r.memory.seen, every: setbackEvery, retry: setbackRetry}
	if err := mgr.Add(always(back.watch)); err != nil {
		return fmt.Errorf("adding the watch for restored backups: %w", err)
	}
	return addChecks(mgr, store, seen)
}

// preheat names what is cached. So a standby has it, readiness waits for it, and a
// missing CustomResourceDefinition is an error at the start.
func preheat(ctx context.Context, c cache.Cache, o Options) error {
	objects := []client.Object{&v1alpha1.SealedManifest{}, &v1alpha1.SealKeyring{}, partial(namespaceKind())}
	if !o.writeOnly() {
		objects = append(objects, partial(secretKind()))
	}
	for _, obj := range objects {
		if _, err := c.GetInformer(ctx, obj, cache.BlockUntilSynced(false)); err != nil {
			return explained("setting up a cache", err)
		}
	}
	return nil
}

// explained says what an error was met in, and what it means if the API server does
// not know a kind.
func explained(doing string, err error) error {
	var kind *meta.NoKindMatchError
	var res *meta.NoResourceMatchError
	if errors.As(err, &kind) || errors.As(err, &res) {
		return fmt.Errorf("%s: %w", doing, ErrNotInstalled)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func newReconciler(mgr manager.Manager, o Options, m *metrics.Metrics, store *keyring.Store) (*reconciler, error) {
	direct, err := client.New(mgr.GetConfig(), client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	r := &reconciler{
		opts: o, cached: mgr.GetClient(), live: direct, keys: store,
		opener: opening.New(opening.Options{Counted: counted(m)}),
		status: statusWriter{client: direct, live: direct, events: mgr.GetEventRecorder(name)},
		memory: newMemory(), backoff: newBackoff(), metrics: m, now: time.Now, first: newFirstPass(m.Steady),
	}
	if !o.writeOnly() {
		r.known, r.owned = lookUp(mgr.GetCache()), lookUpOwned(mgr.GetCache())
	}
	apply := applying.Options{Client: direct, Reader: direct, WriteOnly: o.writeOnly(), Known: r.known, Owned: r.owned}
	if o.Impersonate {
		apply.Impersonate = newImpersonator(mgr).client
	}
	a := applying.New(apply)
	r.applier, r.release = a, a
	if o.Rollout {
		r.roller = rollout.New(rollout.Options{Client: direct, Namespace: o.KeyringNamespace})
	}
	return r, nil
}

// watch says what makes r look at which manifest.
func (r *reconciler) watch(mgr manager.Manager) error {
	b := ctrl.NewControllerManagedBy(mgr).Named("sealedmanifest").
		For(&v1alpha1.SealedManifest{}, builder.WithPredicates(manifestChanged())).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.manifestsIn), builder.WithPredicates(labelsChanged())).
		WatchesRawSource(r.keyringChanges()).
		WithOptions(ctrlconfig.Options{
			MaxConcurrentReconciles: r.opts.MaxConcurrent, RateLimiter: r.backoff, ReconciliationTimeout: passTimeout,
		})
	if r.known != nil {
		b = b.WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(manifestOf))
	}
	return b.Complete(r)
}

// uses counts the manifests that each key of a keyring opened. Of those that were not
// looked at yet, and of those for other controllers, it goes by what their statuses say:
// that a key is not in use must not be said only because this process has just started,
// or because another one has it in use.
func (r *reconciler) uses(keyring string) map[string]int {
	list, err := r.list(context.Background())
	if err != nil {
		r.opts.Log.Error(err, "listing all SealedManifests")
	}
	return r.metrics.Tracker().Uses(keyring, list)
}

// observeKeys lets metrics say which keys there are.
func observeKeys(store *keyring.Store, t *metrics.Tracker, name string) {
	set := store.Get(name)
	if set == nil {
		t.ForgetKeyring(name)
		return
	}
	active := set.Active()
	var keys []metrics.Key
	for _, id := range set.Identities() {
		retiring := !slices.ContainsFunc(active, func(a keyring.Identity) bool { return a.ID == id.ID })
		keys = append(keys, metrics.Key{ID: id.ID, Created: id.Created, Retiring: retiring})
	}
	t.SetKeys(name, keys)
}

// impersonator makes clients that act as service accounts. It may be used from
// several goroutines.
type impersonator struct {
	config *rest.Config
	opts   client.Options
}

func newImpersonator(mgr manager.Manager) *impersonator {
	return &impersonator{config: mgr.GetConfig(), opts: client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()}}
}

// client returns a client that acts as a user. Making one costs no request, and the
// connections are shared, so none is kept.
func (i *impersonator) client(user string) (client.Client, error) {
	config := rest.CopyConfig(i.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	return client.New(config, i.opts)
}

// managedLabels selects the Secrets that the controller keeps.
func managedLabels() map[string]string { return map[string]string{v1alpha1.ManagedLabel: "true"} }

// counted counts data keys of services.
func counted(m *metrics.Metrics) func(hit bool) {
	return func(hit bool) {
		if hit {
			m.CacheHit()
		} else {
			m.CacheMiss()
		}
	}
}

// partial returns an empty object of a kind, of which only metadata is wanted.
func partial(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(kind)
	return o
}

func namespaceKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Namespace") }
func secretKind() schema.GroupVersionKind    { return corev1.SchemeGroupVersion.WithKind("Secret") }
func manifestKind() schema.GroupVersionKind {
	return v1alpha1.GroupVersion().WithKind("SealedManifest")
}
