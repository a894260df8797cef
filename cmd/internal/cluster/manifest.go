package cluster

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Condition is a condition of an object. Without a Status there is none.
type Condition struct {
	Status, Reason, Message string
	Since                   time.Time
}

// Key names a key: ID is public.
type Key struct{ ID, Type string }

// State sums a SealedManifest up.
type State string

// The states.
const (
	// Open: it was opened and applied.
	Open State = "open"
	// Drifted: it was, and somebody else has changed the result since.
	Drifted State = "drifted"
	// Failing: it could not be, or no controller of its class has taken it over from that
	// of another. What was applied before is still there.
	Failing State = "failing"
	// Suspended: nothing is done with it.
	Suspended State = "suspended"
	// Waiting: no controller has seen it as it is now.
	Waiting State = "waiting"
	// Deleting: it is going away.
	Deleting State = "deleting"
)

// Manifest is a SealedManifest.
type Manifest struct {
	Namespace, Name, Class string
	State                  State
	Ready                  Condition
	Created                time.Time
	// Applied is when an object was last written, zero if none was.
	Applied time.Time
	Keyring string
	Keys    []Key
	// MAC and Context say what was verified, "" if nothing was.
	MAC, Context string
	// Objects are those that were applied, as Kind/name.
	Objects []string
	// Document: it is of the form that holds a whole file.
	Document bool
}

// Manifests returns the SealedManifests, in the order of their names. The error is an
// [*Error] or the context's.
func (k Kubectl) Manifests(ctx context.Context, w Where) ([]Manifest, error) {
	answer, err := k.get(ctx, "sealedmanifests.gitseal.dev", w)
	if err != nil {
		return nil, err
	}
	return DecodeManifests(answer)
}

// DecodeManifests reads what kubectl get prints about SealedManifests.
func DecodeManifests(answer []byte) ([]Manifest, error) {
	objects, err := decode(answer, kindManifest)
	if err != nil {
		return nil, err
	}
	out := make([]Manifest, 0, len(objects))
	for i := range objects {
		out = append(out, newManifest(&objects[i]))
	}
	slices.SortStableFunc(out, func(a, b Manifest) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

func newManifest(o *object) Manifest {
	m := Manifest{
		Namespace: clean(o.Metadata.Namespace), Name: clean(o.Metadata.Name), Class: clean(o.Spec.Class),
		Ready: o.Status.condition("Ready"), State: stateOf(o), Created: o.Metadata.CreationTimestamp,
		Keyring: clean(o.Status.Keyring), Document: o.Spec.Document != "",
	}
	if o.Status.LastAppliedTime != nil {
		m.Applied = *o.Status.LastAppliedTime
	}
	for _, key := range o.Status.Keys {
		m.Keys = append(m.Keys, Key{ID: clean(key.ID), Type: clean(key.Type)})
	}
	if i := o.Status.Integrity; i != nil {
		m.MAC, m.Context = clean(i.MAC), clean(i.Context)
	}
	for _, r := range o.Status.Resources {
		m.Objects = append(m.Objects, clean(r.Kind)+"/"+clean(r.Name))
	}
	return m
}

func stateOf(o *object) State {
	ready := o.Status.condition("Ready")
	switch {
	case o.Metadata.DeletionTimestamp != nil:
		return Deleting
	case o.Spec.Suspend:
		return Suspended
	case ready.Status == "Unknown" && ready.Reason == "OtherClass":
		return Failing // nobody keeps it, and it does not end by itself
	case ready.Status != "True" && ready.Status != "False", o.Status.ObservedGeneration < o.Metadata.Generation:
		return Waiting
	case ready.Status == "False":
		return Failing
	case ready.Reason == "Drifted":
		return Drifted
	}
	return Open
}
