package controller

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// known tells what the cache of Secrets' metadata has: the identity and version of an
// object that the controller keeps.
type known func(types.NamespacedName) (uid, resourceVersion string, found bool)

// owned tells which Secrets the cache has that a manifest, or one of the same name before
// it, controls, but those that are being deleted.
type owned func(*v1alpha1.SealedManifest) []v1alpha1.Resource

// applied reports whether all of a manifest was applied, and nothing that the result
// depends on has changed since, whatever failed meanwhile: what differs in its objects is
// drift.
func applied(m *v1alpha1.SealedManifest, digest string) bool {
	return m.Status.ObservedDigest == digest && len(m.Status.Resources) > 0
}

// settled reports whether a manifest was applied, and the last pass over it succeeded.
func settled(m *v1alpha1.SealedManifest, digest string) bool {
	ready := readyOf(m.Status)
	return applied(m, digest) && ready.Status == metav1.ConditionTrue &&
		(ready.Reason == v1alpha1.ReasonApplied || ready.Reason == v1alpha1.ReasonDrifted)
}

// answered reports whether the status is about the manifest as it is, and nobody has
// asked for a pass since.
func answered(m *v1alpha1.SealedManifest) bool {
	return m.Status.ObservedGeneration == m.Generation && m.Status.LastHandledReconcileAt == m.Annotations[v1alpha1.ReconcileAnnotation]
}

// untouched reports whether the objects of a manifest are those that were written
// last, as far as they are watched.
func untouched(m *v1alpha1.SealedManifest, look known) bool {
	return !slices.ContainsFunc(m.Status.Resources, func(r v1alpha1.Resource) bool {
		if !isSecret(r) {
			return false
		}
		uid, version, found := look(types.NamespacedName{Namespace: m.Namespace, Name: r.Name})
		return !found || uid != string(r.UID) || version != r.ResourceVersion
	})
}

// strays reports whether a manifest controls what its status does not name: a pass was
// cut off between the two, or one of the same name left it behind.
func strays(m *v1alpha1.SealedManifest, look owned) bool {
	return slices.ContainsFunc(look(m), func(have v1alpha1.Resource) bool {
		return !slices.ContainsFunc(m.Status.Resources, func(r v1alpha1.Resource) bool { return isSecret(r) && r.Name == have.Name })
	})
}

// missing reports whether an object that was written is not there any more.
func missing(m *v1alpha1.SealedManifest, look known) bool {
	return slices.ContainsFunc(m.Status.Resources, func(r v1alpha1.Resource) bool {
		_, _, found := look(types.NamespacedName{Namespace: m.Namespace, Name: r.Name})
		return isSecret(r) && !found
	})
}

// unwatched reports whether a manifest has objects that are not watched, so that they
// have to be applied again at times.
func unwatched(m *v1alpha1.SealedManifest) bool {
	return slices.ContainsFunc(m.Status.Resources, func(r v1alpha1.Resource) bool { return !isSecret(r) })
}

func isSecret(r v1alpha1.Resource) bool { return r.Kind == "Secret" && r.APIVersion == "v1" }
