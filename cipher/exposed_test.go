package cipher_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
)

// madeWithoutKey seals a file of its own for the same reader, as anybody can, under
// another selector.
func madeWithoutKey(t *testing.T, name, plain string, change func(*cipher.SealOptions)) []byte {
	t.Helper()
	o := cipher.SealOptions{Recipients: recipients(t, aliceKey), Now: now}
	change(&o)
	return mustSeal(t, name, []byte(plain), o).Bytes
}

func selecting(s cipher.Selector) func(*cipher.SealOptions) {
	return func(o *cipher.SealOptions) { o.Selector = s }
}

func pathTexts(paths []*formats.Path) []string {
	var out []string
	for _, p := range paths {
		out = append(out, p.Text())
	}
	return out
}

// TestMergeExposesNothing: whoever has no key may change the selector in a file of
// their own; no value of the other side becomes plain by that.
func TestMergeExposesNothing(t *testing.T) {
	onlyZ := selecting(selector(t, cipher.EncryptedRegex, "^z$"))
	for _, tt := range []struct {
		name, format, base, ours, theirs string
		change                           func(*cipher.SealOptions)
		exposed                          string
	}{
		{"a new value", "yaml", "db: one\napi: two\n", "db: one\napi: two\nstripe_key: canary\n", "db: fake\napi: fake\nz: 1\n", onlyZ, "stripe_key"},
		{"a changed value, in conflict", "yaml", "db: one\napi: two\n", "db: canary\napi: two\n", "db: fake\napi: fake\nz: 1\n", onlyZ, ""},
		{"deep in lists", "yaml", "a:\n- k: one\n- k: two\nz: 1\n", "a:\n- k: canary\n- k: two\nz: 1\n", "a:\n- k: one\n- k: two\nz: 2\n", onlyZ, "a[0].k"},
		{"a comment", "yaml", "db: one\n", "# canary\ndb: one\n", "db: one\nz: 1\n", onlyZ, ""},
		{"a comment that gets more lines", "ini", "[s]\ndb = one\n", "[s]\n; canary\ndb = one\n", "[s]\n; plain\ndb = one\nz = 1\n", onlyZ, ""},
		{"dotenv", "dotenv", "DB=one\nz=0\n", "DB=canary\nz=0\n", "DB=one\nz=1\n", onlyZ, "DB"},
		{"by a suffix", "json", `{"db": "one"}`, `{"db": "canary"}`, `{"db": "one", "z": "1"}`, selecting(selector(t, cipher.UnencryptedSuffix, "b")), "db"},
		{"by comments", "yaml", "db: one\nz: 1\n", "db: canary\nz: 1\n", "db: one\n# seal\nz: 2\n", selecting(selector(t, cipher.EncryptedCommentRegex, "seal")), "db"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := mustSeal(t, tt.format, []byte(tt.base), cipher.SealOptions{Recipients: recipients(t, aliceKey)}).Bytes
			changed := after(t, tt.format, base, tt.ours, nil)
			attack := madeWithoutKey(t, tt.format, tt.theirs, tt.change)
			for _, v := range []merge.Versions{{Base: base, Ours: changed, Theirs: attack}, {Base: base, Ours: attack, Theirs: changed}} {
				s := store{}
				m, err := cipher.Merge(t.Context(), format(t, tt.format), v, mergeOptions(t, s, v))
				var un *cipher.UnmergeableError
				if !errors.As(err, &un) || !errors.Is(err, cipher.ErrExposed) || !strings.Contains(err.Error(), tt.exposed) {
					t.Errorf("got %v, want it refused, naming %s", err, tt.exposed)
				}
				if m != nil && (bytes.Contains(m.Ours, []byte("canary")) || bytes.Contains(m.Theirs, []byte("canary"))) {
					t.Error("the value is plain in the result")
				}
				if k, err := cipher.MergeSealed(format(t, tt.format), v, s.record(v)); err == nil {
					if out, err := reseal(t, tt.format, k.Ours, s); err == nil {
						t.Errorf("merged without a key, and resealed:\n%s", out)
					}
				}
			}
		})
	}
}

// TestMergeTakesWhatReadersMadePlain is the control: who can open the file may leave
// values plain from now on.
func TestMergeTakesWhatReadersMadePlain(t *testing.T) {
	base := mustSeal(t, "yaml", []byte("host: x\ndb: one\nlist: [a, a]\n"), cipher.SealOptions{Recipients: recipients(t, aliceKey)}).Bytes
	ours := after(t, "yaml", base, "host: x\ndb: two\nlist: [a, a]\n", nil)
	theirs := after(t, "yaml", base, "host: x\ndb: one\nlist: [a, a]\n", selecting(selector(t, cipher.EncryptedRegex, "^db$")))
	v := merge.Versions{Base: base, Ours: ours, Theirs: theirs}
	s := store{}
	o := mergeOptions(t, s, v)
	var asked cipher.Admission
	o.Admit = func(a cipher.Admission) error { asked = a; return nil }
	m, err := cipher.Merge(t.Context(), format(t, "yaml"), v, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(m.Ours); !strings.HasPrefix(got, "host: x\ndb: ENC[") || !strings.Contains(got, "\nlist: [a, a]\n") {
		t.Errorf("got\n%s", got)
	}
	if diff := cmp.Diff([]string{"selector"}, asked.Changed); diff != "" || asked.OtherKey {
		t.Errorf("other key %v, changed (-want +got):\n%s", asked.OtherKey, diff)
	}
}

// TestMergeTellsWhichSettingsChanged: whoever agrees to a merge has to know.
func TestMergeTellsWhichSettingsChanged(t *testing.T) {
	base := mustSeal(t, "yaml", []byte(plainBase), cipher.SealOptions{Recipients: recipients(t, aliceKey)}).Bytes
	v := merge.Versions{Base: base, Ours: after(t, "yaml", base, plainOurs, nil)}
	v.Theirs = madeWithoutKey(t, "yaml", plainTheirs, func(o *cipher.SealOptions) { o.MACOnlyEncrypted, o.Context = true, "elsewhere" })
	o := mergeOptions(t, store{}, v)
	refused := errors.New("refused")
	var asked cipher.Admission
	o.Admit = func(a cipher.Admission) error { asked = a; return refused }
	if _, err := cipher.Merge(t.Context(), format(t, "yaml"), v, o); !errors.Is(err, refused) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]string{"mac_only_encrypted", "context"}, asked.Changed); diff != "" || !asked.OtherKey {
		t.Errorf("other key %v, changed (-want +got):\n%s", asked.OtherKey, diff)
	}
}

// TestSealTellsWhatItExposes compares the new version with the one before.
func TestSealTellsWhatItExposes(t *testing.T) {
	byComment := selector(t, cipher.EncryptedCommentRegex, "seal")
	for _, tt := range []struct {
		name          string
		before, after string
		old, now      cipher.Selector
		want          []string
	}{
		{"another selector", "a: one\nb: two\nc: \"\"\n", "a: one\nb: two\nc: \"\"\n", cipher.DefaultSelector(), selector(t, cipher.EncryptedRegex, "^a$"), []string{"b"}},
		{"another value", "a: one\nb: two\n", "a: one\nb: three\n", cipher.DefaultSelector(), selector(t, cipher.EncryptedRegex, "^a$"), nil},
		{"the kind does not count", "a: one\nb: 1\n", "a: one\nb: \"1\"\n", cipher.DefaultSelector(), selector(t, cipher.EncryptedRegex, "^a$"), []string{"b"}},
		{"more is sealed", "a: one\nb: two\n", "a: one\nb: two\n", selector(t, cipher.EncryptedRegex, "^a$"), cipher.DefaultSelector(), nil},
		{"a comment went", "# seal\na: one\nb: two\n# seal\nc: three\n", "a: one\nb: two\n# seal\nc: three\n", byComment, byComment, []string{"a"}},
		{"the items moved", "l:\n# seal\n- one\n- two\nm: x\n", "l:\n- zero\n- one\n# seal\n- two\nm: x\n", byComment, byComment, []string{"l[1]"}},
		{"a comment moved", "s:\n  a: one\n  # canary\nb: two\n", "s:\n  a: one\n# canary\nb: two\n", selector(t, cipher.EncryptedRegex, "^s$"), selector(t, cipher.EncryptedRegex, "^s$"), []string{"."}},
		{"plain before, too", "l:\n# seal\n- one\n- one\nm: x\n", "l:\n- one\n# seal\n- one\nm: x\n", byComment, byComment, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := recipients(t, aliceKey)
			o := mustOpen(t, "yaml", mustSeal(t, "yaml", []byte(tt.before), cipher.SealOptions{Recipients: r, Selector: tt.old}).Bytes)
			s := mustSeal(t, "yaml", []byte(tt.after), cipher.SealOptions{Recipients: r, Selector: tt.now, Previous: o})
			if diff := cmp.Diff(tt.want, pathTexts(s.Exposed)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestTrustedResealTakesNoCiphertextForText: a selector that somebody changed in a
// half-merged file would leave what is sealed as the text of its ciphertext.
func TestTrustedResealTakesNoCiphertextForText(t *testing.T) {
	half, _, s := halfMerged(t)
	changed := changeMeta(t, "yaml", half, func(m *formats.Meta) {
		for i := range m.Items {
			if m.Items[i].Key == "unencrypted_suffix" {
				m.Items[i].Key, m.Items[i].Text = "encrypted_regex", "^a$"
			}
		}
	})
	for _, trust := range []bool{true, false} {
		o := mergeOptions(t, s, merge.Versions{})
		o.Trust = trust
		_, err := cipher.Reseal(t.Context(), format(t, "yaml"), changed, o)
		var bad *cipher.TamperedError
		if !errors.As(err, &bad) || bad.Reason != cipher.ReasonUnselected || bad.Path == nil || bad.Path.Text() != "b" {
			t.Errorf("trust %v: got %v, want it found at b", trust, err)
		}
	}
}
