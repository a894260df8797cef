package controller

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
	"github.com/gitseal/gitseal/k8s-controller/opening"
	"github.com/gitseal/gitseal/k8s-controller/rollout"
)

// conflictRecheck is how often it is looked whether an object that is not ours, and
// not watched, has gone out of the way.
const conflictRecheck = time.Minute

// rolloutPause is how long it is until a rollout that has to stop goes on: others get
// their turn.
const rolloutPause = time.Second

// blips is how often a pass may meet a change that came in its way before the status
// says so.
const blips = 3

// opener verifies and decrypts; see [opening.Opener].
type opener interface {
	Open(ctx context.Context, r opening.Request) (*opening.Opened, error)
}

// applier writes objects; see [applying.Applier].
type applier interface {
	Apply(ctx context.Context, m *v1alpha1.SealedManifest, objects []opening.Object) (applying.Outcome, error)
	Keep(ctx context.Context, m *v1alpha1.SealedManifest, objects []opening.Object) (applying.Outcome, error)
}

// releaser leaves objects to others; see [applying.Applier].
type releaser interface {
	Release(ctx context.Context, m *v1alpha1.SealedManifest) error
	LetGo(ctx context.Context, m *v1alpha1.SealedManifest) error
}

// restarter restarts workloads; see [rollout.Roller].
type restarter interface {
	Roll(ctx context.Context, m *v1alpha1.SealedManifest, secrets []*corev1.Secret) (rollout.Result, error)
}

// reconciler keeps the objects of SealedManifests as they should be.
type reconciler struct {
	opts    Options
	cached  client.Client // reads from the cache, and writes
	live    client.Reader
	known   known // nil in write-only mode
	owned   owned // the same
	keys    *keyring.Store
	opener  opener
	applier applier
	release releaser
	roller  restarter // nil: not allowed
	status  statusWriter
	memory  *memory
	backoff *backoff
	first   *firstPass
	metrics *metrics.Metrics
	now     func() time.Time
}

var _ reconcile.Reconciler = (*reconciler)(nil)

// retry is a failure that is tried again. Its text is the condition's: the error
// behind it may quote what a server was sent.
type retry struct{ reason, message string }

func (e *retry) Error() string { return e.reason + ": " + e.message }

// Reconcile makes one pass over one SealedManifest: get, open, apply, status.
func (r *reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	if ctx.Err() != nil {
		return reconcile.Result{}, ctx.Err()
	}
	ctx, done := finishing(ctx)
	defer done()
	began := r.now()
	var m v1alpha1.SealedManifest
	if err := r.cached.Get(ctx, q.NamespacedName, &m); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("reading from the cache: %w", err)
	} else if err == nil && !r.opts.handles(&m) {
		return r.leave(ctx, &m)
	} else if err != nil {
		r.forget(q)
		r.metrics.Reconciled(metrics.ResultGone, r.now().Sub(began))
		return reconcile.Result{}, nil
	}
	if !r.memory.catchUp(&m) {
		return r.await(ctx, &m)
	}
	v := r.pass(ctx, &m)
	err := r.conclude(ctx, &m, v)
	r.metrics.Reconciled(v.result, r.now().Sub(began))
	if !v.waits {
		r.first.pass(q.NamespacedName)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if v.reason == v1alpha1.ReasonTerminating {
		return reconcile.Result{RequeueAfter: jittered(conflictRecheck)}, nil // as everywhere in that namespace: no error
	}
	if v.result == metrics.ResultRetry {
		r.backoff.atLeast(q, v.retryAfter)
		return reconcile.Result{}, &retry{v.reason, v.message}
	}
	low := handler.LowPriority
	return reconcile.Result{RequeueAfter: r.again(&m, v), Priority: &low}, nil
}

// pass does the work. A panic in it is a failure of this manifest only. Its text and
// value may hold anything, so neither is reported.
func (r *reconciler) pass(ctx context.Context, m *v1alpha1.SealedManifest) (v verdict) {
	defer func() {
		if p := recover(); p != nil {
			logf.FromContext(ctx).Error(nil, "a reconcile panicked", "type", fmt.Sprintf("%T", p), "stack", callers())
			v = verdict{}.fail(v1alpha1.ReasonInvalidDocument, "the controller panicked over this manifest; see its log, and report it", false)
			v.result = metrics.ResultPanic
		}
	}()
	switch {
	case m.DeletionTimestamp != nil:
		return r.finish(ctx, r.memory.recall(m))
	case m.Spec.Suspend:
		return r.letGo(ctx, r.memory.recall(m), verdict{result: metrics.ResultSuspended})
	}
	if v = r.look(ctx, m); v.failed() {
		v = r.letGo(ctx, r.memory.recall(m), v)
	}
	return v
}

// look is the pass over a manifest that is not deleted or suspended.
func (r *reconciler) look(ctx context.Context, m *v1alpha1.SealedManifest) verdict {
	set, v := r.selectKeys(ctx, m)
	if set == nil {
		return v
	}
	v.digest, v.keyring, v.rolloutHash = digest(m, set.Revision()), set.Name(), m.Status.RolloutHash
	v.attempt = attemptOf(m, v.digest)
	if settled(m, v.digest) && answered(m) && r.quiet(m) && r.memory.recall(m) == m {
		return skipped()
	}
	if pause := r.memory.fight(m, v.attempt, r.now()); pause > 0 {
		return postponed(pause)
	}
	return r.work(ctx, m, set, v)
}

// callers returns where a panic came from: functions and lines, without arguments,
// which would show how long something is.
func callers() []string {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	var out []string
	for {
		f, more := frames.Next()
		out = append(out, fmt.Sprintf("%s:%d", f.Function, f.Line))
		if !more {
			return out
		}
	}
}

// work opens and applies.
func (r *reconciler) work(ctx context.Context, m *v1alpha1.SealedManifest, set *keyring.Set, v verdict) verdict {
	r.memory.saw(m, r.now())
	began := r.now()
	if other, ok := r.complete(ctx, m); !ok {
		return other
	}
	opened, err := r.opener.Open(ctx, opening.Request{Manifest: m, Keys: set})
	if err != nil {
		return v.refused(err)
	}
	for _, k := range opened.Keys[:min(1, len(opened.Keys))] {
		r.metrics.Decrypted(k.Type, r.now().Sub(began))
	}
	v.keys, v.integrity, v.warnings = opened.Keys, &opened.Integrity, opened.Warnings
	if v.result, err = r.confirm(ctx, m); err != nil {
		return v.fail(v1alpha1.ReasonAPIError, "the API server did not answer whether the manifest is still there", true)
	} else if v.result == metrics.ResultGone {
		return v
	}
	if err := r.secure(ctx, m); err != nil {
		return v.fail(v1alpha1.ReasonAPIError, "setting the finalizer failed", true)
	}
	whole := r.memory.recall(m)
	write := r.applier.Apply
	if applied(m, v.digest) && whole == m && !r.memory.unowned(m) {
		write = r.applier.Keep
	}
	outcome, err := write(ctx, whole, opened.Objects)
	v.outcome, v.applied = &outcome, err == nil
	if err != nil {
		return v.refused(err)
	}
	r.memory.hasApplied(m)
	if err := r.unbind(ctx, m, outcome.Resources); err != nil {
		return v.fail(v1alpha1.ReasonAPIError, "removing the finalizer failed", true)
	}
	return r.roll(ctx, m, opened.Objects, v)
}

// roll restarts workloads, if the manifest asks for that and the controller may.
func (r *reconciler) roll(ctx context.Context, m *v1alpha1.SealedManifest, objects []opening.Object, v verdict) verdict {
	switch {
	case m.Spec.Rollout != v1alpha1.RolloutAnnotate:
		v.rolloutHash = ""
		return v.succeed()
	case r.roller == nil:
		v.warnings = append(v.warnings, "spec.rollout has no effect: the controller does not restart workloads")
		return v.succeed()
	}
	var secrets []*corev1.Secret
	for _, o := range objects {
		if o.Secret != nil {
			secrets = append(secrets, o.Secret)
		}
	}
	done, err := r.roller.Roll(ctx, m, secrets)
	r.metrics.RolledOut(len(done.Restarted))
	if err != nil {
		return v.fail(v1alpha1.ReasonAPIError, "the objects were applied, but restarting workloads failed", true)
	}
	v.rolloutHash = done.Hash
	if done.Pending {
		// Nothing is settled until all is done, so that the next pass goes on.
		v.digest, v.retryAfter = "", rolloutPause
		v.warnings = append(v.warnings, "workloads are still being restarted")
	}
	return v.succeed()
}

// confirm asks the API server whether a manifest still exists before an object of it
// is made anew. Otherwise the objects of a manifest that was deleted a moment ago
// would be made and collected, again and again while its CustomResourceDefinition is
// gone.
func (r *reconciler) confirm(ctx context.Context, m *v1alpha1.SealedManifest) (metrics.Result, error) {
	if len(m.Status.Resources) == 0 || r.known != nil && !missing(m, r.known) {
		return "", nil
	}
	now := partial(manifestKind())
	err := r.live.Get(ctx, client.ObjectKeyFromObject(m), now)
	if client.IgnoreNotFound(err) != nil {
		return "", err
	}
	if err != nil || now.UID != m.UID || now.DeletionTimestamp != nil {
		return metrics.ResultGone, nil
	}
	return "", nil
}

// selectKeys returns the keyring that a manifest uses, or the verdict why there is
// none.
func (r *reconciler) selectKeys(ctx context.Context, m *v1alpha1.SealedManifest) (*keyring.Set, verdict) {
	ns := partial(namespaceKind())
	if err := r.cached.Get(ctx, types.NamespacedName{Name: m.Namespace}, ns); apierrors.IsNotFound(err) {
		return nil, waiting() // its own event comes
	} else if err != nil {
		return nil, verdict{}.fail(v1alpha1.ReasonAPIError, "reading the namespace's labels failed", true)
	}
	set, err := r.keys.Select(ns.Labels, m.Spec.Keyring)
	switch {
	case errors.Is(err, keyring.ErrNotLoaded):
		return nil, waiting()
	case err != nil:
		return nil, verdict{}.fail(v1alpha1.ReasonNoKeyring, err.Error(), false)
	}
	return set, verdict{}
}

// quiet reports whether the objects need no look: they are as they were left, and
// those that nobody watches are not due.
func (r *reconciler) quiet(m *v1alpha1.SealedManifest) bool {
	if r.known != nil && (!untouched(m, r.known) || strays(m, r.owned)) {
		return false
	}
	if !r.polls(m) {
		return true
	}
	_, due := r.memory.until(m, r.now(), rand.N(r.opts.Resync))
	return !due
}

// polls reports whether objects of a manifest have to be applied again at times.
func (r *reconciler) polls(m *v1alpha1.SealedManifest) bool { return r.known == nil || unwatched(m) }

// again returns when to look again without being told of a change, 0 for never.
func (r *reconciler) again(m *v1alpha1.SealedManifest, v verdict) time.Duration {
	switch {
	case v.waits:
		return v.retryAfter
	case v.result == metrics.ResultApplied && v.retryAfter > 0:
		return jittered(v.retryAfter) // a rollout goes on
	case v.reason == v1alpha1.ReasonTargetConflict:
		return jittered(conflictRecheck)
	case v.reason == v1alpha1.ReasonTargetImmutable, v.reason == v1alpha1.ReasonTargetInvalid:
		return jittered(r.opts.Resync) // what is in the way may not be ours, and so not watched
	case v.result == metrics.ResultApplied && r.polls(m):
		left := jittered(r.opts.Resync)
		r.memory.next(m, r.now().Add(left))
		return left
	case v.result == metrics.ResultSkipped && r.polls(m):
		left, _ := r.memory.until(m, r.now(), rand.N(r.opts.Resync))
		return left
	}
	return 0
}

// jittered returns about d.
func jittered(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// forget drops all that is known of a manifest that is not there.
func (r *reconciler) forget(q reconcile.Request) {
	r.first.pass(q.NamespacedName)
	r.memory.forget(q.NamespacedName)
	r.metrics.Tracker().Forget(q.NamespacedName)
}
