package yaml_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/yaml"
)

var refused = []struct {
	name, source string
	cause        error
}{
	{"list root", "- a\n", formats.ErrNotSealable},
	{"tag of a key that is not indented", "? \n!? a", formats.ErrNotSealable},
	{"flow list root", "[a]\n", formats.ErrNotSealable},
	{"scalar root", "a\n", formats.ErrNotSealable},
	{"null root", "--- ~\n", formats.ErrNotSealable},
	{"int key", "1: a\n", formats.ErrNotSealable},
	{"bool key", "true: a\n", formats.ErrNotSealable},
	{"null key", "~: a\n", formats.ErrNotSealable},
	{"absent key", ": a\n", formats.ErrNotSealable},
	{"time key", "2020-01-02: a\n", formats.ErrNotSealable},
	{"map key", "{a: b}: c\n", formats.ErrNotSealable},
	{"explicit map key", "? a: b\n: c\n", formats.ErrNotSealable},
	{"list key", "? - a\n: c\n", formats.ErrNotSealable},
	{"alias key", "a: &x b\n*x : c\n", formats.ErrNotSealable},
	{"binary key", "!!binary aGVsbG8=: a\n", formats.ErrNotSealable},
	{"merge of a string", "a:\n  <<: b\n", formats.ErrNotSealable},
	{"alias to itself", "a: &x\n  b: *x\n", formats.ErrNotSealable},
	{"alias across documents", "a: &x b\n---\nc: *x\n", formats.ErrSyntax},
	{"duplicate", "a: b\na: c\n", formats.ErrDuplicate},
	{"duplicate in other quotes", "a: b\n'a': c\n", formats.ErrDuplicate},
	{"duplicate in flow", "a: {b: c, \"b\": d}\n", formats.ErrDuplicate},
	{"duplicate in a later document", "a: b\n---\nc:\n  d: e\n  d: f\n", formats.ErrDuplicate},
	{"duplicate among many", manyKeys(40) + "kC: w\n", formats.ErrDuplicate},
	{"duplicate explicit key", "? a\n? a\n", formats.ErrDuplicate},
	{"NUL", "a: b\x00\n", formats.ErrSyntax},
	{"control character", "a: \x01\n", formats.ErrSyntax},
	{"C1 control character", "a: \u0081\n", formats.ErrSyntax},
	{"invalid UTF-8", "a: \xff\n", formats.ErrSyntax},
	{"encoded surrogate", "a: \xed\xa0\x80\n", formats.ErrSyntax},
	{"UTF-16", "\xff\xfea\x00", formats.ErrSyntax},
	{"line separator", "a: b\u2028c\n", formats.ErrNotSealable},
	{"second byte order mark", "a: \ufeffb\n", formats.ErrNotSealable},
	{"tag that does not fit", "a: !!int b\n", formats.ErrSyntax},
	{"undefined handle", "a: !e!x b\n", formats.ErrSyntax},
	{"tab as indentation", "a:\n\tb: c\n", formats.ErrSyntax},
	{"bad indentation", "a:\n    b: c\n  d: e\n", formats.ErrSyntax},
	{"two values", "a: b: c\n", formats.ErrSyntax},
	{"open quote", "a: \"b\n", formats.ErrSyntax},
	{"open bracket", "a: [b\n", formats.ErrSyntax},
	{"bad escape", `a: "\q"`, formats.ErrSyntax},
	{"escaped surrogate", `a: "\ud83d\ude00"`, formats.ErrSyntax},
	{"unknown anchor", "a: *b\n", formats.ErrSyntax},
	{"YAML 1.2 directive", "%YAML 1.2\n---\na: b\n", formats.ErrSyntax},
	{"bare document after one", "a: b\n...\nc: d\n", formats.ErrSyntax},
	{"end first", "...\na: b\n", formats.ErrSyntax},
	{"long implicit key", long("k", 1100) + ": v\n", formats.ErrLimit},
	{"too deep", "a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "\n", formats.ErrLimit},
	{"too deep in blocks", "a:\n  " + strings.Repeat("- ", 200) + "x\n", formats.ErrLimit},
	{"billion laughs", laughs(12), formats.ErrLimit},
	{"metadata is a string", "sops: a\n", formats.ErrMetadata},
	{"metadata is null", "sops:\n", formats.ErrMetadata},
	{"metadata with an alias", "sops: {a: &x b, c: *x}\n", formats.ErrMetadata},
	{"metadata from an anchor", "a: &x {b: c}\nsops: *x\n", formats.ErrMetadata},
	{"metadata in one document", "a: b\nsops: {mac: c}\n---\nd: e\n", formats.ErrMetadata},
	{"metadata differs", "sops: {mac: c}\n---\nsops: {mac: d}\n", formats.ErrMetadata},
	{"metadata with a time", "sops: {lastmodified: 2020-01-02T03:04:05Z}\n", formats.ErrMetadata},
}

// laughs returns n levels of lists, each repeating the one before ten times.
func laughs(n int) string {
	s := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < n; i++ {
		prev := "*a" + string(rune('0'+i-1))
		s += "a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat(prev+", ", 9) + prev + "]\n"
		if i == 9 {
			break
		}
	}
	return s
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			_, err := yaml.Format{}.Parse([]byte(tt.source))
			var e *formats.Error
			if !errors.As(err, &e) || !errors.Is(err, tt.cause) {
				t.Errorf("got %v, want a *formats.Error that wraps %v", err, tt.cause)
			}
		})
	}
}

func TestSamplesReadAsYAMLReadsThem(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.Name, func(t *testing.T) {
			want, err := oracle([]byte(s.Source))
			if err != nil {
				t.Fatalf("yaml.v3 refuses the sample: %v", err)
			}
			d, err := yaml.Format{}.Parse([]byte(s.Source))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, valuesOf(d)); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLaws(t *testing.T) {
	formatstest.Run(t, yaml.Format{}, samples())
}

// The number of documents is part of what is authenticated.
func TestDocumentsAreCounted(t *testing.T) {
	for src, want := range map[string]int{"a: b\n": 1, "": 1, "# c\n": 1, "a: b\n---\nc: d\n": 2, "---\n---\na: b\n": 2, "a: b\n...\n": 1, "a: b\n---\n": 2} {
		d, err := yaml.Format{}.Parse([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		if d.Documents != want {
			t.Errorf("%q has %d documents, want %d", src, d.Documents, want)
		}
	}
}

// Tags mean something to programs other than sops, so they are reported for the
// MAC; one in the span of a leaf goes away when the leaf is sealed.
func TestTagsAreReported(t *testing.T) {
	src := "%TAG !e! tag:example.com,2026:\n---\n!!map\n# comments are leaves, too\na: !!str x\nb: !Ref y # one more\nc: !If [1, !e!z 2]\n!k d: &n !m\n  e: f\ng: !!set {}\n"
	d, err := yaml.Format{}.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tag := range d.Tags {
		leaf := "-"
		if tag.Leaf >= 0 {
			leaf = d.Leaves[tag.Leaf].Path.String()
		}
		got = append(got, fmt.Sprint(tag.Path, " ", tag.Text, " ", tag.OfKey, " ", leaf))
	}
	want := []string{
		". !!map false -", "a !!str false -", "b !Ref false b", "c !If false -", "c[1] tag:example.com,2026:z false c[1]",
		"d !k true -", "d !m false -", "g !!set false -",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A merge key must not become a string, or the other way round, unnoticed: both
// have the same path.
func TestQuotedMergeKeyIsRefused(t *testing.T) {
	for _, src := range []string{"a: {\"<<\": {b: c}}\n", "a:\n  '<<': x\n", "!!str <<: {b: c}\n"} {
		if _, err := (yaml.Format{}).Parse([]byte(src)); !errors.Is(err, formats.ErrNotSealable) {
			t.Errorf("%q: got %v, want %v", src, err, formats.ErrNotSealable)
		}
	}
	for _, src := range []string{"a: {<<: {b: c}}\n", "!!merge <<: {b: c}\n"} {
		if _, err := (yaml.Format{}).Parse([]byte(src)); err != nil {
			t.Errorf("%q: %v", src, err)
		}
	}
}

// What was quoted must not come back as something that YAML 1.1 reads as a
// boolean or number.
func TestStringsOfYAML11StayQuoted(t *testing.T) {
	for text, want := range map[string]string{"yes": `"yes"`, "Off": `"Off"`, "n": `"n"`, "12:30:45": `"12:30:45"`, "22:22": `"22:22"`, "<<": `"<<"`, "a:b": "a:b", "none": "none"} {
		d, err := yaml.Format{}.Parse([]byte("k: x\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := (yaml.Format{}).Spell(d, 0, formats.Scalar{Kind: formats.String, Text: text}); got != want {
			t.Errorf("%s is spelled %s, want %s", text, got, want)
		}
	}
}
