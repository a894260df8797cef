package json_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/json"
)

// patches is the suite of single changes, with encoding/json as the other reader.
var patches = formatstest.PatchSuite{Format: json.Format{}, Oracle: func(src []byte, d *formats.Document) error {
	want, err := oracle(src)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, describe(d)); diff != "" {
		return fmt.Errorf("values differ (-want +got):\n%s", diff)
	}
	return nil
}}

func TestPatchLaws(t *testing.T) {
	sealed := patches
	sealed.Sealed = true
	sealed.Run(t, samples)
}

func FuzzPatch(f *testing.F) {
	var seeds []string
	for _, s := range samples {
		seeds = append(seeds, s.Source)
	}
	patches.Fuzz(f, seeds)
}
