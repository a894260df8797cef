package keyrings

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

// keeper writes what is to be written of keyrings: status, renewed identities, and the
// ConfigMap of recipients. Only the leader runs it.
type keeper struct {
	Options
	client  client.Client
	live    client.Reader
	secrets cache.Cache
	events  events.EventRecorder
	// loaded is what was loaded of a keyring as it is.
	loaded func(*v1alpha1.SealKeyring) (latest, bool)
	// blocked are the keyrings of which it was said that they cannot be renewed. There
	// is one worker, which alone uses it.
	blocked map[string]bool

	queueMu sync.Mutex // guards queue
	queue   workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// behind is how long the cache is given to get what was written a moment ago.
const behind = 100 * time.Millisecond

// Reconcile brings what is written of one keyring up to date.
func (k *keeper) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var kr v1alpha1.SealKeyring
	err := k.client.Get(ctx, req.NamespacedName, &kr)
	if apierrors.IsNotFound(err) {
		delete(k.blocked, req.Name)
		return ctrl.Result{}, k.publish(ctx)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	loaded, ok := k.loaded(&kr)
	if !ok {
		return ctrl.Result{}, nil // the loader will tell
	}
	if err := k.report(ctx, &kr, loaded); apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: behind}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	if err := k.publish(ctx); err != nil {
		return ctrl.Result{}, err
	}
	due, err := k.renew(ctx, &kr, loaded)
	if err != nil {
		return ctrl.Result{}, err
	}
	after := k.Refresh
	if due > 0 && due < after {
		after = due
	}
	return ctrl.Result{RequeueAfter: after}, nil
}

// report writes the status, and events on what changed in it. The error is a conflict if
// the status is not the one that the new one was made from: it says what is missing, too,
// which nothing else remembers.
func (k *keeper) report(ctx context.Context, kr *v1alpha1.SealKeyring, loaded latest) error {
	old := kr.Status.DeepCopy()
	now := statusOf(kr, loaded, k.Uses(kr.Name), k.Now())
	if equality.Semantic.DeepEqual(*old, now) {
		return nil
	}
	changed := kr.DeepCopy()
	changed.Status = now
	patch := client.MergeFromWithOptions(kr, client.MergeFromWithOptimisticLock{})
	if err := k.client.Status().Patch(ctx, changed, patch, client.FieldOwner(fieldManager)); err != nil {
		return client.IgnoreNotFound(err)
	}
	k.announce(kr, old, &now)
	return nil
}

// announce makes events of transitions.
func (k *keeper) announce(kr *v1alpha1.SealKeyring, old, now *v1alpha1.SealKeyringStatus) {
	for _, gone := range goneIdentities(old, now) {
		k.events.Eventf(kr, nil, corev1.EventTypeWarning, "IdentityRemoved", "Load",
			"the identity %s of %s is not in use any more; it opened %d manifests", keyring.Short(gone.ID), gone.Source, gone.Manifests)
	}
	was := meta.FindStatusCondition(old.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(now.Conditions, v1alpha1.ConditionReady)
	if was != nil && was.Reason == is.Reason && was.Status == is.Status {
		return
	}
	kind := corev1.EventTypeNormal
	if is.Status != "True" {
		kind = corev1.EventTypeWarning
	}
	k.events.Eventf(kr, nil, kind, is.Reason, "Load", "%s", clip(is.Message, maxEvent))
}

// maxEvent is how long the note of an event may be.
const maxEvent = 1000

// clip cuts a text at a rune.
func clip(s string, longest int) string {
	for i := range s {
		if i > longest {
			return s[:i] + "…"
		}
	}
	return s
}

// goneIdentities returns those that were in use before.
func goneIdentities(old, now *v1alpha1.SealKeyringStatus) []v1alpha1.IdentityStatus {
	have := map[string]bool{}
	for _, id := range now.Identities {
		have[id.ID] = id.State != v1alpha1.StateMissing
	}
	var gone []v1alpha1.IdentityStatus
	for _, id := range old.Identities {
		if !have[id.ID] && id.State != v1alpha1.StateMissing {
			gone = append(gone, id)
		}
	}
	return gone
}

// renewalDue returns the identity to be renewed and in how long, 0 if now; ok is false
// if there is none, or nothing is to be renewed.
func renewalDue(kr *v1alpha1.SealKeyring, loaded latest, now time.Time) (newest keyring.Identity, in time.Duration, ok bool) {
	if kr.Spec.Renewal == nil {
		return keyring.Identity{}, 0, false
	}
	newest, ok = newestAge(loaded.Set)
	if !ok || newest.Created.IsZero() {
		return keyring.Identity{}, 0, false
	}
	every := max(kr.Spec.Renewal.Every.Duration, time.Hour)
	return newest, max(newest.Created.Add(every).Sub(now), 0), true
}
