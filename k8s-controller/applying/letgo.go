package applying

import (
	"context"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// LetGo removes a manifest from the owners of its objects, and nothing else, so that
// the garbage collector leaves them when the manifest is deleted. It is for one with
// the deletion policy Orphan that is not applied: because it is suspended, or cannot be
// opened. It needs no key. The error is a *[Failure].
//
// It goes by m.Status.Resources, and by what Owned says. The inventory stays as it is:
// the next Apply sees that the objects have changed, and looks at them.
func (a *Applier) LetGo(ctx context.Context, m *v1alpha1.SealedManifest) error {
	r := &run{o: a.o, m: m}
	candidates := slices.Clone(m.Status.Resources)
	if a.o.Owned != nil {
		candidates = append(candidates, a.o.Owned(m)...)
	}
	for i, res := range candidates {
		if slices.ContainsFunc(candidates[:i], func(o v1alpha1.Resource) bool { return o.Kind == res.Kind && o.Name == res.Name && o.UID == res.UID }) {
			continue
		}
		t, err := r.former(res)
		if err == nil {
			err = r.again(t, func() error { return r.disown(ctx, t, res) })
		}
		if err != nil {
			return describe(err, t)
		}
	}
	return nil
}

// again runs f until it does not meet a change, a few times at most.
func (r *run) again(t *target, f func() error) error {
	for range attempts {
		if err := f(); !isStale(err) {
			return err
		}
	}
	return changing(t.String())
}

// disown removes the manifest from the owners of an object, if it is the one meant.
func (r *run) disown(ctx context.Context, t *target, res v1alpha1.Resource) error {
	o, err := r.metadata(ctx, t)
	if isAbsent(err) || meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	drop := r.ownerships(o)
	if len(drop) == 0 || o.UID != res.UID {
		return nil
	}
	if err := r.confirm(ctx, false); err != nil {
		return err
	}
	_, err = r.operate(ctx, t, o, drop)
	if isAbsent(err) {
		return nil
	}
	return err
}

// ownerships are the operations that remove the manifest from an object's owners, the
// last first, so that the indexes hold.
func (r *run) ownerships(o metav1.Object) []operation {
	var out []operation
	for i, ref := range slices.Backward(o.GetOwnerReferences()) {
		if ref.UID == r.m.UID {
			out = append(out, operation{Op: "remove", Path: pointer("metadata", "ownerReferences", strconv.Itoa(i))})
		}
	}
	return out
}
