package controller

import (
	"context"
	"crypto/sha256"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// maxCached is how many bytes of a sealed form are kept in the cache. Most have less.
// Of one that has more only a digest is kept: whoever may make SealedManifests would
// else fill the controller's memory with them, a megabyte each.
const maxCached = 16 << 10

// What stands in the place of a document in the cache is a digest: elided, and so many
// hexadecimal digits.
const (
	elided       = "sha256:"
	elidedDigits = 2 * sha256.Size
)

// elide drops the sealed form from m, and leaves its digest.
func elide(m *v1alpha1.SealedManifest) {
	if isElided(m) {
		return
	}
	m.Spec.Document = opening.Digest(&v1alpha1.SealedManifest{
		Data: m.Data, StringData: m.StringData, Sops: m.Sops, Spec: v1alpha1.SealedManifestSpec{Document: m.Spec.Document},
	}, "")
	m.Data, m.StringData, m.Sops = nil, nil, nil
}

// isElided reports whether elide has dropped m's sealed form. No document is a digest
// and nothing else: the API server refuses one without a sealed value, ENC[…]. What only
// begins like a digest may be a document of any size.
func isElided(m *v1alpha1.SealedManifest) bool {
	digits, ok := strings.CutPrefix(m.Spec.Document, elided)
	return ok && len(digits) == elidedDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

// digest is opening.Digest, and the same with and without the sealed form.
func digest(m *v1alpha1.SealedManifest, revision string) string {
	short := *m
	elide(&short)
	return opening.Digest(&short, revision)
}

// sealedSize is about how many bytes the sealed form has.
func sealedSize(m *v1alpha1.SealedManifest) int {
	n := len(m.Spec.Document)
	if m.Sops != nil {
		n += len(m.Sops.Raw)
	}
	for _, values := range []map[string]string{m.Data, m.StringData} {
		for k, v := range values {
			n += len(k) + len(v)
		}
	}
	return n
}

// strip drops from a cached object what nobody here reads.
func strip(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
		if a := o.GetAnnotations(); a[lastApplied] != "" {
			delete(a, lastApplied)
			o.SetAnnotations(a)
		}
	}
	if m, ok := obj.(*v1alpha1.SealedManifest); ok && sealedSize(m) > maxCached {
		elide(m)
	}
	return obj, nil
}

// stripSecret drops from the metadata of a cached Secret all but what leads to its
// manifest: the rest is copied from there, and may be large.
func stripSecret(obj any) (any, error) {
	if o, ok := obj.(*metav1.PartialObjectMetadata); ok {
		o.ManagedFields, o.Labels = nil, nil
		name, ours := o.Annotations[v1alpha1.ManifestAnnotation]
		o.Annotations = nil
		if ours {
			o.Annotations = map[string]string{v1alpha1.ManifestAnnotation: name}
		}
	}
	return obj, nil
}

// complete gives m the sealed form, if the cache has none. If the manifest is not the
// one that the cache has any more, the verdict says so.
func (r *reconciler) complete(ctx context.Context, m *v1alpha1.SealedManifest) (v verdict, ok bool) {
	if !isElided(m) {
		return verdict{}, true
	}
	var now v1alpha1.SealedManifest
	err := r.live.Get(ctx, client.ObjectKeyFromObject(m), &now)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return verdict{}.fail(v1alpha1.ReasonAPIError, "the API server did not return the sealed form", true), false
	case err != nil || now.UID != m.UID || now.DeletionTimestamp != nil:
		return gone(), false
	case now.Generation != m.Generation:
		return waiting(), false // the cache is about to tell of the newer one
	}
	m.Data, m.StringData, m.Sops, m.Spec.Document = now.Data, now.StringData, now.Sops, now.Spec.Document
	return verdict{}, true
}
