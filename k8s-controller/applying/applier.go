// Package applying writes opened objects to the API server and keeps them there.
//
// Everything is written by server-side apply under one field manager, with the
// identity and version of the object that is meant as preconditions. So what is stale
// (a cache, a status, a leader that was deposed) is refused by the server, and older
// content never follows newer. An error never deletes or empties an object.
package applying

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// FieldManager is the name under which fields are owned.
const FieldManager = "gitseal-controller"

// MergedAnnotation, "true", marks a Secret of which only some fields are ours, see
// [v1alpha1.ConflictMerge].
const MergedAnnotation = v1alpha1.Group + "/merged"

// attempts is how often an object is looked at again if it changes meanwhile.
const attempts = 4

// Options of an Applier.
type Options struct {
	// Client writes.
	Client client.Client
	// Reader reads from the API server, not from a cache: a decision to overwrite or
	// to delete hangs on it.
	Reader client.Reader
	// WriteOnly is for a controller that may not get, list or watch Secrets. What it
	// has to know of one it learns from the answer to a patch that changes nothing.
	WriteOnly bool
	// Known is what a cache of the metadata of Secrets with the managed label holds.
	// It saves requests, and nothing else hangs on it. Nil if there is no cache.
	Known func(types.NamespacedName) (uid, resourceVersion string, found bool)
	// Owned is what the same cache says that a manifest, or one of the same name before
	// it, controls, but what is being deleted. What of it is not in the inventory is of a
	// pass that was cut off before it could say what it wrote, or was left behind by the
	// garbage collector: it is pruned. Nil if there is no cache.
	Owned func(m *v1alpha1.SealedManifest) []v1alpha1.Resource
	// Impersonate returns a client that acts as a user, system:serviceaccount:NS:NAME,
	// and reads without a cache. Nil: nothing but Secrets is applied.
	Impersonate func(user string) (client.Client, error)
}

// Applier applies objects. It is safe for concurrent use, for different manifests.
type Applier struct {
	o Options
}

// New returns an Applier. Client and Reader are needed.
func New(o Options) *Applier { return &Applier{o: o} }

// Outcome is what was done. The names are Kind/name.
type Outcome struct {
	// Resources is the inventory to keep in the status: what was applied, and what is
	// still to be pruned. It is meant to be kept after an error, too.
	Resources []v1alpha1.Resource
	// Wrote are the objects that were created or changed.
	Wrote []string
	// Drifted are those that somebody else had changed or deleted. They are in Wrote,
	// too, if that was corrected.
	Drifted []string
	// Adopted existed before, and were not ours.
	Adopted []string
	// Recreated were deleted and made anew, because they could not be changed.
	Recreated []string
	// Pruned are no longer in the manifest, and were deleted or released.
	Pruned []string
	// Changed reports whether anything was written.
	Changed bool
}

// Apply applies the objects of a manifest that is new or has changed since it was
// applied last, and prunes those that m.Status.Resources has and objects has not. Each
// object is tried; the error is about the first that failed, a *[Failure]. Nothing is
// pruned after an error.
//
// Objects that have to be deleted to be changed (see [v1alpha1.ImmutableRecreate]) are
// deleted after the server has checked the new ones. If it stops between the two, the
// next Apply makes the object, with what the manifest then holds.
func (a *Applier) Apply(ctx context.Context, m *v1alpha1.SealedManifest, objects []opening.Object) (Outcome, error) {
	return a.run(ctx, m, objects, false)
}

// Keep is Apply for a manifest that has not changed since it was applied with success.
// So what differs is drift, and m.Spec.DriftPolicy says what becomes of it: if it is
// Warn, nothing is written to an object that is there. A deleted one is made anew
// anyhow. An object that Known says is as it was written costs no request.
func (a *Applier) Keep(ctx context.Context, m *v1alpha1.SealedManifest, objects []opening.Object) (Outcome, error) {
	return a.run(ctx, m, objects, true)
}

// run is one pass over one manifest.
type run struct {
	o         Options
	m         *v1alpha1.SealedManifest
	unchanged bool
	out       Outcome
}

func (a *Applier) run(ctx context.Context, m *v1alpha1.SealedManifest, objects []opening.Object, unchanged bool) (Outcome, error) {
	r := &run{o: a.o, m: m, unchanged: unchanged}
	r.out.Resources = slices.Clone(m.Status.Resources)
	targets, err := r.targets(objects)
	if err != nil {
		return r.out, err
	}
	if err := r.bounded(targets); err != nil {
		return r.out, err
	}
	var first error
	for _, t := range targets {
		if err := r.keep(ctx, t); err != nil && first == nil {
			first = describe(err, t)
		}
	}
	if first == nil {
		first = r.prune(ctx, targets)
	}
	if first == nil {
		first = r.pruneStrays(ctx, targets)
	}
	r.out.Changed = len(r.out.Wrote)+len(r.out.Recreated)+len(r.out.Pruned) > 0
	return r.out, first
}

// maxInventory is how many objects one manifest may have applied and not pruned.
const maxInventory = 256

// bounded refuses targets that would make the inventory too large. It grows with each
// revision that holds other objects, as long as one of them fails.
func (r *run) bounded(targets []*target) error {
	grown := len(r.out.Resources)
	for _, t := range targets {
		if _, known := r.recorded(t); !known {
			grown++
		}
	}
	if grown <= maxInventory || grown == len(r.out.Resources) {
		return nil
	}
	return refuse(v1alpha1.ReasonTargetInvalid,
		"the manifest would have %d objects, and %d are the most: what earlier revisions made is removed once a revision was applied without failure: go back to one of them, and leave out what fails",
		grown, maxInventory)
}

// keep brings one object to what it has to be.
func (r *run) keep(ctx context.Context, t *target) error {
	s, certain := r.expected(t)
	if certain && r.unchanged && s.exists && t.watched {
		return nil
	}
	for range attempts {
		var err error
		if !certain {
			s, err = r.look(ctx, t)
		}
		if err == nil {
			err = r.settle(ctx, t, s)
		}
		if !isStale(err) {
			return err
		}
		certain = false
	}
	return changing(t.String())
}

// settle writes, unless all that is to be written is drift that is to stay.
func (r *run) settle(ctx context.Context, t *target, s state) error {
	if r.warns() && s.exists && s.looked && !s.adopt {
		return r.compare(ctx, t, s)
	}
	if s.left != nil {
		var err error
		if s.rv, err = r.bequeath(ctx, t, s.left); err != nil {
			return err
		}
	}
	return r.put(ctx, t, s)
}

// warns reports whether drift is only to be told.
func (r *run) warns() bool {
	return r.unchanged && r.m.Spec.DriftPolicy == v1alpha1.DriftWarn
}

// state is what is known of an object before it is written.
type state struct {
	exists bool
	uid    types.UID
	rv     string
	// adopt: it is not ours, and is to become so.
	adopt bool
	// looked: it is not as the status says that it was written last.
	looked bool
	// left is set if it is to be merged into, and our field manager has fields of it that
	// are not the manifest's: one that is no more left them.
	left *metav1.PartialObjectMetadata
}

// expected returns what the status and the cache say of an object, and whether that is
// worth a try. The server refuses the try if it is wrong.
func (r *run) expected(t *target) (state, bool) {
	res, recorded := r.recorded(t)
	if t.merge && !r.unchanged {
		return state{}, false // who owns which key has to be seen first
	}
	if recorded && (res.UID == "" || res.ResourceVersion == "" || res.Merged != t.merge) {
		return state{}, false
	}
	s := state{exists: recorded, uid: res.UID, rv: res.ResourceVersion}
	if r.o.Known == nil || !t.secret {
		return s, true
	}
	uid, rv, found := r.o.Known(types.NamespacedName{Namespace: r.m.Namespace, Name: t.name})
	same := found == recorded && uid == string(s.uid) && rv == s.rv
	t.watched = same && found
	return s, same
}

func (r *run) recorded(t *target) (v1alpha1.Resource, bool) {
	i := slices.IndexFunc(r.out.Resources, t.is)
	if i < 0 {
		return v1alpha1.Resource{}, false
	}
	return r.out.Resources[i], true
}

// record notes an object in the inventory.
func (r *run) record(t *target, o metav1.Object) {
	res := v1alpha1.Resource{
		APIVersion: t.gvk.GroupVersion().String(), Kind: t.gvk.Kind, Name: t.name,
		UID: o.GetUID(), ResourceVersion: o.GetResourceVersion(), Merged: t.merge,
	}
	if i := slices.IndexFunc(r.out.Resources, t.is); i >= 0 {
		r.out.Resources[i] = res
		return
	}
	r.out.Resources = append(r.out.Resources, res)
}

// forget takes an object out of the inventory.
func (r *run) forget(res v1alpha1.Resource) {
	r.out.Resources = slices.DeleteFunc(r.out.Resources, func(o v1alpha1.Resource) bool { return o == res })
}

// add appends a name to a list of names, once.
func add(list *[]string, name string) {
	if !slices.Contains(*list, name) {
		*list = append(*list, name)
	}
}
