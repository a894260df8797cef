package applying

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// put writes an object that is in a state, or fails as stale if it is not.
func (r *run) put(ctx context.Context, t *target, s state) error {
	u, err := r.apply(ctx, t, s)
	if err != nil && s.exists && isImmutable(err) {
		return r.recreate(ctx, t, s)
	}
	if err != nil {
		return err
	}
	after := state{exists: true, uid: u.GetUID(), rv: u.GetResourceVersion(), adopt: s.adopt}
	r.wrote(t, s, u)
	if r.unchanged && s.looked && after.rv != s.rv {
		add(&r.out.Drifted, t.String())
	}
	return r.strip(ctx, t, after, extra(t, u))
}

// wrote notes what became of an object.
func (r *run) wrote(t *target, s state, o metav1.Object) {
	r.record(t, o)
	if !s.exists || s.rv != o.GetResourceVersion() {
		add(&r.out.Wrote, t.String())
	}
	if s.adopt {
		add(&r.out.Adopted, t.String())
	}
}

// apply writes by server-side apply. What is ours is forced. What is merged into an
// object of somebody else never is, so that the server names whose value it would
// overwrite.
func (r *run) apply(ctx context.Context, t *target, s state, more ...client.ApplyOption) (*unstructured.Unstructured, error) {
	u := t.configuration(s)
	options := append(more, client.FieldOwner(FieldManager))
	if !t.merge || !s.exists {
		options = append(options, client.ForceOwnership)
	}
	err := t.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), options...)
	return u, err
}

// extra returns the data keys of a Secret of ours that others added.
func extra(t *target, u *unstructured.Unstructured) []string {
	if !t.secret || t.merge {
		return nil
	}
	var keys []string
	data, _ := u.Object["data"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if _, ours := t.keys()[key]; !ours {
			keys = append(keys, key)
		}
	}
	return keys
}

// strip removes data keys that others own. Server-side apply cannot.
func (r *run) strip(ctx context.Context, t *target, s state, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	if !s.adopt {
		add(&r.out.Drifted, t.String())
	}
	gone := map[string]any{}
	for _, key := range keys {
		gone[key] = nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": s.uid, "resourceVersion": s.rv}, "data": gone,
	})
	if err != nil {
		return errors.New("making a patch failed")
	}
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(t.gvk)
	o.Namespace, o.Name = r.m.Namespace, t.name
	err = t.client.Patch(ctx, o, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager))
	if err != nil && isImmutable(err) {
		return r.recreate(ctx, t, s)
	}
	if err != nil {
		return err
	}
	r.wrote(t, s, o)
	return nil
}

// recreate deletes an object that cannot be changed, and makes it anew. Before that
// the server has said that it would take the new one, and the manifest is confirmed.
func (r *run) recreate(ctx context.Context, t *target, s state) error {
	if t.merge || r.m.Spec.ImmutablePolicy != v1alpha1.ImmutableRecreate {
		hint := "or set spec.immutablePolicy to Recreate"
		if t.merge {
			hint = "or give the SealedManifest the type that it has"
		}
		return refuse(v1alpha1.ReasonTargetImmutable, "%s is immutable or of another type, and cannot be changed: delete it, %s", t, hint)
	}
	if r.warns() && !s.adopt {
		add(&r.out.Drifted, t.String())
		return nil
	}
	if err := r.rehearse(ctx, t); err != nil {
		return err
	}
	if err := r.confirm(ctx, false); err != nil {
		return err
	}
	if err := r.delete(ctx, t, s); err != nil {
		return err
	}
	add(&r.out.Recreated, t.String())
	return r.put(ctx, t, state{looked: true})
}

// rehearse has the server check an object under a name that is free, and keep nothing.
func (r *run) rehearse(ctx context.Context, t *target) error {
	copied := *t
	copied.content = maps.Clone(t.content)
	meta := maps.Clone(t.content["metadata"].(map[string]any))
	meta["name"] = "gitseal-check-" + string(r.m.UID)
	copied.content["metadata"] = meta
	_, err := r.apply(ctx, &copied, state{}, client.DryRunAll)
	return err
}

// delete deletes an object if it still is in a state.
func (r *run) delete(ctx context.Context, t *target, s state) error {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(t.gvk)
	o.Namespace, o.Name = r.m.Namespace, t.name
	return t.client.Delete(ctx, o, client.Preconditions{UID: &s.uid, ResourceVersion: &s.rv},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
}

// compare finds out whether an object of ours was changed, and writes nothing. If only
// fields of others were, the new version goes into the inventory. If ours were, the old
// one stays there, so that the drift is seen again.
func (r *run) compare(ctx context.Context, t *target, s state) error {
	live, err := r.object(ctx, t)
	if err != nil {
		return err
	}
	s.uid, s.rv = live.GetUID(), live.GetResourceVersion()
	want, err := r.apply(ctx, t, s, client.DryRunAll)
	switch {
	case err != nil && !isImmutable(err):
		return err
	case err != nil || len(extra(t, live)) > 0 || !equal(live, want):
		add(&r.out.Drifted, t.String())
	default:
		r.record(t, live)
	}
	return nil
}

// equal reports whether two versions of an object are the same to whoever reads it.
func equal(a, b *unstructured.Unstructured) bool {
	return equality.Semantic.DeepEqual(bare(a), bare(b))
}

// bare returns an object without what says who wrote it how often.
func bare(u *unstructured.Unstructured) map[string]any {
	out := u.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(out.Object, "metadata", field)
	}
	return out.Object
}
