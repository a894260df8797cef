package controller_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

// untouched fails if a manifest was looked at: the other one, which was put after it,
// was.
func (w *world) untouched(name string) {
	w.t.Helper()
	if m := w.get(name); len(m.Status.Conditions) > 0 || w.secret(name) != nil {
		w.t.Errorf("%s was handled: %+v", name, m.Status)
	}
}

func TestClassChoosesController(t *testing.T) {
	w := newWorld(t)
	w.put(sealed{name: "special", head: "spec:\n  class: special\n", data: map[string]string{"a": w.value("1")}})
	w.put(sealed{name: "plain", data: map[string]string{"a": w.value("2")}})
	first := w.run()
	w.awaitReason("plain", v1alpha1.ReasonApplied)
	first.rest()
	w.untouched("special")
	w.run(func(o *controller.Options) { o.Class = "special" })
	w.awaitReason("special", v1alpha1.ReasonApplied)
}

// TestKeyInUseElsewhereIsCounted: people retire keys by the count. That another controller
// has a key in use must not be denied by one that has not.
func TestKeyInUseElsewhereIsCounted(t *testing.T) {
	w := newWorld(t)
	w.run()
	special := w.run(func(o *controller.Options) { o.Class = "special" })
	w.put(sealed{name: "special", head: "spec:\n  class: special\n", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("special", v1alpha1.ReasonApplied)
	special.stop() // what is written from now on, the first one writes
	ring := &v1alpha1.SealKeyring{}
	w.check(w.api.Get(t.Context(), client.ObjectKey{Name: w.keyring}, ring))
	before := ring.DeepCopy()
	ring.Spec.Policy.AllowedSecretTypes = append(ring.Spec.Policy.AllowedSecretTypes, "Opaque")
	w.check(w.api.Patch(t.Context(), ring, client.MergeFrom(before)))
	w.eventually("the keyring was looked at", func() bool {
		w.check(w.api.Get(t.Context(), client.ObjectKeyFromObject(ring), ring))
		return ring.Status.ObservedGeneration == ring.Generation
	}, nil)
	if ids := ring.Status.Identities; len(ids) != 1 || ids[0].Manifests != 1 {
		t.Errorf("the identities are %+v", ids)
	}
}

func TestLabelSelectorChooses(t *testing.T) {
	w := newWorld(t)
	r := w.run(func(o *controller.Options) { o.LabelSelector = labels.SelectorFromSet(labels.Set{"team": "shop"}) })
	w.put(sealed{name: "other", data: map[string]string{"a": w.value("1")}})
	w.put(sealed{name: "ours", meta: "  labels:\n    team: shop\n", data: map[string]string{"a": w.value("2")}})
	w.awaitReason("ours", v1alpha1.ReasonApplied)
	r.rest()
	w.untouched("other")
	w.edit("other", func(m *v1alpha1.SealedManifest) { m.Labels = map[string]string{"team": "shop"} })
	w.awaitReason("other", v1alpha1.ReasonApplied)
}

// TestControllersWithLabelsOfTheirOwnAllWork: none stands by for another.
func TestControllersWithLabelsOfTheirOwnAllWork(t *testing.T) {
	w := newWorld(t)
	for _, team := range []string{"blue", "red"} {
		w.run(func(o *controller.Options) {
			o.LeaderElect, o.LabelSelector = true, labels.SelectorFromSet(labels.Set{"team": team})
		})
		w.put(sealed{name: team, meta: "  labels:\n    team: " + team + "\n", data: map[string]string{"a": w.value(team)}})
		w.awaitReason(team, v1alpha1.ReasonApplied)
	}
}

func TestNamespacesLimit(t *testing.T) {
	w := newWorld(t)
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	outside := w.ns
	w.ns = w.namespace()
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("2")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	r.rest()
	inside := w.ns
	w.ns = outside
	w.untouched("db")
	w.ns = inside
	r.stop()
	// Without the limit, both.
	w.run(func(o *controller.Options) { o.Namespaces = nil })
	w.ns = outside
	w.awaitReason("db", v1alpha1.ReasonApplied)
}

func TestKeyringComesLater(t *testing.T) {
	w := emptyWorld(t)
	w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	m := w.awaitReason("db", v1alpha1.ReasonNoKeyring)
	if !stalled(m) {
		t.Errorf("the conditions are %+v", m.Status.Conditions)
	}
	w.addKeyring(w.keyring, v1alpha1.Policy{}, w.id)
	w.awaitReason("db", v1alpha1.ReasonApplied)
	if stalled(w.get("db")) {
		t.Error("it is Stalled")
	}
}

func TestNamespaceLabelsChooseKeyring(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.label(w.ns, map[string]string{"world": ""})
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonNoKeyring)
	w.label(w.ns, map[string]string{"world": w.system})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.label(w.ns, map[string]string{"world": ""})
	w.awaitReason("db", v1alpha1.ReasonNoKeyring)
	w.awaitData("db", map[string]string{"a": w.value("1")}) // what was good stays
}

func TestLostIdentityKeepsSecret(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	s := newSecret(w.system, "key-"+w.keyring, nil)
	w.check(w.api.Delete(t.Context(), s))
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("2")}})
	w.awaitReason("db", v1alpha1.ReasonNoMatchingKey)
	w.awaitData("db", map[string]string{"a": w.value("1")})
	s = newSecret(w.system, "key-"+w.keyring, map[string]string{keyring.PlainKey: w.id.SecretText()})
	s.Labels = map[string]string{keyring.Label: w.keyring}
	w.check(w.api.Create(t.Context(), s))
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.awaitData("db", map[string]string{"a": w.value("2")})
}

func TestPolicyChangeIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.put(sealed{name: "db", head: "type: example.com/mine\n", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	ring := &v1alpha1.SealKeyring{}
	w.check(w.api.Get(t.Context(), client.ObjectKey{Name: w.keyring}, ring))
	before := ring.DeepCopy()
	ring.Spec.Policy.AllowedSecretTypes = append(ring.Spec.Policy.AllowedSecretTypes, "Opaque")
	w.check(w.api.Patch(t.Context(), ring, client.MergeFrom(before)))
	w.awaitReason("db", v1alpha1.ReasonKindNotAllowed)
	w.awaitData("db", map[string]string{"a": w.value("1")})
}
