package chaostest_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The bounds of convergence after the last fault: what is wanted, with leases as in
// production, and what ends the wait.
const (
	convergeIn  = 30 * time.Second
	convergeMax = 2 * time.Minute
)

func TestChaos(t *testing.T) {
	w := newWorld(t)
	t.Cleanup(w.keep)
	stopGit := w.background(w.keepApplied, w.keepReleasing)
	w.check(w.settleGit(t.Context()))
	took, left := w.converge(convergeMax)
	if len(left) > 0 {
		t.Fatalf("before anything went wrong, %d things are not right after %s: %s", len(left), took, head(left))
	}
	t.Logf("%d manifests were applied in %s", w.settings.objects, took.Round(time.Millisecond))

	stopChanges := w.background(func(ctx context.Context) {
		if err := w.keepChanging(ctx); err != nil {
			t.Error(err)
		}
	})
	w.causeAll()
	stopChanges()
	w.check(w.settleGit(t.Context()))
	took, left = w.converge(convergeMax)
	f := &findings{}
	switch {
	case len(left) > 0:
		f.add("convergence: after %s, %d things are not right: %s", took, len(left), head(left))
	case took > convergeIn && os.Getenv("GITSEAL_TEST_CHAOS_FAULTS") != "":
		// How long it takes depends on the machine; the short run does not judge it.
		f.add("convergence: it took %s", took)
	default:
		left = w.finish(f)
	}
	stopGit()
	w.processes(f)
	w.sweep(f)
	all, err := w.timelines()
	w.check(err)
	checked := &findings{}
	for _, h := range all {
		checked.merge(check(h, w.model))
	}
	w.trace(all[len(all)-1], left)
	w.report(f, checked, all, took)
}

// finish has something of each kind to be checked, whatever the dice said: others add to
// Secrets of ours, and then every manifest gets another revision.
func (w *world) finish(f *findings) (left []string) {
	l := &lane{world: w, dice: rand.New(rand.NewPCG(w.settings.seed, 20))}
	w.check(l.decorate(2 * l.some()))
	w.check(w.reviseAll(w.t.Context()))
	took, left := w.converge(convergeMax)
	if len(left) > 0 {
		f.add("convergence: after all was over, %d things are not right after %s: %s", len(left), took, head(left))
	}
	return left
}

// background runs functions until the returned one is called.
func (w *world) background(all ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, f := range all {
		group.Go(func() { f(ctx) })
	}
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	w.t.Cleanup(stop)
	return stop
}

// faults returns those that there are, for each lane.
func (w *world) faults() [][]fault {
	server, replica := serverFaults(), replicaFaults()
	if w.settings.clocks {
		replica = append(replica, fault{"clock jumps", (*lane).jumpClocks})
	}
	only := func(f fault) bool { return !strings.Contains(f.name, w.settings.only) }
	return [][]fault{slices.DeleteFunc(server, only), slices.DeleteFunc(replica, only)}
}

// causeAll causes faults: each kind once, in any order, then each once more, and so on.
func (w *world) causeAll() {
	dice := rand.New(rand.NewPCG(w.settings.seed, 0))
	kinds := w.faults()
	lanes := make([][]fault, len(kinds))
	type dealt struct {
		lane int
		fault
	}
	var deck []dealt
	for range w.settings.faults {
		if len(deck) == 0 {
			for i := range kinds {
				for _, f := range kinds[i] {
					deck = append(deck, dealt{i, f})
				}
			}
			dice.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		lanes[deck[0].lane] = append(lanes[deck[0].lane], deck[0].fault)
		deck = deck[1:]
	}
	var group sync.WaitGroup
	for i := range lanes {
		l := &lane{world: w, dice: rand.New(rand.NewPCG(w.settings.seed, uint64(10+i)))}
		group.Go(func() { l.cause(lanes[i]) })
	}
	group.Wait()
}

// cause causes faults, one after another.
func (l *lane) cause(all []fault) {
	for i, f := range all {
		began := time.Now()
		if end := l.settings.end; !end.IsZero() && began.After(end) {
			l.t.Logf("the time is over: %d of %d faults were caused", i, len(all))
			return
		}
		if err := f.cause(l); err != nil {
			l.t.Errorf("%s: %v", f.name, err)
			return
		}
		l.count("fault: " + f.name)
		l.t.Logf("%3d/%d %-22s %s", i+1, len(all), f.name, time.Since(began).Round(10*time.Millisecond))
		l.brief(1)
	}
}

// report says what was found, and fails if there was nothing to find.
func (w *world) report(live, checked *findings, all []*history, took time.Duration) {
	w.t.Helper()
	known, writes, leases := 0, 0, 0
	for _, h := range all {
		writes, leases = writes+len(h.secrets), leases+len(h.leases)
		for _, c := range h.secrets {
			if c.by != nil {
				known++
			}
		}
	}
	var lines []string
	for _, counts := range []map[string]int{w.did, live.counts, checked.counts} {
		for _, k := range slices.Sorted(maps.Keys(counts)) {
			lines = append(lines, fmt.Sprintf("  %6d %s", counts[k], k))
		}
	}
	for _, r := range w.replicas {
		for _, k := range slices.Sorted(maps.Keys(r.proxy.spoiled)) {
			lines = append(lines, fmt.Sprintf("  %6d requests of %s met %q", r.proxy.spoiled[k], r.user, k))
		}
		lines = append(lines, fmt.Sprintf("  %6d starts of %s", r.starts, r.user))
	}
	w.t.Logf("%d writes of Secrets in %d timelines, of %d it is known by whom; %d changes of the lease; converged in %s\n%s",
		writes, len(all), known, leases, took.Round(time.Millisecond), strings.Join(lines, "\n"))
	for _, v := range slices.Concat(live.violations, checked.violations) {
		w.t.Error(v)
	}
	for _, must := range []string{"order", "content", "removal", "removal by a replica", "fencing", "foreign", "foreign: untouched", "foreign: merged"} {
		if checked.counts[must] == 0 && w.settings.faults >= len(serverFaults())+len(replicaFaults()) && w.settings.only == "" {
			w.t.Errorf("nothing was checked of: %s", must)
		}
	}
	if known < writes*9/10 {
		w.t.Errorf("only of %d of %d writes it is known who made them", known, writes)
	}
}

// trace tells what became of the Secrets that a list begins with the names of.
func (w *world) trace(h *history, left []string) {
	for _, line := range left[:min(3, len(left))] {
		for _, c := range h.secrets {
			if strings.HasPrefix(line, c.key()+" ") || strings.HasPrefix(line, c.key()+":") {
				w.t.Logf("%s at %d: there: %t, deleted: %t, revision %s, owners %v, by %s", c.key(), c.revision, c.after != nil,
					c.last().DeletionTimestamp != nil, c.last().Data[revisionKey], c.last().OwnerReferences, c.who())
				for _, o := range c.last().OwnerReferences {
					w.t.Logf("its owner %s/%s lived: %+v", o.Kind, o.Name, h.manifests[o.UID])
				}
			}
		}
	}
}

// keep saves what a failure can be explained with, for go test -artifacts.
func (w *world) keep() {
	if !w.t.Failed() {
		return
	}
	dir := w.t.ArtifactDir()
	logs := map[string]string{}
	for _, r := range w.replicas {
		logs[r.user+".log"] = r.log
	}
	for _, name := range []string{"audit.log", "etcd.log", "kube-apiserver.log", "kube-controller-manager.log"} {
		logs[name] = filepath.Join(w.cluster.Dir(), name)
	}
	for name, path := range logs {
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			w.t.Error(err)
		}
	}
	w.t.Logf("the logs are in %s", dir)
}

// head is the beginning of a list.
func head(list []string) string { return strings.Join(list[:min(20, len(list))], "\n\t") }
