package yaml_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/yaml"
)

// maxFuzzInput keeps yaml.v3's quadratic parts quick.
const maxFuzzInput = 4 << 10

func seeds(tb testing.TB) []string {
	var all []string
	for _, s := range samples() {
		all = append(all, s.Source)
	}
	for _, src := range corpus(tb) {
		if len(src) < maxFuzzInput {
			all = append(all, src)
		}
	}
	return append(all, refusals()...)
}

// No input panics, and what is accepted reads as yaml.v3 reads it.
func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > maxFuzzInput {
			return
		}
		d, err := yaml.Format{}.Parse(src)
		if err != nil {
			var e *formats.Error
			if !errors.As(err, &e) {
				t.Fatalf("%v is not a *formats.Error", err)
			}
			return
		}
		want, err := oracle(src)
		if err != nil {
			t.Fatalf("accepted, but yaml.v3 says %v", err)
		}
		if diff := cmp.Diff(want, valuesOf(d)); diff != "" {
			t.Fatalf("values differ from yaml.v3's (-want +got):\n%s", diff)
		}
	})
}

// What is accepted keeps the laws of formats when it is sealed and restored.
func FuzzRewrite(f *testing.F) {
	formatstest.Fuzz(f, yaml.Format{}, seeds(f))
}
