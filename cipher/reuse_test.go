package cipher_test

import (
	"bytes"
	"context"
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

// lettered names the sealed values and comments of a file by the ciphertexts of a first
// version, a, b, c and so on; + is one that it does not have.
func lettered(t *testing.T, name string, first, sealed []byte) string {
	t.Helper()
	letters := map[string]string{}
	text := func(l formats.Leaf) string { return strings.TrimSpace(l.Text) }
	for i, l := range parse(t, name, first).Leaves {
		letters[text(l)] = string(rune('a' + i))
	}
	var out strings.Builder
	for _, l := range parse(t, name, sealed).Leaves {
		if letter := letters[text(l)]; letter != "" {
			out.WriteString(letter)
			continue
		}
		out.WriteString("+")
	}
	return out.String()
}

// TestCiphertextsFollowTheirValues: what was removed or added beside a value of a list, or
// above a comment, is not to be seen in its ciphertext.
func TestCiphertextsFollowTheirValues(t *testing.T) {
	for _, tt := range []struct{ name, format, before, after, want string }{
		{"the first of equal items", "yaml", "l: [5, 1, 5, 5, 5, 5]\n", "l: [1, 5, 5, 5, 5]\n", "bcdef"},
		{"the first of five maps", "yaml", "l:\n- {name: a, on: true}\n- {name: b, on: true}\n- {name: c, on: true}\n", "l:\n- {name: b, on: true}\n- {name: c, on: true}\n", "cdef"},
		{"maps without names", "json", `{"l": [{"x": 1, "y": 2}, {"x": 1, "y": 1}, {"x": 1, "y": 2}]}`, `{"l": [{"x": 1, "y": 1}, {"x": 1, "y": 2}]}`, "cdef"},
		{"one is removed and its neighbour changed", "yaml", "l: [{pw: x, on: true}, {pw: y, on: true, n: 1}, {pw: z, on: true}]\n", "l: [{pw: y, on: true, n: 2}, {pw: z, on: true}]\n", "cd+fg"},
		{"lists in a list", "yaml", "l: [[1, 2, 1], [1, 3, 1]]\n", "l: [[2, 1], [1, 3]]\n", "bcde"},
		{"the first document", "yaml", "a: 1\n---\na: 1\nb: 1\n---\na: 1\n", "a: 1\nb: 1\n---\na: 1\n", "bcd"},
		{"one more document", "yaml", "a: 1\nb: 1\n---\na: 1\n", "a: 2\n---\na: 1\nb: 1\n---\na: 1\n", "+abc"},
		{"an item that moved far", "yaml", "l: [3, 1, 1, 2]\n", "l: [1, 1, 2, 3]\n", "bcda"},
		{"from one list to another", "yaml", "l: [[1], [2, 2]]\n", "l: [[], [2, 2, 1]]\n", "+bca"},
		{"a comment that others equal", "yaml", "# x\na: 1\n# x\nb: 2\n# x\nc: 3\n", "# x\nb: 2\n# x\nc: 3\n", "cdef"},
		{"comments of items", "yaml", "l:\n# x\n- 1\n# x\n- 1\n# x\n- 2\n", "l:\n# x\n- 1\n# x\n- 2\n", "abef"},
		{"the last comment of equal ones is gone", "dotenv", "# x\nA=1\n# x\nB=1\n", "# x\nA=1\nB=1\n", "abd"},
		{"a comment whose value is gone", "dotenv", "# x\nA=1\n\n# y\nB=1\nC=1\n", "# x\n\n# y\nC=1\n", "ace"},
	} {
		before := mustSeal(t, tt.format, []byte(tt.before), cipher.SealOptions{})
		after := mustSeal(t, tt.format, []byte(tt.after), cipher.SealOptions{Previous: mustOpen(t, tt.format, before.Bytes)})
		if diff := cmp.Diff(tt.want, lettered(t, tt.format, before.Bytes, after.Bytes)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// randomList is a list in which many items are equal.
type randomList struct {
	*rand.Rand
	shape string
	items []string
}

func newRandomList(rng *rand.Rand) randomList {
	shapes := []string{"%d", `{"a": %d, "b": true}`, `[7, %d, 7]`, `{"a": {"b": [%d, 1]}}`, `{"name": "n%d", "b": true}`}
	l := randomList{rng, shapes[rng.IntN(len(shapes))], nil}
	values := 1 + rng.IntN(4)
	for range 2 + rng.IntN(6) {
		l.items = append(l.items, l.item(values))
	}
	return l
}

func (l randomList) item(values int) string { return fmt.Sprintf(l.shape, l.IntN(values)) }

// text is JSON, and YAML.
func (l randomList) text() string {
	return "{\"k\": 1,\n\"l\": [\n" + strings.Join(l.items, ",\n") + "\n]}\n"
}

// edited removes, adds, changes and moves items.
func (l randomList) edited() randomList {
	l.items = slices.Clone(l.items)
	for range 1 + l.IntN(2) {
		i, item := l.IntN(len(l.items)+1), l.item(4)
		switch there := i < len(l.items); l.IntN(5) {
		case 0, 1:
			l.items = slices.Insert(l.items, i, item)
		case 2:
			if there {
				l.items[i] = item
			}
		case 3:
			if there {
				item = l.items[i]
				l.items = slices.Delete(l.items, i, i+1)
				l.items = slices.Insert(l.items, l.IntN(len(l.items)+1), item)
			}
		default:
			if there && len(l.items) > 1 {
				l.items = slices.Delete(l.items, i, i+1)
			}
		}
	}
	return l
}

// TestItemsThatStayKeepTheirCiphertexts: if items were only removed, the ciphertexts that
// are left are in their order; if some were only added, all are there in their order.
func TestItemsThatStayKeepTheirCiphertexts(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for round := range rounds {
		name := []string{"yaml", "json"}[round%2]
		more, fewer := newRandomList(rng), randomList{}
		fewer = more
		fewer.items = slices.Clone(more.items)
		for len(fewer.items) > 1 && (len(fewer.items) == len(more.items) || rng.IntN(3) > 0) {
			i := rng.IntN(len(fewer.items))
			fewer.items = slices.Delete(fewer.items, i, i+1)
		}
		all := mustSeal(t, name, []byte(more.text()), cipher.SealOptions{})
		some := mustSeal(t, name, []byte(fewer.text()), cipher.SealOptions{Previous: mustOpen(t, name, all.Bytes)})
		left := lettered(t, name, all.Bytes, some.Bytes)
		if strings.Contains(left, "+") || !slices.IsSorted([]byte(left)) {
			t.Errorf("%s, then %s: %s", more.text(), fewer.text(), left)
		}
		again := mustSeal(t, name, []byte(more.text()), cipher.SealOptions{Previous: mustOpen(t, name, some.Bytes)})
		kept := strings.ReplaceAll(lettered(t, name, some.Bytes, again.Bytes), "+", "")
		if !slices.IsSorted([]byte(kept)) || len(kept) != len(left) {
			t.Errorf("%s, then %s: %s", fewer.text(), more.text(), kept)
		}
		for text, n := range sealedTexts(parse(t, name, again.Bytes)) {
			if n > 1 {
				t.Errorf("%s stands %d times", text, n)
			}
		}
	}
}

// TestListsMergeAlikeWithoutTheKey: however many items are equal, a merge without the key
// that has no conflicts gives what the merge with it gives, if that has none.
func TestListsMergeAlikeWithoutTheKey(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	rounds := 400
	if testing.Short() {
		rounds = 60
	}
	alike, less := 0, 0
	for round := range rounds {
		name := []string{"yaml", "json"}[round%2]
		base := newRandomList(rng)
		c := mergeCase{"", name, base.text(), base.edited().text(), base.edited().text(), ""}
		v, s := sealedVersions(t, c), store{}
		want, err := merge.Merge(format(t, name), merge.Versions{Base: []byte(c.base), Ours: []byte(c.ours), Theirs: []byte(c.theirs)}, merge.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m := mustMergeSealed(t, name, v, s)
		switch clean := len(m.Conflicts) == 0; {
		case len(want.Conflicts) > 0:
			continue
		case !clean:
			less++
			continue
		}
		alike++
		got := m.Ours
		if m.HalfMerged {
			if got, err = reseal(t, name, m.Ours, s); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(want.Ours), string(mustOpen(t, name, got).PlaintextBytes())); diff != "" {
			t.Errorf("%s, %s and %s: %s", c.base, c.ours, c.theirs, diff)
		}
	}
	t.Logf("%d merges were alike, %d conflicted without the key alone", alike, less)
	if alike < rounds/2 || less > rounds/20 {
		t.Errorf("of %d merges %d were alike, and %d conflicted without the key alone", rounds, alike, less)
	}
}

// TestBothRemovalsAreMerged: each side removes one of many equal items, and a merge without
// the key takes neither for the other.
func TestBothRemovalsAreMerged(t *testing.T) {
	for _, tt := range []struct{ base, ours, theirs, want string }{
		{"l: [5, 1, 5, 5, 5, 5]\n", "l: [5, 1, 5, 5, 5]\n", "l: [1, 5, 5, 5, 5]\n", "l: [1, 5, 5, 5]\n"},
		{"l:\n- x: 1\n- x: 2\n- x: 1\n- x: 1\n", "l:\n- x: 1\n- x: 2\n- x: 1\n", "l:\n- x: 2\n- x: 1\n- x: 1\n", "l:\n- x: 2\n- x: 1\n"},
		{"l:\n- [1, 1]\n- [2]\n- [1, 1]\n- [1, 1]\n", "l:\n- [1, 1]\n- [2]\n- [1, 1]\n", "l:\n- [2]\n- [1, 1]\n- [1, 1]\n", "l:\n- [2]\n- [1, 1]\n"},
		{"a: 1\n---\nb: 1\n---\na: 1\n---\na: 1\n", "a: 1\n---\nb: 1\n---\na: 1\n", "b: 1\n---\na: 1\n---\na: 1\n", "b: 1\n---\na: 1\n"},
	} {
		v, s := sealedVersions(t, mergeCase{"", "yaml", tt.base, tt.ours, tt.theirs, ""}), store{}
		m := mustMergeSealed(t, "yaml", v, s)
		if !m.HalfMerged || len(m.Conflicts) > 0 {
			t.Errorf("%s: half-merged %v, conflicts %v", tt.base, m.HalfMerged, conflictTexts(m.Conflicts))
			continue
		}
		// What stands there is right already, before anybody compares it with anything.
		trusting := mergeOptions(t, s, merge.Versions{})
		trusting.Trust = true
		r, err := cipher.Reseal(context.Background(), format(t, "yaml"), bytes.Clone(m.Ours), trusting)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, string(mustOpen(t, "yaml", r.Bytes).PlaintextBytes())); diff != "" {
			t.Error(diff)
		}
	}
}
