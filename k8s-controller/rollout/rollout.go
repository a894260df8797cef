// Package rollout restarts workloads whose Secrets have new content, where a
// SealedManifest asks for that.
//
// What changed is told by a keyed hash of the content, kept in the SealedManifest's
// status, and written into an annotation of the pod templates that refer to the
// Secret: so a template changes exactly when the content does. The key is random and
// stays in the controller's namespace; without it, the hash says nothing about the
// content. Nor can it be compared with that of another manifest.
package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// FieldManager is the default name under which annotations are set.
const FieldManager = "gitseal-controller-rollout"

// IgnoreAnnotation, set to "true" on a workload, keeps it as it is.
const IgnoreAnnotation = v1alpha1.RolloutAnnotationPrefix + "ignore"

// The bounds of one call of Roll: the rest waits for the next, so that nobody's
// workloads keep what other namespaces wait for.
const (
	defaultPerPass = 50
	passBudget     = 5 * time.Second
)

// Options of a Roller.
type Options struct {
	// Client reads and writes past any cache: no other component needs workloads, so
	// nothing should keep all of them in memory.
	Client Client
	// Namespace is the controller's own, where the key is kept.
	Namespace string
	// FieldManager, FieldManager if empty.
	FieldManager string
	// PerPass is how many workloads one call restarts at most; 50 if 0.
	PerPass int
}

// Client is what a Roller needs of a cluster. client.Client has it.
type Client interface {
	client.Reader
	client.Writer
}

// Roller restarts workloads. It is safe for concurrent use.
type Roller struct {
	client    Client
	namespace string
	owner     client.FieldOwner
	perPass   int
	keys      keyCache
	busy      busy
}

// New returns a Roller.
func New(o Options) *Roller {
	return &Roller{
		client: o.Client, namespace: o.Namespace, owner: client.FieldOwner(cmp.Or(o.FieldManager, FieldManager)),
		perPass: cmp.Or(o.PerPass, defaultPerPass),
	}
}

// busy are the namespaces whose workloads are being written. One is held from reading
// a workload until it is written: two Secrets of one workload would else take each
// other's annotation away. Nobody waits for one: who waits is a worker that another
// namespace needs.
type busy struct {
	mu    sync.Mutex // guards names; nothing is asked of a server under it
	names map[string]bool
}

// take reports whether the namespace was free, and then holds it until free.
func (b *busy) take(namespace string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.names[namespace] {
		return false
	}
	if b.names == nil {
		b.names = make(map[string]bool)
	}
	b.names[namespace] = true
	return true
}

func (b *busy) free(namespace string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.names, namespace)
}

// Result is what a roll did.
type Result struct {
	// Hash is what status.rolloutHash has to become. As long as something is left to
	// do, it is the old one with a mark that a rollout has begun.
	Hash string
	// Restarted are the workloads whose template was changed, as Kind/name.
	Restarted []string
	// Pending: Roll has to be called again, in a while, once the status has Hash. It
	// is about to begin, stopped at its bounds, or another call is at work in the
	// namespace.
	Pending bool
}

// Roll restarts the workloads, in the manifest's namespace, that refer to those of the
// manifest's Secrets whose content is another than its status says. Secrets that the
// status does not know are only noted: nobody has seen them change.
//
// It is called after the Secrets were written and before the status is, so that a
// crash in between is made up for. Nothing is restarted before the status says that a
// rollout has begun: should the content become again what it was, what was restarted
// meanwhile is found by that. A manifest that does not ask for rollouts has the empty
// hash.
func (r *Roller) Roll(ctx context.Context, m *v1alpha1.SealedManifest, secrets []*corev1.Secret) (Result, error) {
	if m.Spec.Rollout != v1alpha1.RolloutAnnotate {
		return Result{}, nil
	}
	h, err := r.hasher(ctx)
	if err != nil {
		return Result{Hash: m.Status.RolloutHash}, err
	}
	next, before := h.sums(m, secrets), parseSums(m.Status.RolloutHash)
	changed := next.changedSince(before)
	if len(changed) == 0 {
		return Result{Hash: next.String()}, nil
	}
	if !r.busy.take(m.Namespace) {
		return Result{Hash: m.Status.RolloutHash, Pending: true}, nil
	}
	defer r.busy.free(m.Namespace)
	done, err := r.restart(ctx, m.Namespace, changed, before.haveBegun(changed))
	switch {
	case err != nil:
		done.Hash, err = m.Status.RolloutHash, fmt.Errorf("restarting workloads in namespace %s: %w", m.Namespace, err)
	case done.Pending:
		done.Hash = before.begin(changed).String()
	default:
		done.Hash = next.String()
	}
	return done, err
}

// restart sets the annotations of the workloads of a namespace that refer to one of
// the Secrets. One that fails does not stop the others. What was done in an earlier
// call is found to be so. As long as the status does not say that the rollout has begun,
// it only looks whether there is one to be restarted.
func (r *Roller) restart(ctx context.Context, namespace string, changed map[string]change, begun bool) (Result, error) {
	var done Result
	began := time.Now()
	var failed []error
	for w, err := range workloads(ctx, r.client, namespace) {
		if err != nil {
			failed = append(failed, err)
			break
		}
		set := w.annotations(changed)
		if set == nil {
			continue
		}
		if !begun || len(done.Restarted) >= r.perPass || time.Since(began) > passBudget {
			done.Pending = true
			break
		}
		if err := r.apply(ctx, w, set); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", w, err))
			continue
		}
		done.Restarted = append(done.Restarted, w.String())
	}
	slices.Sort(done.Restarted)
	return done, errors.Join(failed...)
}

// apply sets the annotations of a workload's template, and no other field. The uid
// keeps a workload that is gone from being made anew.
func (r *Roller) apply(ctx context.Context, w workload, annotations map[string]any) error {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1",
		"kind":       w.kind,
		"metadata":   map[string]any{"namespace": w.meta.Namespace, "name": w.meta.Name, "uid": string(w.meta.UID)},
		"spec": map[string]any{
			"template": map[string]any{"metadata": map[string]any{"annotations": annotations}},
		},
	}}
	return r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), r.owner, client.ForceOwnership)
}

// workload is a Deployment, a StatefulSet or a DaemonSet. It points into a page.
type workload struct {
	kind     string
	meta     *metav1.ObjectMeta
	template *corev1.PodTemplateSpec
}

// String returns Kind/name.
func (w workload) String() string { return w.kind + "/" + w.meta.Name }

// annotations returns all annotations of ours that the template is to have, or nil if
// it is to stay as it is. Those of Secrets that the template does not use any more are
// dropped on the occasion. Where a Secret has got its old content back, a template
// without an annotation was not restarted since.
func (w workload) annotations(changed map[string]change) map[string]any {
	if w.meta.Annotations[IgnoreAnnotation] == "true" || w.meta.DeletionTimestamp != nil {
		return nil
	}
	out, differs := make(map[string]any), false
	for name := range secretNames(&w.template.Spec) {
		key := Annotation(name)
		have, there := w.template.Annotations[key]
		want, isChanged := changed[name]
		switch {
		case isChanged && (there || !want.back):
			out[key] = want.sum
			differs = differs || want.sum != have
		case there:
			out[key] = have
		}
	}
	if !differs {
		return nil
	}
	return out
}
