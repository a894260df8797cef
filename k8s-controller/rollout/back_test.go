package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/rollout"
)

// generations returns those of the Deployments that deploy made.
func (s *stage) generations(n int) []int64 {
	s.t.Helper()
	var out []int64
	for i := range n {
		out = append(out, s.template("Deployment", fmt.Sprintf("web%d", i)).Generation)
	}
	return out
}

func (s *stage) want(what string, generations ...int64) {
	s.t.Helper()
	if got := s.generations(len(generations)); fmt.Sprint(got) != fmt.Sprint(generations) {
		s.t.Errorf("%s: the generations are %v, want %v", what, got, generations)
	}
}

// dying is a client of a controller that ends after some writes.
type dying struct {
	client.Client
	left int
}

var errDead = errors.New("the process is no more")

func (d *dying) Apply(ctx context.Context, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	if d.left == 0 {
		return errDead
	}
	d.left--
	return d.Client.Apply(ctx, o, opts...)
}

// TestContentThatIsTakenBack, while a rollout of it is unfinished: those that were
// restarted with it are restarted again, once, and no others. What the status has is
// what was written before the first restart, so it does not matter why the rollout did
// not end: it stopped at its bounds, a workload was refused, or the controller crashed
// before it could write another status.
func TestContentThatIsTakenBack(t *testing.T) {
	one, two, three := secret("db", "k", "one"), secret("db", "k", "two"), secret("db", "k", "three")
	s := newStage(t)
	s.deploy(3)
	dies := func(restarts int) {
		s.roller = rollout.New(rollout.Options{Client: &dying{s.client, restarts}, Namespace: s.own})
	}
	first := s.roll("", one)
	begun := s.pass(first.Hash, two)
	if !begun.Pending || len(begun.Restarted) != 0 {
		t.Fatalf("before the status was written: %+v", begun)
	}
	s.want("before the status was written", 1, 1, 1)
	dies(2)
	if _, err := s.roller.Roll(t.Context(), s.manifest(begun.Hash), []*corev1.Secret{two}); !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	s.want("cut off", 2, 2, 1)

	dies(1)
	if _, err := s.roller.Roll(t.Context(), s.manifest(begun.Hash), []*corev1.Secret{one}); !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	s.want("taken back, cut off", 3, 2, 1)
	s.roller = s.newRoller()
	back := s.pass(begun.Hash, one)
	if back.Pending || back.Hash != first.Hash {
		t.Errorf("taken back: %+v, want the hash %s", back, first.Hash)
	}
	s.want("taken back", 3, 3, 1)
	if again := s.pass(back.Hash, one); again.Hash != back.Hash || len(again.Restarted) != 0 {
		t.Errorf("once more: %+v", again)
	}

	// A third content, instead of the one before: for all.
	begun = s.pass(back.Hash, two)
	s.roller = rollout.New(rollout.Options{Client: s.client, Namespace: s.own, PerPass: 1})
	if got := s.pass(begun.Hash, two); !got.Pending || got.Hash != begun.Hash {
		t.Errorf("at its bounds: %+v", got)
	}
	s.want("at its bounds", 4, 3, 1)
	s.roller = s.newRoller()
	if got := s.pass(begun.Hash, three); got.Pending || len(got.Restarted) != 3 {
		t.Errorf("another content: %+v", got)
	}
	s.want("another content", 5, 4, 2)
}

// TestARolloutThatBeganRestartsNothingTwice: neither if nothing was restarted before it
// was taken back, nor if all were, nor under a new key.
func TestARolloutThatBeganRestartsNothingTwice(t *testing.T) {
	one, two := secret("db", "k", "one"), secret("db", "k", "two")
	s := newStage(t)
	s.deploy(2)
	first := s.roll("", one).Hash
	begun := s.pass(first, two).Hash
	if got := s.pass(begun, one); got.Hash != first || len(got.Restarted) != 0 {
		t.Errorf("taken back before anything was restarted: %+v", got)
	}
	s.want("taken back before anything was restarted", 1, 1)
	second := s.pass(begun, two)
	if got := s.pass(begun, two); got.Hash != second.Hash || got.Pending || len(got.Restarted) != 0 {
		t.Errorf("once more: %+v", got)
	}
	s.want("once more", 2, 2)
	s.cluster.Kubectl(t, "", "-n", s.own, "delete", "secret", rollout.KeySecret)
	s.roller = s.newRoller()
	if got := s.pass(begun, one); got.Pending || len(got.Restarted) != 0 {
		t.Errorf("under a new key: %+v", got)
	}
	s.want("under a new key", 2, 2)
}
