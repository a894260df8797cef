package controller_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// late holds up what the watch of SealedManifests tells, from begin to end.
type late struct {
	began, ended chan struct{}
	begin, end   func()
}

func newLate() *late {
	l := &late{began: make(chan struct{}), ended: make(chan struct{})}
	l.begin = sync.OnceFunc(func() { close(l.began) })
	l.end = sync.OnceFunc(func() { close(l.ended) })
	return l
}

// body makes the answer to a watch late.
func (l *late) body(of io.ReadCloser) io.ReadCloser { return lateBody{of, l} }

type lateBody struct {
	io.ReadCloser
	l *late
}

func (b lateBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	select {
	case <-b.l.began:
		<-b.l.ended
	default:
	}
	return n, err
}

// TestFinalizersOfOthersStay: somebody adds one while the cache is behind what this
// process wrote. The list is written as a whole.
func TestFinalizersOfOthersStay(t *testing.T) {
	for _, c := range []struct {
		name   string
		closed bool // there is no keyring at first, so that nothing is merged yet
	}{{name: "after ours"}, {name: "before ours", closed: true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			behind := newLate()
			if c.closed {
				w.label(w.ns, map[string]string{"world": ""})
			}
			w.run(func(o *controller.Options) { o.Config.Wrap(w.holding("db", behind)) })
			t.Cleanup(behind.end)
			w.check(w.api.Create(t.Context(), newSecret(w.ns, "db", map[string]string{"theirs": "x"})))
			w.put(sealed{name: "db", head: "spec:\n  conflictPolicy: Merge\n", data: map[string]string{"ours": w.value("1")}})
			if c.closed {
				w.awaitReason("db", v1alpha1.ReasonNoKeyring)
				w.label(w.ns, map[string]string{"world": w.system})
			}
			w.wantFinalizers(w.awaitReason("db", v1alpha1.ReasonApplied), heldBy, controller.Finalizer)
			w.vandalize("db", "theirs", "y")
			m := w.await("db", "it was looked at again", func(m *v1alpha1.SealedManifest) bool {
				return m.Status.Resources[0].ResourceVersion == w.secret("db").ResourceVersion
			})
			w.wantFinalizers(m, heldBy, controller.Finalizer)
			behind.end()
			w.check(w.api.Delete(t.Context(), m))
			w.awaitData("db", map[string]string{"theirs": "y"})
			w.eventually("ours is gone", func() bool { return !slices.Contains(w.get("db").Finalizers, controller.Finalizer) }, nil)
			w.wantFinalizers(w.get("db"), heldBy)
			w.edit("db", func(m *v1alpha1.SealedManifest) { m.Finalizers = nil })
		})
	}
}

// heldBy is somebody else's finalizer.
const heldBy = "example.com/hold"

// wantFinalizers fails unless a manifest has these, in any order.
func (w *world) wantFinalizers(m *v1alpha1.SealedManifest, want ...string) {
	w.t.Helper()
	if got := slices.Sorted(slices.Values(m.Finalizers)); !slices.Equal(got, want) {
		w.t.Fatalf("the manifest has the finalizers %v, want %v", got, want)
	}
}

// holding lets a controller see nothing of its own writes of a manifest, and adds
// somebody else's finalizer just before its status is written first.
func (w *world) holding(name string, behind *late) func(http.RoundTripper) http.RoundTripper {
	hold := sync.OnceValue(func() error {
		m := &v1alpha1.SealedManifest{}
		if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, m); err != nil {
			return err
		}
		m.Finalizers = append(m.Finalizers, heldBy)
		return w.api.Update(w.t.Context(), m)
	})
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			_, path, _ := strings.Cut(r.URL.Path, "/sealedmanifests")
			if r.Method == http.MethodPatch && strings.HasPrefix(path, "/"+name) {
				behind.begin()
			}
			if r.Method == http.MethodPatch && path == "/"+name+"/status" {
				if err := hold(); err != nil {
					return nil, err
				}
			}
			a, err := next.RoundTrip(r)
			if err == nil && r.URL.Query().Get("watch") != "" && strings.HasSuffix(r.URL.Path, "/sealedmanifests") {
				a.Body = behind.body(a.Body)
			}
			return a, err
		})
	}
}
