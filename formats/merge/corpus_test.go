package merge_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// Real files in which each side has changed other values merge without a conflict to
// what making all changes one after the other gives, with the same comments.
func TestMergeCorpus(t *testing.T) {
	folder := os.Getenv("GITSEAL_CORPUS")
	if folder == "" {
		t.Skip("GITSEAL_CORPUS is not set")
	}
	files, refused := 0, 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		const most = 64 << 10
		f := all.ForFile(path)
		if name := all.NameForFile(path); name == "binary" || len(src) > most {
			return nil
		}
		if doc, err := f.Parse(src); err != nil || doc.Meta != nil {
			return nil
		}
		err = mergeChanged(t, f, path, src)
		if errors.Is(err, errUnchanged) {
			return nil
		}
		files++
		if err != nil {
			refused++
			t.Logf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files merged, %d refused", files, refused)
	if files == 0 || refused > files/100 {
		t.Errorf("%d of %d files refused", refused, files)
	}
}

var errUnchanged = errors.New("a side has no changes")

// mergeChanged changes some values on both sides and merges them.
func mergeChanged(t *testing.T, f formats.Format, path string, src []byte) error {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(len(src)), 3))
	ours, theirs, both := src, src, src
	change := func(text []byte, c formats.Change) ([]byte, bool) {
		d, err := f.Parse(text)
		if err != nil {
			return text, false
		}
		out, err := f.(formats.Patcher).Patch(d, c)
		return out, err == nil
	}
	d := parse(f, src)
	for i, l := range d.Leaves {
		if l.Kind == formats.Comment || r.IntN(len(d.Leaves)) > 12 || len(d.Aliases) > 0 {
			continue
		}
		side := &ours
		if i%2 == 0 {
			side = &theirs
		}
		c := formats.Change{Path: l.Path, Value: formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: "changed"}}}
		if l.Path.Index == formats.InMap && r.IntN(4) == 0 {
			c.Path = l.Path.Parent.At("added" + string(rune('a'+i%26)))
			if _, ok := d.Node(c.Path); ok {
				continue
			}
		}
		one, ok := change(*side, c)
		all, ok2 := change(both, c)
		if ok && ok2 {
			*side, both = one, all
		}
	}
	if string(ours) == string(src) || string(theirs) == string(src) {
		return errUnchanged
	}
	res, err := merge.Merge(f, merge.Versions{Base: src, Ours: ours, Theirs: theirs}, merge.Options{})
	if errors.Is(err, merge.ErrNotWritten) {
		return err
	}
	if err != nil || len(res.Conflicts) > 0 {
		t.Errorf("%s: %v, conflicts %v", path, err, res)
		return nil
	}
	got, want := parse(f, res.Ours), parse(f, both)
	for n := range max(want.Documents, 1) {
		x, _ := got.Node(formats.Root(n))
		y, _ := want.Node(formats.Root(n))
		if !x.Equal(&y) {
			t.Errorf("%s: document %d is not as it should: %s", path, n, cmp.Diff(plain(&y), plain(&x)))
		}
	}
	if diff := cmp.Diff(commentCount(want), commentCount(got)); diff != "" {
		t.Errorf("%s: comments: %s", path, diff)
	}
	return nil
}

func commentCount(d *formats.Document) map[string]int {
	count := map[string]int{}
	for _, l := range d.Leaves {
		if l.Kind == formats.Comment {
			count[l.Text]++
		}
	}
	return count
}
