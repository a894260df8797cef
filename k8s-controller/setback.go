package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// errSetBack ends the process: what it remembers never was.
var errSetBack = errors.New("the API server's data was set back to an older state, as by a restored backup of etcd: this process starts again, without what it remembers")

// How often it is looked whether the API server's data was set back, and how soon again
// if it did not answer: a backup is restored while it is away.
const (
	setbackEvery = 2 * time.Second
	setbackRetry = time.Second
)

// setbacks ends with errSetBack when the API server's data is older than it was before.
// Caches do not notice that: a watch that asks for what comes after a version that is
// yet to be is told nothing until then, and what happens meanwhile is never told.
type setbacks struct {
	// version returns that of all that there is now, by a read that no cache answers.
	version func(context.Context) (string, error)
	// seen returns the newest version that was met elsewhere, "" for none.
	seen         func() string
	every, retry time.Duration
}

// watch returns when ctx ends, or with errSetBack.
func (s setbacks) watch(ctx context.Context) error {
	last := ""
	for {
		wait := s.every
		if seen := s.seen(); last == "" || older(last, seen) {
			last = seen
		}
		now, err := s.version(ctx)
		switch {
		case err != nil:
			wait = s.retry
			logf.FromContext(ctx).V(1).Info("it is not known whether the API server's data was set back", "error", err.Error())
		case last != "" && older(now, last):
			return fmt.Errorf("%w (version %s came after %s)", errSetBack, now, last)
		default:
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// versionOf returns what setbacks needs, by listing one SealKeyring.
func versionOf(live client.Reader) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("SealKeyringList"))
		err := live.List(ctx, list, client.Limit(1))
		return list.ResourceVersion, err
	}
}

// await looks after a manifest that the cache has an older generation of than was seen:
// the cache is about to tell of it, unless the API server's data was set back.
func (r *reconciler) await(ctx context.Context, m *v1alpha1.SealedManifest) (reconcile.Result, error) {
	now := partial(manifestKind())
	key := client.ObjectKeyFromObject(m)
	if err := r.live.Get(ctx, key, now); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("reading the manifest: %w", err)
	} else if err == nil && now.UID == m.UID && r.memory.leads(now) {
		r.memory.forget(key)
		return reconcile.Result{RequeueAfter: setbackRetry}, nil
	}
	return reconcile.Result{}, nil
}
