package cipher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/keysources"
)

const (
	plainBase   = "a: one\nb: two\nc: three\n"
	plainOurs   = "a: ONE\nb: two\nc: three\n"
	plainTheirs = "a: one\nb: two\nc: THREE\n"
	plainBoth   = "a: ONE\nb: two\nc: THREE\n"
)

// withReaders seals for these keys.
func withReaders(tb testing.TB, keys ...string) func(*cipher.SealOptions) {
	return func(o *cipher.SealOptions) { o.Groups = [][]keysources.Recipient{recipients(tb, keys...)} }
}

func namesOf(tb testing.TB, keys ...string) []string {
	var out []string
	for _, r := range recipients(tb, keys...) {
		out = append(out, r.String())
	}
	slices.Sort(out)
	return out
}

func TestReadersMergeAsSets(t *testing.T) {
	for _, tt := range []struct {
		name               string
		base, ours, theirs []string
		want               []string
		// keyless: it can be merged without a key.
		keyless bool
		// newcomers are those about whom somebody has to be asked.
		newcomers []string
	}{
		{"joined on one side", []string{aliceKey}, []string{aliceKey}, []string{aliceKey, bobKey}, []string{aliceKey, bobKey}, true, nil},
		{"joined on both", []string{aliceKey}, []string{aliceKey, carolKey}, []string{aliceKey, bobKey}, []string{aliceKey, bobKey, carolKey}, true, nil},
		{"the same joined on both", []string{aliceKey}, []string{aliceKey, bobKey}, []string{aliceKey, bobKey}, []string{aliceKey, bobKey}, true, nil},
		{"left on ours", []string{aliceKey, bobKey}, []string{aliceKey}, []string{aliceKey, bobKey}, []string{aliceKey}, false, nil},
		{"left on theirs", []string{aliceKey, bobKey}, []string{aliceKey, bobKey}, []string{aliceKey}, []string{aliceKey}, false, nil},
		{"left on both", []string{aliceKey, bobKey, carolKey}, []string{aliceKey, bobKey}, []string{aliceKey, carolKey}, []string{aliceKey}, false, nil},
		{"left and joined", []string{aliceKey, bobKey}, []string{aliceKey}, []string{aliceKey, bobKey, carolKey}, []string{aliceKey, carolKey}, false, []string{carolKey}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := mustSeal(t, "yaml", []byte(plainBase), cipher.SealOptions{Recipients: recipients(t, tt.base...)}).Bytes
			v := merge.Versions{Base: base, Ours: after(t, "yaml", base, plainOurs, withReaders(t, tt.ours...)), Theirs: after(t, "yaml", base, plainTheirs, withReaders(t, tt.theirs...))}
			s := store{}
			o := mergeOptions(t, s, v)
			var asked []string
			o.Admit = func(a cipher.Admission) error {
				for _, r := range a.Newcomers {
					asked = append(asked, r.Reader())
				}
				return nil
			}
			m, err := cipher.Merge(t.Context(), format(t, "yaml"), v, o)
			if err != nil {
				t.Fatal(err)
			}
			checkMerged(t, m.Ours, namesOf(t, tt.want...))
			if diff := cmp.Diff(namesOf(t, tt.newcomers...), asked); diff != "" {
				t.Errorf("asked about (-want +got):\n%s", diff)
			}
			k, err := cipher.MergeSealed(format(t, "yaml"), v, s.record(v))
			var un *cipher.UnmergeableError
			if !tt.keyless {
				if !errors.As(err, &un) || !un.NeedsKey {
					t.Errorf("without a key: got %v, want an UnmergeableError that a key settles", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			out, err := reseal(t, "yaml", k.Ours, s)
			if err != nil {
				t.Fatal(err)
			}
			checkMerged(t, out, namesOf(t, tt.want...))
		})
	}
}

// checkMerged checks the values, the readers, and that each reader can open.
func checkMerged(t *testing.T, src []byte, readers []string) {
	t.Helper()
	o := mustOpen(t, "yaml", src)
	if got := string(o.PlaintextBytes()); got != plainBoth {
		t.Errorf("got %q", got)
	}
	got := o.Metadata.Readers()
	slices.Sort(got)
	if diff := cmp.Diff(readers, got); diff != "" {
		t.Errorf("readers (-want +got):\n%s", diff)
	}
	for _, key := range []string{aliceKey, bobKey, carolKey} {
		_, err := tryOpen(t, "yaml", src, cipher.OpenOptions{Identities: identities(t, key)})
		if is := slices.Contains(readers, identityOf(t, key).Recipient().String()); is != (err == nil) {
			t.Errorf("is a reader: %v, opening: %v", is, err)
		}
	}
}

// TestRemovedReadersDoNotComeBack: whoever was removed knows the old key, and can
// make a sound version with it in which somebody joins.
func TestRemovedReadersDoNotComeBack(t *testing.T) {
	base := mustSeal(t, "yaml", []byte(plainBase), cipher.SealOptions{Recipients: recipients(t, aliceKey, bobKey)}).Bytes
	v := merge.Versions{Base: base, Ours: after(t, "yaml", base, plainOurs, withReaders(t, aliceKey)), Theirs: after(t, "yaml", base, plainTheirs, withReaders(t, aliceKey, bobKey, carolKey))}
	o := mergeOptions(t, store{}, v)
	refused := errors.New("not in the rule")
	o.Admit = func(a cipher.Admission) error {
		if len(a.Newcomers) > 0 {
			return refused
		}
		return nil
	}
	if _, err := cipher.Merge(t.Context(), format(t, "yaml"), v, o); !errors.Is(err, refused) {
		t.Errorf("got %v, want the refusal", err)
	}
}

func TestRotationOnOneSide(t *testing.T) {
	rotate := func(o *cipher.SealOptions) { o.NewKey = true }
	base := mustSeal(t, "yaml", []byte(plainBase), cipher.SealOptions{}).Bytes
	rotated := after(t, "yaml", base, plainBase, rotate)
	for _, v := range []merge.Versions{
		{Base: base, Ours: rotated, Theirs: after(t, "yaml", base, plainTheirs, nil)},
		{Base: base, Ours: after(t, "yaml", base, plainTheirs, nil), Theirs: rotated},
	} {
		m := mustMerge(t, "yaml", v, store{})
		if got := string(mustOpen(t, "yaml", m.Ours).PlaintextBytes()); got != plainTheirs {
			t.Errorf("got %q", got)
		}
		if !strings.Contains(string(m.Ours), strings.TrimSpace(lineOf(t, rotated, "a: "))) {
			t.Error("the result does not have the new data key")
		}
		if _, err := cipher.MergeSealed(format(t, "yaml"), v, store{}.record(v)); !errors.As(err, new(*cipher.UnmergeableError)) {
			t.Errorf("without a key: got %v, want an UnmergeableError", err)
		}
	}
	// Plain values are no matter of keys.
	plain := mustSeal(t, "yaml", []byte("a: one\nb_unencrypted: x\nc: y\n"), cipher.SealOptions{}).Bytes
	v := merge.Versions{Base: plain, Ours: after(t, "yaml", plain, "a: one\nb_unencrypted: x\nc: y\n", rotate), Theirs: after(t, "yaml", plain, "a: one\nb_unencrypted: z\nc: y\n", nil)}
	s := store{}
	out, err := reseal(t, "yaml", mustMergeSealed(t, "yaml", v, s).Ours, s)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(mustOpen(t, "yaml", out).PlaintextBytes()); got != "a: one\nb_unencrypted: z\nc: y\n" {
		t.Errorf("got %q", got)
	}
}

func TestSelectorsAreMerged(t *testing.T) {
	base := mustSeal(t, "yaml", []byte(plainBase), cipher.SealOptions{Selector: selector(t, cipher.EncryptedRegex, "^a$")}).Bytes
	wider := after(t, "yaml", base, plainBase, func(o *cipher.SealOptions) { o.Selector = selector(t, cipher.EncryptedRegex, "^[ad]$") })
	v := merge.Versions{Base: base, Ours: wider, Theirs: after(t, "yaml", base, plainBase+"d: four\n", nil)}
	m := mustMerge(t, "yaml", v, store{})
	if o := mustOpen(t, "yaml", m.Ours); o.Metadata.Selector.Pattern != "^[ad]$" || strings.Contains(string(m.Ours), "d: four") {
		t.Errorf("selector %s, and d is plain: %v", o.Metadata.Selector, strings.Contains(string(m.Ours), "d: four"))
	}
	if _, err := cipher.MergeSealed(format(t, "yaml"), v, store{}.record(v)); !errors.As(err, new(*cipher.UnmergeableError)) {
		t.Errorf("without a key, d would be plain: got %v, want an UnmergeableError", err)
	}
	v.Theirs = after(t, "yaml", base, plainBase, func(o *cipher.SealOptions) { o.Selector = selector(t, cipher.EncryptedRegex, "^b$") })
	if _, err := cipher.Merge(t.Context(), format(t, "yaml"), v, mergeOptions(t, store{}, v)); !errors.As(err, new(*cipher.UnmergeableError)) {
		t.Errorf("both changed it: got %v, want an UnmergeableError", err)
	}
}

func TestKeyGroupsAreMerged(t *testing.T) {
	groups := func(keys ...string) [][]keysources.Recipient {
		return [][]keysources.Recipient{recipients(t, aliceKey), recipients(t, keys...)}
	}
	both := cipher.OpenOptions{Identities: identities(t, aliceKey, bobKey)}
	base := mustSeal(t, "yaml", []byte(plainBase), cipher.SealOptions{Groups: groups(bobKey), Threshold: 2}).Bytes
	next := func(plain string, keys ...string) []byte {
		o, err := tryOpen(t, "yaml", base, both)
		if err != nil {
			t.Fatal(err)
		}
		return mustSeal(t, "yaml", []byte(plain), cipher.SealOptions{Groups: groups(keys...), Threshold: 2, Previous: o}).Bytes
	}
	v := merge.Versions{Base: base, Ours: next(plainOurs, bobKey), Theirs: next(plainTheirs, bobKey, carolKey)}
	o := mergeOptions(t, store{}, v)
	o.Open = both
	m, err := cipher.Merge(context.Background(), format(t, "yaml"), v, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{bobKey, carolKey} {
		got, err := tryOpen(t, "yaml", m.Ours, cipher.OpenOptions{Identities: identities(t, aliceKey, key)})
		if err != nil || string(got.PlaintextBytes()) != plainBoth {
			t.Errorf("got %v", err)
		}
	}
}

func TestProposalsAreMerged(t *testing.T) {
	base := mustSeal(t, "yaml", []byte(plainBase), cipher.SealOptions{}).Bytes
	propose := func(src []byte, key string) []byte {
		out, err := cipher.Propose(t.Context(), format(t, "yaml"), src, cipher.ProposeOptions{
			Path: formats.Root(0).At(key), Content: []byte(`"new"`), Recipients: recipients(t, aliceKey), Now: now,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	v := merge.Versions{Base: base, Ours: propose(after(t, "yaml", base, plainOurs, nil), "x"), Theirs: propose(after(t, "yaml", base, plainTheirs, nil), "y")}
	s := store{}
	resealed, err := reseal(t, "yaml", propose(mustMergeSealed(t, "yaml", v, s).Ours, "z"), s)
	if err != nil {
		t.Fatal(err)
	}
	for want, src := range map[string][]byte{"x y": mustMerge(t, "yaml", v, s).Ours, "x y z": resealed} {
		o := mustOpen(t, "yaml", src)
		list, _ := o.Metadata.Proposals()
		var got []string
		for _, p := range list {
			got = append(got, p.Path.Text())
			if _, err := p.Open(t.Context(), o.Metadata, cipher.OpenOptions{Identities: identities(t, aliceKey)}); err != nil {
				t.Errorf("%s: %v", p.Path, err)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// TestFilesOfSopsAreMerged: they have no sops.seal entry, and no place for a mark.
func TestFilesOfSopsAreMerged(t *testing.T) {
	strip := func(src []byte) []byte {
		text := string(src)
		at := strings.Index(text, "    seal:\n")
		end := at + strings.Index(text[at:], "    unencrypted_suffix")
		return []byte(text[:at] + text[end:])
	}
	v := sealedVersions(t, mergeCase{"", "yaml", plainBase, plainOurs, plainTheirs, ""})
	v = merge.Versions{Base: strip(v.Base), Ours: strip(v.Ours), Theirs: strip(v.Theirs)}
	mustOpen(t, "yaml", v.Ours)
	s := store{}
	half := mustMergeSealed(t, "yaml", v, s).Ours
	if _, err := tryOpen(t, "yaml", half, cipher.OpenOptions{}); !errors.Is(err, cipher.ErrHalfMerged) {
		t.Errorf("got %v, want ErrHalfMerged", err)
	}
	out, err := reseal(t, "yaml", half, s)
	if err != nil {
		t.Fatal(err)
	}
	checkMerged(t, out, namesOf(t, aliceKey))
	o := mergeOptions(t, s, v)
	unvouched := false
	o.Admit = func(a cipher.Admission) error { unvouched = a.Unvouched; return nil }
	m, err := cipher.Merge(t.Context(), format(t, "yaml"), v, o)
	if err != nil || !unvouched {
		t.Fatalf("got %v, asked about readers that nothing vouches for: %v", err, unvouched)
	}
	checkMerged(t, m.Ours, namesOf(t, aliceKey))
}
