package applying

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// prune takes away what the manifest held once and holds no more: objects of ours are
// deleted, or left to themselves if the policy is Orphan; of merged ones, our fields
// are removed. An object that is not ours any more is left alone.
func (r *run) prune(ctx context.Context, targets []*target) error {
	for _, res := range slices.Clone(r.out.Resources) {
		if slices.ContainsFunc(targets, func(t *target) bool { return t.is(res) }) {
			continue
		}
		t, err := r.former(res)
		if err == nil {
			err = r.remove(ctx, t, res)
		}
		if err != nil {
			return describe(err, &target{gvk: schema.FromAPIVersionAndKind(res.APIVersion, res.Kind), name: res.Name})
		}
		r.forget(res)
	}
	return nil
}

// pruneStrays takes away what a cut-off pass wrote of a revision that is no more. Nobody
// recorded it, so its owner is not enough: a copy of an object has the same.
func (r *run) pruneStrays(ctx context.Context, targets []*target) error {
	if r.o.Owned == nil {
		return nil
	}
	for _, res := range r.o.Owned(r.m) {
		recorded := slices.ContainsFunc(r.m.Status.Resources, func(known v1alpha1.Resource) bool { return known.Kind == res.Kind && known.Name == res.Name })
		if recorded || slices.ContainsFunc(targets, func(t *target) bool { return t.is(res) }) {
			continue
		}
		t, err := r.former(res)
		if err == nil {
			err = r.removeStray(ctx, t, res)
		}
		if err != nil {
			return describe(err, &target{gvk: schema.FromAPIVersionAndKind(res.APIVersion, res.Kind), name: res.Name})
		}
	}
	return nil
}

// removeStray removes an object if we wrote it for this very manifest, or for one of the
// same name before it.
func (r *run) removeStray(ctx context.Context, t *target, res v1alpha1.Resource) error {
	o, err := r.metadata(ctx, t)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	owner := metav1.GetControllerOf(o)
	switch {
	case owner == nil || managed(o) < 0 || o.Annotations[v1alpha1.ManifestAnnotation] != r.m.Name:
		return nil
	case owner.UID == r.m.UID:
		return r.removeOurs(ctx, t, res, o)
	case owner.Name == r.m.Name && len(o.OwnerReferences) == 1:
		return r.collect(ctx, t, res, o)
	}
	return nil
}

// collect does what the garbage collector should have done: it deletes an object whose
// only owner is no more. The collector misses the end of a manifest if it was not looking,
// and finds one of the same name when it looks again. That this manifest is there says
// that the other is not.
func (r *run) collect(ctx context.Context, t *target, res v1alpha1.Resource, o *metav1.PartialObjectMetadata) error {
	if h := r.holder(o); !h.ours || o.UID != res.UID || o.DeletionTimestamp != nil {
		return nil
	}
	if err := r.confirm(ctx, false); err != nil {
		return err
	}
	err := r.delete(ctx, t, state{exists: true, uid: o.UID, rv: o.ResourceVersion})
	if isAbsent(err) {
		return nil
	}
	if err == nil {
		add(&r.out.Pruned, t.String())
	}
	return err
}

// former returns an object of the inventory, without content.
func (r *run) former(res v1alpha1.Resource) (*target, error) {
	t := &target{gvk: schema.FromAPIVersionAndKind(res.APIVersion, res.Kind), name: res.Name}
	if t.secret = t.gvk.Group == "" && t.gvk.Kind == "Secret"; !t.secret {
		return t, r.asUser(t)
	}
	t.client, t.reader = r.o.Client, r.o.Reader
	return t, nil
}

// remove removes an object that the inventory has, or what is ours of it.
func (r *run) remove(ctx context.Context, t *target, res v1alpha1.Resource) error {
	o, err := r.metadata(ctx, t)
	if isAbsent(err) || meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.removeOurs(ctx, t, res, o)
}

// removeOurs removes an object, read just now, if it is ours and the one that is meant.
func (r *run) removeOurs(ctx context.Context, t *target, res v1alpha1.Resource, o *metav1.PartialObjectMetadata) error {
	if h := r.holder(o); !h.ours || o.UID != res.UID || o.DeletionTimestamp != nil {
		return nil
	}
	if err := r.confirm(ctx, false); err != nil {
		return err
	}
	err := r.withdraw(ctx, t, o)
	if isAbsent(err) {
		return nil
	}
	if err == nil {
		add(&r.out.Pruned, t.String())
	}
	return err
}

// withdraw deletes an object of ours or leaves it to others, as the policies say.
func (r *run) withdraw(ctx context.Context, t *target, o *metav1.PartialObjectMetadata) error {
	s := state{exists: true, uid: o.UID, rv: o.ResourceVersion}
	merged := r.holder(o).merged
	switch {
	case r.m.Spec.DeletionPolicy == v1alpha1.DeletionOrphan:
		return r.release(ctx, t, o, false)
	case merged && len(others(o)) > 0:
		return r.release(ctx, t, o, true)
	}
	// A merged object that nobody else ever wrote to was made by us.
	return r.delete(ctx, t, s)
}

// Release takes our fields out of the objects that a manifest with the conflict policy
// Merge was merged into, or only our marks if its deletion policy is Orphan. It is for
// a manifest that is being deleted, before its finalizer is removed: the garbage
// collector does not know of such fields. The error is a *[Failure].
//
// Besides m.Status.Resources it looks at the Secret of the manifest's name or target
// name, whose record a crash may have lost.
func (a *Applier) Release(ctx context.Context, m *v1alpha1.SealedManifest) error {
	r := &run{o: a.o, m: m}
	name := m.Name
	if m.Spec.Target != nil && m.Spec.Target.Name != "" {
		name = m.Spec.Target.Name
	}
	candidates := slices.Clone(m.Status.Resources)
	candidates = append(candidates, v1alpha1.Resource{APIVersion: "v1", Kind: "Secret", Name: name})
	for _, res := range candidates {
		t, err := r.former(res)
		if err != nil && !res.Merged {
			continue // the garbage collector's
		}
		for range attempts {
			if err == nil {
				err = r.releaseMerged(ctx, t)
			}
			if !isStale(err) {
				break
			}
			err = nil
		}
		if err != nil {
			return describe(err, t)
		}
	}
	return nil
}

// releaseMerged withdraws from an object if it is one that we merged into.
func (r *run) releaseMerged(ctx context.Context, t *target) error {
	o, err := r.metadata(ctx, t)
	if isAbsent(err) || meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if h := r.holder(o); !h.ours || !h.merged || o.DeletionTimestamp != nil {
		return nil
	}
	if err := r.confirm(ctx, true); err != nil {
		return err
	}
	if err := r.withdraw(ctx, t, o); err != nil && !isAbsent(err) {
		return err
	}
	return nil
}

// errFields is returned for field sets of an unknown form.
var errFields = errors.New("the owners of the object's fields cannot be read")
