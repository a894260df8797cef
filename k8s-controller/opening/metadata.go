package opening

import (
	"strings"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// CopiedMetadata returns the labels and annotations that the Secret of an inline
// manifest gets from it: all but those by which tools keep track of the objects that
// they have applied themselves. A tool that found its marks on the Secret would take
// it for one that has left its repository, and delete it.
func CopiedMetadata(m *v1alpha1.SealedManifest) (labels, annotations map[string]string) {
	return withoutTracking(m.Labels), withoutTracking(m.Annotations)
}

// withoutTracking returns nil if nothing is left.
func withoutTracking(in map[string]string) map[string]string {
	var out map[string]string
	for k, v := range in {
		if tracks(k) {
			continue
		}
		if out == nil {
			out = make(map[string]string, len(in))
		}
		out[k] = v
	}
	return out
}

// tracks reports whether a label or annotation is a tool's own mark.
func tracks(key string) bool {
	prefix, name, ok := strings.Cut(key, "/")
	if !ok {
		return false
	}
	switch prefix {
	case "kubectl.kubernetes.io":
		return name == "last-applied-configuration"
	case "app.kubernetes.io":
		// Argo CD tracks by the label instance, if it is told to track by labels, and
		// prunes a Secret with it that has no owner (Orphan, Merge).
		return name == "managed-by" || name == "instance"
	case "argocd.argoproj.io":
		return name == "instance" || name == "tracking-id" || name == "installation-id" || name == "compare-options" ||
			strings.HasPrefix(name, "sync-") || strings.HasPrefix(name, "hook")
	case "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "meta.helm.sh", v1alpha1.Group,
		"config.kubernetes.io", "internal.config.kubernetes.io",
		"config.k8s.io", "cli-utils.sigs.k8s.io", // kpt and cli-utils
		"applyset.kubernetes.io",  // kubectl apply --prune --applyset
		"kapp.k14s.io",            // Carvel
		"objectset.rio.cattle.io": // Rancher, k3s
		return true
	}
	return strings.HasSuffix(prefix, "."+v1alpha1.Group)
}
