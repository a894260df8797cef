package controller

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
)

// Finalizer holds up the deletion of SealedManifests with the conflict policy Merge,
// until our keys are out of the objects of others: the garbage collector would not
// know of them. No other manifest has it.
const Finalizer = v1alpha1.Group + "/merged"

// secure makes sure that a manifest that is to be merged into objects of others is not
// deleted unseen. It comes before anything is written.
func (r *reconciler) secure(ctx context.Context, m *v1alpha1.SealedManifest) error {
	if m.Spec.ConflictPolicy != v1alpha1.ConflictMerge || slices.Contains(m.Finalizers, Finalizer) {
		return nil
	}
	return r.setFinalizers(ctx, m, append(slices.Clone(m.Finalizers), Finalizer))
}

// unbind removes the finalizer from a manifest that has nothing in objects of others
// any more.
func (r *reconciler) unbind(ctx context.Context, m *v1alpha1.SealedManifest, left []v1alpha1.Resource) error {
	merged := slices.ContainsFunc(left, func(res v1alpha1.Resource) bool { return res.Merged })
	if merged || m.Spec.ConflictPolicy == v1alpha1.ConflictMerge || !slices.Contains(m.Finalizers, Finalizer) {
		return nil
	}
	return r.removeFinalizer(ctx, m)
}

// forbiddenGrace is how long it may be forbidden to take back what was merged before
// the finalizer goes anyway. That of a manifest that another controller merged stays: it
// may be allowed what this one is not.
const forbiddenGrace = 10 * time.Minute

// finish takes back what a deleted manifest has in objects of others. All else is
// left to the garbage collector, which goes by owner references and does not wait for a
// suspended manifest: so this does not, either. In a namespace that is being deleted all
// goes, perhaps the right to take anything back first.
func (r *reconciler) finish(ctx context.Context, m *v1alpha1.SealedManifest) verdict {
	if !slices.Contains(m.Finalizers, Finalizer) {
		return gone()
	}
	if !r.terminating(ctx, m.Namespace) {
		if err := r.release.Release(ctx, m); err != nil {
			v := verdict{}.refused(err)
			if v.reason != v1alpha1.ReasonForbidden || !r.opts.owns(m) || r.now().Sub(m.DeletionTimestamp.Time) < forbiddenGrace {
				return v
			}
			r.status.warn(m, "NotReleased", "what was merged into objects of others stays there: "+v.message)
		}
	}
	if err := r.removeFinalizer(ctx, m); client.IgnoreNotFound(err) != nil {
		return verdict{}.fail(v1alpha1.ReasonAPIError, "removing the finalizer failed", true)
	}
	return verdict{result: metrics.ResultGone}
}

// terminating reports whether a namespace is being deleted, as far as the cache knows.
func (r *reconciler) terminating(ctx context.Context, name string) bool {
	ns := partial(namespaceKind())
	err := r.cached.Get(ctx, types.NamespacedName{Name: name}, ns)
	return err == nil && ns.DeletionTimestamp != nil
}

// letGo makes the deletion policy Orphan take effect for a manifest that is not applied:
// it is suspended, or v is a failure. That needs no key.
func (r *reconciler) letGo(ctx context.Context, m *v1alpha1.SealedManifest, v verdict) verdict {
	if m.Spec.DeletionPolicy != v1alpha1.DeletionOrphan || r.memory.letGo(m) {
		return v
	}
	err := r.release.LetGo(ctx, m)
	if err == nil {
		r.memory.hasLetGo(m)
		return v
	}
	why := verdict{}.refused(err)
	if !v.failed() {
		why.result = metrics.ResultRetry
		return why
	}
	v.message += "; and spec.deletionPolicy is not in effect yet: " + why.message
	v.result = metrics.ResultRetry
	return v
}

func (r *reconciler) removeFinalizer(ctx context.Context, m *v1alpha1.SealedManifest) error {
	return r.setFinalizers(ctx, m, slices.DeleteFunc(slices.Clone(m.Finalizers), func(f string) bool { return f == Finalizer }))
}

// setFinalizers fails with a conflict if anybody changed the manifest meanwhile: the
// list is written as a whole.
func (r *reconciler) setFinalizers(ctx context.Context, m *v1alpha1.SealedManifest, finalizers []string) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": m.UID, "resourceVersion": m.ResourceVersion, "finalizers": finalizers},
	})
	if err != nil {
		return err
	}
	o := partial(manifestKind())
	o.Namespace, o.Name = m.Namespace, m.Name
	if err := r.status.client.Patch(ctx, o, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return err
	}
	m.ResourceVersion, m.Finalizers = o.ResourceVersion, o.Finalizers
	return nil
}
