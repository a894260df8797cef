package main

import (
	"bytes"
	"context"
	"slices"

	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/cmd/internal/merging"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// insideMerge is the merge of versions of a SealedManifest which all hold a sealed file of
// one format in spec.document: that is merged as sealed files are, and what is around it by
// its keys.
type insideMerge struct {
	// in is our version, entered.
	in input
	// whole are the SealedManifests, and held what they hold.
	whole, held merge.Versions
}

// newInsideMerge returns nil for other versions.
func newInsideMerge(in input, v merge.Versions) *insideMerge {
	m := &insideMerge{whole: v}
	for _, side := range []struct{ file, to *[]byte }{{&v.Theirs, &m.held.Theirs}, {&v.Ours, &m.held.Ours}} {
		s := in
		s.data, s.around = *side.file, nil
		if err := s.enter(); err != nil || s.around == nil || m.in.around != nil && m.in.formatName != s.formatName {
			return nil
		}
		m.in, *side.to = s, s.data
	}
	if len(v.Base) == 0 {
		return m
	}
	var err error
	if m.held.Base, err = m.in.unfiled(v.Base); err != nil {
		return nil
	}
	return m
}

func (m *insideMerge) merge(ctx context.Context, g *mergers, way mergeWay) (*merging.Outcome, error) {
	d, err := g.driver(ctx, m.in, m.whole, way)
	if err != nil {
		return nil, err
	}
	out, err := d.Merge(ctx, m.held)
	if err != nil {
		return nil, err
	}
	sides, why := m.sides(out)
	if why != "" {
		out.Whole, out.Text = why, m.whole.Ours
		if both, ok := merging.Both(m.whole, sideLabels(), way.markerSize); ok {
			out.Text = both
		}
		return out, nil
	}
	if out.Text = sides.Ours; !bytes.Equal(sides.Ours, sides.Theirs) {
		out.Text = merge.Mark(sides.Ours, sides.Theirs, sideLabels(), way.markerSize)
	}
	out.Conflicts = slices.Concat(sides.Conflicts, out.Conflicts)
	return out, nil
}

// sides puts the merged documents into the merged SealedManifests; why says why that
// cannot be.
func (m *insideMerge) sides(out *merging.Outcome) (r *merge.Result, why string) {
	if out.Whole != "" {
		return nil, out.Whole
	}
	ours, theirs := out.Text, out.Text
	if len(out.Conflicts) > 0 {
		var ok bool
		if ours, theirs, ok = merge.Split(out.Text); !ok {
			return nil, "the conflict in spec.document cannot be shown"
		}
	}
	around := m.in.around
	r, err := mergeAround(around.format, m.whole, m.held.Ours)
	if err == nil {
		r.Ours, err = manifest.WithText(around.format, r.Ours, ours)
	}
	if err == nil {
		r.Theirs, err = manifest.WithText(around.format, r.Theirs, theirs)
	}
	if err != nil {
		return nil, "the SealedManifest around spec.document cannot be merged: " + err.Error()
	}
	return r, ""
}

// mergeAround merges SealedManifests as if all of them held the same file.
func mergeAround(f formats.Format, v merge.Versions, text []byte) (*merge.Result, error) {
	var err error
	for _, side := range []*[]byte{&v.Base, &v.Theirs} {
		if len(*side) == 0 {
			continue
		}
		if *side, err = manifest.WithText(f, *side, text); err != nil {
			return nil, err
		}
	}
	return merge.Merge(f, v, merge.Options{})
}
