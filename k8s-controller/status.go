package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
)

// The reasons of events beside those of conditions, and what the controller did.
const (
	eventDriftCorrected = "DriftCorrected"
	eventAdopted        = "Adopted"
	eventPruned         = "Pruned"
	eventRecreated      = "Recreated"
	actionApply         = "Apply"
)

// statusTries is how often a status is written again that somebody's change of the
// manifest came in the way of.
const statusTries = 4

// errStatusChanged: another controller writes the same status.
var errStatusChanged = errors.New("it was changed by somebody else")

// statusWriter writes statuses, and tells of what is new in them.
type statusWriter struct {
	client client.Client
	live   client.Reader
	events events.EventRecorder
}

// write makes next the status of m, if it is another, and gives m the version that the
// API server returned, and that version's finalizers. It reports whether it wrote. That
// the manifest is gone is no error.
func (w statusWriter) write(ctx context.Context, m *v1alpha1.SealedManifest, next v1alpha1.SealedManifestStatus) (bool, error) {
	if equality.Semantic.DeepEqual(m.Status, next) {
		return false, nil
	}
	last := m
	for try := 0; ; try++ {
		// Without a version, the last try, after the inventory was seen to be the one that
		// next was made from a moment ago: somebody who keeps changing the manifest's
		// annotations must not keep its status from being written.
		out, err := w.send(ctx, last, next, try < statusTries)
		switch {
		case err == nil:
			m.ResourceVersion, m.Generation, m.Finalizers, m.Status = out.ResourceVersion, out.Generation, out.Finalizers, stored(next)
			return true, nil
		case apierrors.IsNotFound(err):
			return false, nil
		case !apierrors.IsConflict(err) || try == statusTries:
			return false, fmt.Errorf("writing the status: %w", err)
		}
		now := &v1alpha1.SealedManifest{}
		if err := w.live.Get(ctx, client.ObjectKeyFromObject(m), now); client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("writing the status: %w", err)
		} else if err != nil || now.UID != m.UID {
			return false, nil
		}
		if !equality.Semantic.DeepEqual(now.Status, m.Status) {
			return false, fmt.Errorf("writing the status: %w", errStatusChanged)
		}
		last = now
	}
}

// stored returns a status as the API server has it, where times are in seconds.
func stored(s v1alpha1.SealedManifestStatus) v1alpha1.SealedManifestStatus {
	out := *s.DeepCopy()
	if out.LastAppliedTime != nil {
		*out.LastAppliedTime = out.LastAppliedTime.Rfc3339Copy()
	}
	for i := range out.Conditions {
		out.Conditions[i].LastTransitionTime = out.Conditions[i].LastTransitionTime.Rfc3339Copy()
	}
	return out
}

// send writes the status next over last's, and returns the answer. That is metadata
// only: the sealed form would be most of it.
//
// The first status is applied. The API server does with much less work than for a
// patch, for which it writes out the whole sealed form and reads it again. Later ones
// are patches, since applying does not remove what somebody else wrote, too. A patch
// is also what is left where a status cannot be applied: with a
// CustomResourceDefinition that is older than the controller, the fields that it does
// not know get lost, and no more.
func (w statusWriter) send(ctx context.Context, last *v1alpha1.SealedManifest, next v1alpha1.SealedManifestStatus, versioned bool) (*metav1.PartialObjectMetadata, error) {
	out := partial(manifestKind())
	out.Namespace, out.Name = last.Namespace, last.Name
	if versioned && isFirst(last.Status) {
		patch, err := statusApplied(last, next)
		if err != nil {
			return nil, err
		}
		err = w.client.Status().Patch(ctx, out, patch, client.FieldOwner(name), client.ForceOwnership)
		if !cannotBeApplied(err) {
			return out, err
		}
	}
	patch, err := statusPatch(last, next)
	if !versioned {
		patch, err = statusAnyVersion(last, next)
	}
	if err != nil {
		return nil, err
	}
	return out, w.client.Status().Patch(ctx, out, patch)
}

// cannotBeApplied reports whether the API server did not understand what it was to
// apply. That a field is not in the schema is an internal error to it.
func cannotBeApplied(err error) bool {
	return apierrors.IsInternalError(err) || apierrors.IsBadRequest(err) || apierrors.IsInvalid(err) || apierrors.IsUnsupportedMediaType(err)
}

// isFirst reports whether nobody has written the status s: it is what the
// CustomResourceDefinition has as its default, or nothing.
func isFirst(s v1alpha1.SealedManifestStatus) bool {
	return equality.Semantic.DeepEqual(s, v1alpha1.SealedManifestStatus{ObservedGeneration: s.ObservedGeneration})
}

// statusApplied returns what applies next as the status of last, if that is still of
// its version.
func statusApplied(last *v1alpha1.SealedManifest, next v1alpha1.SealedManifestStatus) (client.Patch, error) {
	kind := manifestKind()
	data, err := json.Marshal(map[string]any{
		"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind, "status": next,
		"metadata": map[string]any{"namespace": last.Namespace, "name": last.Name, "resourceVersion": last.ResourceVersion},
	})
	return client.RawPatch(types.ApplyPatchType, data), err
}

// statusPatch returns the merge patch from last's status to next, for last's version. It
// is made of two manifests that have nothing but these: the sealed form is the same, and
// large.
func statusPatch(last *v1alpha1.SealedManifest, next v1alpha1.SealedManifestStatus) (client.Patch, error) {
	from, to := &v1alpha1.SealedManifest{Status: last.Status}, &v1alpha1.SealedManifest{Status: next}
	to.ResourceVersion = last.ResourceVersion
	data, err := client.MergeFrom(from).Data(to)
	return client.RawPatch(types.MergePatchType, data), err
}

// statusAnyVersion returns the JSON patch that makes next the status of last, whatever
// else of that has changed, but not of another of the same name that was made since. Of a
// status the API server compares no UID, unless a patch does.
func statusAnyVersion(last *v1alpha1.SealedManifest, next v1alpha1.SealedManifestStatus) (client.Patch, error) {
	data, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": last.UID},
		{"op": "add", "path": "/status", "value": next},
	})
	return client.RawPatch(types.JSONPatchType, data), err
}

// warn emits an event that is not about the status.
func (w statusWriter) warn(m *v1alpha1.SealedManifest, reason, note string) {
	w.events.Eventf(m, nil, corev1.EventTypeWarning, reason, actionApply, "%s", short(note))
}

// tell emits events about what a pass changed: transitions only, so that what goes on
// failing, or being fine, is told once. That all went well is left to the status if it
// is quiet: a cluster that is set up anew has thousands of these, and they would hold
// up what is applied.
func (w statusWriter) tell(before, after *v1alpha1.SealedManifest, v verdict, quiet bool) {
	emit := func(kind, reason, note string) {
		w.events.Eventf(after, nil, kind, reason, actionApply, "%s", short(note))
	}
	if o := v.outcome; o != nil {
		for _, e := range []struct {
			reason, note string
			names        []string
		}{
			{eventAdopted, "took over ", o.Adopted},
			{eventRecreated, "made anew ", o.Recreated},
			{eventPruned, "removed what the manifest does not hold any more: ", o.Pruned},
		} {
			if len(e.names) > 0 {
				emit(corev1.EventTypeNormal, e.reason, e.note+listed(e.names))
			}
		}
		if len(o.Drifted) > 0 && len(o.Wrote) > 0 {
			emit(corev1.EventTypeNormal, eventDriftCorrected, "undid what others changed: "+listed(o.Drifted))
		}
	}
	old, now := readyOf(before.Status), readyOf(after.Status)
	same := old.Status == now.Status && old.Reason == now.Reason && old.ObservedGeneration == now.ObservedGeneration
	if same || now.Type == "" {
		return
	}
	if quiet && now.Reason == v1alpha1.ReasonApplied {
		return
	}
	kind := corev1.EventTypeNormal
	if v.failed() || v.reason == v1alpha1.ReasonDrifted {
		kind = corev1.EventTypeWarning
	}
	if v.result == metrics.ResultApplied && now.Reason == v1alpha1.ReasonApplied && old.Status == now.Status && before.Status.ObservedDigest == after.Status.ObservedDigest {
		return // the same content, and only a setting is new
	}
	emit(kind, now.Reason, now.Message)
}
