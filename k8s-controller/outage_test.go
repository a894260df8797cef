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

func failNow(t *testing.T, err error) bool {
	t.Helper()
	t.Fatal(err)
	return false
}
