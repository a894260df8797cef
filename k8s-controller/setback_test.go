package controller_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// backUp copies etcd's data, and returns what brings it back.
func (w *world) backUp() (restore func()) {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "etcd")
	w.cluster.KillEtcd()
	err := os.CopyFS(dir, os.DirFS(w.cluster.EtcdData()))
	w.cluster.StartEtcd()
	w.check(err)
	return func() {
		w.t.Helper()
		w.cluster.KillAPIServer()
		w.cluster.KillEtcd()
		w.check(os.RemoveAll(w.cluster.EtcdData()))
		w.check(os.Rename(dir, w.cluster.EtcdData()))
		w.cluster.StartEtcd()
		w.cluster.StartAPIServer()
	}
}

// advance makes writes that nobody is interested in.
func (w *world) advance(writes int) {
	w.t.Helper()
	for i := range writes {
		c := &corev1.ConfigMap{Data: map[string]string{"i": fmt.Sprint(i)}}
		c.Namespace, c.Name = w.ns, fmt.Sprintf("advance-%d", i)
		w.check(w.api.Create(w.t.Context(), c))
	}
}

func TestControllerStartsAgainAfterEtcdWasSetBack(t *testing.T) {
	// What a process remembers is then newer than what the API server has, and a watch from
	// there on is told nothing until as much has happened again.
	w := newWorldIn(t, kubetest.Start(t))
	r := w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.put(sealed{name: "other", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.awaitReason("other", v1alpha1.ReasonApplied)
	restore := w.backUp()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("2")}})
	w.awaitData("db", map[string]string{"a": w.value("2")})
	w.check(w.api.Delete(t.Context(), w.get("other")))
	w.advance(300)
	w.put(sealed{name: "last", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("last", v1alpha1.ReasonApplied)
	restore()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("3")}})
	r.awaitSetBack()
	w.run()
	w.awaitData("db", map[string]string{"a": w.value("3")})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.awaitReason("other", v1alpha1.ReasonApplied)
	w.awaitData("other", map[string]string{"a": w.value("1")})
}

// awaitSetBack waits for the controller to end because of a restored backup.
func (r *running) awaitSetBack() {
	r.w.t.Helper()
	select {
	case err := <-r.done:
		r.stopped = true
		if !errors.Is(err, controller.ErrSetBack) {
			r.w.t.Fatalf("the controller ended with: %v", err)
		}
	case <-time.After(patience):
		r.w.t.Fatal("the controller goes on as if nothing had happened")
	}
}

func TestSetbackIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		answers []string // versions, "" for an error
		seen    string
		want    bool
	}{
		"forward":                     {[]string{"5", "5", "9", "10", "100"}, "", false},
		"back":                        {[]string{"5", "9", "8"}, "", true},
		"back, after errors":          {[]string{"5", "", "", "4"}, "", true},
		"forward, after errors":       {[]string{"", "5", "", "6"}, "", false},
		"what is no number":           {[]string{"5", "x", "7"}, "", false},
		"less than was seen":          {[]string{"5"}, "6", true},
		"as much as was seen":         {[]string{"6"}, "6", false},
		"longer is greater, not less": {[]string{"99", "100"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			left := c.answers
			err := controller.WatchSetbacks(ctx, func(context.Context) (string, error) {
				if len(left) == 0 {
					cancel()
					return "", ctx.Err()
				}
				answer := left[0]
				left = left[1:]
				if answer == "" {
					return "", errors.New("it does not answer")
				}
				return answer, nil
			}, func() string { return c.seen })
			if got := errors.Is(err, controller.ErrSetBack); got != c.want || !got && err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatIsRememberedIsNotBelievedAgainstTheServer(t *testing.T) {
	y := controller.NewMemory()
	m := func(version string, generation int64) *v1alpha1.SealedManifest {
		return &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db", UID: "1", ResourceVersion: version, Generation: generation}}
	}
	y.Wrote(m("50", 7))
	if got := y.Seen(); got != "50" {
		t.Errorf("the newest that was seen is %s", got)
	}
	if y.CatchUp(m("30", 5)) {
		t.Fatal("what the cache has is older than what was written, and was taken for new")
	}
	if y.Leads(m("50", 7)) || y.Leads(m("60", 8)) {
		t.Error("what the server has was taken for older than what it answered before")
	}
	if !y.Leads(m("30", 5)) {
		t.Error("it was not noticed that the server has less than it had")
	}
	y.Doubt(m("30", 5))
	if !y.CatchUp(m("30", 5)) || y.Leads(m("30", 5)) {
		t.Error("it is still remembered")
	}
}
