package changes_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/changes"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// someone has a key.
type someone struct{ id age.Identity }

func newSomeone(t *testing.T) someone {
	t.Helper()
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	return someone{id}
}

// seal seals a plain text for people, after an earlier version if that is not nil.
func seal(t *testing.T, plain string, previous []byte, opts cipher.SealOptions, people ...someone) []byte {
	t.Helper()
	for _, p := range people {
		opts.Recipients = append(opts.Recipients, p.id.Recipient())
	}
	if previous != nil {
		opened, err := cipher.Open(context.Background(), yaml.Format{}, previous, cipher.OpenOptions{Identities: []keysources.Identity{people[0].id}})
		if err != nil {
			t.Fatal(err)
		}
		opts.Previous = opened
	}
	sealed, err := cipher.Seal(context.Background(), yaml.Format{}, []byte(plain), opts)
	if err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes
}

func parse(t *testing.T, src []byte) *changes.Version {
	t.Helper()
	v, err := changes.Parse(yaml.Format{}, src)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// told puts the kinds of all changes on lines.
func told(s *changes.Set) string {
	var b strings.Builder
	for _, c := range s.Values {
		b.WriteString(string(s.Kind(c)) + " " + c.Path.String() + "\n")
	}
	return b.String()
}

const plainOne = "# secret remark\na: one\nb:\n    c: two\nport_unencrypted: 1\ngone: x\n"

func TestKindsOfChanges(t *testing.T) {
	alice := newSomeone(t)
	one := seal(t, plainOne, nil, cipher.SealOptions{}, alice)
	two := seal(t, "# secret remark\na: one\nb:\n    c: three\nport_unencrypted: 2\nnew: y\n", one, cipher.SealOptions{}, alice)
	s := changes.Between(parse(t, one), parse(t, two))
	if diff := cmp.Diff("changed b.c\nchanged port_unencrypted\nadded new\nremoved gone\n", told(s)); diff != "" {
		t.Error(diff)
	}
	if s.NewKey || s.Comments != 0 || s.Policy || s.Merged || len(s.Joined)+len(s.Left) != 0 {
		t.Errorf("more than that: %+v", s)
	}
	if s := changes.Between(parse(t, one), parse(t, []byte(plainOne))); told(s) != "became-plain a\nbecame-plain b.c\nbecame-plain gone\n" {
		t.Errorf("unsealed: %s", told(s))
	}
	if s := changes.Between(parse(t, []byte(plainOne)), parse(t, one)); told(s) != "became-sealed a\nbecame-sealed b.c\nbecame-sealed gone\n" {
		t.Errorf("sealed: %s", told(s))
	}
	typed := strings.Replace(string(one), "gone: ENC", "gone: typed # ENC", 1)
	if s := changes.Between(parse(t, one), parse(t, []byte(typed))); told(s) != "became-plain gone\n" {
		t.Errorf("typed over: %s", told(s))
	}
	if s := changes.Between(parse(t, one), parse(t, one)); !s.Empty() {
		t.Errorf("with itself: %+v", s)
	}
	if s := changes.Between(parse(t, nil), parse(t, one)); told(s) != "added a\nadded b.c\nadded port_unencrypted\nadded gone\n" || len(s.Joined) != 1 {
		t.Errorf("from nothing: %s", told(s))
	}
}

func TestNewKeySaysNothingOfValues(t *testing.T) {
	alice, bob := newSomeone(t), newSomeone(t)
	one := seal(t, plainOne, nil, cipher.SealOptions{}, alice, bob)
	two := seal(t, plainOne, one, cipher.SealOptions{}, alice)
	s := changes.Between(parse(t, one), parse(t, two))
	if !s.NewKey || len(s.Left) != 1 || len(s.Joined) != 0 || s.Rewrapped != 0 || s.Comments != 0 {
		t.Errorf("a reader who left: %+v", s)
	}
	if diff := cmp.Diff("resealed a\nresealed b.c\nresealed gone\n", told(s)); diff != "" {
		t.Error(diff)
	}
	three := seal(t, plainOne, two, cipher.SealOptions{}, alice, bob)
	if s := changes.Between(parse(t, two), parse(t, three)); s.NewKey || len(s.Joined) != 1 || told(s) != "" {
		t.Errorf("a reader who joined: %+v", s)
	}
}

// TestWrappedAnewForAllIsTheSameKey: equal ciphertexts tell that the data key is the
// same even if no stanza is.
func TestWrappedAnewForAllIsTheSameKey(t *testing.T) {
	alice := newSomeone(t)
	one := seal(t, plainOne, nil, cipher.SealOptions{}, alice)
	old, rewrapped := parse(t, one), parse(t, one)
	m := *rewrapped.Metadata
	stanza := m.Groups[0][0]
	stanza.Fields = append([]keysources.Field(nil), stanza.Fields...)
	for i := range stanza.Fields {
		if stanza.Fields[i].Name == "enc" {
			stanza.Fields[i].Value = "another"
		}
	}
	m.Groups = [][]keysources.Stanza{{stanza}}
	rewrapped.Metadata = &m
	if s := changes.Between(old, rewrapped); s.NewKey || s.Rewrapped != 1 || s.Empty() {
		t.Errorf("%+v", s)
	}
}

func TestPolicyProposalsAndMerges(t *testing.T) {
	alice := newSomeone(t)
	ctx := context.Background()
	one := seal(t, plainOne, nil, cipher.SealOptions{}, alice)
	two := seal(t, plainOne, one, cipher.SealOptions{MACOnlyEncrypted: true, Context: "k8s:a/b"}, alice)
	if s := changes.Between(parse(t, one), parse(t, two)); !s.Policy || s.Empty() {
		t.Errorf("policy: %+v", s)
	}
	path := formats.Root(0).At("a")
	proposed, err := cipher.Propose(ctx, yaml.Format{}, one, cipher.ProposeOptions{Path: path, Content: []byte("x"), By: "ci", Recipients: []keysources.Recipient{alice.id.Recipient()}})
	if err != nil {
		t.Fatal(err)
	}
	if s := changes.Between(parse(t, one), parse(t, proposed)); len(s.Proposed) != 1 || len(s.Settled) != 0 || !s.Proposed[0].Path.Equal(path) {
		t.Errorf("proposed: %+v", s)
	}
	if s := changes.Between(parse(t, proposed), parse(t, one)); len(s.Proposed) != 0 || len(s.Settled) != 1 {
		t.Errorf("settled: %+v", s)
	}
	merged := []byte(strings.Replace(string(one), "        v: 1\n", "        merged:\n            ours: "+strings.Repeat("a", 40)+"\n            theirs: "+strings.Repeat("b", 40)+"\n        v: 1\n", 1))
	v, err := changes.Parse(yaml.Format{}, merged)
	if err != nil {
		t.Fatal(err)
	}
	if s := changes.Between(parse(t, one), v); !s.Merged || !v.HalfMerged() {
		t.Errorf("half-merged: %+v", s)
	}
}

// TestShownIsOnlyWhatIsMeantToBePlain: nothing vouches for a plain file's values.
func TestShownIsOnlyWhatIsMeantToBePlain(t *testing.T) {
	alice := newSomeone(t)
	one := seal(t, plainOne, nil, cipher.SealOptions{}, alice)
	for _, tt := range []struct {
		name string
		src  []byte
		want string
	}{
		{"sealed", one, "port_unencrypted\n"},
		{"exposed", []byte(strings.Replace(string(one), "gone: ENC", "gone: typed # ENC", 1)), "port_unencrypted\n"},
		{"plain", []byte(plainOne), ""},
	} {
		v := parse(t, tt.src)
		var got strings.Builder
		for _, c := range changes.Between(parse(t, nil), v).Values {
			if c.Is.Shown(v) {
				got.WriteString(c.Path.String() + "\n")
			}
		}
		if got.String() != tt.want {
			t.Errorf("%s: shown %q, want %q", tt.name, got.String(), tt.want)
		}
	}
}
