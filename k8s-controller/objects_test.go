package controller_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// quota is one that leaves room for no Secrets beyond a number.
func quota(ns string, secrets int64) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "tight"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"secrets": *resource.NewQuantity(secrets, resource.DecimalSI)}},
	}
}

// awaitQuota waits until a quota is in force.
func (w *world) awaitQuota(ns string) {
	w.t.Helper()
	w.eventually("the quota is in force", func() bool {
		s := newSecret(ns, "probe", nil)
		return apierrors.IsForbidden(w.api.Create(w.t.Context(), s, client.DryRunAll))
	}, nil)
}

func secretYAML(name, key, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\nstringData:\n  %s: %s\n", name, key, value)
}

func TestDocumentOfSeveralSecrets(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	one, two := secretYAML("one", "a", w.value("1")), secretYAML("two", "b", w.value("2"))
	w.apply(w.document("both", "yaml", one+"---\n"+two, nil))
	m := w.awaitReason("both", v1alpha1.ReasonApplied)
	w.awaitData("one", map[string]string{"a": w.value("1")})
	w.awaitData("two", map[string]string{"b": w.value("2")})
	if len(m.Status.Resources) != 2 {
		t.Errorf("the inventory is %v", m.Status.Resources)
	}
	// What the document holds no more is deleted, and what is new is made.
	w.apply(w.document("both", "yaml", two+"---\n"+secretYAML("three", "c", w.value("3")), nil))
	w.awaitGone("one")
	w.awaitData("three", map[string]string{"c": w.value("3")})
	w.awaitData("two", map[string]string{"b": w.value("2")})
	w.await("both", "the inventory follows", func(m *v1alpha1.SealedManifest) bool {
		var names []string
		for _, res := range m.Status.Resources {
			names = append(names, res.Name)
		}
		slices.Sort(names)
		return slices.Equal(names, []string{"three", "two"})
	})
	w.eventually("an event says so", func() bool { return slices.Contains(w.events("both"), "Pruned") }, nil)
	// Each of them is watched.
	w.vandalize("two", "b", "theirs")
	w.awaitData("two", map[string]string{"b": w.value("2")})
	if r.count("gitseal_drift_corrected_total") != 1 {
		t.Error("the drift was not counted")
	}
}

func TestDotenvBecomesSecret(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.apply(w.document("env", "dotenv", "USER="+w.value("user")+"\nPASS="+w.value("pass")+"\n", nil))
	w.awaitData("env", map[string]string{"USER": w.value("user"), "PASS": w.value("pass")})
}

func TestOtherKindsByServiceAccount(t *testing.T) {
	w := emptyWorld(t)
	w.addKeyring(w.keyring, v1alpha1.Policy{AllowedKinds: []v1alpha1.AllowedKind{{APIVersion: "v1", Kind: "ConfigMap"}, {APIVersion: "v1", Kind: "Secret"}}}, w.id)
	w.run(func(o *controller.Options) { o.Impersonate = true })
	doc := func(value string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: " + value + "\n"
	}
	account := map[string]any{"serviceAccountName": "deployer"}
	w.apply(w.document("app", "yaml", doc(w.value("1")), account))
	w.awaitReason("app", v1alpha1.ReasonForbidden)
	w.check(w.api.Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "deploy"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create", "patch", "delete"}}},
	}))
	w.check(w.api.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "deploy"},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "deploy"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.ns, Name: "deployer"}},
	}))
	w.awaitReason("app", v1alpha1.ReasonApplied) // tried again without being told
	config := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: w.ns, Name: "settings"}
	w.eventually("the ConfigMap is there", func() bool {
		return w.api.Get(t.Context(), key, config) == nil && config.Data["a"] == w.value("1")
	}, nil)
	w.apply(w.document("app", "yaml", doc(w.value("2")), account))
	w.eventually("the ConfigMap follows", func() bool {
		return w.api.Get(t.Context(), key, config) == nil && config.Data["a"] == w.value("2")
	}, nil)
}
