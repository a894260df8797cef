package lsp_test

import (
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
)

// TestHoverFollowsProposals: a proposal is shown at the list item that it was made for,
// wherever that is by now.
func TestHoverFollowsProposals(t *testing.T) {
	w := newWorld(t)
	c := w.connect(modern)
	uri := w.uri("secrets/app.yaml")
	sealed, err := cipher.Propose(t.Context(), yaml.Format{}, []byte(w.seal("list:\n    - one\n    - two\n")), cipher.ProposeOptions{
		Path: formats.Root(0).At("list").Item(1), Content: []byte("1"), Recipients: []keysources.Recipient{w.id.Recipient()},
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(sealed), "\n")
	c.open(uri, string(sealed))
	has := func(line int) bool { return strings.Contains(c.hover(uri, line, 8), "proposed: another value") }
	if has(1) || !has(2) {
		t.Errorf("as proposed: at the items %v, %v", has(1), has(2))
	}
	lines[1], lines[2] = lines[2], lines[1]
	c.change(uri, 2, strings.Join(lines, ""))
	if !has(1) || has(2) {
		t.Errorf("items exchanged: at the items %v, %v", has(1), has(2))
	}
}
