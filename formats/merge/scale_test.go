package merge_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// largeList returns a file with a list in which changes were made at random: items
// replaced, and removed here and inserted there, so that it keeps its length.
func largeList(r *rand.Rand, items []string, changes int, fresh func() string) []byte {
	items = slices.Clone(items)
	for range changes {
		i := r.IntN(len(items))
		if r.IntN(2) == 0 {
			items[i] = fresh()
			continue
		}
		items = slices.Insert(slices.Delete(items, i, i+1), r.IntN(len(items)), fresh())
	}
	return []byte("keys:\n  a: 1\nlist:\n  - " + strings.Join(items, "\n  - ") + "\nlast: 1\n")
}

// Large lists that both sides have changed all over are merged, marked and settled,
// sealed or not. One change after the other would take minutes, and be refused.
func TestLargeListsAreWritten(t *testing.T) {
	size := 8000
	if testing.Short() {
		size = 2000
	}
	f, _ := all.ByName("yaml")
	const sealed = "ENC[AES256_GCM,data:%032d,iv:%[1]032d,tag:%[1]016d,type:str]"
	for _, tt := range []struct{ name, shape string }{
		{"plain", "v%d"}, {"sealed", sealed},
		{"named", "name: n%d\n    value: v%[1]d\n    more: x"},
		{"named, sealed", "name: n%d\n    value: " + strings.ReplaceAll(sealed, "%032d", "%[1]032d") + "\n    more: x"},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		n := 0
		fresh := func() string {
			n++
			return fmt.Sprintf(tt.shape, n)
		}
		items := make([]string, size)
		for i := range items {
			items[i] = fresh()
		}
		start := time.Now()
		v := merge.Versions{Base: largeList(r, items, 0, fresh), Ours: largeList(r, items, size/13, fresh), Theirs: largeList(r, items, size/13, fresh)}
		res, err := merge.Merge(f, v, merge.Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := paths(res.Conflicts)
		for _, c := range res.Conflicts {
			ours, theirs, err := merge.Settle(f, res.Ours, res.Theirs, c.Path, true)
			if err != nil || string(ours) != string(theirs) {
				t.Errorf("settling %s: %v", c.Path, err)
			}
		}
		if len(got) > 1 || len(got) == 1 && got[0] != "list" {
			t.Errorf("got conflicts %v", got)
		}
		t.Logf("%s: %v", tt.name, time.Since(start))
	}
}

// To settle all conflicts takes as long as one.
func TestSettleAll(t *testing.T) {
	const conflicts = 2000
	f, _ := all.ByName("yaml")
	base, ours, theirs := large("yaml", 20_000, 100, conflicts)
	res := mustMerge(t, f, base, ours, theirs)
	all := res.Conflicts
	for _, keepOurs := range []bool{true, false} {
		settled := res
		for part := range slices.Chunk(all, len(all)/2+1) {
			var at []*formats.Path
			for _, c := range part {
				at = append(at, c.Path)
			}
			start := time.Now()
			o, th, err := merge.SettleAll(f, settled.Ours, settled.Theirs, at, keepOurs)
			if err != nil {
				t.Fatal(err)
			}
			settled = &merge.Result{Ours: o, Theirs: th}
			left, err := merge.Conflicts(f, o, th)
			if all = all[len(part):]; err != nil || len(left) != len(all) {
				t.Errorf("got %d conflicts left, %v, want %d", len(left), err, len(all))
			}
			t.Logf("%d: %v", len(part), time.Since(start))
		}
		want := res.Ours
		if !keepOurs {
			want = res.Theirs
		}
		if string(settled.Ours) != string(want) || string(settled.Theirs) != string(want) {
			t.Errorf("settled, but not as one side (ours: %v) has it", keepOurs)
		}
		all = res.Conflicts
	}
}

// The text of an error says once that nothing was written, and why.
func TestNotWrittenSaysWhy(t *testing.T) {
	f, _ := all.ByName("json")
	line := func(first, last int) []byte {
		var b strings.Builder
		b.WriteString("{")
		for i := range 40_000 {
			v := i
			if i%100 == first || i%100 == last {
				v = 7 * i
			}
			fmt.Fprintf(&b, `"a rather long key %d": %d, `, i, v)
		}
		return []byte(strings.TrimSuffix(b.String(), ", ") + "}\n")
	}
	v := merge.Versions{Base: line(-1, -1), Ours: line(1, 3), Theirs: line(2, 4)}
	_, err := merge.Merge(f, v, merge.Options{})
	if !errors.Is(err, merge.ErrNotWritten) {
		t.Fatalf("got %v, want %v", err, merge.ErrNotWritten)
	}
	if text := err.Error(); strings.Count(text, merge.ErrNotWritten.Error()) != 1 || text == merge.ErrNotWritten.Error() {
		t.Errorf("got %q", text)
	}
}
