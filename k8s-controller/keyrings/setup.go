// Package keyrings keeps SealKeyrings: it loads their identities into a
// [keyring.Store], renews them, publishes the recipients, and says in the status how
// all that stands.
//
// Loading happens in every replica, so that one that stands by is warm. What is
// written is written by the leader alone.
package keyrings

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
)

// DefaultRefresh is how often counts in the status are brought up to date.
const DefaultRefresh = time.Minute

// Options say what is kept. All but Uses, Now and Refresh are needed.
type Options struct {
	// Namespace is the controller's own: that of the identities' Secrets and of the
	// ConfigMap of recipients.
	Namespace string
	// Store gets what is loaded.
	Store *keyring.Store
	// Sources ask services, by the types of their stanzas: those of keysources/all.
	Sources map[string]keysources.Source
	// Uses counts the manifests that each identity of a keyring opened, by
	// v1alpha1.KeyID of its ID.
	Uses func(keyring string) map[string]int
	// Now is the time; time.Now if nil.
	Now func() time.Time
	// Refresh is how often counts are looked at; DefaultRefresh if 0.
	Refresh time.Duration
	// NewInformer makes the informer of Secrets, and WatchError hears of its failures, as
	// in [cache.Options]; nil is the usual.
	NewInformer func(toolscache.ListerWatcher, runtime.Object, time.Duration, toolscache.Indexers) toolscache.SharedIndexInformer
	WatchError  toolscache.WatchErrorHandlerWithContext
}

func (o Options) complete() (Options, error) {
	if o.Namespace == "" || o.Store == nil {
		return o, errors.New("keyrings: a namespace and a store are needed")
	}
	if o.Uses == nil {
		o.Uses = func(string) map[string]int { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Refresh == 0 {
		o.Refresh = DefaultRefresh
	}
	return o, nil
}

// Setup adds to a manager what keeps the keyrings. The manager's scheme must know core
// and our own types. Secrets are read through a cache of the one namespace.
func Setup(mgr ctrl.Manager, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	secrets, err := newSecretCache(mgr, o)
	if err != nil {
		return err
	}
	k := &keeper{
		Options: o, client: mgr.GetClient(), live: mgr.GetAPIReader(), secrets: secrets,
		events: mgr.GetEventRecorder("gitseal-controller"), blocked: map[string]bool{},
	}
	l := &loader{
		Options: o, keyrings: mgr.GetCache(), secrets: secrets, loader: keyring.NewLoader(o.Sources),
		latest: map[string]latest{}, tries: map[string]int{}, changed: k.enqueue,
	}
	k.loaded = l.loaded
	if err := mgr.Add(started{l}); err != nil {
		return fmt.Errorf("adding the loader of keyrings: %w", err)
	}
	if err := l.setup(mgr); err != nil {
		return fmt.Errorf("setting up the loader of keyrings: %w", err)
	}
	if err := k.setup(mgr); err != nil {
		return fmt.Errorf("setting up the keeper of keyrings: %w", err)
	}
	return nil
}

func (l *loader) setup(mgr ctrl.Manager) error {
	standby := false
	return ctrl.NewControllerManagedBy(mgr).Named("keyring-loader").
		For(&v1alpha1.SealKeyring{}, builder.WithPredicates(keyringChanged())).
		WatchesRawSource(source.Kind(l.secrets, &corev1.Secret{},
			handler.TypedEnqueueRequestsFromMapFunc(l.keyringsOf))).
		WithOptions(controller.Options{NeedLeaderElection: &standby, MaxConcurrentReconciles: 4}).
		Complete(l)
}

// setup lets the keeper not be woken by what it writes: while manifests are opened by
// the thousand, each status would ask for the next.
func (k *keeper) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("keyring-keeper").
		For(&v1alpha1.SealKeyring{}, builder.WithPredicates(keyringChanged())).
		WatchesRawSource(source.Func(k.take)).
		Complete(k)
}

// keyringChanged lets through what is loaded: not the status, which is our own. One that
// was deleted and made anew while nobody could watch comes as an update of the one before
// it, mostly of the same generation.
func keyringChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() || e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration()
	}}
}

// newSecretCache returns a cache of the Secrets of one namespace. The manager's own is
// of no use: it has the metadata of Secrets everywhere, and no more.
func newSecretCache(mgr ctrl.Manager, o Options) (cache.Cache, error) {
	c, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultNamespaces: map[string]cache.Config{o.Namespace: {}},
		DefaultTransform:  onlyIdentities,
		NewInformer:       o.NewInformer, DefaultWatchErrorHandler: o.WatchError,
	})
	if err != nil {
		return nil, fmt.Errorf("making a cache of Secrets: %w", err)
	}
	return c, mgr.Add(cached{c})
}

// onlyIdentities drops the content of Secrets that cannot hold identities, such as
// releases of Helm and the tokens of service accounts.
func onlyIdentities(obj any) (any, error) {
	s, ok := obj.(*corev1.Secret)
	if !ok {
		return obj, nil
	}
	s.ManagedFields = nil
	if s.Type != corev1.SecretTypeOpaque {
		s.Data = nil
	}
	return s, nil
}

// cached has the manager start a cache with its own, and before controllers.
type cached struct{ cache.Cache }

// GetCache tells the manager that this is a cache.
func (c cached) GetCache() cache.Cache { return c.Cache }

// NeedLeaderElection is false: who stands by has a cache, too.
func (c cached) NeedLeaderElection() bool { return false }

// started notices when all keyrings were loaded once.
type started struct{ *loader }

// NeedLeaderElection is false: who stands by loads, too.
func (started) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (s started) Start(ctx context.Context) error { return s.awaitAll(ctx) }

// enqueue has a keyring looked at, if anybody is at work here.
func (k *keeper) enqueue(name string) {
	k.queueMu.Lock()
	defer k.queueMu.Unlock()
	if k.queue != nil {
		k.queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
	}
}

// take is the source of what enqueue adds.
func (k *keeper) take(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	k.queueMu.Lock()
	defer k.queueMu.Unlock()
	k.queue = q
	return nil
}
