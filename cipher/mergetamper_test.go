package cipher_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/merge"
)

// halfMerged returns a file that was merged without a key, and its versions.
func halfMerged(t *testing.T) ([]byte, merge.Versions, store) {
	t.Helper()
	v := sealedVersions(t, mergeCase{"", "yaml",
		"a: one\nb: two\nlist:\n    - x\n    - y\nplain_unencrypted: open\nc: three\n",
		"a: ONE\nb: two\nlist:\n    - x\n    - y\nplain_unencrypted: open\nc: three\n",
		"a: one\nb: two\nlist:\n    - x\n    - y\nplain_unencrypted: open\nc: THREE\n", ""})
	s := store{}
	return mustMergeSealed(t, "yaml", v, s).Ours, v, s
}

// lineOf returns the first line that begins so.
func lineOf(t *testing.T, src []byte, prefix string) string {
	t.Helper()
	for line := range strings.Lines(string(src)) {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	t.Fatalf("no line begins with %q", prefix)
	return ""
}

// TestResealFindsTampering: each of these would pass if reseal merely sealed what
// stands in the file.
func TestResealFindsTampering(t *testing.T) {
	half, v, s := halfMerged(t)
	if _, err := reseal(t, "yaml", half, s); err != nil {
		t.Fatalf("the control: %v", err)
	}
	var items []string
	for line := range strings.Lines(string(half)) {
		if strings.HasPrefix(line, "    - ENC") {
			items = append(items, line)
		}
	}
	text := string(half)
	for name, tampered := range map[string]struct{ text, path string }{
		"a plain value is changed":   {strings.Replace(text, "plain_unencrypted: open", "plain_unencrypted: shut", 1), "plain_unencrypted"},
		"two items change places":    {strings.Replace(text, items[0]+items[1], items[1]+items[0], 1), "list[0]"},
		"an older value is put back": {strings.Replace(text, lineOf(t, half, "a: "), lineOf(t, v.Base, "a: "), 1), "a"},
		"a key is dropped":           {strings.Replace(text, lineOf(t, half, "b: "), "", 1), "b"},
		"a plain key is added":       {strings.Replace(text, "b: ", "x_unencrypted: y\nb: ", 1), "x_unencrypted"},
		"an item is repeated":        {strings.Replace(text, items[0], items[0]+items[0], 1), "list"},
		"an empty value is put in":   {strings.Replace(text, lineOf(t, half, "b: "), "b: \"\"\n", 1), "b"},
		"a tag is added":             {strings.Replace(text, "plain_unencrypted: open", "plain_unencrypted: !x open", 1), "plain_unencrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			if tampered.text == text {
				t.Fatal("nothing was changed")
			}
			_, err := reseal(t, "yaml", []byte(tampered.text), s)
			var bad *cipher.TamperedError
			if !errors.As(err, &bad) || bad.Reason != cipher.ReasonMerge || bad.Path == nil || bad.Path.Text() != tampered.path {
				t.Errorf("got %v, want it found at %s", err, tampered.path)
			}
		})
	}
}

func TestResealRefusesForeignValues(t *testing.T) {
	half, _, s := halfMerged(t)
	other := mustSeal(t, "yaml", []byte("a: evil\n"), cipher.SealOptions{}).Bytes
	moved := strings.Replace(string(half), lineOf(t, half, "b: "), "b: "+strings.TrimPrefix(lineOf(t, half, "a: "), "a: "), 1)
	for name, text := range map[string]string{
		"from another key":  moved,
		"from another file": strings.Replace(string(half), lineOf(t, half, "a: "), lineOf(t, other, "a: "), 1),
		"plain":             strings.Replace(string(half), lineOf(t, half, "a: "), "a: evil\n", 1),
	} {
		if _, err := reseal(t, "yaml", []byte(text), s); !errors.Is(err, cipher.ErrTampered) {
			t.Errorf("%s: got %v, want a TamperedError", name, err)
		}
	}
}

// TestMarkCannotBeTakenAway: without the mark a half-merged file is a tampered one.
func TestMarkCannotBeTakenAway(t *testing.T) {
	half, _, _ := halfMerged(t)
	text := string(half)
	at := strings.Index(text, "        merged:\n")
	end := at + strings.Index(text[at:], "        v:")
	if strings.Contains(text, "        spelling:") {
		end = at + strings.Index(text[at:], "        spelling:")
	}
	_, err := tryOpen(t, "yaml", []byte(text[:at]+text[end:]), cipher.OpenOptions{})
	if !errors.Is(err, cipher.ErrTampered) {
		t.Errorf("got %v, want a TamperedError", err)
	}
	// And adding one to a sound file makes it no more than unreadable.
	sound := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	id := strings.Repeat("ab", 20)
	marked := bytes.Replace(sound, []byte("        v: 1"), []byte("        merged:\n            ours: "+id+"\n            theirs: "+id+"\n        v: 1"), 1)
	if _, err := tryOpen(t, "yaml", marked, cipher.OpenOptions{}); !errors.Is(err, cipher.ErrHalfMerged) {
		t.Errorf("a mark added: got %v, want ErrHalfMerged", err)
	}
	if _, err := reseal(t, "yaml", marked, store{}); !errors.Is(err, cipher.ErrPartGone) {
		t.Errorf("a mark added: resealing: got %v, want ErrPartGone", err)
	}
}

// TestResealReadsVerifiedVersionsOnly: what a mark names must itself be sound.
func TestResealReadsVerifiedVersionsOnly(t *testing.T) {
	v := sealedVersions(t, mergeCase{"", "yaml", "a: one\nb_unencrypted: x\n", "a: two\nb_unencrypted: x\n", "a: one\nb_unencrypted: y\n", ""})
	v.Theirs = bytes.Replace(v.Theirs, []byte("b_unencrypted: y"), []byte("b_unencrypted: z"), 1)
	s := store{}
	half := mustMergeSealed(t, "yaml", v, s).Ours
	if _, err := reseal(t, "yaml", half, s); !errors.Is(err, cipher.ErrTampered) {
		t.Errorf("got %v, want a TamperedError", err)
	}
	if _, err := cipher.Merge(t.Context(), format(t, "yaml"), v, mergeOptions(t, s, v)); !errors.Is(err, cipher.ErrTampered) {
		t.Errorf("merging with an identity: got %v, want a TamperedError", err)
	}
}

func TestResealWithoutTheVersions(t *testing.T) {
	half, _, s := halfMerged(t)
	clear(s)
	if _, err := reseal(t, "yaml", half, s); !errors.Is(err, cipher.ErrPartGone) {
		t.Errorf("got %v, want ErrPartGone", err)
	}
	o := mergeOptions(t, s, merge.Versions{})
	o.Trust = true
	var asked *cipher.Admission
	o.Admit = func(a cipher.Admission) error { asked = &a; return nil }
	r, err := cipher.Reseal(context.Background(), format(t, "yaml"), half, o)
	if err != nil {
		t.Fatal(err)
	}
	if asked == nil || !asked.Unvouched {
		t.Error("nobody was asked whether the readers are right")
	}
	plain := string(mustOpen(t, "yaml", r.Bytes).PlaintextBytes())
	if want := "a: ONE\nb: two\nlist:\n    - x\n    - y\nplain_unencrypted: open\nc: THREE\n"; plain != want {
		t.Errorf("got %q", plain)
	}
	if _, err := reseal(t, "yaml", r.Bytes, s); !errors.Is(err, cipher.ErrNotHalfMerged) {
		t.Errorf("resealing again: got %v, want ErrNotHalfMerged", err)
	}
}

// TestHalfMergedVersionsAreMergedFurther: nobody with a key comes by for a while.
func TestHalfMergedVersionsAreMergedFurther(t *testing.T) {
	c := mergeCase{"", "yaml", "a: 1\nb: 1\nc: 1\nd: 1\n", "a: 2\nb: 1\nc: 1\nd: 1\n", "a: 1\nb: 2\nc: 1\nd: 1\n", ""}
	v := sealedVersions(t, c)
	s := store{}
	half := mustMergeSealed(t, "yaml", v, s).Ours
	third := merge.Versions{Base: v.Base, Ours: half, Theirs: after(t, "yaml", v.Base, "a: 1\nb: 1\nc: 2\nd: 1\n", nil)}
	twice := mustMergeSealed(t, "yaml", third, s).Ours
	out, err := reseal(t, "yaml", twice, s)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(mustOpen(t, "yaml", out).PlaintextBytes()); got != "a: 2\nb: 2\nc: 2\nd: 1\n" {
		t.Errorf("got %q", got)
	}
	// With an identity a half-merged version is verified on the way.
	m := mustMerge(t, "yaml", third, s)
	if got := string(mustOpen(t, "yaml", m.Ours).PlaintextBytes()); got != "a: 2\nb: 2\nc: 2\nd: 1\n" || m.HalfMerged {
		t.Errorf("with an identity: got %q", got)
	}
	// Tampering in the middle is found, too.
	third.Ours = bytes.Replace(half, []byte(lineOf(t, half, "a: ")), []byte(lineOf(t, v.Base, "a: ")), 1)
	bad := mustMergeSealed(t, "yaml", third, s).Ours
	if _, err := reseal(t, "yaml", bad, s); !errors.Is(err, cipher.ErrTampered) {
		t.Errorf("tampered in the middle: got %v, want a TamperedError", err)
	}
}

// TestForeignCommentsAreWarnedOf: comments are taken as they stand, but not in
// silence.
func TestForeignCommentsAreWarnedOf(t *testing.T) {
	half, _, s := halfMerged(t)
	o := mergeOptions(t, s, merge.Versions{})
	r, err := cipher.Reseal(t.Context(), format(t, "yaml"), half, o)
	if err != nil || len(r.Warnings) > 0 {
		t.Fatalf("the control: %v, %v", err, r.Warnings)
	}
	r, err = cipher.Reseal(t.Context(), format(t, "yaml"), append([]byte("# planted\n"), half...), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].Text, "neither side") {
		t.Errorf("got %v, want a warning", r.Warnings)
	}
	if got := string(mustOpen(t, "yaml", r.Bytes).PlaintextBytes()); !strings.HasPrefix(got, "# planted\n") {
		t.Errorf("got %q", got)
	}
}

// TestNoListIsMixed: a list that was a conflict as a whole is of one side.
func TestNoListIsMixed(t *testing.T) {
	v := sealedVersions(t, mergeCase{"", "yaml", "l:\n    - a\n    - b\nz: 1\n", "l:\n    - a1\n    - b1\nz: 1\n", "l:\n    - a2\n    - b2\nz: 1\n", ""})
	s := store{}
	m := mustMergeSealed(t, "yaml", v, s)
	if len(m.Conflicts) != 1 || m.Conflicts[0].Path.Text() != "l" {
		t.Fatalf("in conflict are %v, want the list as a whole", m.Conflicts)
	}
	items := func(src []byte) (out []string) {
		for line := range strings.Lines(string(src)) {
			if strings.HasPrefix(line, "    - ENC") {
				out = append(out, line)
			}
		}
		return out
	}
	ours, theirs := items(m.Ours), items(m.Theirs)
	for _, src := range [][]byte{m.Ours, m.Theirs} {
		if _, err := reseal(t, "yaml", src, s); err != nil {
			t.Errorf("one side's list: %v", err)
		}
	}
	mixed := strings.Replace(string(m.Ours), ours[1], theirs[1], 1)
	_, err := reseal(t, "yaml", []byte(mixed), s)
	var bad *cipher.TamperedError
	if !errors.As(err, &bad) || bad.Path == nil || bad.Path.Text() != "l" {
		t.Errorf("an item of each side: got %v, want it found at l", err)
	}
}
