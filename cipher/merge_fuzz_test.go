package cipher_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/merge"
)

// FuzzMerge gives the merge three versions of anything: what comes out of it is a
// file that opens, or one that says that it is half-merged; and whatever is resealed
// opens.
func FuzzMerge(f *testing.F) {
	names := []string{"yaml", "json", "dotenv", "ini", "binary"}
	for _, c := range disjoint() {
		v := sealedVersions(f, c)
		for i, name := range names {
			if name == c.format {
				f.Add(uint8(i), v.Base, v.Ours, v.Theirs)
				half := mustMergeSealed(f, c.format, v, store{}).Ours
				f.Add(uint8(i), v.Base, half, v.Theirs)
				f.Add(uint8(i), merge.Mark(v.Ours, v.Theirs, merge.Labels{}, 7), v.Ours, v.Theirs)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, base, ours, theirs []byte) {
		name := names[int(which)%len(names)]
		v, s := merge.Versions{Base: base, Ours: ours, Theirs: theirs}, store{}
		if m, err := cipher.MergeSealed(format(t, name), v, s.record(v)); err == nil && m.HalfMerged {
			checkHalf(t, name, m, s)
		}
		m, err := cipher.Merge(context.Background(), format(t, name), v, mergeOptions(t, s, v))
		if err != nil || bytes.Equal(m.Ours, ours) || bytes.Equal(m.Ours, theirs) {
			return
		}
		if m.HalfMerged {
			checkHalf(t, name, m, s)
			return
		}
		mustOpen(t, name, m.Ours)
	})
}

func checkHalf(t *testing.T, name string, m *cipher.Merged, s store) {
	t.Helper()
	for _, text := range [][]byte{m.Ours, m.Theirs} {
		r, err := cipher.Inspect(format(t, name), text)
		if err != nil || r.Metadata.Merged() == nil {
			t.Fatalf("a half-merged file that does not say so: %v", err)
		}
		if out, err := reseal(t, name, text, s); err == nil {
			mustOpen(t, name, out)
		}
	}
}
