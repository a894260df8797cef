package merge_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
)

// Of a list, what a side has added is there, what a side has removed is not, and the
// rest keeps its order.
func TestListsMergeAsSequences(t *testing.T) {
	clean := 0
	rounds(t, 100, func(t *testing.T, g *generator) {
		if g.name != "yaml" && g.name != "json" {
			return
		}
		base := make([]string, g.IntN(12)+1)
		for i := range base {
			base[i] = fmt.Sprintf("base%d", i)
		}
		version := func(side string) []string {
			var items []string
			for i, item := range base {
				if g.IntN(8) == 0 {
					items = append(items, fmt.Sprintf("%s%d", side, i))
				}
				if g.IntN(8) > 0 {
					items = append(items, item)
				}
			}
			return items
		}
		ours, theirs := version("ours"), version("theirs")
		r := mustMerge(t, g.format, g.list(base), g.list(ours), g.list(theirs))
		if len(r.Conflicts) > 0 {
			return
		}
		clean++
		in := func(items []string, item string) bool {
			return strings.Contains(strings.Join(items, " ")+" ", item+" ")
		}
		var kept []any
		want := map[string]bool{}
		for _, item := range base {
			if in(ours, item) && in(theirs, item) {
				kept = append(kept, "string "+item)
			}
		}
		for _, item := range append(append([]string(nil), ours...), theirs...) {
			if !in(base, item) || in(ours, item) && in(theirs, item) {
				want["string "+item] = true
			}
		}
		var inOrder []any
		got := map[string]bool{}
		for _, item := range tree(g.format, r.Ours).(map[string]any)["l"].([]any) {
			got[item.(string)] = true
			if strings.HasPrefix(item.(string), "string base") {
				inOrder = append(inOrder, item)
			}
		}
		if diff := cmp.Diff(want, got) + cmp.Diff(kept, inOrder); diff != "" {
			t.Errorf("%v, %v and %v: %s", base, ours, theirs, diff)
		}
	})
	if clean < 10 {
		t.Errorf("only %d merges were clean", clean)
	}
}

// list returns a file with a list.
func (g *generator) list(items []string) []byte {
	n := formats.Node{Kind: formats.ListNode}
	for _, item := range items {
		n.Items = append(n.Items, formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: item}})
	}
	src := map[string]string{"yaml": "first: x\n", "json": "{\n  \"first\": 1\n}\n"}[g.name]
	return g.patch([]byte(src), formats.Change{Path: formats.Root(0).At("l"), Value: n})
}
