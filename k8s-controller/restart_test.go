package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

func TestRestartDoesNothing(t *testing.T) {
	w := newWorld(t)
	first := w.run()
	const many = 50
	for i := range many {
		w.put(sealed{name: fmt.Sprintf("m%02d", i), data: map[string]string{"a": w.value("1")}})
	}
	w.put(sealed{name: "bad", context: "k8s:elsewhere/bad", data: map[string]string{"a": w.value("1")}})
	for i := range many {
		w.awaitReason(fmt.Sprintf("m%02d", i), v1alpha1.ReasonApplied)
	}
	w.awaitReason("bad", v1alpha1.ReasonContextMismatch)
	first.rest()
	if n := first.count("gitseal_decrypt_duration_seconds"); n != many {
		t.Errorf("%d manifests were opened %v times", many, n)
	}
	if n := len(first.requests.manifestWrites(w.ns)); n != 2*many+1 {
		t.Errorf("%d manifests took %d writes", many, n)
	}
	if n := len(first.requests.reads(w.ns, "/secrets/")); n > many {
		t.Errorf("%d manifests took %d reads of Secrets", many, n)
	}
	first.stop()
	second := w.run()
	w.eventually("all are looked at", func() bool { return second.count("gitseal_skipped_total") >= many }, nil)
	second.rest()
	if n := second.count("gitseal_decrypt_duration_seconds"); n != 0 {
		t.Errorf("after a restart, %v manifests were opened", n)
	}
	if writes := second.requests.manifestWrites(w.ns); len(writes) > 0 {
		t.Errorf("after a restart, there were the writes %v", writes)
	}
	if reads := append(second.requests.reads(w.ns, "/secrets/"), second.requests.reads(w.ns, "/sealedmanifests/")...); len(reads) > 0 {
		t.Errorf("after a restart, there were the reads %v", reads)
	}
	if second.count("gitseal_startup_steady_seconds") <= 0 || second.count("gitseal_manifests", "True") != many || second.count("gitseal_manifests", "False") != 1 {
		t.Errorf("the metrics are\n%s", second.metrics())
	}
	// A key that is in use is never said not to be, as little as it has opened here.
	ring := &v1alpha1.SealKeyring{}
	w.check(w.api.Get(t.Context(), client.ObjectKey{Name: w.keyring}, ring))
	if len(ring.Status.Identities) != 1 || ring.Status.Identities[0].Manifests != many {
		t.Errorf("the keyring's identities are %+v", ring.Status.Identities)
	}
	if len(second.requests.writes()) > 1 {
		t.Errorf("after a restart, there were the writes %v", second.requests.writes())
	}
	// It is as attentive as the first.
	w.vandalize("m00", "a", "theirs")
	w.awaitData("m00", map[string]string{"a": w.value("1")})
}

func TestChangesWhileDownAreSeen(t *testing.T) {
	w := newWorld(t)
	first := w.run()
	for _, name := range []string{"changed", "drifted", "deleted", "kept"} {
		w.put(sealed{name: name, data: map[string]string{"a": w.value("1")}})
		w.awaitReason(name, v1alpha1.ReasonApplied)
	}
	first.stop()
	w.put(sealed{name: "changed", data: map[string]string{"a": w.value("2")}})
	w.vandalize("drifted", "a", "theirs")
	w.check(w.api.Delete(t.Context(), w.secret("deleted")))
	second := w.run()
	w.awaitData("changed", map[string]string{"a": w.value("2")})
	w.awaitData("drifted", map[string]string{"a": w.value("1")})
	w.awaitData("deleted", map[string]string{"a": w.value("1")})
	second.rest()
	if n := second.count("gitseal_decrypt_duration_seconds"); n != 3 {
		t.Errorf("%v manifests were opened, of 3 that had to be", n)
	}
}

// replicated runs a controller with leader election.
func replicated(o *controller.Options) {
	o.LeaderElect = true
	o.Lease = controller.LeaseTimes{Duration: 3 * time.Second, Renew: 2 * time.Second, Retry: 200 * time.Millisecond}
}

// holder returns who leads.
func (w *world) holder() string {
	var lease coordinationv1.Lease
	if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.system, Name: "gitseal-controller"}, &lease); err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func TestStandbyTakesOver(t *testing.T) {
	w := newWorld(t)
	leader := w.run(replicated)
	w.eventually("somebody leads", func() bool { return w.holder() != "" }, nil)
	first := w.holder()
	standby := w.run(replicated)
	w.put(sealed{name: "one", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("one", v1alpha1.ReasonApplied)
	standby.rest()
	if writes := standby.requests.writes(); len(writes) > 0 {
		t.Errorf("the standby wrote %v", writes)
	}
	w.eventually("the standby has its caches full", func() bool { return strings.Contains(standby.log.String(), "Starting EventSource") }, nil)
	leader.stop()
	w.put(sealed{name: "two", data: map[string]string{"a": w.value("2")}})
	w.awaitReason("two", v1alpha1.ReasonApplied)
	if now := w.holder(); now == first || now == "" {
		t.Errorf("%q led, and %q leads", first, now)
	}
	standby.rest()
	if writes := standby.requests.manifestWrites(w.ns); len(writes) != 2 || slices.ContainsFunc(writes, func(s string) bool { return strings.Contains(s, "/one") }) {
		t.Errorf("the standby wrote %v", writes)
	}
}
