package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// settle writes what was decided about a file.
func (r *acceptRun) settle(ctx context.Context, j *acceptJob) error {
	accepted, dropped := j.ids(offerAccepted), j.ids(offerDropped)
	if len(accepted)+len(dropped) == 0 {
		return nil
	}
	if len(accepted) == 0 {
		if r.dryRun {
			return nil
		}
		j.written = true
		return rewriteBytes(r.ui, j.in, func(data []byte) ([]byte, error) {
			return cipher.DropProposals(j.in.format, data, func(p cipher.Proposal) bool { return slices.Contains(dropped, p.ID()) })
		})
	}
	result, err := r.rewrite(ctx, j.in, func(o *cipher.Opened, opts *cipher.SealOptions) ([]byte, error) {
		plain, err := r.foldIn(ctx, j, o)
		opts.Settled = append(j.ids(offerAccepted), dropped...)
		return plain, err
	})
	if err != nil {
		return err
	}
	j.written = result.changed()
	warnAbout(r.ui, j.in.name, result.opened)
	return nil
}

// foldIn returns the plain file with the accepted values. What somebody else has
// settled meanwhile is left out.
func (r *acceptRun) foldIn(ctx context.Context, j *acceptJob, o *cipher.Opened) ([]byte, error) {
	accepted := j.ids(offerAccepted)
	offers, err := r.offers(ctx, j.in, o) // looked at again: the file may be another by now
	if err != nil {
		return nil, err
	}
	plain := o.PlaintextBytes()
	for _, next := range offers {
		if !slices.Contains(accepted, next.proposal.ID()) {
			continue
		}
		at := slices.IndexFunc(j.offers, func(o *offer) bool { return o.proposal.ID() == next.proposal.ID() })
		switch {
		case next.err != nil && r.isNamed(next):
			return nil, fmt.Errorf("the proposal %s for %s: %w", next.proposal.ID(), next.proposal.Path, next.err)
		case next.err != nil:
			r.leave(j, j.offers[at], next.err.Error(), explain(next.err).hints[0])
			continue
		case next.since() != "" && !r.isNamed(next) && !j.offers[at].sameOld(next):
			r.leave(j, j.offers[at], next.since(), "look at it again")
			continue
		}
		doc, err := j.in.format.Parse(plain)
		if err != nil {
			return nil, err
		}
		if plain, err = applyChange(j.in, doc, formats.Change{Path: next.place.Path, Value: next.node}); err != nil {
			return nil, err
		}
	}
	return plain, nil
}
