package controller_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// running is a controller at work.
type running struct {
	w        *world
	log      *buffer
	requests *requests
	registry *prometheus.Registry
	cancel   context.CancelFunc
	done     chan error
	stopped  bool
}

// run starts a controller for the world's namespace, which the test's end stops.
func (w *world) run(change ...func(*controller.Options)) *running {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{w: w, log: &buffer{}, requests: &requests{}, registry: prometheus.NewRegistry(), cancel: cancel, done: make(chan error, 1)}
	config := w.cluster.Config()
	config.Wrap(r.requests.wrap)
	o := controller.Options{
		Config: config, KeyringNamespace: w.system, Namespaces: []string{w.ns}, Registry: r.registry, Version: "test",
		Log: logr.FromSlogHandler(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&o)
	}
	go func() { r.done <- controller.Run(ctx, o) }()
	w.t.Cleanup(func() { r.stop(); r.sweep() })
	return r
}

// stop ends the controller as a signal does.
func (r *running) stop() {
	r.w.t.Helper()
	if r.stopped {
		return
	}
	r.stopped = true
	r.cancel()
	if err := <-r.done; err != nil {
		r.w.t.Errorf("the controller ended with: %v\n%s", err, r.log.tail())
	}
}

// sweep looks for values in all that a controller left behind.
func (r *running) sweep() {
	r.w.t.Helper()
	r.w.sweep("the log", r.log.String())
	r.w.sweep("the libraries' log", libraries.String())
	r.w.sweep("the metrics", r.metrics())
	var events eventsv1.EventList
	var manifests v1alpha1.SealedManifestList
	for _, list := range []client.ObjectList{&events, &manifests} {
		if err := r.w.api.List(context.Background(), list, client.InNamespace(r.w.ns)); err != nil {
			r.w.t.Error(err)
		}
		text, err := json.Marshal(list)
		if err != nil {
			r.w.t.Error(err)
		}
		r.w.sweep("what the API server has", string(text))
	}
	if r.w.t.Failed() && testing.Verbose() {
		r.w.t.Logf("log:\n%s", r.log.tail())
	}
}

// metrics returns what would be scraped.
func (r *running) metrics() string {
	r.w.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.w.t.Error(err)
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			r.w.t.Error(err)
		}
	}
	return b.String()
}

// count returns the sum of a counter, or the number of observations of a histogram,
// over all labels that have the values.
func (r *running) count(name string, values ...string) float64 {
	r.w.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.w.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			if slices.ContainsFunc(values, func(v string) bool { return !slices.Contains(have, v) }) {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// events returns the reasons of the events about a SealedManifest, sorted by time.
func (w *world) events(name string) []string {
	w.t.Helper()
	var list eventsv1.EventList
	w.check(w.api.List(w.t.Context(), &list, client.InNamespace(w.ns)))
	slices.SortFunc(list.Items, func(a, b eventsv1.Event) int { return a.EventTime.Compare(b.EventTime.Time) })
	var out []string
	for _, e := range list.Items {
		if e.Regarding.Name == name && e.Regarding.Kind == "SealedManifest" {
			out = append(out, e.Reason)
		}
	}
	return out
}

// requests counts what is sent to the API server.
type requests struct {
	mu   sync.Mutex
	sent []string // METHOD path
}

func (q *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		q.mu.Lock()
		q.sent = append(q.sent, r.Method+" "+r.URL.Path)
		q.mu.Unlock()
		return next.RoundTrip(r)
	})
}

// writes returns all writes but those of leases and events.
func (q *requests) writes() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(q.sent), func(s string) bool {
		return strings.HasPrefix(s, "GET ") || strings.Contains(s, "/leases") || strings.Contains(s, "/events")
	})
}

// reads returns the reads of the world's manifests' namespace whose path ends so, or
// of all namespaces.
func (q *requests) reads(ns, end string) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(q.sent), func(s string) bool {
		return !strings.HasPrefix(s, "GET ") || !strings.Contains(s, end) || strings.Contains(s, "/namespaces/") && !strings.Contains(s, "/namespaces/"+ns+"/")
	})
}

// manifestWrites returns the writes of SealedManifests, and of Secrets in a namespace.
func (q *requests) manifestWrites(ns string) []string {
	return slices.DeleteFunc(q.writes(), func(s string) bool { return !strings.Contains(s, "/namespaces/"+ns+"/") })
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) tail() string {
	s := b.String()
	return s[max(0, len(s)-12000):]
}

// rest waits until the controller has had nothing to do for a while. What a test
// looks for after that can only be missed, not be seen wrongly.
func (r *running) rest() {
	r.w.t.Helper()
	last, quiet := -1.0, 0
	r.w.eventually("the controller has nothing to do", func() bool {
		now := r.count("gitseal_reconcile_total")
		if now == last {
			quiet++
		} else {
			last, quiet = now, 0
		}
		return quiet > 30
	}, nil)
}
