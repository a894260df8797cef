package opening_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

func TestMarksOfToolsAreNotCopied(t *testing.T) {
	kept := []string{
		"app", "app.kubernetes.io/name", "argocd.argoproj.io/secret-type", "argocd.argoproj.io/managed-by",
		"kubectl.kubernetes.io/restartedAt", "example.org/gitseal.dev", "notgitseal.dev/x", "jenkins.io/credentials-type", "helm.sh/resource-policy",
		"kustomize.toolkit.fluxcd.io.example.org/name", "reflector.v1.k8s.emberstack.com/reflection-allowed",
	}
	dropped := []string{
		"kubectl.kubernetes.io/last-applied-configuration", "argocd.argoproj.io/instance", "argocd.argoproj.io/tracking-id",
		"argocd.argoproj.io/sync-wave", "argocd.argoproj.io/sync-options", "argocd.argoproj.io/hook", "argocd.argoproj.io/hook-delete-policy",
		"argocd.argoproj.io/compare-options", "kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/prune", "helm.toolkit.fluxcd.io/namespace",
		"meta.helm.sh/release-name", "app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "argocd.argoproj.io/installation-id", "gitseal.dev/managed", "gitseal.dev/reconcile-at", "rollout.gitseal.dev/db",
		"config.kubernetes.io/local-config", "internal.config.kubernetes.io/path", "config.k8s.io/owning-inventory",
		"applyset.kubernetes.io/part-of", "kapp.k14s.io/app", "objectset.rio.cattle.io/hash",
	}
	m := &v1alpha1.SealedManifest{}
	m.Labels = map[string]string{}
	for _, k := range append(slices.Clone(kept), dropped...) {
		m.Labels[k] = "v"
	}
	m.Annotations = maps.Clone(m.Labels)
	labels, annotations := opening.CopiedMetadata(m)
	slices.Sort(kept)
	for _, got := range []map[string]string{labels, annotations} {
		if diff := cmp.Diff(kept, slices.Sorted(maps.Keys(got))); diff != "" {
			t.Error(diff)
		}
	}
	labels["app"] = "changed"
	if m.Labels["app"] != "v" {
		t.Error("the manifest's own labels were changed")
	}
	if labels, annotations := opening.CopiedMetadata(&v1alpha1.SealedManifest{}); labels != nil || annotations != nil {
		t.Error("nothing should be made of nothing")
	}
}
