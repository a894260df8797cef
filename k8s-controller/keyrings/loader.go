package keyrings

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

// loader loads keyrings into the store, in every replica. It writes nothing.
type loader struct {
	Options
	keyrings cache.Cache
	secrets  cache.Cache
	loader   *keyring.Loader
	// changed is told the name of each keyring that was loaded.
	changed func(name string)

	mu     sync.Mutex // guards what follows
	latest map[string]latest
	tries  map[string]int // how often a keyring was retried in a row
}

// latest is what was loaded last of a keyring.
type latest struct {
	keyring.Loaded
	uid        types.UID
	generation int64
}

func (l *loader) latestOf(name string) (latest, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.latest[name]
	return found, ok
}

// loaded returns what was loaded of a keyring as it is: not as it was before it was
// changed, and not of another one that had its name.
func (l *loader) loaded(kr *v1alpha1.SealKeyring) (latest, bool) {
	found, ok := l.latestOf(kr.Name)
	return found, ok && found.uid == kr.UID && found.generation == kr.Generation
}

// Reconcile loads one keyring.
func (l *loader) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var kr v1alpha1.SealKeyring
	err := l.keyrings.Get(ctx, req.NamespacedName, &kr)
	if apierrors.IsNotFound(err) {
		l.forget(req.Name)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if before, ok := l.latestOf(kr.Name); ok && before.uid != kr.UID {
		l.loader.Forget(kr.Name) // what services opened was for another one of that name
	}
	var secrets corev1.SecretList
	if err := l.secrets.List(ctx, &secrets, client.InNamespace(l.Namespace)); err != nil {
		return ctrl.Result{}, err
	}
	loaded := l.loader.Load(ctx, &kr, secrets.Items)
	for i := range secrets.Items { // copies of what the cache has
		for _, data := range secrets.Items[i].Data {
			clear(data)
		}
	}
	if ctx.Err() != nil {
		return ctrl.Result{}, ctx.Err() // services were not really asked
	}
	after := l.took(&kr, loaded)
	l.Store.Put(loaded.Set)
	l.changed(kr.Name)
	for _, p := range loaded.Problems {
		ctrl.LoggerFrom(ctx).Info("an identity of a keyring cannot be used", "source", p.Source, "reason", p.Reason, "message", p.Message)
	}
	return ctrl.Result{RequeueAfter: after}, nil
}

// took notes what was loaded, and returns when to try again, 0 for never.
func (l *loader) took(kr *v1alpha1.SealKeyring, loaded keyring.Loaded) time.Duration {
	const first, longest = time.Second, 5 * time.Minute
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest[kr.Name] = latest{Loaded: loaded, uid: kr.UID, generation: kr.Generation}
	if !loaded.Retry() {
		delete(l.tries, kr.Name)
		return 0
	}
	const doublings = 10
	after := min(first<<min(l.tries[kr.Name], doublings), longest)
	l.tries[kr.Name]++
	return after
}

func (l *loader) forget(name string) {
	l.mu.Lock()
	delete(l.latest, name)
	delete(l.tries, name)
	l.mu.Unlock()
	l.loader.Forget(name)
	l.Store.Remove(name)
	l.changed(name)
}

// keyringsOf returns the keyrings that a Secret may concern: that of its label, those
// that name it, and those that it gave an identity before.
func (l *loader) keyringsOf(ctx context.Context, s *corev1.Secret) []reconcile.Request {
	if s.Type != corev1.SecretTypeOpaque && s.Labels[keyring.Label] == "" {
		return nil
	}
	names := map[string]bool{}
	if name := s.Labels[keyring.Label]; name != "" {
		names[name] = true
	}
	var all v1alpha1.SealKeyringList
	if err := l.keyrings.List(ctx, &all); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing keyrings failed")
	}
	for i := range all.Items {
		if concerns(&all.Items[i], s.Name) || l.usedBefore(all.Items[i].Name, s.Name) {
			names[all.Items[i].Name] = true
		}
	}
	var out []reconcile.Request
	for name := range names {
		out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
	}
	return out
}

// concerns reports whether a keyring names a Secret.
func concerns(kr *v1alpha1.SealKeyring, secret string) bool {
	for _, src := range kr.Spec.Identities {
		if src.Age != nil && src.Age.SecretName == secret || src.SealedAge != nil && src.SealedAge.SecretName == secret {
			return true
		}
	}
	return false
}

// usedBefore reports whether a Secret gave a keyring an identity or a problem because
// of a label that it may have lost since.
func (l *loader) usedBefore(name, secret string) bool {
	before, ok := l.latestOf(name)
	if !ok {
		return false
	}
	for _, id := range before.Set.Identities() {
		if id.Source == secret {
			return true
		}
	}
	for _, p := range before.Problems {
		if p.Source == secret {
			return true
		}
	}
	return false
}

// awaitAll returns when all keyrings that there are were loaded once, and has told the
// store so.
func (l *loader) awaitAll(ctx context.Context) error {
	const pause = 50 * time.Millisecond
	for ctx.Err() == nil {
		if l.allLoaded(ctx) {
			l.Store.SetLoaded()
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

func (l *loader) allLoaded(ctx context.Context) bool {
	if !l.keyrings.WaitForCacheSync(ctx) {
		return false
	}
	var all v1alpha1.SealKeyringList
	if err := l.keyrings.List(ctx, &all); err != nil {
		return false
	}
	for i := range all.Items {
		if l.Store.Get(all.Items[i].Name) == nil {
			return false
		}
	}
	return true
}
