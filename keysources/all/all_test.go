package all_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/all"
)

func TestEveryTypeHasItsSource(t *testing.T) {
	sources := all.Sources(func(string) string { return "" })
	var types []string
	for typ, s := range sources {
		types = append(types, typ)
		if s.String() == "" {
			t.Errorf("%s: the source has no name", typ)
		}
		// A source is under the type that it takes: it knows all others for
		// somebody else's, and the key without fields for one that is not whole.
		for _, other := range keysources.Types() {
			_, err := s.Unwrap(t.Context(), keysources.Stanza{Type: other})
			if errors.Is(err, keysources.ErrNotForMe) != (other != typ) && typ != keysources.TypeAge {
				t.Errorf("the source of %s says of a stanza of %s: %v", typ, other, err)
			}
		}
		if _, err := s.Recipient(keysources.Stanza{Type: typ}); err == nil {
			t.Errorf("%s: a key that names nobody was taken", typ)
		}
	}
	slices.Sort(types)
	if diff := cmp.Diff(keysources.Types(), types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}

func TestRemoteSourcesSaySo(t *testing.T) {
	for typ, s := range all.Sources(func(string) string { return "" }) {
		local := typ == keysources.TypeAge || typ == keysources.TypePGP
		if got := keysources.IsRemote(s); got == local {
			t.Errorf("%s: remote is %t", typ, got)
		}
	}
}
