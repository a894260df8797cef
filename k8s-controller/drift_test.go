package controller_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// vandalize changes a Secret as somebody with kubectl edit would.
func (w *world) vandalize(name, key, value string) *corev1.Secret {
	w.t.Helper()
	s := w.secret(name)
	before := s.DeepCopy()
	s.Data[key] = []byte(value)
	w.check(w.api.Patch(w.t.Context(), s, client.MergeFrom(before), client.FieldOwner("kubectl-edit")))
	return s
}

func TestDriftIsCorrected(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	want := map[string]string{"a": w.value("1")}
	w.put(sealed{name: "db", data: want})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.vandalize("db", "a", "theirs")
	w.awaitData("db", want)
	w.vandalize("db", "b", "added")
	w.awaitData("db", want)
	w.eventually("both are counted", func() bool { return r.count("gitseal_drift_corrected_total") == 2 }, nil)
	w.eventually("an event says so", func() bool { return slices.Contains(w.events("db"), "DriftCorrected") }, nil)
	if m := w.get("db"); ready(m).Reason != v1alpha1.ReasonApplied {
		t.Errorf("Ready is %+v", ready(m))
	}
}

func TestFightEnds(t *testing.T) {
	// Somebody who undoes each correction at once does not keep the controller busy.
	w := newWorld(t)
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	before := len(r.requests.manifestWrites(w.ns))
	var rounds int
	for rounds = range 20 {
		w.vandalize("db", "a", "theirs")
		r.rest()
		if text(w.secret("db"))["a"] == "theirs" {
			break
		}
	}
	if rounds < 4 || rounds > 6 {
		t.Errorf("it was corrected %d times", rounds)
	}
	if n := len(r.requests.manifestWrites(w.ns)) - before; n > 4*rounds {
		t.Errorf("%d corrections took %d writes", rounds, n)
	}
	// What is new in git is applied all the same.
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("2")}})
	w.awaitData("db", map[string]string{"a": w.value("2")})
}

// TestFightEndsWhileSomethingElseFails: a manifest that is not Ready is no exception.
func TestFightEndsWhileSomethingElseFails(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	w.check(w.api.Create(t.Context(), newSecret(w.ns, "two", map[string]string{"theirs": "x"})))
	both := func(one string) {
		var text string
		for name, value := range map[string]string{"one": one, "two": w.value("2")} {
			text += "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: " + name + "\nstringData:\n  a: " + value + "\n"
		}
		w.apply(w.document("db", "yaml", text, nil))
	}
	both(w.value("1"))
	w.awaitReason("db", v1alpha1.ReasonTargetConflict)
	rounds, most := 0, 20
	for ; rounds < most; rounds++ {
		w.vandalize("one", "a", "theirs")
		r.rest()
		if text(w.secret("one"))["a"] == "theirs" {
			break
		}
	}
	if rounds == 0 || rounds == most {
		t.Errorf("it was corrected %d times", rounds)
	}
	// What is new in git is applied all the same.
	both(w.value("3"))
	w.awaitData("one", map[string]string{"a": w.value("3")})
}

func TestDriftIsOnlyTold(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	want := map[string]string{"a": w.value("1")}
	w.put(sealed{name: "db", head: "spec:\n  driftPolicy: Warn\n", data: want})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.vandalize("db", "a", "theirs")
	m := w.awaitReason("db", v1alpha1.ReasonDrifted)
	if ready(m).Status != "True" {
		t.Errorf("Ready is %s", ready(m).Status)
	}
	r.rest()
	if got := text(w.secret("db"))["a"]; got != "theirs" {
		t.Errorf("the Secret holds %q: it was written", got)
	}
	w.eventually("an event says so", func() bool { return slices.Contains(w.events("db"), v1alpha1.ReasonDrifted) }, nil)
	// Asked for, or put right by hand, it is as before.
	w.vandalize("db", "a", want["a"])
	w.awaitReason("db", v1alpha1.ReasonApplied)
}

// TestDriftStaysWhateverFailsMeanwhile: what is only to be told is not undone because the
// manifest could not be opened for a moment, or was suspended.
func TestDriftStaysWhateverFailsMeanwhile(t *testing.T) {
	suspend := func(w *world, yes bool) {
		w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.Suspend = yes })
	}
	var key *corev1.Secret
	for _, c := range []struct {
		reason        string
		begin, finish func(*world)
	}{
		{v1alpha1.ReasonNoKeyring,
			func(w *world) { w.label(w.ns, map[string]string{"world": ""}) },
			func(w *world) { w.label(w.ns, map[string]string{"world": w.system}) }},
		{v1alpha1.ReasonSuspended, func(w *world) { suspend(w, true) }, func(w *world) { suspend(w, false) }},
		{v1alpha1.ReasonNoMatchingKey,
			func(w *world) {
				key = newSecret(w.system, "key-"+w.keyring, nil)
				w.check(w.api.Get(w.t.Context(), client.ObjectKeyFromObject(key), key))
				w.check(w.api.Delete(w.t.Context(), key.DeepCopy()))
			},
			func(w *world) {
				key.UID, key.ResourceVersion = "", ""
				w.check(w.api.Create(w.t.Context(), key))
			}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			w := newWorld(t)
			r := w.run()
			w.put(sealed{name: "db", head: "spec:\n  driftPolicy: Warn\n", data: map[string]string{"a": w.value("1")}})
			w.awaitReason("db", v1alpha1.ReasonApplied)
			w.vandalize("db", "a", "theirs")
			w.awaitReason("db", v1alpha1.ReasonDrifted)
			c.begin(w)
			w.awaitReason("db", c.reason)
			c.finish(w)
			w.await("db", "it is Ready again", func(m *v1alpha1.SealedManifest) bool {
				return ready(m).Status == "True" && ready(m).Reason != v1alpha1.ReasonSuspended
			})
			r.rest()
			if m := w.get("db"); ready(m).Reason != v1alpha1.ReasonDrifted {
				t.Errorf("Ready is %+v", ready(m))
			}
			if got := text(w.secret("db"))["a"]; got != "theirs" {
				t.Errorf("the Secret holds %q: it was written", got)
			}
		})
	}
}

// TestWhatAFailedRevisionWroteIsNoDrift: what was applied of it goes when the manifest is
// put back, whatever the policy for what others change.
func TestWhatAFailedRevisionWroteIsNoDrift(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.check(w.api.Create(t.Context(), newSecret(w.ns, "two", map[string]string{"theirs": "x"})))
	one := func(value string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata:\n  name: one\nstringData:\n  a: " + value + "\n"
	}
	two := "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: two\nstringData:\n  a: " + w.value("2") + "\n"
	spec := map[string]any{"driftPolicy": "Warn"}
	good := w.document("db", "yaml", one(w.value("1")), spec)
	w.apply(good)
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.apply(w.document("db", "yaml", one(w.value("3"))+two, spec))
	w.awaitReason("db", v1alpha1.ReasonTargetConflict)
	w.awaitData("one", map[string]string{"a": w.value("3")})
	w.apply(good)
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.awaitData("one", map[string]string{"a": w.value("1")})
}

func TestLostMarksComeBack(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	s := w.secret("db")
	before := s.DeepCopy()
	delete(s.Labels, v1alpha1.ManagedLabel) // nobody watches it any more
	delete(s.Annotations, v1alpha1.ManifestAnnotation)
	w.check(w.api.Patch(t.Context(), s, client.MergeFrom(before)))
	w.eventually("label and annotation are back", func() bool {
		s := w.secret("db")
		return s.Labels[v1alpha1.ManagedLabel] == "true" && s.Annotations[v1alpha1.ManifestAnnotation] == "db"
	}, nil)
}

func TestReconcileIsAskedFor(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	r.rest()
	before := r.count("gitseal_decrypt_duration_seconds")
	w.edit("db", func(m *v1alpha1.SealedManifest) {
		m.Annotations = map[string]string{v1alpha1.ReconcileAnnotation: "2026-01-02T03:04:05Z"}
	})
	w.await("db", "the request is acknowledged", func(m *v1alpha1.SealedManifest) bool {
		return m.Status.LastHandledReconcileAt == "2026-01-02T03:04:05Z"
	})
	r.rest()
	if n := r.count("gitseal_decrypt_duration_seconds") - before; n != 1 {
		t.Errorf("the manifest was opened %v times for it", n)
	}
	if s := w.secret("db"); s.Annotations[v1alpha1.ReconcileAnnotation] != "" {
		t.Error("the annotation was copied")
	}
}

func TestSuspendedIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.Suspend = true })
	m := w.awaitReason("db", v1alpha1.ReasonSuspended)
	if c := ready(m); c.Status != "True" || c.ObservedGeneration != 1 || m.Status.ObservedGeneration != 1 {
		t.Errorf("Ready became %+v, about generation %d", c, m.Status.ObservedGeneration)
	}
	w.vandalize("db", "a", "theirs")
	w.put(sealed{name: "db", head: "spec:\n  suspend: true\n", data: map[string]string{"a": w.value("2")}})
	w.awaitReason("db", v1alpha1.ReasonSuspended)
	r.rest()
	if got := text(w.secret("db"))["a"]; got != "theirs" {
		t.Errorf("the Secret holds %q: it was written", got)
	}
	w.check(w.api.Delete(t.Context(), w.secret("db")))
	r.rest()
	if w.secret("db") != nil {
		t.Error("the Secret was made again")
	}
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.Suspend = false })
	w.awaitData("db", map[string]string{"a": w.value("2")})
	w.awaitReason("db", v1alpha1.ReasonApplied)
}

func TestWriteOnlyAppliesAtTimes(t *testing.T) {
	w := newWorld(t)
	r := w.run(writeOnly)
	want := map[string]string{"a": w.value("1")}
	w.put(sealed{name: "db", data: want})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.awaitData("db", want)
	w.vandalize("db", "a", "theirs")
	w.awaitData("db", want)
	w.check(w.api.Delete(t.Context(), w.secret("db")))
	w.awaitData("db", want)
	if reads := r.requests.reads(w.ns, "/secrets"); len(reads) > 0 {
		t.Errorf("Secrets were read: %v", reads)
	}
}

// writeOnly runs a controller that may not read Secrets, with a short resync.
func writeOnly(o *controller.Options) {
	o.SecretAccess, o.Resync = controller.SecretAccessWriteOnly, time.Second
}

// TestLostStatusComesBack: somebody who takes the status away does not make the manifest
// one that is never looked at again.
func TestLostStatusComesBack(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	m := w.awaitReason("db", v1alpha1.ReasonApplied)
	r.rest()
	had := m.Status
	m.Status = v1alpha1.SealedManifestStatus{ObservedGeneration: -1}
	w.check(w.api.Status().Update(t.Context(), m))
	m = w.awaitReason("db", v1alpha1.ReasonApplied)
	if m.Status.ObservedDigest != had.ObservedDigest || !slices.Equal(m.Status.Resources, had.Resources) {
		t.Errorf("the status was %+v, and is %+v", had, m.Status)
	}
}
