package keyrings_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/bootstrap"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources/all"
	"github.com/gitseal/gitseal/keysources/vault/vaulttest"
)

func monthly(classic bool) *v1alpha1.Renewal {
	return &v1alpha1.Renewal{Every: metav1.Duration{Duration: 720 * time.Hour}, Classic: classic}
}

// Two that both believe to be the leader make one identity between them.
func TestTwoLeadersRenewOnce(t *testing.T) {
	w := newWorld(t)
	old := w.ageSecret("first", 40, true)
	w.sealKeyring(v1alpha1.SealKeyringSpec{Renewal: monthly(false)}, "first")
	a, b := w.start(choices{}), w.start(choices{})
	for _, r := range []*replica{a, b} {
		w.eventually("both have the new one", func() string {
			if set := r.store.Get(w.keyring); set == nil || len(set.Identities()) < 2 {
				return "not yet"
			}
			return ""
		})
		looks := r.looked()
		w.eventually("ten more looks", func() string {
			if r.looked() < looks+10 {
				return "not yet"
			}
			return ""
		})
	}
	secrets := w.identitySecrets()
	if len(secrets) != 2 {
		t.Fatalf("%d identities, want 2", len(secrets))
	}
	made := w.newest(secrets)
	if made.Name != keyring.SuccessorName(w.keyring, old.Recipient().String()) || made.Immutable == nil || !*made.Immutable || made.Type != corev1.SecretTypeOpaque {
		t.Errorf("the Secret %s is not as it should be", made.Name)
	}
	s := w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded)
	if !strings.HasPrefix(s.Recipients[0], "age1pq1") {
		t.Errorf("sealed for %s: not a hybrid", keyring.Short(s.Recipients[0]))
	}
	if s.Identities[0].State != v1alpha1.StateActive || s.Identities[1].State != v1alpha1.StateRetiring || s.Identities[1].ID != old.Recipient().String() {
		t.Errorf("states %s, %s", s.Identities[0].State, s.Identities[1].State)
	}
	w.eventually("published", func() string {
		if got := w.configMap()[w.keyring]; got != s.Recipients[0] {
			return keyring.Short(got)
		}
		return ""
	})
	if note := w.awaitEvent("IdentityRenewed"); strings.Contains(note, "SECRET") || !strings.Contains(note, made.Name) {
		t.Errorf("event %q", note)
	}
}

func (w *world) newest(secrets []corev1.Secret) corev1.Secret {
	out := secrets[0]
	for i := range secrets {
		if keyring.CreatedAt(&secrets[i]).After(keyring.CreatedAt(&out)) {
			out = secrets[i]
		}
	}
	return out
}

func TestYoungIdentitiesAreNotRenewed(t *testing.T) {
	w := newWorld(t)
	w.ageSecret("first", 20, true)
	w.sealKeyring(v1alpha1.SealKeyringSpec{Renewal: monthly(true)})
	r := w.start(choices{})
	w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded)
	looks := r.looked()
	w.eventually("five more looks", func() string {
		if r.looked() < looks+5 {
			return "not yet"
		}
		return ""
	})
	if n := len(w.identitySecrets()); n != 1 {
		t.Errorf("%d identities", n)
	}
}

// A keyring whose identity is sealed for a key of Vault's stays so when it is renewed:
// no plain identity ever gets into etcd.
func TestSealedKeyringStaysSealed(t *testing.T) {
	v := vaulttest.Start(t)
	key := v.CreateKey(t, "cluster")
	sources := all.Sources(v.Env(v.Root))
	w := newWorld(t)
	start := time.Now().Add(-40 * 24 * time.Hour)
	recovery := w.ageSecret("elsewhere", 0, false).Recipient().String()
	made, err := bootstrap.Run(context.Background(), w.client, bootstrap.Options{
		Namespace: w.ns, Keyring: w.keyring, Recovery: []string{recovery}, Keys: []string{key}, Sources: sources,
		RenewEvery: 720 * time.Hour, Now: func() time.Time { return start },
	})
	if err != nil {
		t.Fatal(err)
	}
	r := w.start(choices{sources: all.Sources(v.Env(v.Token(t, time.Hour, "transit/decrypt/cluster=update", "transit/encrypt/cluster=update")))})
	w.eventually("renewed", func() string {
		if s := w.status(); len(s.Identities) != 2 || s.Identities[1].ID != made.Recipients[0] {
			return "not yet"
		}
		return ""
	})
	for _, s := range w.identitySecrets() {
		if s.Data[keyring.PlainKey] != nil || len(s.Data) != 1 || strings.Contains(string(s.Data[keyring.SealedKey]), "SECRET-KEY") {
			t.Errorf("%s has a plain identity", s.Name)
		}
		if !strings.Contains(string(s.Data[keyring.SealedKey]), recovery) {
			t.Errorf("%s cannot be opened by the recovery key", s.Name)
		}
	}
	// Vault goes: what is loaded stays in use.
	v.Stop()
	var kr v1alpha1.SealKeyring
	if err := w.client.Get(context.Background(), client.ObjectKey{Name: w.keyring}, &kr); err != nil {
		t.Fatal(err)
	}
	kr.Spec.Policy.Context = v1alpha1.Warn // have it loaded again
	if err := w.client.Update(context.Background(), &kr); err != nil {
		t.Fatal(err)
	}
	w.eventually("loaded again", func() string {
		if set := r.store.Get(w.keyring); set.Policy().Context != v1alpha1.Warn || len(set.Identities()) != 2 {
			return set.String()
		}
		return ""
	})
	// A replica that starts now waits, says so, and publishes what was published.
	r.stop()
	late := w.start(choices{sources: all.Sources(v.Env(os.Getenv("NO_SUCH_TOKEN")))})
	s := w.awaitReady(metav1.ConditionFalse, v1alpha1.ReasonKeyUnavailable)
	if len(s.Recipients) != 2 || s.Recipients[1] != recovery || late.store.Ready() {
		t.Errorf("recipients %d, ready %v", len(s.Recipients), late.store.Ready())
	}
	if set := late.store.Get(w.keyring); len(set.Waiting()) != 2 {
		t.Errorf("waiting for %v", set.Waiting())
	}
}
