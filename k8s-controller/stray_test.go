package controller_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// leaveBehind does what a controller does that is killed before it writes the status.
func (w *world) leaveBehind(m *v1alpha1.SealedManifest, name string) {
	w.t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
		"metadata": map[string]any{
			"name": name, "namespace": w.ns,
			"labels": map[string]any{v1alpha1.ManagedLabel: "true"}, "annotations": map[string]any{v1alpha1.ManifestAnnotation: m.Name},
			"ownerReferences": []any{map[string]any{
				"apiVersion": "gitseal.dev/v1alpha1", "kind": "SealedManifest", "name": m.Name, "uid": string(m.UID), "controller": true,
			}},
		},
	}}
	w.check(w.api.Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(applying.FieldManager)))
}

func TestSecretOfACutOffPassGoes(t *testing.T) {
	w := newWorld(t)
	first := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	m := w.awaitReason("db", v1alpha1.ReasonApplied)
	first.stop()
	w.leaveBehind(m, "of-another-revision")
	foreign := newSecret(w.ns, "copy", map[string]string{"a": "theirs"})
	foreign.Labels, foreign.Annotations = map[string]string{v1alpha1.ManagedLabel: "true"}, map[string]string{v1alpha1.ManifestAnnotation: "db"}
	foreign.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(m, v1alpha1.GroupVersion().WithKind("SealedManifest"))}
	w.check(w.api.Create(t.Context(), foreign))
	second := w.run()
	w.awaitGone("of-another-revision")
	second.rest()
	if w.secret("db") == nil || w.secret("copy") == nil {
		t.Error("another Secret is gone, too")
	}
}

func TestSecretThatTheGarbageCollectorMissedGoes(t *testing.T) {
	// It was not looking when a manifest was deleted and another of the same name made.
	w := newWorldIn(t, kubetest.Start(t))
	first := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	m := w.awaitReason("db", v1alpha1.ReasonApplied)
	first.stop()
	w.leaveBehind(m, "of-the-first")
	w.check(w.api.Delete(t.Context(), m))
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("2")}})
	w.run()
	w.awaitGone("of-the-first")
	w.awaitData("db", map[string]string{"a": w.value("2")})
}
