package merging_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/merging"
	"github.com/gitseal/gitseal/formats/merge"
)

func TestBothSidesStandInOneText(t *testing.T) {
	for _, tt := range []struct {
		name, ours, theirs, want string
		ok                       bool
	}{
		{"different", "a: 1\nb: 2\n", "a: 1\nb: 3\n", "a: 1\n<<<<<<< ours\nb: 2\n=======\nb: 3\n>>>>>>> theirs\n", true},
		{"equal", "a: 1\n", "a: 1\n", "a: 1\n", true},
		{"one is empty", "", "a: 1\n", "<<<<<<< ours\n=======\na: 1\n>>>>>>> theirs\n", true},
		{"ours is binary", "a\x00", "a\n", "", false},
		{"theirs is binary", "a\n", "a\x00", "", false},
	} {
		got, ok := merging.Both(merge.Versions{Ours: []byte(tt.ours), Theirs: []byte(tt.theirs)}, merge.Labels{Ours: "ours", Theirs: "theirs"}, 7)
		if diff := cmp.Diff(tt.want, string(got)); diff != "" || ok != tt.ok {
			t.Errorf("%s: %v %s", tt.name, ok, diff)
		}
		ours, theirs, split := merge.Split(got)
		if tt.ok && tt.ours != tt.theirs && (!split || string(ours) != tt.ours || string(theirs) != tt.theirs) {
			t.Errorf("%s: read back as %q and %q", tt.name, ours, theirs)
		}
	}
}
