package controller

import "github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"

// Cached is what the cache keeps of an object of a watch, and the same for the metadata
// of a Secret.
func Cached(obj any) (any, error)       { return strip(obj) }
func CachedSecret(obj any) (any, error) { return stripSecret(obj) }

// DigestOf is what a status keeps of a manifest.
func DigestOf(m *v1alpha1.SealedManifest) string { return digest(m, "revision") }

// CachedBy is what the cache of a controller keeps of a SealedManifest.
func CachedBy(o Options, obj any) (any, error) { return o.stripManifest(obj) }
