package merge_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// Any three texts merge to what they mean, or are refused; nothing panics.
func FuzzMerge(f *testing.F) {
	for i, name := range generated {
		g := newGenerator(name, uint64(i))
		g.lists = true
		base := g.file(5)
		f.Add(uint8(i), base, g.edit(base, 4, anyKey), g.edit(base, 4, anyKey))
		f.Add(uint8(i), []byte(nil), base, g.edit(base, 4, anyKey))
	}
	f.Add(uint8(0), []byte("a: &x {k: 1}\nb: *x\n"), []byte("a: &x {k: 2}\nb: *x\n"), []byte("a: &x {k: 1}\nb: {k: 3}\n"))
	f.Add(uint8(0), []byte("# c\na: 1\n---\nb: |\n  x\n"), []byte("a: 2 # c\n---\nb: |\n  y\n"), []byte("# d\na: 1\n---\nb: >\n  x\n"))
	names := all.Names()
	f.Fuzz(func(t *testing.T, n uint8, base, ours, theirs []byte) {
		const most = 2 << 10
		if len(base)+len(ours)+len(theirs) > most {
			return
		}
		format, _ := all.ByName(names[int(n)%len(names)])
		r, err := merge.Merge(format, merge.Versions{Base: base, Ours: ours, Theirs: theirs}, merge.Options{})
		if err != nil {
			return
		}
		checkMerged(t, format, [3][]byte{base, ours, theirs}, r)
	})
}

// checkMerged compares a result with the reference, and settles its conflicts.
func checkMerged(t *testing.T, f formats.Format, v [3][]byte, r *merge.Result) {
	t.Helper()
	if len(r.Conflicts) == 0 && !bytes.Equal(r.Ours, r.Theirs) {
		t.Errorf("no conflicts, but got %q and %q", r.Ours, r.Theirs)
	}
	var trees [3]any
	fit := true
	for i, text := range v {
		trees[i] = absent{}
		d, err := f.Parse(text)
		if err != nil && i == 0 && len(text) == 0 {
			continue
		}
		if fit = fit && err == nil && d.Documents < 2 && d.Meta == nil; !fit {
			return // a side without changes need not parse
		}
		trees[i] = tree(f, text)
		fit = keysFit(trees[i])
	}
	if fit {
		var want reference
		want.merge(trees[0], trees[1], trees[2])
		if diff := cmp.Diff(want.result(0), tree(f, r.Ours)); diff != "" {
			t.Errorf("ours: %s", diff)
		}
		if diff := cmp.Diff(want.result(1), tree(f, r.Theirs)); diff != "" {
			t.Errorf("theirs: %s", diff)
		}
		if diff := cmp.Diff(want.conflicts, conflictKeys(r.Conflicts)); diff != "" {
			t.Errorf("conflicts: %s", diff)
		}
	}
	ours, theirs := r.Ours, r.Theirs
	for range len(r.Conflicts) {
		left, err := merge.Conflicts(f, ours, theirs)
		if err != nil {
			t.Fatalf("the conflicts of %q and %q: %v", ours, theirs, err)
		}
		if len(left) == 0 {
			break
		}
		ours, theirs, err = merge.Settle(f, ours, theirs, left[0].Path, len(left)%2 == 0)
		if err != nil {
			var typed *formats.Error
			if !errors.Is(err, merge.ErrNotWritten) && !errors.As(err, &typed) {
				t.Errorf("settling %s: %v", left[0].Path, err)
			}
			return
		}
	}
	if !bytes.Equal(ours, theirs) {
		t.Errorf("settled, but got %q and %q", ours, theirs)
	}
}

// Whatever is marked splits again; whatever splits can be marked again.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\nb\n"), []byte("a\nc"))
	f.Add([]byte("<<<<<<< a\n1\n||||||| b\n2\n=======\n3\n>>>>>>> c\n"), []byte("x"))
	f.Add([]byte("<<<<<<< a\n<<<<<<<< b\n1\n========\n2\n>>>>>>>> b\n=======\n3\n>>>>>>> a"), []byte("\r\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, text := range [][]byte{a, b} {
			ours, theirs, ok := merge.Split(text)
			if ok && (len(ours) > len(text) || len(theirs) > len(text) || !merge.HasMarkers(text)) {
				t.Errorf("%q split into %q and %q", text, ours, theirs)
			}
		}
		if bytes.Contains(a, []byte("||||||")) || bytes.Contains(b, []byte("||||||")) {
			return // markers in content that look like diff3's cannot be told from it
		}
		marked := merge.Mark(a, b, merge.Labels{Ours: "x"}, 7)
		ours, theirs, ok := merge.Split(marked)
		if bytes.Equal(a, b) {
			if !bytes.Equal(marked, a) {
				t.Errorf("got %q of equal texts", marked)
			}
			return
		}
		if !ok || !bytes.Equal(ours, a) || !bytes.Equal(theirs, b) {
			t.Errorf("%q: got %q, %q, %v", marked, ours, theirs, ok)
		}
	})
}
