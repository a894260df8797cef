package controller

import (
	"context"
	"time"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// ErrSetBack is what the controller ends with.
var ErrSetBack = errSetBack

// WatchSetbacks watches versions, without a pause.
func WatchSetbacks(ctx context.Context, version func(context.Context) (string, error), seen func() string) error {
	return setbacks{version: version, seen: seen, every: time.Microsecond, retry: time.Microsecond}.watch(ctx)
}

// Seen returns the newest version that was met.
func (y Memory) Seen() string { return y.y.seen() }

// Leads reports whether more is remembered than o has.
func (y Memory) Leads(o *v1alpha1.SealedManifest) bool { return y.y.leads(o) }

// Doubt drops the status that is remembered.
func (y Memory) Doubt(m *v1alpha1.SealedManifest) { y.y.doubt(m) }
