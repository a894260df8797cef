package controller_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/keysources/age"
)

// TestOrphanNeedsNoOpening: the deletion policy is in effect, too, while nothing is
// applied. No garbage collector runs here: it would go by the owner.
func TestOrphanNeedsNoOpening(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	stranger, err := age.Generate(false)
	w.check(err)
	own := w.id
	for _, c := range []struct{ name, reason string }{{"suspended", v1alpha1.ReasonSuspended}, {"unreadable", v1alpha1.ReasonNoMatchingKey}} {
		t.Run(c.name, func(t *testing.T) {
			data := map[string]string{"a": w.value("1")}
			w.put(sealed{name: c.name, data: data})
			w.awaitReason(c.name, v1alpha1.ReasonApplied)
			head := "spec:\n  deletionPolicy: Orphan\n"
			if c.reason == v1alpha1.ReasonSuspended {
				head += "  suspend: true\n"
			} else {
				w.id = stranger
			}
			w.put(sealed{name: c.name, head: head, data: data})
			w.id = own
			w.awaitReason(c.name, c.reason)
			w.eventually("nobody owns the Secret", func() bool { return len(w.secret(c.name).OwnerReferences) == 0 }, nil)
			w.awaitData(c.name, data)
			// Back again takes a pass that applies it, whatever is done about drift.
			w.put(sealed{name: c.name, head: "spec:\n  driftPolicy: Warn\n", data: data})
			w.awaitReason(c.name, v1alpha1.ReasonApplied)
			if metav1.GetControllerOf(w.secret(c.name)) == nil {
				t.Error("nobody owns the Secret")
			}
		})
	}
	// What is not tried again is in the log, once.
	if n := strings.Count(r.log.String(), "stalled: this is not tried again"); n != 1 {
		t.Errorf("the log says %d times that something stalled", n)
	}
}

// TestLetGoSecretIsOwnedAgain: that it lost its owner is no drift that is only to be told.
func TestLetGoSecretIsOwnedAgain(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.put(sealed{name: "db", head: "spec:\n  driftPolicy: Warn\n", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.edit("db", func(m *v1alpha1.SealedManifest) {
		m.Spec.Suspend, m.Spec.DeletionPolicy = true, v1alpha1.DeletionOrphan
	})
	w.awaitReason("db", v1alpha1.ReasonSuspended)
	w.eventually("the Secret was let go", func() bool { return len(w.secret("db").OwnerReferences) == 0 }, nil)
	w.edit("db", func(m *v1alpha1.SealedManifest) { m.Spec.Suspend, m.Spec.DeletionPolicy = false, "" })
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.eventually("it has its owner again", func() bool { return len(w.secret("db").OwnerReferences) == 1 }, nil)
}
