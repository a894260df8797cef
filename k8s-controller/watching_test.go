package controller_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// limited is a controller's user, who may do what RBAC says: all but look at and write
// what is in namespaces.
func (w *world) limited() *rest.Config {
	w.t.Helper()
	user := "controller-of-" + w.system
	rule := func(group string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: []string{"*"}}
	}
	role := func(name string, rules ...rbacv1.PolicyRule) {
		w.check(w.api.Create(w.t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name + "-" + w.system}, Rules: rules}))
	}
	role("base", rule("gitseal.dev", "sealkeyrings", "sealkeyrings/status"), rule("", "namespaces"), rule("events.k8s.io", "events"))
	role("own", rule("", "secrets", "configmaps"))
	role("secrets", rule("", "secrets"))
	role("manifests", rule("gitseal.dev", "sealedmanifests", "sealedmanifests/status", "sealedmanifests/finalizers"))
	w.check(w.api.Create(w.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "base-" + w.system},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "base-" + w.system},
		Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}},
	}))
	w.grant(w.system, "own")
	return w.cluster.ConfigFor(w.t, user)
}

// grant gives the limited user roles in a namespace.
func (w *world) grant(ns string, roles ...string) {
	w.t.Helper()
	for _, r := range roles {
		w.check(w.api.Create(w.t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: r},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: r + "-" + w.system},
			Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "controller-of-" + w.system}},
		}))
	}
}

// revoke takes a role back.
func (w *world) revoke(ns, role string) {
	w.t.Helper()
	w.check(w.api.Delete(w.t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: role}}))
}

// watches are the open ones of a controller, which can be cut.
type watches struct {
	mu     sync.Mutex
	open   []context.CancelFunc
	opened int
}

func (v *watches) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("watch") == "" {
			return next.RoundTrip(r)
		}
		ctx, cancel := context.WithCancel(r.Context())
		v.mu.Lock()
		v.open = append(v.open, cancel)
		v.mu.Unlock()
		a, err := next.RoundTrip(r.WithContext(ctx))
		if err == nil && a.StatusCode == http.StatusOK {
			v.mu.Lock()
			v.opened++
			v.mu.Unlock()
		}
		return a, err
	})
}

// cut ends all watches, as a proxy between does that is restarted. It returns how many
// there had been.
func (v *watches) cut() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, cancel := range v.open {
		cancel()
	}
	v.open = nil
	return v.opened
}

func (v *watches) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.opened
}

// probe is where a controller says whether it is ready.
type probe struct{ addr string }

func newProbe(t *testing.T) probe {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return probe{l.Addr().String()}
}

// get returns the answer, and whether it is yes.
func (p probe) get(path string) (string, bool) {
	a, err := http.Get("http://" + p.addr + path)
	if err != nil {
		return err.Error(), false
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	return string(text), err == nil && a.StatusCode == http.StatusOK
}

// TestReadinessTellsOfForbiddenWatches: what is not seen cannot be kept, and nothing
// else shows that. A connection that is lost and comes back is nobody's concern.
func TestReadinessTellsOfForbiddenWatches(t *testing.T) {
	w := newWorld(t)
	config, open, p := w.limited(), &watches{}, newProbe(t)
	config.Wrap(open.wrap)
	w.grant(w.ns, "manifests", "secrets")
	r := w.run(func(o *controller.Options) {
		o.Config, o.HealthAddr = config, p.addr
		o.SetGrace(2*time.Second, time.Second)
	})
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	had := open.cut()
	w.eventually("the watches are back", func() bool { return open.count() >= had+4 }, nil)
	if text, ok := p.get("/readyz"); !ok || r.count("gitseal_watches_failing") != 0 || strings.Contains(r.log.String(), "watching again") {
		t.Errorf("after a short break: %s\n%s", text, r.metrics())
	}

	// The rights are gone: what was watched is not seen any more.
	w.revoke(w.ns, "secrets")
	w.denied(config, "/api/v1/namespaces/"+w.ns+"/secrets")
	open.cut()
	w.awaitBad(r, p, "secrets")
	if n := strings.Count(r.log.String(), `msg="cannot watch`); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, r.log.tail())
	}
	w.grant(w.ns, "secrets")
	w.awaitReady(r, p, "secrets")
	w.vandalize("db", "a", "theirs")
	w.awaitData("db", map[string]string{"a": w.value("1")})
}

// awaitBad waits until all say that a resource is not watched.
func (w *world) awaitBad(r *running, p probe, resource string) {
	w.t.Helper()
	want := resource + " in the namespace " + w.ns
	got := ""
	w.eventually("readiness says that "+want+" cannot be watched", func() (ok bool) {
		got, ok = p.get("/readyz/watches")
		return !ok && strings.Contains(got, want) && strings.Contains(got, "403")
	}, func() string { return got })
	if text, ok := p.get("/readyz"); ok || !strings.Contains(text, "watches") {
		w.t.Errorf("readyz: %s", text)
	}
	if r.count("gitseal_watches_failing", resource) != 1 {
		w.t.Errorf("metrics:\n%s", r.metrics())
	}
}

func (w *world) awaitReady(r *running, p probe, resource string) {
	w.t.Helper()
	got := ""
	w.eventually("it is ready", func() (ok bool) { got, ok = p.get("/readyz"); return ok }, func() string { return got })
	if !strings.Contains(r.metrics(), `gitseal_watches_failing{resource="`+resource+`"} 0`) {
		w.t.Errorf("metrics:\n%s", r.metrics())
	}
	if !strings.Contains(r.log.String(), "watching again") {
		w.t.Errorf("the log does not say so:\n%s", r.log.tail())
	}
}

// denied waits until a user may not list any more.
func (w *world) denied(config *rest.Config, path string) {
	w.t.Helper()
	c, err := rest.HTTPClientFor(config)
	w.check(err)
	w.eventually("the right is gone", func() bool {
		a, err := c.Get(config.Host + path)
		w.check(err)
		_ = a.Body.Close()
		return a.StatusCode == http.StatusForbidden
	}, nil)
}

// TestForbiddenNamespacesHoldUpNoOthers of those that --namespaces names, nor do those
// that do not exist.
func TestForbiddenNamespacesHoldUpNoOthers(t *testing.T) {
	w := newWorld(t)
	config, p := w.limited(), newProbe(t)
	forbidden, inside := w.namespace(), w.ns
	w.grant(inside, "manifests", "secrets")
	r := w.run(func(o *controller.Options) {
		o.Config, o.HealthAddr = config, p.addr
		o.Namespaces = []string{inside, forbidden, "nowhere-" + w.system}
		o.SetGrace(2*time.Second, time.Second)
	})
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.ns = forbidden
	w.awaitBad(r, p, "secrets")
	w.awaitBad(r, p, "sealedmanifests")
	if text, _ := p.get("/readyz/watches"); strings.Contains(text, "nowhere") || !strings.Contains(r.log.String(), "no such namespace") {
		t.Errorf("a namespace that is not there: %s\n%s", text, r.log.tail())
	}
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("2")}})
	w.grant(forbidden, "manifests", "secrets")
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.awaitReady(r, p, "secrets")
	w.ns = inside
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("3")}})
	w.awaitData("db", map[string]string{"a": w.value("3")})
}
