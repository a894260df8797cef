package controller

import (
	"context"
	"encoding/json"
	"slices"

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

// release takes back what a deleted manifest has in objects of others. All else is
// left to the garbage collector, which goes by owner references. A suspended manifest
// touches nothing, in its end either.
func (r *reconciler) release(ctx context.Context, m *v1alpha1.SealedManifest) verdict {
	if !slices.Contains(m.Finalizers, Finalizer) {
		return gone()
	}
	if !m.Spec.Suspend {
		if err := r.applier.Release(ctx, m); err != nil {
			return verdict{}.refused(err)
		}
	}
	if err := r.removeFinalizer(ctx, m); client.IgnoreNotFound(err) != nil {
		return verdict{}.fail(v1alpha1.ReasonAPIError, "removing the finalizer failed", true)
	}
	return verdict{result: metrics.ResultGone}
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
