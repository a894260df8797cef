package controller

import (
	"context"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// lastApplied is kubectl's copy of what was applied. Nothing here needs it, and it
// doubles an object's size.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// manifestChanged lets through what a pass depends on: not the status, which is our
// own, unless somebody took it away.
func manifestChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, is := e.ObjectOld, e.ObjectNew
		return was.GetUID() != is.GetUID() || was.GetGeneration() != is.GetGeneration() ||
			!maps.Equal(was.GetLabels(), is.GetLabels()) || !maps.Equal(was.GetAnnotations(), is.GetAnnotations()) ||
			!was.GetDeletionTimestamp().Equal(is.GetDeletionTimestamp()) || hasStatus(was) && !hasStatus(is)
	}}
}

// hasStatus reports whether an object is a SealedManifest that has the condition Ready:
// nothing here ever removes it.
func hasStatus(o client.Object) bool {
	m, ok := o.(*v1alpha1.SealedManifest)
	return ok && readyOf(m.Status).Type != ""
}

// labelsChanged lets through namespaces that are new, or have other labels.
func labelsChanged() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool { return !maps.Equal(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) },
	}
}

// manifestOf maps a Secret that the controller keeps to the SealedManifest that it
// comes from, by the owner reference and by the annotation: others may have removed
// either.
func manifestOf(_ context.Context, o client.Object) []reconcile.Request {
	names := map[string]bool{}
	for _, ref := range o.GetOwnerReferences() {
		if ref.Kind == "SealedManifest" && ref.APIVersion == v1alpha1.GroupVersion().String() {
			names[ref.Name] = true
		}
	}
	if name := o.GetAnnotations()[v1alpha1.ManifestAnnotation]; name != "" {
		names[name] = true
	}
	var out []reconcile.Request
	for name := range names {
		out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}})
	}
	return out
}

// manifestsIn maps a namespace to its SealedManifests.
func (r *reconciler) manifestsIn(ctx context.Context, o client.Object) []reconcile.Request {
	list, err := r.list(ctx, client.InNamespace(o.GetName()))
	if err != nil {
		logf.FromContext(ctx).Error(err, "listing the SealedManifests of a namespace", "namespace", o.GetName())
	}
	var out []reconcile.Request
	for i := range list {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list[i])})
	}
	return out
}

// list returns SealedManifests as the cache has them: they must not be changed.
func (r *reconciler) list(ctx context.Context, opts ...client.ListOption) ([]v1alpha1.SealedManifest, error) {
	var list v1alpha1.SealedManifestList
	err := r.cached.List(ctx, &list, append(opts, client.UnsafeDisableDeepCopy)...)
	return list.Items, err
}

// keyringChanges is a source of requests: when a keyring changed, all manifests are
// looked at again, those that failed first. Which keyring serves which namespace may
// have changed, too, so none can be left out; those that are unaffected cost a digest.
func (r *reconciler) keyringChanges() source.Source {
	return source.Func(func(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		changed := make(chan struct{}, 1)
		r.keys.Subscribe(func(string) {
			select {
			case changed <- struct{}{}:
			default: // one is on its way
			}
		})
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-changed:
					r.enqueueAll(ctx, q)
				}
			}
		}()
		return nil
	})
}

func (r *reconciler) enqueueAll(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	list, err := r.list(ctx)
	if err != nil {
		logf.FromContext(ctx).Error(err, "listing all SealedManifests")
		return
	}
	var failing, fine []reconcile.Request
	for i := range list {
		key := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list[i])}
		if readyOf(list[i].Status).Status == metav1.ConditionTrue {
			fine = append(fine, key)
		} else {
			failing = append(failing, key)
		}
	}
	// At a first start none is fine, and what is new comes before them all.
	add(q, handler.LowPriority+1, failing)
	add(q, handler.LowPriority, fine)
}

// add enqueues requests with a priority.
func add(q workqueue.TypedRateLimitingInterface[reconcile.Request], priority int, keys []reconcile.Request) {
	if p, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		p.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, keys...)
		return
	}
	for _, k := range keys {
		q.Add(k)
	}
}

// lookUp returns what the cache of Secrets' metadata has.
func lookUp(cached client.Reader) known {
	return func(key types.NamespacedName) (string, string, bool) {
		o := partial(secretKind())
		if err := cached.Get(context.Background(), key, o, client.UnsafeDisableDeepCopy); err != nil {
			return "", "", false
		}
		return string(o.UID), o.ResourceVersion, true
	}
}

// ownerIndex finds Secrets by the name of the SealedManifest that controls them: those of
// one of the same name that is no more are found, too.
const ownerIndex = "gitseal.owner"

// indexOwners has the cache of Secrets' metadata keep that index.
func indexOwners(ctx context.Context, indexer client.FieldIndexer) error {
	return indexer.IndexField(ctx, partial(secretKind()), ownerIndex, func(o client.Object) []string {
		if ref := metav1.GetControllerOfNoCopy(o); ref != nil && ref.Kind == manifestKind().Kind {
			return []string{ref.Name}
		}
		return nil
	})
}

// lookUpOwned returns what the index has. A cache that cannot answer has nothing.
func lookUpOwned(cached client.Reader) owned {
	return func(m *v1alpha1.SealedManifest) []v1alpha1.Resource {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(secretKind())
		err := cached.List(context.Background(), list, client.InNamespace(m.Namespace),
			client.MatchingFields{ownerIndex: m.Name}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil
		}
		var out []v1alpha1.Resource
		for _, o := range list.Items {
			if o.DeletionTimestamp == nil {
				out = append(out, v1alpha1.Resource{APIVersion: "v1", Kind: "Secret", Name: o.Name, UID: o.UID, ResourceVersion: o.ResourceVersion})
			}
		}
		return out
	}
}
