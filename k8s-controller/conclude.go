package controller

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
)

// conclude writes the status, says what is new in events, and counts.
func (r *reconciler) conclude(ctx context.Context, m *v1alpha1.SealedManifest, v verdict) error {
	v.blip = r.blip(m, v)
	switch {
	case v.result == metrics.ResultGone:
		r.metrics.Tracker().Forget(client.ObjectKeyFromObject(m))
		return nil
	case v.result == metrics.ResultSkipped, v.waits, v.blip && !v.changed(m):
		r.metrics.Tracker().Observe(client.ObjectKeyFromObject(m), metrics.StateOf(m))
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // shutting down: what failed for that says nothing
	}
	r.count(m, v)
	before := m.DeepCopy()
	if err := r.record(ctx, m, v); err != nil {
		return err
	}
	r.status.tell(before, m, v, r.first.isLong())
	if was, is := readyOf(before.Status), readyOf(m.Status); v.result == metrics.ResultStalled && (was.Reason != is.Reason || was.Message != is.Message) {
		logf.FromContext(ctx).Info("stalled: this is not tried again until something changes", "reason", is.Reason, "message", is.Message)
	}
	r.metrics.Tracker().Observe(client.ObjectKeyFromObject(m), metrics.StateOf(m))
	if v.blip {
		return nil
	}
	if took, first := r.memory.ready(m, r.now()); first && !v.failed() {
		r.metrics.BecameReady(took)
	}
	logf.FromContext(ctx).V(1).Info("reconciled", "result", string(v.result), "reason", v.reason)
	return nil
}

// record writes the status that v leads to, and remembers what it could not be made to
// say.
func (r *reconciler) record(ctx context.Context, m *v1alpha1.SealedManifest, v verdict) error {
	wrote, err := r.status.write(ctx, m, v.status(m, r.now()))
	if errors.Is(err, errStatusChanged) {
		r.memory.doubt(m)
	}
	if v.outcome != nil {
		r.memory.keep(m, v.outcome.Resources, err == nil)
	}
	if err != nil {
		return err
	}
	if wrote {
		r.memory.wrote(m)
		r.metrics.Wrote("SealedManifest")
	}
	return nil
}

// blip reports whether a pass only met a change that came in its way, as happens, and
// is tried again at once: no reason to say that the manifest is not ready. What it wrote
// before that is said all the same, see changed.
func (r *reconciler) blip(m *v1alpha1.SealedManifest, v verdict) bool {
	return v.result == metrics.ResultRetry && v.reason == v1alpha1.ReasonProgressing &&
		r.backoff.NumRequeues(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(m)}) < blips
}

// count counts what a pass wrote, and how often that was done before.
func (r *reconciler) count(m *v1alpha1.SealedManifest, v verdict) {
	if v.outcome == nil {
		return
	}
	for _, name := range slices.Concat(v.outcome.Wrote, v.outcome.Pruned) {
		kind, _, _ := strings.Cut(name, "/")
		r.metrics.Wrote(kind)
	}
	if len(v.outcome.Wrote) > 0 && len(v.outcome.Drifted) > 0 {
		r.metrics.DriftCorrected(len(v.outcome.Drifted))
	}
	had := resourceNames(m.Status.Resources)
	again := slices.ContainsFunc(v.outcome.Wrote, func(name string) bool { return slices.Contains(had, name) })
	r.memory.tried(m, v.attempt, again, r.now())
}

var _ logr.Marshaler = verdict{}

// MarshalLog is what structured logs show.
func (v verdict) MarshalLog() any { return string(v.result) + " " + v.reason }
