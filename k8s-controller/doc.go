// Package controller opens SealedManifests in a cluster and keeps the objects that
// they describe.
//
// One pass over one manifest is get → open → apply → status. It is skipped if the
// status says that the last pass came out well, over the same sealed form and policy,
// and the cache of Secrets' metadata has the versions that were written then. So a
// restart decrypts, reads and writes nothing.
//
//	api/v1alpha1  the types
//	keyring(s)    identities, and the SealKeyrings that name them
//	opening       verifies and decrypts; asks no API server
//	applying      writes by server-side apply, prunes, adopts, undoes drift
//	rollout       restarts workloads of which a Secret's content changed
//	fence         keeps a process that is not the leader from writing
//	metrics       counts
//	deploy        manifests, a chart, dashboards
//
// # What is watched
//
// SealedManifests, but not their status, which is the controller's own; the metadata
// of Secrets with the label gitseal.dev/managed (not if Secrets are write-only); the
// labels of namespaces, which choose keyrings; and keyrings, by way of
// [keyring.Store]. Manifests of other classes and labels are seen, too, without what is
// sealed: they may have been ours. A watch that fails for long is told of in the log, in
// a metric and by /readyz. What comes from lists at the start has a low priority, so that what
// is new is served first.
//
// # What fails
//
// An error never deletes or empties an object. What may pass by itself is tried again
// after 1 second, 2, 4, … up to 15 seconds, or to 5 minutes if so many fail that more
// than 30 would be tried in a second, without end, and is Reconciling. All else is
// Stalled until the manifest, its keyring or its object changes; objects in the way,
// which are not ours and so are not watched, are looked at again each minute. A status
// is one patch, made only if it says something new, and events tell of transitions.
package controller
