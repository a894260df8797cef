package main

import (
	"slices"

	"github.com/gitseal/gitseal/cmd/internal/changes"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
)

// aroundDiff is what differs between two SealedManifests, but for the files that they hold.
type aroundDiff struct {
	old, new *changes.Version
	set      *changes.Set
}

// plainAround returns the SealedManifest that in is, whose document is not sealed; nil if
// it cannot be read.
func plainAround(in input) *around {
	held, err := manifest.Held(in.format, in.data)
	if err != nil {
		return nil
	}
	return &around{file: in.data, data: in.data, format: in.format, formatName: in.formatName, held: held}
}

// newAroundDiff compares them; nil if one of them is none, or cannot be compared.
func newAroundDiff(was, is *around) *aroundDiff {
	if was == nil || is == nil {
		return nil
	}
	same, err := manifest.WithText(is.format, is.data, was.held.Text)
	if err != nil {
		return nil
	}
	d := &aroundDiff{}
	if d.old, err = changes.Parse(was.format, was.data); err != nil {
		return nil
	}
	if d.new, err = changes.Parse(is.format, same); err != nil {
		return nil
	}
	d.set = changes.Between(d.old, d.new)
	return d
}

// addAround tells of the fields of the SealedManifest.
func (out *diffReport) addAround(d *aroundDiff) {
	if d == nil {
		return
	}
	for _, c := range d.set.Values {
		out.Values = append(out.Values, diffValue{
			Path: c.Path.Text(), name: "SealedManifest " + c.Path.String(), Change: d.set.Kind(c), Around: true,
			Was: newAroundState(c.Path, c.Was), Is: newAroundState(c.Path, c.Is),
		})
	}
	out.Comments += d.set.Comments
}

// newAroundState shows what the cluster has to read, and nothing else.
func newAroundState(path *formats.Path, s changes.State) *diffState {
	if s.State == "" {
		return nil
	}
	out := &diffState{State: s.State, Kind: s.Kind.String()}
	if keys := path.Keys(); len(keys) > 0 && slices.Contains([]string{"apiVersion", "kind", "metadata", "spec"}, keys[0]) && !s.Kind.Empty() {
		out.Text = &s.Text
	}
	return out
}
