package keyrings_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

// moreLooks waits until the keeper has looked at the keyring some more times.
func (w *world) moreLooks(r *replica) {
	w.Helper()
	looks := r.looked()
	w.eventually("five more looks", func() string {
		if r.looked() < looks+5 {
			return "not yet"
		}
		return ""
	})
}

// renewed starts a controller whose keyring has the old identity, and waits for the new
// one. It returns the Secret of that, without what a backup has not.
func (w *world) renewed() (*replica, *corev1.Secret) {
	w.Helper()
	r := w.start(choices{})
	var s v1alpha1.SealKeyringStatus
	w.eventually("renewed", func() string {
		if s = w.status(); len(s.Identities) != 2 || s.Identities[0].State != v1alpha1.StateActive {
			return "not yet"
		}
		return ""
	})
	backup := w.secretNamed(s.Identities[0].Source)
	if err := w.client.Get(context.Background(), client.ObjectKeyFromObject(backup), backup); err != nil {
		w.Fatal(err)
	}
	backup.UID, backup.ResourceVersion, backup.ManagedFields = "", "", nil
	return r, backup
}

// states are what the status says of each identity.
func states(s v1alpha1.SealKeyringStatus) string {
	var out []string
	for _, id := range s.Identities {
		out = append(out, id.State)
	}
	return strings.Join(out, " ")
}

// The newest identity's Secret is deleted by mistake. No other takes its name, whether the
// controller was running or not, so that it can be restored; what older ones open, they
// open meanwhile, and what is sealed is for them.
func TestMissingNewestIdentityIsNotReplaced(t *testing.T) {
	w := newWorld(t)
	old := w.ageSecret("first", 40, true).Recipient().String()
	w.sealKeyring(v1alpha1.SealKeyringSpec{Renewal: monthly(true)})
	r, backup := w.renewed()
	w.delete(w.secretNamed(backup.Name))
	s := w.awaitReady(metav1.ConditionFalse, keyring.ReasonIdentityMissing)
	if c := s.Conditions[0].Message; !strings.Contains(c, "1 identity is in use; "+backup.Name+": ") {
		t.Errorf("message %q", c)
	}
	w.awaitEvent("IdentityRemoved")
	for range 2 {
		w.moreLooks(r)
		if got := states(w.status()); got != "Missing Active" || !slices.Equal(w.status().Recipients, []string{old}) {
			t.Errorf("the status has %s, and the recipients %v", got, w.status().Recipients)
		}
		if n := len(w.identitySecrets()); n != 1 {
			t.Fatalf("%d identities: one was made in its place", n)
		}
		if ids := r.store.Get(w.keyring).Identities(); len(ids) != 1 || ids[0].ID != old {
			t.Errorf("in use: %v", ids)
		}
		r.stop()
		r = w.start(choices{})
		w.eventually("started", func() string {
			if !r.store.Loaded() {
				return "not yet"
			}
			return ""
		})
	}
	w.create(backup)
	if got := states(w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded)); got != "Active Retiring" {
		t.Errorf("restored: %s", got)
	}
}

// A missing identity that is lost for good is taken out of the status: then there is a new
// one.
func TestLostNewestIdentityIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.ageSecret("first", 40, true)
	w.sealKeyring(v1alpha1.SealKeyringSpec{Renewal: monthly(true)})
	_, lost := w.renewed()
	w.delete(w.secretNamed(lost.Name))
	w.awaitReady(metav1.ConditionFalse, keyring.ReasonIdentityMissing)
	kr := &v1alpha1.SealKeyring{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}}
	giveUp := client.RawPatch(types.MergePatchType, []byte(`{"status":{"identities":null}}`))
	if err := w.client.Status().Patch(context.Background(), kr, giveUp); err != nil {
		t.Fatal(err)
	}
	s := w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded)
	w.eventually("another one is made", func() string {
		if s = w.status(); states(s) != "Active Retiring" {
			return states(s)
		}
		return ""
	})
	if s.Recipients[0] == lost.Annotations[keyring.RecipientAnnotation] {
		t.Error("it is the lost one")
	}
}

// What goes on purpose is not missing: an older identity whose Secret is deleted, the
// newest when a newer one has come, one that the spec names no more.
func TestRetiredIdentitiesAreNotMissing(t *testing.T) {
	w := newWorld(t)
	w.ageSecret("older", 20, true)
	w.ageSecret("newest", 10, true)
	w.ageSecret("named", 5, false)
	w.sealKeyring(v1alpha1.SealKeyringSpec{}, "named")
	w.start(choices{})
	await := func(what string, want ...string) {
		t.Helper()
		w.eventually(what, func() string {
			var got []string
			s := w.status()
			for _, id := range s.Identities {
				got = append(got, id.Source+" "+id.State)
			}
			if !slices.Equal(got, want) || s.Conditions[0].Reason != keyring.ReasonLoaded {
				return strings.Join(got, ", ")
			}
			return ""
		})
	}
	await("all are there", "i0 Active", "newest Retiring", "older Retiring")
	w.delete(w.secretNamed("older"))
	await("an older one was deleted", "i0 Active", "newest Retiring")
	kr := &v1alpha1.SealKeyring{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}}
	if err := w.client.Patch(context.Background(), kr, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"identities":null}}`))); err != nil {
		t.Fatal(err)
	}
	await("the spec names the newest no more", "newest Active")
	w.delete(w.secretNamed("newest"))
	w.awaitReady(metav1.ConditionFalse, keyring.ReasonNoIdentity)
	w.ageSecret("other", 1, true)
	await("a newer one has come", "other Active")
}
