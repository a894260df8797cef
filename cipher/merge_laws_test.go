package cipher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// randomFile is a file of one line for each key, in any of the formats.
type randomFile struct {
	keys   []string
	values map[string]string
}

func (r randomFile) clone() randomFile {
	c := randomFile{keys: slices.Clone(r.keys), values: map[string]string{}}
	for k, v := range r.values {
		c.values[k] = v
	}
	return c
}

// edit makes a few changes: a value, a new key, a key that goes.
func (r randomFile) edit(rng *rand.Rand, side string) randomFile {
	c := r.clone()
	for i := range 1 + rng.IntN(4) {
		key := c.keys[rng.IntN(len(c.keys))]
		switch rng.IntN(4) {
		case 0:
			key = fmt.Sprintf("NEW_%s_%d", side, i)
			c.keys = slices.Insert(c.keys, rng.IntN(len(c.keys)), key)
			c.values[key] = side
		case 1:
			if len(c.keys) > 3 {
				c.keys = slices.DeleteFunc(c.keys, func(k string) bool { return k == key })
			}
		default:
			c.values[key] = fmt.Sprintf("%s %d", side, rng.IntN(3))
		}
	}
	return c
}

func (r randomFile) text(format string) string {
	var b strings.Builder
	sep, end := map[string]string{"yaml": ": ", "dotenv": "=", "ini": " = ", "json": ": "}[format], "\n"
	if format == "ini" {
		b.WriteString("[s]\n")
	}
	if format == "json" {
		b.WriteString("{\n")
	}
	for i, k := range r.keys {
		v := r.values[k]
		if format == "json" {
			k, v, end = "  \""+k+"\"", "\""+v+"\"", ",\n"
			if i == len(r.keys)-1 {
				end = "\n}\n"
			}
		}
		b.WriteString(k + sep + v + end)
	}
	return b.String()
}

// TestMergeLaws: whatever both sides do, the merge of the sealed files is the sealed
// merge of the plain files, byte for byte; and where a merge without the key has no
// conflict, resealing it gives the same.
func TestMergeLaws(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	clean, conflicts := 0, 0
	for _, name := range []string{"yaml", "json", "dotenv", "ini"} {
		rng := rand.New(rand.NewPCG(4, uint64(len(name))))
		for round := range rounds {
			base := randomFile{values: map[string]string{}}
			for i := range 6 + rng.IntN(10) {
				k := fmt.Sprintf("K%d", i)
				base.keys, base.values[k] = append(base.keys, k), fmt.Sprintf("base %d", rng.IntN(3))
			}
			c := mergeCase{"", name, base.text(name), base.edit(rng, "ours").text(name), base.edit(rng, "theirs").text(name), ""}
			if checkMergeLaws(t, c, fmt.Sprintf("%s %d", name, round)) {
				clean++
			} else {
				conflicts++
			}
		}
	}
	t.Logf("%d clean merges, %d with conflicts", clean, conflicts)
	if clean == 0 || conflicts == 0 {
		t.Error("one of the two was never tried")
	}
}

func checkMergeLaws(t *testing.T, c mergeCase, what string) (clean bool) {
	t.Helper()
	v, s := sealedVersions(t, c), store{}
	want, err := merge.Merge(format(t, c.format), merge.Versions{Base: []byte(c.base), Ours: []byte(c.ours), Theirs: []byte(c.theirs)}, merge.Options{})
	if err != nil {
		t.Fatalf("%s: merging the plain files: %v", what, err)
	}
	m, err := cipher.Merge(context.Background(), format(t, c.format), v, mergeOptions(t, s, v))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got, want := conflictTexts(m.Conflicts), conflictTexts(want.Conflicts); got != want {
		t.Errorf("%s: conflicts %q, want %q", what, got, want)
	}
	final := m.Ours
	if m.HalfMerged {
		if final, err = reseal(t, c.format, m.Ours, s); err != nil {
			t.Fatalf("%s: resealing our side: %v", what, err)
		}
		theirs, err := reseal(t, c.format, m.Theirs, s)
		if err != nil {
			t.Fatalf("%s: resealing their side: %v", what, err)
		}
		if got := mustOpen(t, c.format, theirs).PlaintextBytes(); !bytes.Equal(got, want.Theirs) {
			t.Errorf("%s: their side:\n%s\nwant\n%s", what, got, want.Theirs)
		}
	}
	if got := mustOpen(t, c.format, final).PlaintextBytes(); !bytes.Equal(got, want.Ours) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, got, want.Ours)
	}
	k, err := cipher.MergeSealed(format(t, c.format), v, s.record(v))
	if err != nil {
		t.Fatalf("%s: without a key: %v", what, err)
	}
	if !k.HalfMerged || len(k.Conflicts) > 0 {
		return len(want.Conflicts) == 0
	}
	out, err := reseal(t, c.format, k.Ours, s)
	if err != nil {
		t.Fatalf("%s: resealing: %v", what, err)
	}
	if got := mustOpen(t, c.format, out).PlaintextBytes(); !bytes.Equal(got, want.Ours) {
		t.Errorf("%s: merged without a key:\n%s\nwant\n%s", what, got, want.Ours)
	}
	return len(want.Conflicts) == 0
}

func conflictTexts(list []merge.Conflict) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Path.Text())
	}
	return strings.Join(out, " ")
}

// TestMixedResolutionsAreResealed: in a file with several conflicts each may go
// another way, and nothing but the two sides' values is accepted.
func TestMixedResolutionsAreResealed(t *testing.T) {
	v := sealedVersions(t, mergeCase{"", "yaml", "a: 1\nb: 1\nc: 1\n", "a: 2\nb: 2\nc: 1\n", "a: 3\nb: 3\nc: 1\n", ""})
	for _, withKey := range []bool{true, false} {
		s := store{}
		m := mustMergeSealed(t, "yaml", v, s)
		if withKey {
			m = mustMerge(t, "yaml", v, s)
		}
		u, err := cipher.ReadUndecided(format(t, "yaml"), merge.Mark(m.Ours, m.Theirs, merge.Labels{}, 7))
		if err != nil || len(u.Conflicts) != 2 {
			t.Fatalf("%v, %v", err, u.Conflicts)
		}
		for i, c := range u.Conflicts {
			if u, err = u.Settle(i == 0, c.Path); err != nil {
				t.Fatal(err)
			}
		}
		out, err := reseal(t, "yaml", u.Ours, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(mustOpen(t, "yaml", out).PlaintextBytes()); got != "a: 2\nb: 3\nc: 1\n" {
			t.Errorf("got %q", got)
		}
		old := bytes.Replace(u.Ours, []byte(lineOf(t, u.Ours, "a: ")), []byte(lineOf(t, v.Base, "a: ")), 1)
		if _, err := reseal(t, "yaml", old, s); !errors.Is(err, cipher.ErrTampered) {
			t.Errorf("with key %v: neither side's value where both changed it: got %v, want a TamperedError", withKey, err)
		}
	}
}

// TestReplacedValuesAreOfOneSide: two maps that both sides have put in the place of one
// value are never mixed; with the key and without, one of them has to be chosen.
func TestReplacedValuesAreOfOneSide(t *testing.T) {
	const ours, theirs = "db: {host: h2, password: pw2}\nz: 1\n", "db: {url: new, pool: 5}\nz: 1\n"
	for _, base := range []string{"db: old\nz: 1\n", "db: [old, 2]\nz: 1\n", "db:\nz: 1\n"} {
		v := sealedVersions(t, mergeCase{"", "yaml", base, ours, theirs, ""})
		for _, withKey := range []bool{true, false} {
			s := store{}
			m := mustMergeSealed(t, "yaml", v, s)
			if withKey {
				m = mustMerge(t, "yaml", v, s)
			}
			if got := conflictTexts(m.Conflicts); got != "db" {
				t.Errorf("%q, with the key %v: conflicts %q, want db", base, withKey, got)
				continue
			}
			for keepOurs, want := range map[bool]string{true: ours, false: theirs} {
				u, err := cipher.ReadUndecided(format(t, "yaml"), merge.Mark(m.Ours, m.Theirs, merge.Labels{}, 7))
				if err == nil {
					u, err = u.Settle(keepOurs, formats.Root(0).At("db"))
				}
				if err != nil || !bytes.Equal(u.Ours, u.Theirs) {
					t.Fatalf("%q, with the key %v: settling: %v", base, withKey, err)
				}
				out, err := reseal(t, "yaml", u.Ours, s)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, string(mustOpen(t, "yaml", out).PlaintextBytes())); diff != "" {
					t.Errorf("%q, with the key %v: %s", base, withKey, diff)
				}
			}
			mixed := bytes.Replace(m.Ours, []byte("{host: "), []byte("{url: "+textUnder(t, m.Theirs, "url")+", host: "), 1)
			if _, err := reseal(t, "yaml", mixed, s); !errors.Is(err, cipher.ErrTampered) {
				t.Errorf("%q, with the key %v: a mixture was resealed: %v", base, withKey, err)
			}
		}
	}
}

// textUnder returns how the value under a key stands in a YAML file.
func textUnder(t *testing.T, src []byte, key string) string {
	t.Helper()
	for _, l := range parse(t, "yaml", src).Leaves {
		if l.Path.Key == key {
			return string(src[l.Start:l.End])
		}
	}
	t.Fatalf("no %s in %s", key, src)
	return ""
}
