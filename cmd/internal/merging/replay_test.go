package merging_test

import (
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/merging"
	"github.com/gitseal/gitseal/formats/merge"
)

// TestReplaysAreToldFromMerges: only markers without labels on both the base and our side
// are git-rerere's; whatever else has markers is a merge.
func TestReplaysAreToldFromMerges(t *testing.T) {
	const bare, labelled = "<<<<<<<\na\n=======\nb\n>>>>>>>\n", "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"
	for _, tt := range []struct {
		name, base, ours, theirs string
		replay, same             bool
	}{
		{"the same conflict", bare, bare, "a\n", true, true},
		{"another", bare, "x\n" + bare, "a\n", true, false},
		{"longer markers", "<<<<<<<<<\r\na\r\n>>>>>>>>>\r\n", bare, "a\n", true, false},
		{"a merge of bases with conflicts", labelled, "a\n", "b\n", false, false},
		{"bare markers in the base alone", bare, "a\n", "b\n", false, false},
		{"committed conflicts", labelled, labelled, "b\n", false, true},
		{"conflicts everywhere", bare, bare, bare, false, true},
		{"half a conflict", "<<<<<<<\n", "<<<<<<<\n", "b\n", false, true},
		{"nothing", "", "a\n", "b\n", false, false},
	} {
		v := merge.Versions{Base: []byte(tt.base), Ours: []byte(tt.ours), Theirs: []byte(tt.theirs)}
		text, same := merging.Replay(v)
		if merging.IsReplay(v) != tt.replay || same != tt.same || string(text) != tt.theirs {
			t.Errorf("%s: got %v, %v", tt.name, merging.IsReplay(v), same)
		}
	}
}
