package chaostest_test

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// managedSecrets returns the Secrets that the controller keeps.
func (w *world) managedSecrets(ctx context.Context) ([]corev1.Secret, error) {
	var list corev1.SecretList
	err := w.api.List(ctx, &list, client.MatchingLabels{v1alpha1.ManagedLabel: "true"})
	return slices.DeleteFunc(list.Items, func(s corev1.Secret) bool { return w.model.secret(s.Namespace, s.Name) == nil }), err
}

// victims chooses some Secrets, those first to which least was done: the controller
// lets somebody win who changes one again and again.
func (l *lane) victims(n int) ([]corev1.Secret, error) {
	var all []corev1.Secret
	err := l.persist("Secrets can be listed", func(ctx context.Context) (err error) {
		all, err = l.managedSecrets(ctx)
		return err
	})
	l.dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	l.mu.Lock()
	defer l.mu.Unlock()
	key := func(s corev1.Secret) string { return s.Namespace + "/" + s.Name }
	slices.SortStableFunc(all, func(a, b corev1.Secret) int { return l.attacked[key(a)] - l.attacked[key(b)] })
	all = all[:min(n, len(all))]
	for _, s := range all {
		l.attacked[key(s)]++
	}
	return all, err
}

// each does something to some Secrets. What comes of it is in the history: one may be
// gone meanwhile, or not take it.
func (l *lane) each(n int, do func(context.Context, *corev1.Secret) error) error {
	some, err := l.victims(n)
	for i := range some {
		ctx, cancel := context.WithTimeout(l.t.Context(), patience)
		if do(ctx, &some[i]) == nil {
			l.count("Secret changed by hand")
		}
		cancel()
	}
	l.brief(1)
	return err
}

// ownHand notes that a Secret may go because of us.
func (w *world) ownHand(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deleted[uid] = true
}

// deleteByHand deletes some Secrets, but none that is not all ours.
func (l *lane) deleteByHand(n int) error {
	return l.each(n, func(ctx context.Context, s *corev1.Secret) error {
		if l.model.secret(s.Namespace, s.Name).form == formMerge {
			return nil
		}
		l.ownHand(s.UID)
		return l.api.Delete(ctx, s, client.Preconditions{UID: &s.UID})
	})
}

// write sets a key of some Secrets. Keys that are merged into a Secret of somebody else
// are left to whoever writes them next, so they are let be.
func (l *lane) write(n int, key string) error {
	return l.each(n, func(ctx context.Context, s *corev1.Secret) error {
		if key != vandalKey && l.model.secret(s.Namespace, s.Name).form == formMerge {
			return nil
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": s.UID}, "data": map[string][]byte{key: []byte(vandalText)}})
		if err != nil {
			return err
		}
		return l.api.Patch(ctx, s, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("vandal"))
	})
}

// decorate adds to some Secrets what somebody else wants to keep there.
func (l *lane) decorate(n int) error {
	return l.each(n, func(ctx context.Context, s *corev1.Secret) error {
		if s.DeletionTimestamp != nil {
			return errGoing
		}
		meta := map[string]any{
			"name": s.Name, "namespace": s.Namespace, "uid": string(s.UID),
			"labels": map[string]any{foreignMark: "yes"}, "annotations": map[string]any{foreignMark: "yes"}, "finalizers": []any{foreignHold},
		}
		if it := l.model.secret(s.Namespace, s.Name); it.form == formInline && it.index%3 == 0 {
			if owner := l.anchorOf(ctx, s.Namespace); owner != nil {
				meta["ownerReferences"] = []any{owner}
			}
		}
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": meta}}
		return l.api.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("stranger"), client.ForceOwnership)
	})
}

// anchorOf returns a reference to what somebody else owns Secrets by.
func (w *world) anchorOf(ctx context.Context, ns string) map[string]any {
	var c corev1.ConfigMap
	if err := w.api.Get(ctx, client.ObjectKey{Namespace: ns, Name: anchor}, &c); err != nil {
		return nil
	}
	return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": anchor, "uid": string(c.UID)}
}

// keepReleasing takes the stranger's finalizer off what is being deleted, after a
// while.
func (w *world) keepReleasing(ctx context.Context) {
	for ctx.Err() == nil {
		wait(ctx, 500*time.Millisecond)
		var list corev1.SecretList
		if w.api.List(ctx, &list, client.MatchingLabels{foreignMark: "yes"}) != nil {
			continue
		}
		for _, s := range list.Items {
			if s.DeletionTimestamp == nil {
				continue
			}
			left := slices.DeleteFunc(slices.Clone(s.Finalizers), func(f string) bool { return f == foreignHold })
			before := s.DeepCopy()
			s.Finalizers = left
			_ = w.api.Patch(ctx, &s, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})) // tried again
		}
	}
}

// metadataOnly is an empty object of a kind, by its name.
func metadataOnly(apiVersion, kind, name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: apiVersion, Kind: kind}, ObjectMeta: metav1.ObjectMeta{Name: name}}
}
