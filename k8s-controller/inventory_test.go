package controller_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	controller "github.com/gitseal/gitseal/k8s-controller"
)

// intercept lets f answer the requests of a controller.
func intercept(f func(r *http.Request, next http.RoundTripper) (*http.Response, error)) func(*controller.Options) {
	return func(o *controller.Options) {
		o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) { return f(r, next) })
		})
	}
}

// afterPatch runs f after the first PATCH of a Secret that succeeds, before its answer
// is seen, once armed is set.
func afterPatch(secret string, armed *atomic.Bool, f func()) func(*controller.Options) {
	var once sync.Once
	return intercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		a, err := next.RoundTrip(r)
		if err == nil && a.StatusCode < 300 && armed.Load() && r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/secrets/"+secret) {
			once.Do(f)
		}
		return a, err
	})
}

// unavailable is the answer of an API server that cannot write just now.
func unavailable(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: http.StatusServiceUnavailable, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(bytes.NewReader([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"ServiceUnavailable","code":503}`))),
	}
}

// moved makes the SealedManifest db with its Secret under another name.
func (w *world) moved(target string, spec map[string]any) {
	w.t.Helper()
	all := map[string]any{"target": map[string]any{"name": target}}
	for k, v := range spec {
		all[k] = v
	}
	w.apply(w.document("db", "dotenv", "k="+w.value("1")+"\n", all))
}

// TestNothingIsForgottenOfAPassThatMetAChange: the target is changed twice, the second
// time while what the first one asked for is being written. Nobody else would ever take
// that away again.
func TestNothingIsForgottenOfAPassThatMetAChange(t *testing.T) {
	t.Run("merged", func(t *testing.T) {
		w := newWorld(t)
		merge := map[string]any{"conflictPolicy": "Merge"}
		var armed atomic.Bool
		w.run(afterPatch("second", &armed, func() { w.moved("third", merge) }))
		theirs := map[string]string{"theirs": "x"}
		for _, n := range []string{"first", "second", "third"} {
			w.check(w.api.Create(t.Context(), newSecret(w.ns, n, theirs)))
		}
		w.moved("first", merge)
		w.awaitData("first", map[string]string{"theirs": "x", "k": w.value("1")})
		w.awaitReason("db", "Applied")
		armed.Store(true)
		w.moved("second", merge)
		w.awaitData("third", map[string]string{"theirs": "x", "k": w.value("1")})
		w.awaitData("second", theirs)
		w.awaitData("first", theirs)
	})
	t.Run("write-only", func(t *testing.T) {
		w := newWorld(t)
		var armed atomic.Bool
		w.run(blind, afterPatch("second", &armed, func() { w.moved("third", nil) }))
		w.moved("first", nil)
		w.awaitReason("db", "Applied")
		armed.Store(true)
		w.moved("second", nil)
		w.awaitData("third", map[string]string{"k": w.value("1")})
		w.awaitGone("second")
		w.awaitGone("first")
		if m := w.awaitReason("db", "Applied"); len(m.Status.Resources) != 1 {
			t.Errorf("the inventory is %+v", m.Status.Resources)
		}
	})
}

// blind runs a controller that may not read Secrets.
func blind(o *controller.Options) { o.SecretAccess = controller.SecretAccessWriteOnly }

// TestNothingIsForgottenIfTheStatusCannotBeWritten: what was written meanwhile is known
// when the manifest holds it no more.
func TestNothingIsForgottenIfTheStatusCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	var down atomic.Bool
	refused := make(chan struct{}, 100)
	w.run(blind, intercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		switch {
		case r.Method != http.MethodPatch || !down.Load():
		case strings.HasSuffix(r.URL.Path, "/secrets/third"):
			down.Store(false)
		case strings.HasSuffix(r.URL.Path, "/sealedmanifests/db/status"):
			refused <- struct{}{}
			return unavailable(r), nil
		}
		return next.RoundTrip(r)
	}))
	w.moved("first", nil)
	w.awaitReason("db", "Applied")
	down.Store(true)
	w.moved("second", nil)
	<-refused
	w.moved("third", nil)
	w.awaitData("third", map[string]string{"k": w.value("1")})
	w.awaitGone("second")
	w.awaitGone("first")
}

// TestNothingIsForgottenWhenTheControllerStops: a pass that has written goes on until the
// status says so.
func TestNothingIsForgottenWhenTheControllerStops(t *testing.T) {
	w := newWorld(t)
	var armed atomic.Bool
	var r *running
	r = w.run(blind, afterPatch("second", &armed, func() { r.cancel() }))
	w.moved("first", nil)
	w.awaitReason("db", "Applied")
	armed.Store(true)
	w.moved("second", nil)
	w.awaitData("second", map[string]string{"k": w.value("1")})
	r.stop()
	w.moved("third", nil)
	w.run(blind)
	w.awaitData("third", map[string]string{"k": w.value("1")})
	w.awaitGone("second")
	w.awaitGone("first")
}
