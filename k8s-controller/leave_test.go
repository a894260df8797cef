package controller_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// TestAStatusDoesNotOutliveTheClass: a manifest that no controller is for any more must
// not be said to be ready for ever. Only the controller that it was for before says so,
// once, and what it applied stays.
func TestAStatusDoesNotOutliveTheClass(t *testing.T) {
	w := newWorld(t)
	soon := func(o *controller.Options) { o.SetLeaveGrace(time.Second) }
	first := w.run(soon)
	third := w.run(soon, func(o *controller.Options) { o.Class = "third" })
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	m := w.awaitReason("db", v1alpha1.ReasonApplied)
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.Class = "second" })
	w.eventually("the status says that it does not hold", func() bool {
		m = w.get("db")
		return ready(m).Reason == v1alpha1.ReasonOtherClass
	}, func() string { return ready(m).Reason })
	if c := ready(m); c.Status != metav1.ConditionUnknown || m.Status.ObservedGeneration >= m.Generation || len(m.Status.Resources) != 1 {
		t.Errorf("the status is %+v", m.Status)
	}
	w.awaitData("db", map[string]string{"a": w.value("1")})
	// Nor does anything else make it be said again.
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.Suspend = true })
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.Suspend = false })
	time.Sleep(2 * time.Second)
	first.rest()
	third.rest()
	said := func() int {
		return len(slices.DeleteFunc(w.events("db"), func(r string) bool { return r != v1alpha1.ReasonOtherClass }))
	}
	w.eventually("there is an event", func() bool { return said() > 0 }, nil)
	if n := said(); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	// There is one of that class now. It is left alone.
	second := w.run(soon, func(o *controller.Options) { o.Class = "second" })
	if m = w.awaitReason("db", v1alpha1.ReasonApplied); m.Status.Class == nil || *m.Status.Class != "second" {
		t.Errorf("the status is %+v", m.Status)
	}
	// While it is not there, nobody else speaks for it.
	second.stop()
	w.put(sealed{name: "db", head: "spec:\n  class: second\n", data: map[string]string{"a": w.value("2")}})
	m = w.get("db")
	time.Sleep(2 * time.Second)
	first.rest()
	third.rest()
	if now := w.get("db"); now.ResourceVersion != m.ResourceVersion || said() != 1 {
		t.Errorf("somebody else wrote to it: %+v", now.Status)
	}
	// And back.
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.Class = "" })
	w.await("db", "the first one has it again", func(m *v1alpha1.SealedManifest) bool {
		return ready(m).Reason == v1alpha1.ReasonApplied && m.Status.Class != nil && *m.Status.Class == ""
	})
}

// TestAStatusOfNoKnownClassIsLeftAlone: a definition that is older than the controller
// drops the class, as Helm does not upgrade definitions.
func TestAStatusOfNoKnownClassIsLeftAlone(t *testing.T) {
	w := newWorldIn(t, kubetest.Start(t))
	crd := &unstructured.Unstructured{}
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetKind("CustomResourceDefinition")
	crd.SetName("sealedmanifests.gitseal.dev")
	old := client.RawPatch(types.JSONPatchType, []byte(`[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/class"}]`))
	w.check(w.api.Patch(t.Context(), crd, old))
	soon := func(o *controller.Options) { o.SetLeaveGrace(time.Second) }
	first := w.run(soon)
	second := w.run(soon, func(o *controller.Options) { o.Class = "second" })
	probe := 0
	w.eventually("the class is dropped", func() bool {
		probe++
		name := fmt.Sprint("probe", probe)
		w.put(sealed{name: name, head: "spec:\n  class: second\n", data: map[string]string{"a": w.value("1")}})
		return w.awaitReason(name, v1alpha1.ReasonApplied).Status.Class == nil
	}, nil)
	w.put(sealed{name: "db", head: "spec:\n  class: second\n", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.Suspend = true })
	w.awaitReason("db", v1alpha1.ReasonSuspended)
	time.Sleep(2 * time.Second)
	first.rest()
	second.rest()
	if c := ready(w.get("db")); c.Reason != v1alpha1.ReasonSuspended {
		t.Errorf("another controller says %s: %s", c.Reason, c.Message)
	}
}

// TestAManifestThatLostItsLabelCanBeDeleted, and what was merged is taken back.
func TestAManifestThatLostItsLabelCanBeDeleted(t *testing.T) {
	w := newWorld(t)
	w.run(func(o *controller.Options) {
		o.LabelSelector = labels.SelectorFromSet(labels.Set{"team": "shop"})
		o.SetLeaveGrace(time.Second)
	})
	w.check(w.api.Create(t.Context(), newSecret(w.ns, "db", map[string]string{"theirs": "x"})))
	w.put(sealed{name: "db", meta: "  labels:\n    team: shop\n", head: "spec:\n  conflictPolicy: Merge\n", data: map[string]string{"ours": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Labels = nil })
	w.check(w.api.Delete(t.Context(), w.get("db")))
	w.eventually("the manifest is gone", func() bool {
		return apierrors.IsNotFound(w.api.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "db"}, &v1alpha1.SealedManifest{}))
	}, nil)
	w.awaitData("db", map[string]string{"theirs": "x"})
}

// TestOfManifestsForOthersTheCacheKeepsNothingSealed: they may be many.
func TestOfManifestsForOthersTheCacheKeepsNothingSealed(t *testing.T) {
	for name, o := range map[string]controller.Options{
		"another class":  {Class: "special"},
		"not selected":   {LabelSelector: labels.SelectorFromSet(labels.Set{"team": "red"})},
		"what is for us": {LabelSelector: labels.SelectorFromSet(labels.Set{"team": "blue"})},
	} {
		for form, m := range forms(100) {
			got, err := controller.CachedBy(o, m.DeepCopy())
			kept, _ := got.(*v1alpha1.SealedManifest)
			if err != nil || kept == nil {
				t.Fatal(err)
			}
			sealed := kept.Data != nil || kept.StringData != nil || kept.Sops != nil || kept.Spec.Document != ""
			if sealed != (name == "what is for us") || kept.Labels["team"] != "blue" {
				t.Errorf("%s, %s: kept is %+v", name, form, kept)
			}
		}
	}
}
