package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/rollout"
)

// TestReplicasShareOneKey: all that start at once end up with the key that one made.
func TestReplicasShareOneKey(t *testing.T) {
	s := newStage(t)
	const replicas = 8
	hashes := make([]string, replicas)
	var wg sync.WaitGroup
	for i := range replicas {
		wg.Go(func() {
			got, err := s.newRoller().Roll(context.Background(), s.manifest(""), []*corev1.Secret{secret("db", "password", "one")})
			if err != nil {
				t.Error(err)
			}
			hashes[i] = got.Hash
		})
	}
	wg.Wait()
	for _, h := range hashes {
		if h != hashes[0] {
			t.Errorf("hashes differ: %q", hashes)
			break
		}
	}
}

// TestALostKeyRestartsNothing: under a new key all hashes are others; that is no
// change of content.
func TestALostKeyRestartsNothing(t *testing.T) {
	s := newStage(t)
	s.cluster.Kubectl(t, workloadYAML("Deployment", "web", "", fromEnv), "-n", s.ns, "apply", "-f", "-")
	before := s.roll("", secret("db", "password", "one")).Hash
	s.cluster.Kubectl(t, "", "-n", s.own, "delete", "secret", rollout.KeySecret)
	s.roller = s.newRoller()
	got := s.roll(before, secret("db", "password", "one"))
	if got.Hash == before || len(got.Restarted) != 0 {
		t.Errorf("with a new key: %+v", got)
	}
	if got := s.roll(got.Hash, secret("db", "password", "two")); len(got.Restarted) != 1 {
		t.Errorf("the next change: %+v", got)
	}
}

func TestABrokenKeyIsAnErrorAndNoNewKey(t *testing.T) {
	s := newStage(t)
	s.cluster.Kubectl(t, "", "-n", s.own, "create", "secret", "generic", rollout.KeySecret, "--from-literal=key=canary-short")
	got, err := s.roller.Roll(t.Context(), s.manifest("v1:x db=y"), []*corev1.Secret{secret("db", "password", "one")})
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Fatalf("got %v", err)
	}
	if got.Hash != "v1:x db=y" {
		t.Errorf("the hash is lost: %q", got.Hash)
	}
}

func TestWhoDoesNotAskIsLeftAlone(t *testing.T) {
	s := newStage(t)
	m := s.manifest("v1:x db=y")
	m.Spec.Rollout = v1alpha1.RolloutNone
	got, err := s.roller.Roll(t.Context(), m, []*corev1.Secret{secret("db", "password", "one")})
	if err != nil || got.Hash != "" || got.Restarted != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	var key corev1.Secret
	if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: s.own, Name: rollout.KeySecret}, &key); !apierrors.IsNotFound(err) {
		t.Errorf("a key was made, though nobody needs one: %v", err)
	}
}

// failing is a client whose writes to one workload fail.
type failing struct {
	client.Client
	fail error
}

func (f failing) List(ctx context.Context, l client.ObjectList, o ...client.ListOption) error {
	if f.fail != nil {
		return f.fail
	}
	return f.Client.List(ctx, l, o...)
}

// TestAFailedRolloutIsTriedAgain: the status keeps the old hash until all is done.
func TestAFailedRolloutIsTriedAgain(t *testing.T) {
	s := newStage(t)
	s.cluster.Kubectl(t, workloadYAML("Deployment", "web", "", fromEnv), "-n", s.ns, "apply", "-f", "-")
	h := s.roll("", secret("db", "password", "one")).Hash
	boom := errors.New("no connection")
	broken := rollout.New(rollout.Options{Client: failing{s.client, boom}, Namespace: s.own})
	got, err := broken.Roll(t.Context(), s.manifest(h), []*corev1.Secret{secret("db", "password", "two")})
	if !errors.Is(err, boom) || got.Hash != h {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got := s.roll(got.Hash, secret("db", "password", "two")); len(got.Restarted) != 1 {
		t.Errorf("the second try: %+v", got)
	}
}

// TestForbiddenWorkloadsAreAnErrorThatSaysSo: the optional role is missing.
func TestForbiddenWorkloadsAreAnErrorThatSaysSo(t *testing.T) {
	s := newStage(t)
	h := s.roll("", secret("db", "password", "one")).Hash
	s.cluster.Kubectl(t, "", "-n", s.own, "create", "role", "key", "--verb=get", "--resource=secrets")
	s.cluster.Kubectl(t, "", "-n", s.own, "create", "rolebinding", "key", "--role=key", "--user=poor")
	poor, err := client.New(s.cluster.ConfigFor(t, "poor"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.roller = rollout.New(rollout.Options{Client: poor, Namespace: s.own})
	_, err = s.roller.Roll(t.Context(), s.manifest(h), []*corev1.Secret{secret("db", "password", "two")})
	if !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want a forbidden error", err)
	}
}

// TestTheHashSeesContentOnly: data and stringData that come to the same are the same,
// and no two contents are confused.
func TestTheHashSeesContentOnly(t *testing.T) {
	s := newStage(t)
	hash := func(x *corev1.Secret) string {
		t.Helper()
		return s.roll("", x).Hash
	}
	plain := secret("db", "a", "1", "b", "2")
	mixed := secret("db", "a", "hidden", "b", "2")
	mixed.StringData = map[string]string{"a": "1"}
	mixed.Labels = map[string]string{"team": "blue"}
	if hash(plain) != hash(mixed) {
		t.Error("stringData, which wins, makes a difference")
	}
	seen := make(map[string]string)
	for _, x := range []*corev1.Secret{
		secret("db"), secret("db", "", ""), secret("db", "a", ""), secret("db", "", "a"), plain, secret("db", "a", "1b", "", "2"), secret("db", "a1", "", "b", "2"),
		secret("db", "a", "2", "b", "1"), secret("db2", "a", "1", "b", "2"),
	} {
		h := hash(x)
		if other, double := seen[h]; double {
			t.Errorf("%v and %s have one hash", x.Data, other)
		}
		seen[h] = fmt.Sprint(x.Data)
	}
}

func TestAnnotationsAreValidAndDistinct(t *testing.T) {
	seen := make(map[string]string)
	for _, name := range []string{
		"db", "db.example", strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 253), strings.Repeat("a", 252) + "b",
		strings.Repeat("a.", 100) + "a", strings.Repeat("a-", 100) + "a",
	} {
		key := rollout.Annotation(name)
		if errs := validation.IsQualifiedName(key); len(errs) > 0 {
			t.Errorf("%s: %v", key, errs)
		}
		if other, double := seen[key]; double {
			t.Errorf("%s and %s share %s", name, other, key)
		}
		seen[key] = name
	}
}

func TestTheRollerPrintsNothingOfItsKey(t *testing.T) {
	s := newStage(t)
	s.roll("", secret("db", "password", "one"))
	var key corev1.Secret
	if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: s.own, Name: rollout.KeySecret}, &key); err != nil {
		t.Fatal(err)
	}
	if key.Immutable == nil || !*key.Immutable {
		t.Error("the Secret with the key can be changed")
	}
	for _, v := range key.Data {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			text := fmt.Sprintf(verb, s.roller)
			for _, form := range []string{string(v), fmt.Sprint(v), fmt.Sprintf("%x", v), fmt.Sprintf("%#v", v)} {
				if strings.Contains(text, form) {
					t.Errorf("%s shows the key", verb)
				}
			}
		}
	}
}
