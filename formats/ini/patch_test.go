package ini_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/ini"
)

// patches is the suite of single changes, with ini.v1 as the other reader.
var patches = formatstest.PatchSuite{Format: ini.Format{}, Texts: true, Holds: holds, Oracle: func(src []byte, d *formats.Document) error {
	want, err := oracleValues(src)
	if err != nil {
		return err
	}
	got, _ := values(d)
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("values differ (-want +got):\n%s", diff)
	}
	return nil
}}

// holds: texts under keys in sections. That there are no keys before the first
// section is not to be seen.
func holds(p *formats.Path, v formats.Node) bool {
	depth := len(p.Keys())
	switch {
	case depth == 1 && v.Kind == formats.MapNode:
		return (p.Key != "DEFAULT" || len(v.Items) > 0) &&
			!slices.ContainsFunc(v.Items, func(n formats.Node) bool { return !holds(p.At(n.Key), n) })
	case depth == 2:
		return v.Kind == formats.ScalarNode && v.Scalar.Kind != formats.Null
	}
	return false
}

func TestPatchLaws(t *testing.T) {
	sealed := patches
	sealed.Sealed = true
	sealed.Run(t, samples)
}

func FuzzPatch(f *testing.F) {
	seeds := []string{"\xd9$=\r", ";\xff\nO\xfd9:\xee\r"}
	for _, s := range samples {
		seeds = append(seeds, s.Source)
	}
	patches.Fuzz(f, seeds)
}
