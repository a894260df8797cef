package controller

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// keep remembers an inventory until it is in a status: what was written must not be
// forgotten because the status could not be.
func (y *memory) keep(m *v1alpha1.SealedManifest, inventory []v1alpha1.Resource, saved bool) {
	y.change(m, func(e *entry) {
		e.unsaved = nil
		if !saved && !slices.Equal(inventory, m.Status.Resources) {
			e.unsaved = slices.Clone(inventory)
		}
	})
}

// recall returns m with all that was written in the inventory: m itself if its status
// has it. Only who writes objects is to see that: the status is compared with what the
// API server has.
func (y *memory) recall(m *v1alpha1.SealedManifest) *v1alpha1.SealedManifest {
	var unsaved []v1alpha1.Resource
	y.change(m, func(e *entry) { unsaved = e.unsaved })
	if unsaved == nil {
		return m
	}
	all := slices.Clone(unsaved)
	for _, r := range m.Status.Resources {
		same := func(o v1alpha1.Resource) bool {
			return o.APIVersion == r.APIVersion && o.Kind == r.Kind && o.Name == r.Name
		}
		if !slices.ContainsFunc(unsaved, same) {
			all = append(all, r)
		}
	}
	out := *m
	out.Status.Resources = all
	return &out
}

// finishGrace is how long a pass may go on when the process is to stop.
const finishGrace = 10 * time.Second

// finishing returns a context that ends as ctx does, but finishGrace later if ctx is
// cancelled, which is to stop the process: what a pass has written it has to say.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			time.AfterFunc(finishGrace, cancel)
		}
	})
	deadline, ok := ctx.Deadline()
	if !ok {
		return out, func() { stop(); cancel() }
	}
	out, end := context.WithDeadline(out, deadline)
	return out, func() { stop(); end(); cancel() }
}
