package controller_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

func stalled(m *v1alpha1.SealedManifest) bool {
	return meta.IsStatusConditionTrue(m.Status.Conditions, v1alpha1.ConditionStalled)
}

func TestRefusedUpdateKeepsSecret(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	good := map[string]string{"a": w.value("1"), "b": w.value("2")}
	w.put(sealed{name: "db", data: good})
	last := w.awaitReason("db", v1alpha1.ReasonApplied).Status
	uid := w.secret("db").UID
	hostile := map[string]struct {
		reason string
		change func(u *unstructured.Unstructured)
	}{
		"swapped values": {v1alpha1.ReasonMACMismatch, func(u *unstructured.Unstructured) {
			data := u.Object["stringData"].(map[string]any)
			data["a"], data["b"] = data["b"], data["a"]
		}},
		"another's": {v1alpha1.ReasonContextMismatch, func(u *unstructured.Unstructured) {
			u.Object = w.manifest(sealed{name: "other", data: map[string]string{"a": w.value("3")}}).Object
			u.SetName("db")
		}},
		"another namespace's": {v1alpha1.ReasonContextMismatch, func(u *unstructured.Unstructured) {
			u.Object = w.manifest(sealed{name: "db", context: "k8s:kube-system/db", data: map[string]string{"a": w.value("4")}}).Object
		}},
		"without our MAC": {v1alpha1.ReasonMACMismatch, func(u *unstructured.Unstructured) {
			unstructured.RemoveNestedField(u.Object, "sops", "seal")
		}},
	}
	for name, h := range hostile {
		u := w.manifest(sealed{name: "db", data: map[string]string{"a": w.value("5"), "b": w.value("6")}})
		h.change(u)
		w.apply(u)
		m := w.await("db", name+" is refused", func(m *v1alpha1.SealedManifest) bool { return ready(m).Status == "False" })
		if got := ready(m).Reason; got != h.reason {
			t.Errorf("%s: the reason is %s: %s", name, got, ready(m).Message)
		}
		if !stalled(m) || m.Status.ObservedDigest != last.ObservedDigest || !slices.Equal(m.Status.Resources, last.Resources) {
			t.Errorf("%s: the status is %+v", name, m.Status)
		}
		if s := w.awaitData("db", good); s.UID != uid {
			t.Errorf("%s: the Secret was made anew", name)
		}
		w.eventually("an event says so", func() bool { return slices.Contains(w.events("db"), ready(m).Reason) }, nil)
		w.put(sealed{name: "db", data: good})
		if m = w.awaitReason("db", v1alpha1.ReasonApplied); stalled(m) {
			t.Errorf("%s: it is Stalled after it was put right", name)
		}
		last = m.Status
	}
	if n := r.count("gitseal_reconcile_total", "stalled"); n < float64(len(hostile)) {
		t.Errorf("%v were counted as stalled", n)
	}
}

func TestStalledIsNotRetried(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	// That the keyring is there is a reason to look again: let that be over.
	w.put(sealed{name: "fine", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("fine", v1alpha1.ReasonApplied)
	r.rest()
	w.put(sealed{name: "db", context: "k8s:elsewhere/db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonContextMismatch)
	r.rest()
	if n := r.count("gitseal_reconcile_total", "stalled"); n != 1 {
		t.Errorf("it was tried %v times", n)
	}
	w.eventually("one event", func() bool { return len(w.events("db")) == 1 }, nil)
}

func TestConflictIsSeenToEnd(t *testing.T) {
	w := newWorld(t)
	w.run()
	foreign := newSecret(w.ns, "db", map[string]string{"theirs": "x"})
	w.check(w.api.Create(t.Context(), foreign))
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	m := w.awaitReason("db", v1alpha1.ReasonTargetConflict)
	if !stalled(m) {
		t.Errorf("the conditions are %+v", m.Status.Conditions)
	}
	w.awaitData("db", map[string]string{"theirs": "x"})
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.ConflictPolicy = v1alpha1.ConflictAdopt })
	w.awaitReason("db", v1alpha1.ReasonApplied)
	if s := w.awaitData("db", map[string]string{"a": w.value("1")}); s.UID != foreign.UID {
		t.Error("the Secret was made anew")
	}
}

func TestTransientFailureIsRetried(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	w.check(w.api.Create(t.Context(), quota(w.ns, 0)))
	w.awaitQuota(w.ns)
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	m := w.awaitReason("db", v1alpha1.ReasonQuotaExceeded)
	if stalled(m) || !meta.IsStatusConditionTrue(m.Status.Conditions, v1alpha1.ConditionReconciling) {
		t.Errorf("the conditions are %+v", m.Status.Conditions)
	}
	w.eventually("it is tried again", func() bool { return r.count("gitseal_reconcile_total", "retry") >= 3 }, nil)
	version := w.get("db").ResourceVersion
	w.eventually("and again", func() bool { return r.count("gitseal_reconcile_total", "retry") >= 4 }, nil)
	if got := w.get("db").ResourceVersion; got != version {
		t.Error("a try that failed as before wrote the status")
	}
	w.check(w.api.Delete(t.Context(), quota(w.ns, 0)))
	m = w.awaitReason("db", v1alpha1.ReasonApplied)
	if meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionReconciling) != nil {
		t.Errorf("of the failure is left %+v", m.Status.Conditions)
	}
	if got := w.events("db"); len(got) > 2 {
		t.Errorf("the events are %v", got)
	}
}

func TestStatusSurvivesStorm(t *testing.T) {
	// Somebody who keeps changing the manifest keeps nobody from telling its state.
	w := newWorld(t)
	w.run()
	u := w.manifest(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.apply(u)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			m := &v1alpha1.SealedManifest{}
			m.Namespace, m.Name = w.ns, "db"
			patch := []byte(`{"metadata":{"annotations":{"storm":"` + strings.Repeat("x", n%7) + `"}}}`)
			if err := w.api.Patch(t.Context(), m, client.RawPatch("application/merge-patch+json", patch)); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range 3 {
		want := map[string]string{"a": w.value("1" + strings.Repeat("0", i))}
		w.put(sealed{name: "db", data: want})
		w.awaitData("db", want)
		w.eventually("the status is about it", func() bool {
			m := w.get("db")
			return m.Status.ObservedGeneration == m.Generation && ready(m).Reason == v1alpha1.ReasonApplied
		}, nil)
	}
	close(stop)
	if n := <-done; n < 20 {
		t.Errorf("only %d changes were made", n)
	}
}
