package controller

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
)

// verdict is what one pass over a SealedManifest came to. It holds nothing that was
// sealed.
type verdict struct {
	result metrics.Result
	waits  bool // see waiting
	// reason and message are for the conditions. The message names objects and keys,
	// and never holds the text of an error that this project did not write.
	reason, message string
	// retryAfter is the least pause that a server asked for, or how long to let be
	// what others keep changing.
	retryAfter time.Duration

	digest, keyring string
	keys            []v1alpha1.KeyUse   // that opened it in this pass
	integrity       *v1alpha1.Integrity // nil: not opened in this pass
	warnings        []string
	outcome         *applying.Outcome // nil: nothing was tried
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
	v.reason, v.message, v.result = reason, message, metrics.ResultStalled
	if transient {
		v.result = metrics.ResultRetry
	}
	return v
}

// failed reports whether the pass failed.
func (v verdict) failed() bool {
	switch v.result {
	case metrics.ResultStalled, metrics.ResultRetry, metrics.ResultPanic:
		return true
	}
	return false
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
	s.ObservedGeneration = m.Generation
	if v.result == metrics.ResultSuspended {
		suspended(&s, m.Generation)
		return s
	}
	s.LastHandledReconcileAt = m.Annotations[v1alpha1.ReconcileAnnotation]
	if v.keyring != "" {
		s.Keyring = v.keyring
	}
	if v.integrity != nil {
		s.Keys, s.Integrity = v.keys, v.integrity
	}
	if v.outcome != nil {
		s.Resources = v.outcome.Resources
		if len(v.outcome.Wrote) > 0 {
			s.LastAppliedTime = &metav1.Time{Time: now.Truncate(time.Second)}
		}
	}
	if !v.failed() {
		s.ObservedDigest, s.RolloutHash = v.digest, v.rolloutHash
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

// suspended leaves Ready as it was, and says why nothing will change it.
func suspended(s *v1alpha1.SealedManifestStatus, generation int64) {
	c := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown}
	if old := meta.FindStatusCondition(s.Conditions, c.Type); old != nil {
		c = *old
	}
	c.Reason, c.Message, c.ObservedGeneration = v1alpha1.ReasonSuspended, "spec.suspend is set: nothing is touched", generation
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

// short keeps a message within what the API takes, and events, too.
func short(s string) string {
	const most = 1000
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " …"
}
