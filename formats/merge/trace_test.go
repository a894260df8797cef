package merge_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// traced returns for each value of a YAML file where it was.
func traced(t *testing.T, before, after string) []string {
	t.Helper()
	f, _ := all.ByName("yaml")
	d := parse(f, []byte(after))
	o := merge.Trace(parse(f, []byte(before)), d)
	var out []string
	for _, l := range d.Leaves {
		text := "new"
		if was := o.Of(l.Path); was != nil {
			text = was.Text()
		}
		out = append(out, text)
	}
	return out
}

func TestTrace(t *testing.T) {
	for _, tt := range []struct{ name, before, after, want string }{
		{"nothing has moved", "a: 1\nl: [1, {x: 2}]\n", "b: 1\nl: [1, {x: 3}]\n", "b, l[0], l[1].x"},
		{"one of equal items is gone", "l: [5, 1, 5, 5]\n", "l: [1, 5, 5]\n", "l[1], l[2], l[3]"},
		{"one in the middle is gone", "l: [5, 1, 5, 2, 5]\n", "l: [5, 1, 2, 5]\n", "l[0], l[1], l[3], l[4]"},
		{"one more in front", "l: [1, 1, 2]\n", "l: [2, 1, 1, 2]\n", "new, l[0], l[1], l[2]"},
		{"moved to the end", "l: [3, 1, 1, 2]\n", "l: [1, 1, 2, 3]\n", "l[1], l[2], l[3], l[0]"},
		{"changed where it was", "l: [{x: 1, y: 1}, {x: 1, y: 2}]\n", "l: [{x: 1, y: 1}, {x: 1, y: 3}]\n", "l[0].x, l[0].y, l[1].x, l[1].y"},
		{"removed in front of a changed one", "l: [{x: 1}, {x: 1, y: 2}, {x: 1}]\n", "l: [{x: 2, y: 2}, {x: 1}]\n", "l[1].x, l[1].y, l[2].x"},
		{"changed and added, like nothing", "l: [{x: 1}, {x: 2}]\n", "l: [{x: 3}, {x: 4}, {x: 2}]\n", "new, new, l[1].x"},
		{"named, moved and changed", "l: [{name: a, x: 1}, {name: b, x: 1}]\n", "l: [{name: b, x: 2}, {name: a, x: 2}]\n", "l[1].name, l[1].x, l[0].name, l[0].x"},
		{"renamed", "l: [{name: a, x: 1, y: 7}, {name: b, x: 1}]\n", "l: [{name: c, x: 1, y: 7}, {name: b, x: 1}]\n", "l[0].name, l[0].x, l[0].y, l[1].name, l[1].x"},
		{"lists in a list", "l: [[1, 1, 2], [1, 1, 3]]\n", "l: [[1, 3], [4]]\n", "l[1][0], l[1][2], new"},
		{"lists in a list that stay", "l: [[1, 2, 1], [1, 3, 1]]\n", "l: [[2, 1], [1, 3]]\n", "l[0][1], l[0][2], l[1][0], l[1][1]"},
		{"a list in a changed map", "l: [{m: {n: [1, 1, 2]}, z: 9}, 7]\n", "l: [7, {m: {n: [1, 2]}, z: 9}]\n", "l[1], l[0].m.n[0], l[0].m.n[2], l[0].z"},
		{"no list any more", "a: [1, 2]\n", "a: {x: 1}\n", "a.x"},
		{"a document is gone", "a: 1\n---\na: 1\nb: 1\n---\na: 1\n", "a: 1\nb: 1\n---\na: 1\n", "document 2: a, document 2: b, document 3: a"},
		{"a document has moved", "kind: A\nmetadata: {name: x}\n---\nkind: B\nmetadata: {name: x}\n", "kind: B\nmetadata: {name: x}\n---\nkind: A\nmetadata: {name: x}\n",
			"document 2: kind, document 2: metadata.name, kind, metadata.name"},
	} {
		if diff := cmp.Diff(tt.want, strings.Join(traced(t, tt.before, tt.after), ", ")); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// Of a list of which items were only removed, or to which some were only added, each item
// is traced to an equal one in the same order, however many are equal. After any edit no
// item is traced to two, and as many as are there are traced to equal ones.
func TestTraceOfEqualItems(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	shapes := []string{"%d", "{a: %d, b: x}", "[7, %d]", "{a: {b: [%d, %[1]d]}}"}
	for range 500 {
		shape, values := shapes[r.IntN(len(shapes))], 1+r.IntN(3)
		item := func() string { return fmt.Sprintf(shape, r.IntN(values)) }
		items := make([]string, 1+r.IntN(12))
		for i := range items {
			items[i] = item()
		}
		fewer := slices.DeleteFunc(slices.Clone(items), func(string) bool { return r.IntN(3) == 0 })
		was := itemsTraced(t, items, fewer)
		checkTraced(t, items, fewer, was, true)
		was = itemsTraced(t, fewer, items)
		added := 0
		was = slices.DeleteFunc(was, func(k int) bool { added += count(k < 0); return k < 0 })
		if added != len(items)-len(fewer) || !slices.IsSorted(was) {
			t.Errorf("%v, then %v: traced to %v", fewer, items, was)
		}
		for range 1 + r.IntN(3) {
			items = slices.Insert(items, r.IntN(len(items)+1), item())
		}
		checkTraced(t, fewer, items, itemsTraced(t, fewer, items), false)
		slices.Reverse(items)
		checkTraced(t, fewer, items, itemsTraced(t, fewer, items), false)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// itemsTraced returns for each item of a list the index that it had, -1 for a new one.
func itemsTraced(t *testing.T, before, after []string) []int {
	t.Helper()
	f, _ := all.ByName("yaml")
	list := func(items []string) *formats.Document {
		return parse(f, []byte("l: ["+strings.Join(items, ", ")+"]\n"))
	}
	o := merge.Trace(list(before), list(after))
	out := make([]int, len(after))
	for i := range after {
		out[i] = -1
		if was := o.Of(formats.Root(0).At("l").Item(i)); was != nil && was.Index < len(before) {
			out[i] = was.Index
		}
	}
	return out
}

// checkTraced checks that no item became two, and that of equal ones as many are traced
// to such as there are.
func checkTraced(t *testing.T, before, after []string, was []int, inOrder bool) {
	t.Helper()
	there, wanted, got := map[string]int{}, map[string]int{}, map[string]int{}
	for _, item := range before {
		there[item]++
	}
	taken := map[int]bool{}
	for i, k := range was {
		wanted[after[i]] = min(wanted[after[i]]+1, there[after[i]])
		got[after[i]] += count(k >= 0 && before[k] == after[i])
		if k >= 0 && taken[k] {
			t.Errorf("%v, then %v: two items are traced to %d", before, after, k)
		}
		taken[k] = true
	}
	if diff := cmp.Diff(wanted, got); diff != "" || inOrder && !slices.IsSorted(was) {
		t.Errorf("%v, then %v: traced to %v %s", before, after, was, diff)
	}
}
