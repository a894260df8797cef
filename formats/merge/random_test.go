package merge_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

var generated = []string{"yaml", "json", "dotenv", "ini"}

// rounds calls try with generators of all formats.
func rounds(t *testing.T, n int, try func(t *testing.T, g *generator)) {
	t.Helper()
	if testing.Short() {
		n /= 10
	}
	for _, name := range generated {
		t.Run(name, func(t *testing.T) {
			for seed := range n {
				g := newGenerator(name, uint64(seed))
				try(t, g)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// The merged values are those that a merge of maps gives, and conflicts mirror.
func TestRandomEditsMergeAsMaps(t *testing.T) {
	conflicts, clean := 0, 0
	rounds(t, 300, func(t *testing.T, g *generator) {
		base := g.file(g.IntN(12))
		ours, theirs := g.edit(base, g.IntN(8), anyKey), g.edit(base, g.IntN(8), anyKey)
		r := mustMerge(t, g.format, base, ours, theirs)
		var want reference
		want.merge(tree(g.format, base), tree(g.format, ours), tree(g.format, theirs))
		if diff := cmp.Diff(want.result(0), tree(g.format, r.Ours)); diff != "" {
			t.Errorf("ours: %s", diff)
		}
		if diff := cmp.Diff(want.result(1), tree(g.format, r.Theirs)); diff != "" {
			t.Errorf("theirs: %s", diff)
		}
		if diff := cmp.Diff(want.conflicts, conflictKeys(r.Conflicts)); diff != "" {
			t.Errorf("conflicts: %s", diff)
		}
		checkComments(t, base, ours, theirs, r)
		if len(r.Conflicts) > 0 {
			conflicts++
		} else {
			clean++
		}
		if t.Failed() {
			t.Logf("base:\n%s\nours:\n%s\ntheirs:\n%s\nresult:\n%s", base, ours, theirs, merge.Mark(r.Ours, r.Theirs, merge.Labels{}, 7))
		}
	})
	t.Logf("%d merges clean, %d with conflicts", clean, conflicts)
	if conflicts == 0 || clean == 0 {
		t.Error("one kind of merge never happened")
	}
}

// checkComments checks that comments which a side has added are in both results; all
// are different.
func checkComments(t *testing.T, base, ours, theirs []byte, r *merge.Result) {
	t.Helper()
	if len(r.Conflicts) > 0 {
		return
	}
	was, left, right, is := commentsIn(base), commentsIn(ours), commentsIn(theirs), commentsIn(r.Ours)
	for text := range is {
		if !left[text] && !right[text] {
			t.Errorf("comment %q came from nowhere", text)
		}
	}
	for _, m := range []map[string]bool{left, right} {
		for text := range m {
			if !is[text] && (!was[text] || left[text] && right[text]) {
				t.Errorf("comment %q is lost", text)
			}
		}
	}
}

func commentsIn(text []byte) map[string]bool {
	found := map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		if i := strings.Index(line, "# comment "); i >= 0 {
			found[line[i:]] = true
		}
	}
	return found
}

// Edits of different keys never conflict; every edit is in the result.
func TestDisjointEditsNeverConflict(t *testing.T) {
	rounds(t, 200, func(t *testing.T, g *generator) {
		g.lists = true
		base := g.file(2 + g.IntN(20))
		odd := func(key string) bool { return key[len(key)-1]%2 == 1 }
		even := func(key string) bool { return key != "first" && !odd(key) }
		ours, theirs := g.edit(base, 6, odd), g.edit(base, 6, even)
		r := mustMerge(t, g.format, base, ours, theirs)
		if len(r.Conflicts) > 0 || !bytes.Equal(r.Ours, r.Theirs) {
			t.Errorf("conflicts: %v", paths(r.Conflicts))
		}
		got := tree(g.format, r.Ours).(map[string]any)
		for side, text := range map[*func(string) bool][]byte{&odd: ours, &even: theirs} {
			if diff := cmp.Diff(part(tree(g.format, text), *side), part(got, *side)); diff != "" {
				t.Errorf("edits are lost: %s", diff)
			}
		}
	})
}

func part(tree any, allowed func(string) bool) map[string]any {
	out := map[string]any{}
	for k, v := range tree.(map[string]any) {
		if allowed(k) {
			out[k] = v
		}
	}
	return out
}

// With one side unchanged, or both the same, the result is the other's bytes.
func TestOneSideIsTheResult(t *testing.T) {
	rounds(t, 50, func(t *testing.T, g *generator) {
		g.lists = true
		base := g.file(g.IntN(12))
		x := g.edit(base, 1+g.IntN(8), anyKey)
		for _, v := range [][3][]byte{{base, x, base}, {base, base, x}, {base, x, x}, {nil, x, x}} {
			r := mustMerge(t, g.format, v[0], v[1], v[2])
			if !bytes.Equal(r.Ours, x) || !bytes.Equal(r.Theirs, x) || len(r.Conflicts) > 0 {
				t.Errorf("got %q, want %q", r.Ours, x)
			}
		}
	})
}

// Lists as well: swapping the sides gives the same conflicts, and settling them one
// after the other ends with one text, in either way.
func TestConflictsMirrorAndSettle(t *testing.T) {
	rounds(t, 200, func(t *testing.T, g *generator) {
		g.lists = true
		base := g.file(g.IntN(8))
		ours, theirs := g.edit(base, g.IntN(8), anyKey), g.edit(base, g.IntN(8), anyKey)
		r := mustMerge(t, g.format, base, ours, theirs)
		s := mustMerge(t, g.format, base, theirs, ours)
		forth, back := map[string][2]bool{}, map[string][2]bool{}
		for _, c := range r.Conflicts {
			forth[c.Path.Text()] = [2]bool{c.Ours, c.Theirs}
		}
		for _, c := range s.Conflicts {
			back[c.Path.Text()] = [2]bool{c.Theirs, c.Ours}
		}
		if diff := cmp.Diff(forth, back); diff != "" {
			t.Errorf("swapped: %s", diff)
		}
		a, b, ok := merge.Split(merge.Mark(r.Ours, r.Theirs, merge.Labels{Ours: "HEAD", Theirs: "x"}, 7))
		if ok != (len(r.Conflicts) > 0) || ok && (!bytes.Equal(a, r.Ours) || !bytes.Equal(b, r.Theirs)) {
			t.Errorf("marking and splitting gave %q and %q, want %q and %q", a, b, r.Ours, r.Theirs)
		}
		settleAll(t, g, r)
		if t.Failed() {
			t.Logf("base:\n%s\nours:\n%s\ntheirs:\n%s\nresult:\n%s", base, ours, theirs, merge.Mark(r.Ours, r.Theirs, merge.Labels{}, 7))
		}
	})
}

func settleAll(t *testing.T, g *generator, r *merge.Result) {
	t.Helper()
	ours, theirs := r.Ours, r.Theirs
	for n := len(r.Conflicts); n > 0; n-- {
		left, err := merge.Conflicts(g.format, ours, theirs)
		if err != nil || len(left) != n {
			t.Errorf("got %v left, %v, want %d", paths(left), err, n)
			return
		}
		c := left[g.IntN(n)]
		keep := g.IntN(2) == 0
		want, has := parse(g.format, ours).Node(c.Path)
		if !keep {
			want, has = parse(g.format, theirs).Node(c.Path)
		}
		ours, theirs, err = merge.Settle(g.format, ours, theirs, c.Path, keep)
		if err != nil {
			t.Errorf("settling %s: %v", c.Path, err)
			return
		}
		for _, text := range [][]byte{ours, theirs} {
			if got, is := parse(g.format, text).Node(c.Path); is != has || !got.Equal(&want) {
				t.Errorf("%s is not settled", c.Path)
			}
		}
	}
	if !bytes.Equal(ours, theirs) {
		t.Errorf("settled, but got %q and %q", ours, theirs)
	}
}

func mustMerge(t *testing.T, f formats.Format, base, ours, theirs []byte) *merge.Result {
	t.Helper()
	r, err := merge.Merge(f, merge.Versions{Base: base, Ours: ours, Theirs: theirs}, merge.Options{})
	if err != nil {
		t.Fatalf("%v\nbase:\n%s\nours:\n%s\ntheirs:\n%s", err, base, ours, theirs)
	}
	return r
}

func paths(all []merge.Conflict) []string {
	var texts []string
	for _, c := range all {
		texts = append(texts, c.Path.Text())
	}
	return texts
}
