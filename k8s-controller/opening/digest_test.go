package opening_test

import (
	"strings"
	"testing"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

func TestDigestChangesWithAllThatTheResultDependsOn(t *testing.T) {
	yes, no := true, false
	changes := map[string]func(*v1alpha1.SealedManifest){
		"name":           func(m *v1alpha1.SealedManifest) { m.Name = "other" },
		"namespace":      func(m *v1alpha1.SealedManifest) { m.Namespace = "test" },
		"type":           func(m *v1alpha1.SealedManifest) { m.Type = "kubernetes.io/tls" },
		"immutable":      func(m *v1alpha1.SealedManifest) { m.Immutable = &yes },
		"mutable":        func(m *v1alpha1.SealedManifest) { m.Immutable = &no },
		"value":          func(m *v1alpha1.SealedManifest) { m.StringData["a"] += "x" },
		"key":            func(m *v1alpha1.SealedManifest) { m.StringData["b"] = m.StringData["a"] },
		"key renamed":    func(m *v1alpha1.SealedManifest) { m.StringData = map[string]string{"z": m.StringData["a"]} },
		"field":          func(m *v1alpha1.SealedManifest) { m.Data, m.StringData = m.StringData, nil },
		"empty map":      func(m *v1alpha1.SealedManifest) { m.Data = map[string]string{} },
		"block":          func(m *v1alpha1.SealedManifest) { m.Sops.Raw = append([]byte(nil), m.Sops.Raw[:len(m.Sops.Raw)-1]...) },
		"no block":       func(m *v1alpha1.SealedManifest) { m.Sops = nil },
		"empty block":    func(m *v1alpha1.SealedManifest) { m.Sops = &v1alpha1.Sops{} },
		"label":          func(m *v1alpha1.SealedManifest) { m.Labels = map[string]string{"app": "x"} },
		"annotation":     func(m *v1alpha1.SealedManifest) { m.Annotations = map[string]string{"app": "x"} },
		"document":       func(m *v1alpha1.SealedManifest) { m.Spec.Document = "x" },
		"format":         func(m *v1alpha1.SealedManifest) { m.Spec.Format = "json" },
		"target":         func(m *v1alpha1.SealedManifest) { m.Spec.Target = &v1alpha1.Target{Name: "x"} },
		"account":        func(m *v1alpha1.SealedManifest) { m.Spec.ServiceAccountName = "x" },
		"keyring":        func(m *v1alpha1.SealedManifest) { m.Spec.Keyring = "x" },
		"deletionPolicy": func(m *v1alpha1.SealedManifest) { m.Spec.DeletionPolicy = v1alpha1.DeletionOrphan },
		"driftPolicy":    func(m *v1alpha1.SealedManifest) { m.Spec.DriftPolicy = v1alpha1.DriftWarn },
		"rollout":        func(m *v1alpha1.SealedManifest) { m.Spec.Rollout = v1alpha1.RolloutAnnotate },
	}
	m := inline(t, "stringData:\n  a: canary\n")
	seen := map[string]string{opening.Digest(m, "1"): "nothing", opening.Digest(m, "2"): "revision"}
	for name, change := range changes {
		other := clone(m)
		change(other)
		d := opening.Digest(other, "1")
		if was, double := seen[d]; double {
			t.Errorf("%s gives the digest of %s", name, was)
		}
		seen[d] = name
		if !strings.HasPrefix(d, "sha256:") || len(d) != len("sha256:")+64 {
			t.Errorf("got %q", d)
		}
	}
}

func TestDigestStaysIfNothingThatCountsChanges(t *testing.T) {
	m := inline(t, "stringData:\n  a: canary\n  b: canary\n")
	want := opening.Digest(m, "1")
	for name, change := range map[string]func(*v1alpha1.SealedManifest){
		"suspend":  func(m *v1alpha1.SealedManifest) { m.Spec.Suspend = true },
		"uid":      func(m *v1alpha1.SealedManifest) { m.UID, m.ResourceVersion, m.Generation = "u", "5", 7 },
		"status":   func(m *v1alpha1.SealedManifest) { m.Status.ObservedDigest = want },
		"tracking": func(m *v1alpha1.SealedManifest) { m.Labels = map[string]string{"argocd.argoproj.io/instance": "x"} },
		"reconcile asked": func(m *v1alpha1.SealedManifest) {
			m.Annotations = map[string]string{v1alpha1.ReconcileAnnotation: "now"}
		},
		"finalizer": func(m *v1alpha1.SealedManifest) { m.Finalizers = []string{"gitseal.dev/x"} },
	} {
		other := clone(m)
		change(other)
		if opening.Digest(other, "1") != want {
			t.Errorf("%s changes the digest", name)
		}
	}
}
