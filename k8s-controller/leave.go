package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// leaveGrace is what the controller that a manifest is for has, before this one looks
// after what it left in it.
const leaveGrace = 30 * time.Second

// handles reports whether a manifest is for this controller.
func (o Options) handles(m *v1alpha1.SealedManifest) bool {
	return m.Spec.Class == o.Class && o.selects(m)
}

func (o Options) selects(m *v1alpha1.SealedManifest) bool {
	return o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(m.Labels))
}

// wrote reports whether a status is of a controller of this class. That is not known if
// the CustomResourceDefinition is older, and has no class.
func (o Options) wrote(s *v1alpha1.SealedManifestStatus) bool {
	return s.Class != nil && *s.Class == o.Class
}

// owns reports whether a manifest is for this controller, or was when its status was
// written. Of one that it does not select by its labels that is not known: it may be
// that of another controller of this class.
func (o Options) owns(m *v1alpha1.SealedManifest) bool {
	return o.selects(m) && (m.Spec.Class == o.Class || o.wrote(&m.Status))
}

// stripManifest drops what nobody here reads, which of a manifest for another
// controller is all that is sealed.
func (o Options) stripManifest(obj any) (any, error) {
	if m, ok := obj.(*v1alpha1.SealedManifest); ok && !o.handles(m) {
		m.Data, m.StringData, m.Sops, m.Spec.Document = nil, nil, nil, ""
	}
	return strip(obj)
}

// leave looks after a manifest that is for another controller: it may have been ours,
// and there may be none that it is for. Nothing is done to its objects.
func (r *reconciler) leave(ctx context.Context, m *v1alpha1.SealedManifest) (reconcile.Result, error) {
	key := client.ObjectKeyFromObject(m)
	r.first.pass(key)
	r.metrics.Tracker().Forget(key)
	var since time.Duration
	var do func(context.Context, *v1alpha1.SealedManifest) error
	switch {
	case m.DeletionTimestamp != nil && slices.Contains(m.Finalizers, Finalizer):
		since, do = r.now().Sub(m.DeletionTimestamp.Time), r.leaveDeleted
	case m.DeletionTimestamp == nil && r.opts.left(m):
		since, do = r.memory.left(m, r.now()), r.disclaim
	default:
		r.memory.forget(key)
		return reconcile.Result{}, nil
	}
	if left := r.opts.leaveGrace - since; left > 0 {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	if err := do(ctx, m); err != nil {
		return reconcile.Result{}, err
	}
	r.memory.forget(key)
	return reconcile.Result{}, nil
}

// leaveDeleted takes back what a deleted manifest has in objects of others, and with it
// the finalizer, for which it would wait for ever.
func (r *reconciler) leaveDeleted(ctx context.Context, m *v1alpha1.SealedManifest) error {
	if v := r.finish(ctx, m); v.failed() {
		return &retry{v.reason, v.message}
	}
	return nil
}

// left reports whether a manifest was given another class, and its status is the one
// that this controller wrote before.
func (o Options) left(m *v1alpha1.SealedManifest) bool {
	ready := readyOf(m.Status)
	return m.Spec.Class != o.Class && o.wrote(&m.Status) && ready.Type != "" &&
		ready.Reason != v1alpha1.ReasonOtherClass && m.Status.ObservedGeneration < m.Generation
}

// disclaim says in the status, once, that it does not hold any more. The generation
// that was observed stays: who waits for the new one waits on.
func (r *reconciler) disclaim(ctx context.Context, m *v1alpha1.SealedManifest) error {
	c := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonOtherClass, ObservedGeneration: m.Generation,
		Message: fmt.Sprintf("it is for %s now, which has not looked at it yet: nobody keeps what %s applied", ofClass(m.Spec.Class), ofClass(r.opts.Class)),
	}
	next := *m.Status.DeepCopy()
	meta.SetStatusCondition(&next.Conditions, c)
	meta.RemoveStatusCondition(&next.Conditions, v1alpha1.ConditionReconciling)
	meta.RemoveStatusCondition(&next.Conditions, v1alpha1.ConditionStalled)
	wrote, err := r.status.write(ctx, m, next)
	if wrote {
		r.metrics.Wrote(manifestKind().Kind)
		r.status.warn(m, c.Reason, c.Message)
	}
	return err
}

func ofClass(class string) string {
	if class == "" {
		return "the controller without a class"
	}
	return "a controller of the class " + class
}
