package rollout_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/rollout"
)

// deploy makes workloads that use the Secret db.
func (s *stage) deploy(n int) {
	s.t.Helper()
	var all strings.Builder
	for i := range n {
		all.WriteString(workloadYAML("Deployment", fmt.Sprintf("web%d", i), "", fromEnv) + "---\n")
	}
	s.cluster.Kubectl(s.t, all.String(), "-n", s.ns, "apply", "-f", "-")
}

// held is a client whose lists in one namespace wait.
type held struct {
	client.Client
	namespace     string
	asked, goOn   chan struct{}
	once, release sync.Once
}

func (h *held) List(ctx context.Context, l client.ObjectList, opts ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(opts)
	if o.Namespace == h.namespace {
		h.once.Do(func() { close(h.asked) })
		select {
		case <-h.goOn:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h.Client.List(ctx, l, opts...)
}

// TestANamespaceThatIsBusyHoldsUpNobody: not the workers of other namespaces, and none
// with another manifest of its own.
func TestANamespaceThatIsBusyHoldsUpNobody(t *testing.T) {
	s := newStage(t)
	s.deploy(1)
	other := &stage{t: t, cluster: s.cluster, client: s.client, ns: s.cluster.Namespace(t), own: s.own}
	other.deploy(1)
	hash := s.roll("", secret("db", "k", "one")).Hash
	hash = s.pass(hash, secret("db", "k", "two")).Hash
	other.roller = s.roller
	otherHash := other.roll("", secret("db", "k", "one")).Hash

	slow := &held{Client: s.client, namespace: s.ns, asked: make(chan struct{}), goOn: make(chan struct{})}
	goOn := func() { slow.release.Do(func() { close(slow.goOn) }) }
	defer goOn()
	s.roller = rollout.New(rollout.Options{Client: slow, Namespace: s.own})
	other.roller = s.roller
	first := make(chan rollout.Result, 1)
	go func() {
		got, err := s.roller.Roll(context.Background(), s.manifest(hash), []*corev1.Secret{secret("db", "k", "two")})
		if err != nil {
			t.Error(err)
		}
		first <- got
	}()
	<-slow.asked
	if got := other.roll(otherHash, secret("db", "k", "two")); len(got.Restarted) != 1 || got.Pending {
		t.Errorf("in another namespace: %+v", got)
	}
	second := s.roll(hash, secret("db", "k", "three"))
	if !second.Pending || second.Hash != hash || len(second.Restarted) != 0 {
		t.Errorf("in the same namespace: %+v", second)
	}
	goOn()
	if got := <-first; len(got.Restarted) != 1 || got.Pending {
		t.Errorf("the first: %+v", got)
	}
	if got := s.roll(hash, secret("db", "k", "three")); len(got.Restarted) != 1 || got.Pending {
		t.Errorf("the second, called again: %+v", got)
	}
}

// TestACallStopsAtItsBoundsAndTheNextGoesOn: the hash stays the old one, with a mark,
// until all is done.
func TestACallStopsAtItsBoundsAndTheNextGoesOn(t *testing.T) {
	s := newStage(t)
	s.deploy(5)
	s.roller = rollout.New(rollout.Options{Client: s.client, Namespace: s.own, PerPass: 2})
	old := s.pass(s.roll("", secret("db", "k", "one")).Hash, secret("db", "k", "two")).Hash
	var all []string
	for _, want := range []int{2, 2, 1} {
		got := s.pass(old, secret("db", "k", "two"))
		if last := want == 1; got.Pending == last || (got.Hash == old) == last || len(got.Restarted) != want {
			t.Fatalf("after %v: %+v", all, got)
		}
		all = append(all, got.Restarted...)
	}
	if all = slices.Compact(slices.Sorted(slices.Values(all))); len(all) != 5 {
		t.Errorf("restarted %v", all)
	}
}

// pacing is a client that notes how many workloads it has handed out, at most, without
// having been told to write one.
type pacing struct {
	client.Client
	open, most int64
	unbounded  bool
}

func (p *pacing) List(ctx context.Context, l client.ObjectList, opts ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(opts)
	p.open += o.Limit
	p.most = max(p.most, p.open)
	p.unbounded = p.unbounded || o.Limit == 0
	return p.Client.List(ctx, l, opts...)
}

func (p *pacing) Apply(ctx context.Context, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	p.open = 0
	return p.Client.Apply(ctx, o, opts...)
}

// TestWorkloadsAreHeldByThePage: a namespace may have many large ones.
func TestWorkloadsAreHeldByThePage(t *testing.T) {
	s := newStage(t)
	const many = 45
	s.deploy(many)
	old := s.roll("", secret("db", "k", "one")).Hash
	p := &pacing{Client: s.client}
	s.roller = rollout.New(rollout.Options{Client: p, Namespace: s.own})
	first := s.roll(old, secret("db", "k", "two"))
	if len(first.Restarted) != many {
		t.Fatalf("restarted %d: %+v", len(first.Restarted), first)
	}
	// The two kinds that there are none of are asked for in a row.
	if p.unbounded || p.most > many {
		t.Errorf("%d workloads asked for before the first was written, no limit: %v", p.most, p.unbounded)
	}
}

// TestAnotherManifestInItsPlaceHasOtherHashes: whoever makes one with a guess in it has
// nothing to compare.
func TestAnotherManifestInItsPlaceHasOtherHashes(t *testing.T) {
	s := newStage(t)
	hash := func(uid types.UID) string {
		t.Helper()
		m := s.manifest("")
		m.UID = uid
		got, err := s.roller.Roll(t.Context(), m, []*corev1.Secret{secret("db", "password", "one")})
		if err != nil {
			t.Fatal(err)
		}
		return got.Hash
	}
	first := hash("a")
	if again := hash("a"); again != first {
		t.Errorf("the hash of one content went from %s to %s", first, again)
	}
	if second := hash("b"); second == first {
		t.Errorf("both have %s", second)
	}
}
