package controller_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

func TestManifestBecomesSecret(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"user": w.value("user"), "password": w.value("password")}, meta: "  labels:\n    app: shop\n"})
	m := w.awaitReason("db", v1alpha1.ReasonApplied)
	s := w.awaitData("db", map[string]string{"user": w.value("user"), "password": w.value("password")})
	if s.Labels["app"] != "shop" || s.Labels[v1alpha1.ManagedLabel] != "true" || s.Annotations[v1alpha1.ManifestAnnotation] != "db" {
		t.Errorf("the Secret's metadata is %v %v", s.Labels, s.Annotations)
	}
	if ref := metav1.GetControllerOf(s); ref == nil || ref.UID != m.UID {
		t.Errorf("the Secret is owned by %+v", s.OwnerReferences)
	}
	want := v1alpha1.SealedManifestStatus{
		ObservedGeneration: 1, ObservedDigest: m.Status.ObservedDigest, Class: new(""), Keyring: w.keyring,
		Keys:            []v1alpha1.KeyUse{{ID: w.id.Recipient().String(), Type: "age"}},
		Integrity:       &v1alpha1.Integrity{MAC: opening.MACVerified, Context: opening.ContextStrict},
		Resources:       []v1alpha1.Resource{{APIVersion: "v1", Kind: "Secret", Name: "db", UID: s.UID, ResourceVersion: s.ResourceVersion}},
		LastAppliedTime: m.Status.LastAppliedTime,
		Conditions: []metav1.Condition{{
			Type: "Ready", Status: "True", Reason: "Applied", Message: "applied Secret/db", ObservedGeneration: 1,
			LastTransitionTime: m.Status.Conditions[0].LastTransitionTime,
		}},
	}
	if d := cmp.Diff(want, m.Status); d != "" || m.Status.LastAppliedTime == nil || !strings.HasPrefix(m.Status.ObservedDigest, "sha256:") {
		t.Errorf("the status differs (-want +got):\n%s", d)
	}
	w.cluster.Kubectl(t, "", "wait", "-n", w.ns, "--for=condition=Ready", "--timeout=60s", "sealedmanifest/db")
	// One write each of the Secret and the status, and no more when all came to rest.
	r.rest()
	got := r.requests.manifestWrites(w.ns)
	slices.Sort(got)
	base := "PATCH /apis/gitseal.dev/v1alpha1/namespaces/" + w.ns + "/sealedmanifests/db/status"
	if d := cmp.Diff([]string{"PATCH /api/v1/namespaces/" + w.ns + "/secrets/db", base}, got); d != "" {
		t.Errorf("writes differ (-want +got):\n%s", d)
	}
	if i := slices.IndexFunc(m.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Subresource == "status" }); i < 0 ||
		m.ManagedFields[i].Operation != metav1.ManagedFieldsOperationApply || m.ManagedFields[i].Manager != "gitseal-controller" {
		t.Errorf("the first status was not applied: %+v", m.ManagedFields)
	}
	w.eventually("there is one event", func() bool { return slices.Equal(w.events("db"), []string{"Applied"}) }, func() string { return strings.Join(w.events("db"), " ") })
}

func TestChangesFollow(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1"), "b": w.value("2")}})
	first := w.awaitData("db", map[string]string{"a": w.value("1"), "b": w.value("2")})
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("3"), "c": w.value("4")}})
	second := w.awaitData("db", map[string]string{"a": w.value("3"), "c": w.value("4")})
	if first.UID != second.UID {
		t.Error("the Secret was made anew instead of changed")
	}
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Labels = map[string]string{"tier": "back"} })
	w.eventually("a new label is copied", func() bool { return w.secret("db").Labels["tier"] == "back" }, nil)
}

func TestDeletedSecretIsMadeAnew(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	first := w.awaitData("db", map[string]string{"a": w.value("1")})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.check(w.api.Delete(t.Context(), first))
	w.eventually("it is there again", func() bool { s := w.secret("db"); return s != nil && s.UID != first.UID }, nil)
	w.eventually("the drift is counted", func() bool { return r.count("gitseal_drift_corrected_total") == 1 }, nil)
	w.await("db", "the status names the new Secret", func(m *v1alpha1.SealedManifest) bool {
		return m.Status.Resources[0].UID == w.secret("db").UID
	})
}

func TestDeletionCollectsSecret(t *testing.T) {
	for _, policy := range []v1alpha1.DeletionPolicy{v1alpha1.DeletionDelete, v1alpha1.DeletionOrphan} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t)
			r := w.run()
			w.put(sealed{name: "db", head: "spec:\n  deletionPolicy: " + string(policy) + "\n", data: map[string]string{"a": w.value("1")}})
			w.awaitReason("db", v1alpha1.ReasonApplied)
			w.put(sealed{name: "other", data: map[string]string{"a": w.value("2")}})
			w.awaitReason("other", v1alpha1.ReasonApplied)
			m := w.get("db")
			if len(m.Finalizers) != 0 {
				t.Errorf("the manifest has the finalizers %v", m.Finalizers)
			}
			w.check(w.api.Delete(t.Context(), m))
			if policy == v1alpha1.DeletionDelete {
				w.awaitGone("db")
			}
			r.rest()
			if s := w.secret("db"); (s != nil) != (policy == v1alpha1.DeletionOrphan) {
				t.Errorf("with %s, the Secret is there: %v", policy, s != nil)
			}
			if w.secret("other") == nil {
				t.Error("the other Secret is gone, too")
			}
		})
	}
}

func TestRenamedManifestMovesSecret(t *testing.T) {
	// As kustomize's hashes do it: the new one comes, then the old one goes.
	w := newWorld(t)
	w.run()
	w.put(sealed{name: "db-abc", context: "k8s:" + w.ns + "/*", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db-abc", v1alpha1.ReasonApplied)
	w.put(sealed{name: "db-def", context: "k8s:" + w.ns + "/*", data: map[string]string{"a": w.value("2")}})
	w.awaitData("db-def", map[string]string{"a": w.value("2")})
	w.check(w.api.Delete(t.Context(), w.get("db-abc")))
	w.awaitGone("db-abc")
}

func TestMergeLeavesOthersKeys(t *testing.T) {
	w := newWorld(t)
	w.run()
	foreign := newSecret(w.ns, "db", map[string]string{"theirs": "x"})
	w.check(w.api.Create(t.Context(), foreign))
	w.put(sealed{name: "db", head: "spec:\n  conflictPolicy: Merge\n", data: map[string]string{"ours": w.value("1")}})
	m := w.awaitReason("db", v1alpha1.ReasonApplied)
	w.awaitData("db", map[string]string{"theirs": "x", "ours": w.value("1")})
	if len(m.Finalizers) != 1 {
		t.Errorf("the manifest has the finalizers %v", m.Finalizers)
	}
	w.check(w.api.Delete(t.Context(), m))
	w.awaitData("db", map[string]string{"theirs": "x"})
	w.eventually("the manifest is gone", func() bool {
		return client.IgnoreNotFound(w.api.Get(t.Context(), client.ObjectKeyFromObject(m), m)) == nil && m.UID != "" &&
			w.api.Get(t.Context(), client.ObjectKeyFromObject(m), &v1alpha1.SealedManifest{}) != nil
	}, nil)
}
