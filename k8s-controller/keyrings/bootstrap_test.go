package keyrings_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/bootstrap"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

// What bootstrap makes is loaded, and of several administrators at once one makes it.
func TestTwoAdministratorsMakeOneIdentity(t *testing.T) {
	w := newWorld(t)
	const administrators = 6
	var wg sync.WaitGroup
	results := make([]*bootstrap.Result, administrators)
	errs := make([]error, administrators)
	for i := range administrators {
		wg.Go(func() {
			results[i], errs[i] = bootstrap.Run(context.Background(), w.client, bootstrap.Options{Namespace: w.ns, Keyring: w.keyring})
		})
	}
	wg.Wait()
	made := 0
	var recipient string
	for i, err := range errs {
		switch {
		case err == nil:
			made++
			recipient = results[i].Recipients[0]
		case !errors.Is(err, bootstrap.ErrExists):
			t.Errorf("administrator %d: %v", i, err)
		}
	}
	if made != 1 || len(w.identitySecrets()) != 1 {
		t.Fatalf("%d succeeded, %d identities", made, len(w.identitySecrets()))
	}
	w.start(choices{})
	if s := w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded); s.Recipients[0] != recipient || s.Identities[0].Source != bootstrap.IdentityName {
		t.Error("another identity is in use than was said")
	}
}

func TestBootstrapTakesNoSecretOfOthers(t *testing.T) {
	w := newWorld(t)
	s := w.secretNamed(keyring.SecretName(w.keyring))
	s.StringData = map[string]string{"identity": "somebody else's"}
	w.create(s)
	_, err := bootstrap.Run(context.Background(), w.client, bootstrap.Options{Namespace: w.ns, Keyring: w.keyring})
	if !errors.Is(err, bootstrap.ErrSecret) {
		t.Errorf("error %v", err)
	}
	if got := w.secretNamed(s.Name); w.client.Get(context.Background(), client.ObjectKeyFromObject(s), got) != nil || string(got.Data["identity"]) != "somebody else's" {
		t.Error("it was changed")
	}
}

// A SealKeyring whose identity is lost gets a new one; its recovery keys stay.
func TestLostIdentityIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	recovery := w.ageSecret("elsewhere", 0, false).Recipient().String()
	o := bootstrap.Options{Namespace: w.ns, Keyring: w.keyring, Recovery: []string{recovery}}
	first, err := bootstrap.Run(ctx, w.client, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bootstrap.Run(ctx, w.client, o); !errors.Is(err, bootstrap.ErrExists) {
		t.Fatalf("while it is there: %v", err)
	}
	w.delete(w.secretNamed(first.Secret))
	other := o
	other.Recovery = []string{first.Recipients[0]}
	if _, err := bootstrap.Run(ctx, w.client, other); !errors.Is(err, bootstrap.ErrRecovery) || len(w.identitySecrets()) != 0 {
		t.Errorf("with other recovery keys: %v", err)
	}
	o.Recovery = nil
	again, err := bootstrap.Run(ctx, w.client, o)
	if err != nil || !again.Restored || !again.NewSecret || len(again.Recipients) != 2 || again.Recipients[0] == first.Recipients[0] || again.Recipients[1] != recovery {
		t.Fatalf("got %+v, %v", again, err)
	}
	w.start(choices{})
	if s := w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded); s.Recipients[0] != again.Recipients[0] {
		t.Error("the new identity is not in use")
	}
}

// A second keyring for all namespaces would leave none of them with one.
func TestSecondKeyringNeedsASelector(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	if _, err := bootstrap.Run(ctx, w.client, bootstrap.Options{Namespace: w.ns, Keyring: w.keyring}); err != nil {
		t.Fatal(err)
	}
	second := bootstrap.Options{Namespace: w.ns, Keyring: w.keyring + "-2"}
	if _, err := bootstrap.Run(ctx, w.client, second); !errors.Is(err, bootstrap.ErrAmbiguous) {
		t.Fatalf("error %v", err)
	}
	second.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
	if _, err := bootstrap.Run(ctx, w.client, second); err != nil {
		t.Fatal(err)
	}
	w.delete(&v1alpha1.SealKeyring{ObjectMeta: metav1.ObjectMeta{Name: second.Keyring}})
}
