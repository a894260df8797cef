package chaostest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// patience is how long one request of the test may take.
const patience = 10 * time.Second

// revise gives an item its next revision. The model's lock is held.
func (w *world) revise(ctx context.Context, it *item, v variant) error {
	u, err := w.seal.manifest(ctx, it, it.number+1, v)
	if err != nil {
		return err
	}
	it.number++
	if v != plain {
		it.never[it.number] = true
	}
	it.wanted, it.dirty = u, true
	return nil
}

// changeOne makes a change in git.
func (w *world) changeOne(ctx context.Context, dice *rand.Rand) error {
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	it := w.model.items[dice.IntN(len(w.model.items))]
	roll, what := dice.IntN(100), "revised"
	v := plain
	switch {
	case it.wanted == nil, it.form == formHostile, it.form == formConflict, roll < 72:
	case roll < 82:
		it.wanted, it.dirty, what = nil, true, "deleted"
	case roll < 90 || it.form == formMerge:
		v, what = hostile, "made hostile"
	case roll < 96:
		v, what = suspended, "suspended"
	default:
		v, what = otherClass, "given another class"
	}
	w.count("manifest " + what)
	if what == "deleted" {
		return nil
	}
	return w.revise(ctx, it, v)
}

// keepChanging makes changes until ctx ends.
func (w *world) keepChanging(ctx context.Context) error {
	dice := rand.New(rand.NewPCG(w.settings.seed, 2))
	for ctx.Err() == nil {
		if err := w.changeOne(ctx, dice); err != nil && ctx.Err() == nil {
			return err
		}
		wait(ctx, time.Duration(50+dice.IntN(100))*time.Millisecond)
	}
	return nil
}

// settleGit ends all that is not as it should be in git.
func (w *world) settleGit(ctx context.Context) error {
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	for _, it := range w.model.items {
		if it.wanted == nil || it.never[it.number] {
			if err := w.revise(ctx, it, plain); err != nil {
				return err
			}
		}
	}
	return nil
}

// reviseAll gives every manifest another revision.
func (w *world) reviseAll(ctx context.Context) error {
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	for _, it := range w.model.items {
		if err := w.revise(ctx, it, plain); err != nil {
			return err
		}
	}
	return nil
}

// keepApplied does what a GitOps controller does: it brings to the cluster what is in
// git, and tries again what failed.
func (w *world) keepApplied(ctx context.Context) {
	for ctx.Err() == nil {
		for _, it := range w.model.items {
			w.applyOne(ctx, it)
		}
		wait(ctx, 30*time.Millisecond)
	}
}

func (w *world) applyOne(ctx context.Context, it *item) {
	w.model.mu.Lock()
	dirty, wanted, number := it.dirty, it.wanted, it.number
	w.model.mu.Unlock()
	if !dirty || w.isAway(it.namespace) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	if wanted == nil {
		err = w.remove(ctx, it)
	} else {
		err = w.apply(ctx, wanted.DeepCopy())
	}
	if err != nil {
		return
	}
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	if it.number == number && (it.wanted == nil) == (wanted == nil) {
		it.dirty = false
	}
}

// errGoing: what was applied is about to go.
var errGoing = errors.New("the object is being deleted")

func (w *world) apply(ctx context.Context, u *unstructured.Unstructured) error {
	now := &metav1.PartialObjectMetadata{}
	now.SetGroupVersionKind(u.GroupVersionKind())
	if err := w.api.Get(ctx, client.ObjectKeyFromObject(u), now); client.IgnoreNotFound(err) != nil {
		return err
	}
	if now.DeletionTimestamp != nil {
		return errGoing
	}
	err := w.api.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("git"), client.ForceOwnership)
	if err == nil && u.GetDeletionTimestamp() != nil {
		return errGoing
	}
	return err
}

// remove deletes a manifest, and fails until it is gone.
func (w *world) remove(ctx context.Context, it *item) error {
	m := &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{Namespace: it.namespace, Name: it.name}}
	if err := w.api.Delete(ctx, m); err != nil {
		return client.IgnoreNotFound(err)
	}
	return errGoing
}

// applyAgain has everything of some namespaces applied again.
func (w *world) applyAgain(namespace ...string) {
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	for _, it := range w.model.items {
		for _, ns := range namespace {
			it.dirty = it.dirty || it.namespace == ns
		}
	}
}

// pending returns how many manifests are not in the cluster as they are in git.
func (w *world) pending() int {
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	n := 0
	for _, it := range w.model.items {
		if it.dirty {
			n++
		}
	}
	return n
}

func (w *world) isAway(ns string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.away[ns]
}

func (w *world) setAway(ns string, away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away[ns] = away
}

// furnish makes a namespace, and what others have in it.
func (w *world) furnish(ctx context.Context, ns string) error {
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: map[string]string{"chaos": "yes"}}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: anchor}},
		foreign(ns, "foreign", nil, nil),
		// It looks like ours, but no field of it was written by the controller.
		foreign(ns, "lookalike", map[string]string{v1alpha1.ManagedLabel: "true"}, map[string]string{v1alpha1.ManifestAnnotation: "m000"}),
	}
	for _, it := range w.model.items {
		if it.namespace == ns && (it.form == formMerge || it.form == formConflict) {
			objects = append(objects, foreign(ns, it.name, nil, nil))
		}
	}
	for _, o := range objects {
		if err := w.api.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("making %s: %w", o.GetName(), err)
		}
	}
	return nil
}

// anchor is a ConfigMap that owns some Secrets beside their manifest.
const anchor = "anchor"

func foreign(ns, name string, labels, annotations map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: labels, Annotations: annotations},
		Data:       map[string][]byte{theirKey: []byte("theirs")},
	}
}
