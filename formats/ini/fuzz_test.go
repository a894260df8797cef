package ini_test

import (
	"testing"

	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/ini"
	"github.com/google/go-cmp/cmp"
)

func FuzzLaws(f *testing.F) {
	var seeds []string
	for _, s := range samples {
		seeds = append(seeds, s.Source)
	}
	formatstest.Fuzz(f, ini.Format{}, seeds)
}

// FuzzParse checks that what we accept is accepted by sops with equal values.
func FuzzParse(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.Source))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := ini.Format{}.Parse(src)
		if err != nil || d.Meta != nil {
			return
		}
		want, err := oracleValues(src)
		if err != nil {
			t.Fatalf("accepted what ini.v1 refuses: %v", err)
		}
		got, _ := values(d)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("values (-want +got):\n%s", diff)
		}
	})
}
