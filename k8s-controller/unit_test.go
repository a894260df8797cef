package controller_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
)

func TestBackoffGrowsWithoutEnd(t *testing.T) {
	b := controller.NewBackoff()
	want := time.Second
	for range 100 {
		if got := b.Next(); got < want*7/8 || got > want*9/8 {
			t.Fatalf("the pause is %s, want about %s", got, want)
		}
		want = min(2*want, 15*time.Second) // a fault that is over is not waited for much longer
	}
	b.Succeed()
	if got := b.Next(); got > 2*time.Second {
		t.Errorf("after a success, the pause is %s", got)
	}
	b.AtLeast(time.Minute)
	if got := b.Next(); got < time.Minute {
		t.Errorf("a server asked for a minute, and the pause is %s", got)
	}
	b.AtLeast(24 * time.Hour)
	if got := b.Next(); got > 5*time.Minute {
		t.Errorf("a server asked for a day, and the pause is %s", got)
	}
}

func TestManyFailuresAreTriedLessOften(t *testing.T) {
	for failing, want := range map[int]time.Duration{100: 15 * time.Second, 1000: 30 * time.Second, 100_000: 5 * time.Minute} {
		b := controller.NewBackoff()
		b.Others(failing - 1)
		var got time.Duration
		for range 12 {
			got = b.Next()
		}
		if got < want*7/8 || got > want*9/8 {
			t.Errorf("of %d that fail, each is tried after %s, want about %s", failing, got, want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := func() controller.Options {
		return controller.Options{Config: &rest.Config{}, KeyringNamespace: "gitseal-system"}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*controller.Options){
		"no config":          func(o *controller.Options) { o.Config = nil },
		"no namespace":       func(o *controller.Options) { o.KeyringNamespace = "" },
		"namespace":          func(o *controller.Options) { o.Namespaces = []string{"a", "B"} },
		"empty namespace":    func(o *controller.Options) { o.Namespaces = []string{""} },
		"access":             func(o *controller.Options) { o.SecretAccess = "all" },
		"class":              func(o *controller.Options) { o.Class = "My Class" },
		"resync":             func(o *controller.Options) { o.Resync = time.Millisecond },
		"workers":            func(o *controller.Options) { o.MaxConcurrent = -1 },
		"lease order":        func(o *controller.Options) { o.Lease.Renew = 20 * time.Second },
		"lease fraction":     func(o *controller.Options) { o.Lease.Duration = 15500 * time.Millisecond },
		"lease retry":        func(o *controller.Options) { o.Lease.Retry = -1 },
		"plain for everyone": func(o *controller.Options) { o.MetricsPlain, o.MetricsAddr = true, ":8080" },
		"plain on a name":    func(o *controller.Options) { o.MetricsPlain, o.MetricsAddr = true, "example.com:8080" },
	} {
		o := good()
		spoil(&o)
		if err := o.Check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, addr := range []string{"127.0.0.1:8080", "localhost:8080", "[::1]:8080"} {
		o := good()
		o.MetricsPlain, o.MetricsAddr = true, addr
		if err := o.Check(); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestMemoryOutlivesStaleCache(t *testing.T) {
	at := func(version string, generation int64, resources ...string) *v1alpha1.SealedManifest {
		m := &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db", UID: "u1", ResourceVersion: version, Generation: generation}}
		for _, r := range resources {
			m.Status.Resources = append(m.Status.Resources, v1alpha1.Resource{Name: r})
		}
		return m
	}
	y := controller.NewMemory()
	newest := at("1000", 2, "a", "b")
	newest.Finalizers = []string{"theirs"}
	y.Wrote(newest)
	stale := at("999", 2, "a")
	if !y.CatchUp(stale) || len(stale.Status.Resources) != 2 || stale.ResourceVersion != "1000" || !slices.Equal(stale.Finalizers, newest.Finalizers) {
		t.Errorf("the stale one became %+v", stale)
	}
	if y.CatchUp(at("998", 1, "a")) {
		t.Error("an older generation counts as up to date")
	}
	other := at("999", 2, "x")
	other.UID = "u2"
	if !y.CatchUp(other) || other.Status.Resources[0].Name != "x" {
		t.Errorf("another of the same name became %+v", other)
	}
	y.Wrote(at("1000", 2, "a", "b"))
	fresh := at("1001", 3, "c")
	if !y.CatchUp(fresh) || fresh.Status.Resources[0].Name != "c" {
		t.Errorf("the fresh one became %+v", fresh)
	}
	if again := at("999", 2, "a"); !y.CatchUp(again) || len(again.Status.Resources) != 1 {
		t.Error("what the cache had already caught up with is still remembered")
	}
}

// TestPauseInAFightIsOfOneAttempt: what somebody asks for does not wait because somebody
// else undid what was asked for before.
func TestPauseInAFightIsOfOneAttempt(t *testing.T) {
	y, at := controller.NewMemory(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db", UID: "u", Generation: 1}}
	for n := range 6 { // the first undoes nothing
		if pause := y.Fight(m, "sha256:1", at); pause != 0 {
			t.Fatalf("after %d passes, there is a pause of %s", n, pause)
		}
		y.Tried(m, "sha256:1", at)
		at = at.Add(time.Second)
	}
	if pause := y.Fight(m, "sha256:1", at); pause != 55*time.Second {
		t.Errorf("the pause is %s", pause)
	}
	next, asked := m.DeepCopy(), m.DeepCopy()
	next.Generation = 2
	asked.Annotations = map[string]string{v1alpha1.ReconcileAnnotation: "now"}
	if y.Fight(next, "sha256:1", at) != 0 || y.Fight(asked, "sha256:1", at) != 0 || y.Fight(m, "sha256:2", at) != 0 {
		t.Error("another generation, another digest, or a pass that was asked for has to wait, too")
	}
	if pause := y.Fight(m, "sha256:1", at.Add(time.Minute)); pause != 0 {
		t.Errorf("a minute later, the pause is %s", pause)
	}
	y.Tried(next, "sha256:2", at)
	if y.Fight(next, "sha256:2", at) != 0 {
		t.Error("a pass over what is new counts as one that undid something")
	}
}

func TestPanicIsOfOneManifest(t *testing.T) {
	log := &buffer{}
	m := &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db", Generation: 3}}
	status, err := controller.PassWithPanic(m, "canary-in-a-panic", logr.FromSlogHandler(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	c := controller.Ready(status)
	if c.Status != "False" || c.Reason != v1alpha1.ReasonInvalidDocument || len(status.Conditions) != 2 {
		t.Errorf("the status is %+v", status)
	}
	if !strings.Contains(log.String(), "panicked") || !strings.Contains(log.String(), "Open:") {
		t.Errorf("the log does not say where: %s", log)
	}
	if strings.Contains(log.String()+c.Message, "canary") {
		t.Errorf("what the panic held was shown: %s", log)
	}
}

func TestStatusOfFailureKeepsLastGood(t *testing.T) {
	old := v1alpha1.Resource{APIVersion: "v1", Kind: "Secret", Name: "db", UID: "u", ResourceVersion: "5"}
	m := &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db", Generation: 3}}
	m.Status = controller.StatusAfter(m, applying.Outcome{Resources: []v1alpha1.Resource{old}, Wrote: []string{"Secret/db"}}, nil)
	m.Generation = 4
	failed := controller.StatusAfter(m, applying.Outcome{Resources: []v1alpha1.Resource{old}}, &applying.Failure{Reason: v1alpha1.ReasonForbidden, Message: "no", Transient: true})
	if d := cmp.Diff(m.Status.Resources, failed.Resources); d != "" || failed.ObservedDigest != "sha256:new" || failed.ObservedGeneration != 4 || !failed.LastAppliedTime.Equal(m.Status.LastAppliedTime) {
		t.Errorf("the status is %+v", failed)
	}
	m.Status = failed
	if controller.Settled(m, "sha256:new") {
		t.Error("a failure counts as settled")
	}
	m.Status.ObservedDigest = "sha256:old"
	if s := controller.StatusAfter(m, applying.Outcome{Resources: []v1alpha1.Resource{old}}, &applying.Failure{Reason: v1alpha1.ReasonForbidden, Message: "no"}); s.ObservedDigest != "" {
		t.Errorf("after another revision was applied in part, the objects count as those of %s", s.ObservedDigest)
	}
	m.Status.ObservedDigest = "sha256:new"
	var kinds []string
	for _, c := range failed.Conditions {
		kinds = append(kinds, c.Type+"="+string(c.Status))
	}
	if d := cmp.Diff([]string{"Ready=False", "Reconciling=True"}, kinds); d != "" {
		t.Error(d)
	}
	m.Status = controller.StatusAfter(m, applying.Outcome{Resources: []v1alpha1.Resource{old}}, nil)
	if !controller.Settled(m, "sha256:new") || controller.Settled(m, "sha256:other") || len(m.Status.Conditions) != 1 {
		t.Errorf("after a success, the status is %+v", m.Status)
	}
}

func TestFirstPassIsMeasuredOnce(t *testing.T) {
	key := func(n string) client.ObjectKey { return client.ObjectKey{Namespace: "ns", Name: n} }
	reports := 0
	f := controller.NewFirstPass(func(time.Duration) { reports++ })
	f.Pass(key("a")) // a worker was faster than the list
	f.Begin(key("a"), key("b"), key("c"))
	f.Pass(key("b"))
	f.Pass(key("new"))
	if reports != 0 {
		t.Error("it is over before all were looked at")
	}
	f.Pass(key("c"))
	f.Pass(key("c"))
	if reports != 1 {
		t.Errorf("there are %d reports", reports)
	}
	none := controller.NewFirstPass(func(time.Duration) { reports++ })
	none.Begin()
	if reports != 2 {
		t.Error("nothing to look at is never over")
	}
}

func TestNothingIsMadeAgainForManifestThatIsGone(t *testing.T) {
	m := &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db", UID: "u"}}
	if !controller.Confirm(m) {
		t.Error("a manifest that has made nothing yet is asked for")
	}
	m.Status.Resources = []v1alpha1.Resource{{APIVersion: "v1", Kind: "Secret", Name: "db"}}
	if !controller.Confirm(m, "db") {
		t.Error("a manifest whose Secret is there is asked for")
	}
	if controller.Confirm(m) {
		t.Error("the Secret of a manifest that only the cache has is made again")
	}
}

// TestLeaseKeepsItsTimeout: a timeout on the connection of all else would end each watch,
// and a list that takes longer would never come to its end.
func TestLeaseKeepsItsTimeout(t *testing.T) {
	c := &rest.Config{Host: "https://127.0.0.1:1", UserAgent: "gitseal-controller/test"}
	if err := controller.NewLock(c); err != nil {
		t.Fatal(err)
	}
	if c.Timeout != 0 || c.UserAgent != "gitseal-controller/test" {
		t.Errorf("the connection has the timeout %s and the user agent %q", c.Timeout, c.UserAgent)
	}
}

// TestLeaseTellsControllersApart: of those with the same lease only one works.
func TestLeaseTellsControllersApart(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []struct{ class, labels, want string }{
		{"", "", "gitseal-controller"},
		{"x", "", "gitseal-controller-x"},
		{"", "team=a", "gitseal-controller."},
		{"", "team=b", "gitseal-controller."},
		{"x", "team=a", "gitseal-controller-x."},
	} {
		o := controller.Options{Class: c.class}
		selector, err := labels.Parse(c.labels)
		if err != nil {
			t.Fatal(err)
		}
		o.LabelSelector = selector
		got := o.LeaseName()
		if other, double := seen[got]; double || !strings.HasPrefix(got, c.want) || c.labels == "" && got != c.want || len(validation.IsDNS1123Subdomain(got)) > 0 {
			t.Errorf("class %q and labels %q have the lease %s, as %s has", c.class, c.labels, got, other)
		}
		seen[got] = c.class + " " + c.labels
	}
	one, err := labels.Parse("team=a,env in (prod,test)")
	if err != nil {
		t.Fatal(err)
	}
	two, err := labels.Parse("env in (test, prod), team = a")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := (controller.Options{LabelSelector: one}).LeaseName(), (controller.Options{LabelSelector: two, Namespaces: []string{"a"}}).LeaseName(); a != b {
		t.Errorf("replicas have the leases %s and %s", a, b)
	}
}

func TestFinalizerNeverHoldsForEver(t *testing.T) {
	deleted := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	m := &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "db", UID: "u", DeletionTimestamp: &deleted, Finalizers: []string{controller.Finalizer},
	}}
	forbidden := &applying.Failure{Reason: v1alpha1.ReasonForbidden, Message: "no", Transient: true}
	other := &applying.Failure{Reason: v1alpha1.ReasonAPIError, Message: "no", Transient: true}
	for _, c := range []struct {
		name              string
		terminating       bool
		class             string
		was               *string // the class of the status
		err               error
		after             time.Duration
		released, unbound bool
		events            int
	}{
		{name: "released", released: true, unbound: true},
		{name: "in a namespace that goes", terminating: true, err: forbidden, unbound: true},
		{name: "forbidden", err: forbidden, after: time.Minute, released: true},
		{name: "forbidden for long", err: forbidden, after: 11 * time.Minute, released: true, unbound: true, events: 1},
		{name: "something else for long", err: other, after: 11 * time.Minute, released: true},
		{name: "of another class", class: "other", after: time.Second},
		{name: "of another class, and nobody comes", class: "other", after: time.Minute, released: true, unbound: true},
		{name: "forbidden for long, and given to another class", class: "other", was: new(""), err: forbidden, after: 11 * time.Minute, released: true, unbound: true, events: 1},
		{name: "forbidden for long, and of a class that never came", class: "other", err: forbidden, after: 11 * time.Minute, released: true},
		{name: "forbidden for long, and never ours", class: "other", was: new("other"), err: forbidden, after: 11 * time.Minute, released: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := m.DeepCopy()
			m.Spec.Class, m.Status.Class = c.class, c.was
			released, unbound, events := controller.Finish(m, c.terminating, c.err, deleted.Add(c.after))
			if released != c.released || unbound != c.unbound || events != c.events {
				t.Errorf("released: %v, without the finalizer: %v, %d events", released, unbound, events)
			}
		})
	}
}
