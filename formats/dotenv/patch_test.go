package dotenv_test

import (
	"slices"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/dotenv"
	"github.com/gitseal/gitseal/formats/formatstest"
)

var patches = formatstest.PatchSuite{Format: dotenv.Format{}, Texts: true, Holds: holds}

// holds: texts under keys.
func holds(p *formats.Path, v formats.Node) bool {
	if p.Parent == nil && v.Kind == formats.MapNode {
		return !slices.ContainsFunc(v.Items, func(n formats.Node) bool { return !holds(p.At(n.Key), n) })
	}
	return p.Parent != nil && p.Parent.Parent == nil && v.Kind == formats.ScalarNode && v.Scalar.Kind != formats.Null
}

func TestPatchLaws(t *testing.T) {
	sealed := patches
	sealed.Sealed = true
	sealed.Run(t, append(alike, others...))
}

func FuzzPatch(f *testing.F) {
	seeds := []string{"A=b\r\xff\f\nC=d\r"}
	for _, s := range append(alike, others...) {
		seeds = append(seeds, s.Source)
	}
	patches.Fuzz(f, seeds)
}
