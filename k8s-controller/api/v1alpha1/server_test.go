package v1alpha1_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// The MAC is over everything, so one field less makes the file useless.
func TestSealedFileComesBackWhole(t *testing.T) {
	s := newServer(t)
	sealed := sealedManifest(t)
	set(t, sealed, "sops.a_field_of_tomorrow", map[string]any{"deep": []any{"list", map[string]any{"x": int64(1)}}})
	client := s.client.Resource(manifests()).Namespace(s.ns)
	if _, err := client.Create(t.Context(), &unstructured.Unstructured{Object: sealed}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := client.Get(t.Context(), "db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"sops", "data", "stringData", "type"} {
		if diff := cmp.Diff(sealed[field], got.Object[field]); diff != "" {
			t.Errorf("%s differs (-sent +got):\n%s", field, diff)
		}
	}
	typed := &v1alpha1.SealedManifest{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(got.Object, typed); err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(typed.Sops.Raw, &raw); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(jsonOf(t, sealed["sops"]), jsonOf(t, raw)); diff != "" {
		t.Errorf("the typed form's sops differs (-sent +got):\n%s", diff)
	}
	if diff := cmp.Diff(jsonOf(t, got.Object["sops"]), jsonOf(t, typed.Sops)); diff != "" {
		t.Errorf("writing the typed form changes sops (-got +written):\n%s", diff)
	}
	if typed.Sops.MAC == "" || !typed.Sops.MACOnlyEncrypted {
		t.Errorf("the typed form has mac %q and mac_only_encrypted %t", typed.Sops.MAC, typed.Sops.MACOnlyEncrypted)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var canonical any
	if err := json.Unmarshal(data, &canonical); err != nil {
		t.Fatal(err)
	}
	if data, err = json.Marshal(canonical); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Two appliers must not end up with a mixture, whose data keys are two.
func TestSealedFileIsAppliedAsOne(t *testing.T) {
	s := newServer(t)
	client := s.client.Resource(manifests()).Namespace(s.ns)
	first, second := sealedManifest(t), sealedManifest(t)
	set(t, first, "sops.only_in_first", "x")
	set(t, first, "data.only-in-first", sealedText)
	for i, object := range []map[string]any{first, second} {
		options := metav1.ApplyOptions{FieldManager: []string{"one", "two"}[i], Force: true}
		if _, err := client.Apply(t.Context(), "db", &unstructured.Unstructured{Object: object}, options); err != nil {
			t.Fatal(err)
		}
	}
	got, err := client.Get(t.Context(), "db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"sops", "data", "stringData"} {
		if diff := cmp.Diff(second[field], got.Object[field]); diff != "" {
			t.Errorf("%s is not the second applier's (-want +got):\n%s", field, diff)
		}
	}
}

func TestStatusIsWrittenThroughItsSubresourceOnly(t *testing.T) {
	s := newServer(t)
	client := s.client.Resource(manifests()).Namespace(s.ns)
	object := sealedManifest(t)
	set(t, object, "status.observedDigest", "sha256:forged")
	created, err := client.Create(t.Context(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// Without a status, tools that know kstatus would take the object for done.
	unseen := map[string]any{"observedGeneration": int64(-1)}
	if diff := cmp.Diff(any(unseen), created.Object["status"]); diff != "" {
		t.Errorf("the status of a new object (-want +got):\n%s", diff)
	}
	set(t, created.Object, "status.observedDigest", "sha256:forged")
	updated, err := client.Update(t.Context(), created, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(unseen), updated.Object["status"]); diff != "" {
		t.Errorf("a status was taken with an update (-want +got):\n%s", diff)
	}
	set(t, updated.Object, "status.observedDigest", "sha256:real")
	set(t, updated.Object, "spec.suspend", true)
	written, err := client.UpdateStatus(t.Context(), updated, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	digest, _, _ := unstructured.NestedString(written.Object, "status", "observedDigest")
	_, suspended, _ := unstructured.NestedBool(written.Object, "spec", "suspend")
	if digest != "sha256:real" || suspended {
		t.Errorf("through the subresource: digest %q, spec written: %t", digest, suspended)
	}
	if written.GetGeneration() != 1 {
		t.Errorf("generation is %d after a change of the status", written.GetGeneration())
	}
}
