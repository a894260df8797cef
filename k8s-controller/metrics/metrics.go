// Package metrics counts what the controller does, for Prometheus.
//
// No label holds the name of a manifest, a Secret or a namespace: what a scrape
// shows is bounded by the number of keys and reasons, and is no inventory of
// anybody's secrets. Labels that come from outside are bounded here.
package metrics

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitseal/gitseal/keysources"
)

// Result is how one reconcile ended.
type Result string

// The results.
const (
	// ResultApplied means that objects were written or found to be as they should.
	ResultApplied Result = "applied"
	// ResultSkipped means that nothing had changed, so that nothing was done.
	ResultSkipped Result = "skipped"
	// ResultSuspended means that the manifest is suspended or somebody else's.
	ResultSuspended Result = "suspended"
	// ResultStalled means a failure that only a change of the manifest, the keyring or
	// the target can end.
	ResultStalled Result = "stalled"
	// ResultRetry means a failure that is tried again.
	ResultRetry Result = "retry"
	// ResultGone means that the manifest is being deleted, or was.
	ResultGone Result = "gone"
	// ResultPanic means that the reconcile ended in a panic, which was caught.
	ResultPanic Result = "panic"
)

// other stands for all labels beyond the bound.
const other = "other"

// maxKinds bounds the values of the label kind.
const maxKinds = 64

// Options are what the metrics begin with.
type Options struct {
	// Version of the controller.
	Version string
	// Now is the clock, time.Now if nil.
	Now func() time.Time
}

// Metrics are the collectors of one controller. Its methods may be called from
// several goroutines.
type Metrics struct {
	tracker *Tracker

	reconciles      *prometheus.CounterVec
	duration        prometheus.Histogram
	skipped         prometheus.Counter
	decrypts        *prometheus.HistogramVec
	hits, misses    prometheus.Counter
	drift           prometheus.Counter
	timeToReady     prometheus.Histogram
	startup         prometheus.Gauge
	writes          *prometheus.CounterVec
	refusedWrites   prometheus.Counter
	rolloutsStarted prometheus.Counter
	watchesFailing  *prometheus.GaugeVec
	buildInfo       *prometheus.GaugeVec

	mu    sync.Mutex // guards kinds
	kinds map[string]bool
}

// New makes the collectors and registers them. It fails if r has any of them
// already.
func New(r prometheus.Registerer, o Options) (*Metrics, error) {
	m := &Metrics{
		tracker:    NewTracker(o.Now),
		kinds:      make(map[string]bool),
		reconciles: counters("reconcile_total", "Reconciles of SealedManifests by how they ended.", "result"),
		duration: histogram("reconcile_duration_seconds", "Time of one reconcile of a SealedManifest, those skipped included.",
			prometheus.ExponentialBuckets(0.0001, 4, 10)),
		skipped: counter("skipped_total", "Reconciles that found nothing changed and neither decrypted, read nor wrote anything."),
		decrypts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name("decrypt_duration_seconds"), Help: "Time to verify and decrypt one manifest, by the kind of key that opened it.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, []string{"provider"}),
		hits:   counter("dek_cache_hits_total", "Data keys that the cache had, so that no service was called."),
		misses: counter("dek_cache_misses_total", "Data keys that a service was asked for."),
		drift:  counter("drift_corrected_total", "Objects that somebody else had changed or deleted and that were put right."),
		timeToReady: histogram("time_to_ready_seconds", "Time from a SealedManifest's change, as the controller first saw it, to Ready.",
			prometheus.ExponentialBuckets(0.01, 3, 11)),
		startup:         prometheus.NewGauge(prometheus.GaugeOpts{Name: name("startup_steady_seconds"), Help: "Time from the start to the end of the first pass over all SealedManifests; 0 until then."}),
		writes:          counters("api_writes_total", "Writes to the API server by kind of object.", "kind"),
		refusedWrites:   counter("fenced_writes_total", "Writes that this process kept from itself, since it could not be sure to lead."),
		rolloutsStarted: counter("rollouts_total", "Workloads restarted, since a Secret's content had changed."),
		watchesFailing:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name("watches_failing"), Help: "Watches of a resource that have failed for long or never worked, one for each namespace that is watched by itself."}, []string{"resource"}),
		buildInfo:       prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name("build_info"), Help: "1, with the version in labels."}, []string{"version", "goversion"}),
	}
	m.buildInfo.WithLabelValues(strings.ToValidUTF8(o.Version, "?"), runtime.Version()).Set(1)
	// A series that is there from the start can be alerted on.
	for _, r := range []Result{ResultApplied, ResultSkipped, ResultSuspended, ResultStalled, ResultRetry, ResultGone, ResultPanic} {
		m.reconciles.WithLabelValues(string(r))
	}
	for _, c := range m.all() {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.tracker, m.reconciles, m.duration, m.skipped, m.decrypts, m.hits, m.misses, m.drift,
		m.timeToReady, m.startup, m.writes, m.refusedWrites, m.rolloutsStarted, m.watchesFailing, m.buildInfo,
	}
}

// Tracker returns the state of all manifests and keys, which is among the metrics.
func (m *Metrics) Tracker() *Tracker { return m.tracker }

// Reconciled counts one reconcile.
func (m *Metrics) Reconciled(r Result, took time.Duration) {
	m.reconciles.WithLabelValues(string(r)).Inc()
	m.duration.Observe(took.Seconds())
	if r == ResultSkipped {
		m.skipped.Inc()
	}
}

// Decrypted counts a manifest that was opened by a key of a type, as in
// [keysources.Types].
func (m *Metrics) Decrypted(provider string, took time.Duration) {
	if !slices.Contains(keysources.Types(), provider) {
		provider = other
	}
	m.decrypts.WithLabelValues(provider).Observe(took.Seconds())
}

// CacheHit counts a data key that no service had to be asked for.
func (m *Metrics) CacheHit() { m.hits.Inc() }

// CacheMiss counts a data key that a service was asked for.
func (m *Metrics) CacheMiss() { m.misses.Inc() }

// DriftCorrected counts objects that were put right.
func (m *Metrics) DriftCorrected(objects int) { m.drift.Add(float64(max(objects, 0))) }

// BecameReady counts a manifest that became ready, and how long that took.
func (m *Metrics) BecameReady(took time.Duration) { m.timeToReady.Observe(took.Seconds()) }

// Steady says how long the first pass over all manifests took.
func (m *Metrics) Steady(took time.Duration) { m.startup.Set(took.Seconds()) }

// Wrote counts a write to an object of a kind.
func (m *Metrics) Wrote(kind string) { m.writes.WithLabelValues(m.boundedKind(kind)).Inc() }

// WriteRefused counts a write that the leader's fence refused.
func (m *Metrics) WriteRefused() { m.refusedWrites.Inc() }

// RolledOut counts restarted workloads.
func (m *Metrics) RolledOut(workloads int) { m.rolloutsStarted.Add(float64(max(workloads, 0))) }

// WatchesFailing says how many watches of a resource fail: there are a few resources,
// which the program names.
func (m *Metrics) WatchesFailing(resource string, failing int) {
	m.watchesFailing.WithLabelValues(resource).Set(float64(failing))
}

// boundedKind returns the kind, or "other" if there are too many: which kinds there
// are, tenants may decide.
func (m *Metrics) boundedKind(kind string) string {
	kind = strings.ToValidUTF8(kind, "?") // anything else panics as a label
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.kinds[kind] {
		if len(m.kinds) >= maxKinds {
			return other
		}
		m.kinds[kind] = true
	}
	return kind
}

// name returns the full name of a metric.
func name(s string) string { return "gitseal_" + s }

func counter(n, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name(n), Help: help})
}

func counters(n, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name(n), Help: help}, []string{label})
}

func histogram(n, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name(n), Help: help, Buckets: buckets})
}
