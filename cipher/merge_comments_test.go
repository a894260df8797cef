package cipher_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/merge"
)

// commented is a file as lines; what a line is shows at its beginning: "#" a comment,
// "[" a section, else a key.
type commented []string

// text writes the file. A dotenv file and a JSON file have no sections, and the latter
// no comments; a binary file is what it is.
func (c commented) text(format string) string {
	var b strings.Builder
	var members []string
	for _, line := range c {
		key, value, _ := strings.Cut(line, "=")
		value, behind, _ := strings.Cut(value, " #")
		switch {
		case format == "binary":
			b.WriteString("\x00" + line + "\n")
		case line[0] == '#' && format == "ini":
			b.WriteString(";" + line[1:] + "\n")
		case line[0] == '#' && format != "json":
			b.WriteString(line + "\n")
		case line[0] == '#', line[0] == '[' && format != "ini" && format != "yaml":
		case line[0] == '[' && format == "yaml":
			b.WriteString(line[1:len(line)-1] + ":\n")
		case line[0] == '[':
			b.WriteString(line + "\n")
		case format == "json":
			members = append(members, fmt.Sprintf("  %q: %q", key, value))
		case format == "yaml" && behind != "":
			b.WriteString("    " + key + ": " + value + " #" + behind + "\n")
		case format == "yaml":
			b.WriteString("    " + key + ": " + value + "\n")
		case format == "ini" && behind != "":
			b.WriteString(key + " = " + value + " ;" + behind + "\n")
		default:
			b.WriteString(key + "=" + value + "\n")
		}
	}
	if format == "json" {
		return "{\n" + strings.Join(members, ",\n") + "\n}\n"
	}
	return b.String()
}

func randomCommented(rng *rand.Rand) commented {
	c := commented{"[s0]", "K_first=base"}
	sections := 1
	for i := range 5 + rng.IntN(8) {
		switch rng.IntN(5) {
		case 0, 1:
			c = append(c, fmt.Sprintf("# base %d", i))
		case 2:
			c = append(c, fmt.Sprintf("[s%d]", sections), fmt.Sprintf("K_s%d=base", i))
			sections++
		default:
			c = append(c, fmt.Sprintf("K%d=base", i))
		}
	}
	return c
}

// edit makes a few changes, most of them of comments.
func (c commented) edit(rng *rand.Rand, side string) commented {
	c = slices.Clone(c)
	for i := range 1 + rng.IntN(4) {
		at := 2 + rng.IntN(len(c)-1) // behind the first section and its first key
		if rng.IntN(4) == 0 {
			at = len(c)
		}
		switch rng.IntN(6) {
		case 0:
			c = slices.Insert(c, at, fmt.Sprintf("NEW_%s_%d=%s", side, i, side))
		case 1:
			c = append(c, fmt.Sprintf("[%s%d]", side, i), fmt.Sprintf("N_%s_%d=%s", side, i, side))
		case 2:
			c = c.change(rng, fmt.Sprintf("%s %d", side, i))
		default:
			c = slices.Insert(c, at, fmt.Sprintf("# %s %d", side, i))
		}
	}
	return c
}

// change changes or removes a comment, or gives a key one behind its value.
func (c commented) change(rng *rand.Rand, text string) commented {
	i := 1 + rng.IntN(len(c)-1)
	switch {
	case c[i][0] == '#' && rng.IntN(2) == 0:
		return slices.Delete(c, i, i+1)
	case c[i][0] == '#':
		c[i] = "# " + text
	case c[i][0] != '[':
		c[i], _, _ = strings.Cut(c[i], " #")
		c[i] += " # " + text
	}
	return c
}

// TestKeylessMergesOfCommentsAreResealed: wherever both sides add, change or remove
// comments, a merge without a key can be resealed, and where neither it nor the merge
// of the plain files has conflicts both give the same.
func TestKeylessMergesOfCommentsAreResealed(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	for _, name := range []string{"yaml", "json", "dotenv", "ini", "binary"} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(11, uint64(len(name))))
			clean, refused := 0, 0
			for round := range rounds {
				base := randomCommented(rng)
				c := mergeCase{fmt.Sprint(round), name, base.text(name), base.edit(rng, "ours").text(name), base.edit(rng, "theirs").text(name), ""}
				if round%4 == 3 {
					for _, text := range []*string{&c.base, &c.ours, &c.theirs} {
						*text = strings.ReplaceAll(*text, "\n", "\r\n")
					}
				}
				half, wasClean := checkKeylessComments(t, c)
				clean, refused = clean+count(wasClean), refused+count(!half)
			}
			t.Logf("%d rounds: %d clean, %d that were no half-merged file", rounds, clean, refused)
			if clean < rounds/5 && name != "binary" {
				t.Errorf("only %d of %d merges had no conflict", clean, rounds)
			}
		})
	}
}

// checkKeylessComments reports whether a merge gave a half-merged file, and whether it
// has no conflicts.
func checkKeylessComments(t *testing.T, c mergeCase) (half, clean bool) {
	t.Helper()
	v, s := sealedVersions(t, c), store{}
	m, err := cipher.MergeSealed(format(t, c.format), v, s.record(v))
	var unmergeable *cipher.UnmergeableError
	if errors.As(err, &unmergeable) {
		return false, false
	}
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	if !m.HalfMerged {
		return false, false
	}
	for _, side := range [][]byte{m.Ours, m.Theirs} {
		out, err := reseal(t, c.format, side, s)
		if err != nil {
			t.Errorf("%s: resealing: %v\nbase:\n%s\nours:\n%s\ntheirs:\n%s\nhalf-merged:\n%s", c.name, err, c.base, c.ours, c.theirs, side)
			return true, false
		}
		plain := mustOpen(t, c.format, out).PlaintextBytes()
		if strings.Contains(string(plain), cipher.SealedPrefix) {
			t.Errorf("%s: a sealed value in the plain file:\n%s", c.name, plain)
		}
		for line := range strings.Lines(c.ours + c.theirs) {
			if (line[0] == '#' || line[0] == ';') && !strings.Contains(c.base, line) && !strings.Contains(string(plain), strings.TrimSpace(line[1:])) {
				t.Errorf("%s: the comment %q is lost:\n%s", c.name, line, plain)
			}
		}
		want, err := merge.Merge(format(t, c.format), merge.Versions{Base: []byte(c.base), Ours: []byte(c.ours), Theirs: []byte(c.theirs)}, merge.Options{})
		if err == nil && len(want.Conflicts)+len(m.Conflicts) == 0 && string(plain) != string(want.Ours) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, plain, want.Ours)
		}
	}
	return true, len(m.Conflicts) == 0
}

// TestCommentsOfBothSidesAreOfNoStranger: the lines that both sides have added above a
// key are one comment to INI, of which nobody has to be warned.
func TestCommentsOfBothSidesAreOfNoStranger(t *testing.T) {
	v := sealedVersions(t, mergeCase{"", "ini", "[s]\nk = v\n", "[s]\n; of ours\n; indeed\nk = v\n", "[s]\n; of theirs\nk = v\n", ""})
	s := store{}
	half := mustMergeSealed(t, "ini", v, s).Ours
	r, err := cipher.Reseal(t.Context(), format(t, "ini"), half, mergeOptions(t, s, v))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Warnings) > 0 {
		t.Errorf("got %v, want no warning", r.Warnings)
	}
	o := mergeOptions(t, s, v)
	o.Blob, o.Trust = nil, true
	if r, err = cipher.Reseal(t.Context(), format(t, "ini"), half, o); err != nil {
		t.Fatalf("without the versions: %v", err)
	}
	want := "[s]\n; of ours\n; indeed\n; of theirs\nk = v\n"
	if got := string(mustOpen(t, "ini", r.Bytes).PlaintextBytes()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	line := []byte("; " + cipher.SealedPrefix)
	forged := bytes.Replace(half, line, append([]byte("; a stranger's\n"), line...), 1)
	if r, err = cipher.Reseal(t.Context(), format(t, "ini"), forged, mergeOptions(t, s, v)); err != nil || len(r.Warnings) != 1 {
		t.Errorf("a line of neither side: %v, %d warnings", err, len(r.Warnings))
	}
	spoilt := bytes.Replace(half, line, append([]byte("; ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:comment]\n"), line...), 1)
	if _, err = cipher.Reseal(t.Context(), format(t, "ini"), spoilt, mergeOptions(t, s, v)); !errors.Is(err, cipher.ErrTampered) {
		t.Errorf("a sealed line that does not open: got %v, want ErrTampered", err)
	}
}

// TestRestoreOpensCommentsNextToPlainOnes: who edits sealed text may write a comment next
// to a sealed one, which makes them one in INI.
func TestRestoreOpensCommentsNextToPlainOnes(t *testing.T) {
	sealed := mustSeal(t, "ini", []byte("[s]\n; old\nk = v\n"), cipher.SealOptions{Recipients: recipients(t, aliceKey)}).Bytes
	o := mustOpen(t, "ini", sealed)
	text, _, _ := strings.Cut(string(sealed), "\n[sops]")
	values := strings.Split(text, "\n")
	for _, tt := range []struct{ text, want string }{
		{strings.Join(slices.Insert(slices.Clone(values), 1, "; new"), "\n"), "[s]\n; new\n; old\nk = v\n"},
		{strings.Join(slices.Insert(slices.Clone(values), 2, "; new"), "\n"), "[s]\n; old\n; new\nk = v\n"},
	} {
		if got, err := o.Restore([]byte(tt.text)); err != nil || string(got) != tt.want {
			t.Errorf("got %q, %v, want %q", got, err, tt.want)
		}
	}
}

// TestCommentsOfManyMergesAreResealed: comments that were put together without a key are
// merged with more of them, again without one.
func TestCommentsOfManyMergesAreResealed(t *testing.T) {
	for _, name := range []string{"ini", "yaml", "dotenv"} {
		s, base := store{}, commented{"[s]", "K=base"}
		side := func(by string) string { return commented{"[s]", "# " + by, "K=base"}.text(name) }
		v := sealedVersions(t, mergeCase{"", name, base.text(name), side("one"), side("two"), ""})
		half := mustMergeSealed(t, name, v, s).Ours
		v = merge.Versions{Base: v.Base, Ours: half, Theirs: after(t, name, v.Base, side("three"), nil)}
		half = mustMergeSealed(t, name, v, s).Ours
		out, err := reseal(t, name, half, s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := commented{"[s]", "# one", "# two", "# three", "K=base"}.text(name)
		if got := string(mustOpen(t, name, out).PlaintextBytes()); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
