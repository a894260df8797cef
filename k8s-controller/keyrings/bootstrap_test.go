package keyrings_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
