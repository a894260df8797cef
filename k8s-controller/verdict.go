package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// verdict is what one pass over a SealedManifest came to. It holds nothing that was
// sealed.
type verdict struct {
	result metrics.Result
	waits  bool // see waiting
	blip   bool // see reconciler.blip
	// reason and message are for the conditions. The message names objects and keys,
	// and never holds the text of an error that this project did not write.
	reason, message string
	// retryAfter is the least pause that a server asked for, or how long to let be
	// what others keep changing.
	retryAfter time.Duration

	digest, keyring string
	attempt         attempt
	keys            []v1alpha1.KeyUse   // that opened it in this pass
	integrity       *v1alpha1.Integrity // nil: not opened in this pass
	warnings        []string
	outcome         *applying.Outcome // nil: nothing was tried
	applied         bool              // all of it, without failure
	rolloutHash     string
}

// skipped: nothing changed.
func skipped() verdict { return verdict{result: metrics.ResultSkipped} }

// gone: the manifest is no more, or is about to be.
func gone() verdict { return verdict{result: metrics.ResultGone} }

// waiting: what decides is about to be loaded, and its coming will be told. Nothing is
// written.
func waiting() verdict { return verdict{result: metrics.ResultSuspended, waits: true} }

// postponed: others keep changing an object, and are let be for a while.
func postponed(pause time.Duration) verdict {
	v := waiting()
	v.retryAfter = pause
	return v
}

// fail makes v a failure, which is tried again if it is transient.
func (v verdict) fail(reason, message string, transient bool) verdict {
	v.reason, v.message, v.result = reason, opening.Printable(message), metrics.ResultStalled
	if transient {
		v.result = metrics.ResultRetry
	}
	return v
}

// refused makes v a failure of an error of opening or applying.
func (v verdict) refused(err error) verdict {
	var refusal *opening.Refusal
	var failure *applying.Failure
	switch {
	case errors.As(err, &refusal):
		return v.fail(refusal.Reason, refusal.Message, refusal.Transient)
	case errors.As(err, &failure) && failure.Reason == v1alpha1.ReasonTargetConflict:
		return v.fail(failure.Reason, failure.Message+"; it is looked at again every minute, or set the annotation "+v1alpha1.ReconcileAnnotation, false)
	case errors.As(err, &failure):
		v.retryAfter = failure.RetryAfter
		return v.fail(failure.Reason, failure.Message, failure.Transient)
	}
	// The text of an error that is not ours may quote anything.
	return v.fail(v1alpha1.ReasonAPIError, "the API server did not do what it was asked", true)
}

// failed reports whether the pass failed.
func (v verdict) failed() bool {
	switch v.result {
	case metrics.ResultStalled, metrics.ResultRetry, metrics.ResultPanic:
		return true
	}
	return false
}

// changed reports whether the pass did something that the status has to tell of: what is
// not in the inventory is never taken away again.
func (v verdict) changed(m *v1alpha1.SealedManifest) bool {
	return v.outcome != nil && (v.outcome.Changed || !slices.Equal(v.outcome.Resources, m.Status.Resources))
}

// succeed makes v a success, once its outcome is known.
func (v verdict) succeed() verdict {
	v.result = metrics.ResultApplied
	v.reason, v.message = v1alpha1.ReasonApplied, "applied "+listed(resourceNames(v.outcome.Resources))
	if len(v.outcome.Drifted) > 0 && len(v.outcome.Wrote) == 0 {
		v.reason, v.message = v1alpha1.ReasonDrifted, "changed by others and left so, as spec.driftPolicy is Warn: "+listed(v.outcome.Drifted)
	}
	if len(v.warnings) > 0 {
		v.message += "; " + strings.Join(v.warnings, "; ")
	}
	return v
}

// status returns the status that the verdict leads to. It is the only place where
// one is made.
func (v verdict) status(m *v1alpha1.SealedManifest, now time.Time) v1alpha1.SealedManifestStatus {
	s := *m.Status.DeepCopy()
	s.Class = new(m.Spec.Class)
	if v.result == metrics.ResultSuspended {
		suspended(&s, now)
		return s
	}
	if v.outcome != nil {
		s.Resources = v.outcome.Resources
		if len(v.outcome.Wrote) > 0 {
			s.LastAppliedTime = &metav1.Time{Time: now.Truncate(time.Second)}
		}
	}
	switch {
	case v.applied:
		s.ObservedDigest = v.digest
	case (v.outcome != nil || v.result == metrics.ResultPanic) && v.digest != s.ObservedDigest:
		s.ObservedDigest = "" // the objects may hold some of another revision now
	}
	if v.blip {
		return s
	}
	s.ObservedGeneration = m.Generation
	s.LastHandledReconcileAt = m.Annotations[v1alpha1.ReconcileAnnotation]
	if v.keyring != "" {
		s.Keyring = v.keyring
	}
	if v.integrity != nil {
		s.Keys, s.Integrity = v.keys, v.integrity
	}
	if !v.failed() {
		s.RolloutHash = v.rolloutHash
	}
	v.conditions(&s, m.Generation)
	return s
}

// conditions sets them as kstatus has it: Ready always, Reconciling and Stalled only
// while they are true.
func (v verdict) conditions(s *v1alpha1.SealedManifestStatus, generation int64) {
	c := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v.reason, Message: short(v.message), ObservedGeneration: generation}
	if v.failed() {
		c.Status = metav1.ConditionFalse
	}
	meta.SetStatusCondition(&s.Conditions, c)
	for _, abnormal := range []struct {
		kind string
		true bool
	}{{v1alpha1.ConditionReconciling, v.result == metrics.ResultRetry}, {v1alpha1.ConditionStalled, v.failed() && v.result != metrics.ResultRetry}} {
		if !abnormal.true {
			meta.RemoveStatusCondition(&s.Conditions, abnormal.kind)
			continue
		}
		c.Type, c.Status = abnormal.kind, metav1.ConditionTrue
		meta.SetStatusCondition(&s.Conditions, c)
	}
}

// suspended leaves Ready, and the generations that it is about, as they were, so that
// who waits for a later one waits on. It says why nothing will change it.
func suspended(s *v1alpha1.SealedManifestStatus, now time.Time) {
	c := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown}
	if old := meta.FindStatusCondition(s.Conditions, c.Type); old != nil {
		c = *old
	}
	if c.Reason != v1alpha1.ReasonSuspended {
		c.Reason, c.Message = v1alpha1.ReasonSuspended, "spec.suspend is set: since "+now.UTC().Format(time.RFC3339)+" nothing is opened or written, and nobody looks whether the objects are still as they were"
	}
	meta.SetStatusCondition(&s.Conditions, c)
	meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionReconciling)
	meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStalled)
}

// readyOf returns the condition Ready, a zero one if there is none.
func readyOf(s v1alpha1.SealedManifestStatus) metav1.Condition {
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// resourceNames returns Kind/name of each.
func resourceNames(resources []v1alpha1.Resource) []string {
	var out []string
	for _, r := range resources {
		out = append(out, r.Kind+"/"+r.Name)
	}
	return out
}

// listed joins names, the first few of many.
func listed(names []string) string {
	const most = 5
	names = slices.Clone(names)
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// short keeps a message within what the API takes, and events, too, and what strangers
// named out of terminals.
func short(s string) string {
	const most = 1000
	s = opening.Printable(s)
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " …"
}
