package controller_test

import (
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

func TestAPIServerComesBack(t *testing.T) {
	w := newWorldIn(t, kubetest.Start(t))
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.cluster.KillAPIServer()
	w.cluster.StartAPIServer()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("2")}})
	w.awaitData("db", map[string]string{"a": w.value("2")})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.vandalize("db", "a", "theirs")
	w.awaitData("db", map[string]string{"a": w.value("2")})
	if r.count("gitseal_reconcile_total", "panic") > 0 {
		t.Error("there was a panic")
	}
}

func TestRemovedDefinitionMakesNoStorm(t *testing.T) {
	// If the CustomResourceDefinition is deleted, so are all SealedManifests, and the
	// garbage collector takes their Secrets. They must not be made again for manifests
	// that only the cache has: each would be collected and made, for ever.
	w := newWorldIn(t, kubetest.Start(t, kubetest.WithControllerManager()))
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	// The garbage collector learns of new kinds every half minute.
	w.put(sealed{name: "probe", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("probe", v1alpha1.ReasonApplied)
	w.check(w.api.Delete(t.Context(), w.get("probe")))
	w.awaitGone("probe")
	manifest := w.manifest(sealed{name: "db", data: map[string]string{"a": w.value("2")}})
	w.cluster.Kubectl(t, "", "delete", "crd", "sealedmanifests.gitseal.dev", "--wait=true")
	w.awaitGone("db")
	r.rest()
	if w.secret("db") != nil {
		t.Error("the Secret was made for a manifest that is gone")
	}
	creations := slices.DeleteFunc(r.requests.manifestWrites(w.ns), func(s string) bool { return !strings.HasSuffix(s, "/secrets/db") })
	if len(creations) != 1 || r.count("gitseal_reconcile_total", "gone") == 0 {
		t.Errorf("the Secret was written %d times", len(creations))
	}
	w.cluster.InstallCRDs(t)
	w.eventually("it can be applied again", func() bool {
		u := manifest.DeepCopy()
		err := w.api.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("git"))
		return err == nil || !apierrors.IsNotFound(err) && !strings.Contains(err.Error(), "no matches") && failNow(t, err)
	}, nil)
	w.awaitData("db", map[string]string{"a": w.value("2")})
	w.awaitReason("db", v1alpha1.ReasonApplied)
}

// TestStatusWithAnOlderDefinition: Helm and many others do not upgrade
// CustomResourceDefinitions. What such a one does not know cannot be told, the rest is.
func TestStatusWithAnOlderDefinition(t *testing.T) {
	w := newWorldIn(t, kubetest.Start(t))
	w.cluster.Kubectl(t, "", "patch", "crd", "sealedmanifests.gitseal.dev", "--type=json", "-p",
		`[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/integrity"}]`)
	w.eventually("the API server knows no status.integrity", func() bool {
		_, err := w.cluster.TryKubectl(t, "", "explain", "sealedmanifest.status.integrity")
		return err != nil
	}, nil)
	w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	m := w.awaitReason("db", v1alpha1.ReasonApplied)
	if m.Status.Integrity != nil {
		t.Error("the definition is not the older one")
	}
	if m.Status.Keyring != w.keyring || len(m.Status.Resources) != 1 || m.Status.ObservedGeneration != 1 {
		t.Errorf("the status is %+v", m.Status)
	}
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("2")}})
	w.awaitData("db", map[string]string{"a": w.value("2")})
	w.await("db", "the status follows", func(m *v1alpha1.SealedManifest) bool { return m.Status.ObservedGeneration == 2 })
}

func failNow(t *testing.T, err error) bool {
	t.Helper()
	t.Fatal(err)
	return false
}
