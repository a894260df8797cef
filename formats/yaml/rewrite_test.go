package yaml_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

func parse(t *testing.T, src string) *formats.Document {
	t.Helper()
	d, err := yaml.Format{}.Parse([]byte(src))
	if err != nil {
		t.Fatalf("parsing %q: %v", src, err)
	}
	return d
}

func rewrite(t *testing.T, d *formats.Document, e formats.Edit) string {
	t.Helper()
	out, err := yaml.Format{}.Rewrite(d, e)
	if err != nil {
		t.Fatalf("rewriting %q: %v", d.Source, err)
	}
	return string(out)
}

// firstValue returns the first leaf that is no comment.
func firstValue(d *formats.Document) (i int) {
	for d.Leaves[i].Kind == formats.Comment {
		i++
	}
	return i
}

func str(text string) formats.Scalar { return formats.Scalar{Kind: formats.String, Text: text} }

// enc stands for a sealed value.
var enc = formats.Scalar{Kind: formats.Sealed, Text: "ENC[x]"}

func num(k formats.Kind, text string) formats.Scalar { return formats.Scalar{Kind: k, Text: text} }

var replacements = []struct {
	name, source string
	to           formats.Scalar
	want         string
}{
	{"sealed, plain", "a: b # c\n", enc, "a: ENC[x] # c\n"},
	{"sealed, single", "a: 'b'\n", enc, "a: 'ENC[x]'\n"},
	{"sealed, double", "a: \"b\\n\"\n", enc, "a: \"ENC[x]\"\n"},
	{"sealed, literal", "a: |-\n    b\n    c\n", enc, "a: |-\n    ENC[x]\n"},
	{"sealed, folded with a digit", "a: >1+\n   b\n\n\nc: d\n", enc, "a: >1+\n ENC[x]\nc: d\n"},
	{"sealed, literal with blank lines behind", "a: |\n  b\n\n\nc: d\n", enc, "a: |\n  ENC[x]\n\n\nc: d\n"},
	{"sealed, literal with a comment", "a: | # c\n   b\n", enc, "a: | # c\n   ENC[x]\n"},
	{"sealed, literal in CRLF", "a: |\r\n  b\r\n  c\r\n", enc, "a: |\r\n  ENC[x]\r\n"},
	{"sealed, plain in flow", "a: [b]\n", enc, "a: ['ENC[x]']\n"},
	{"sealed, several lines", "a: b\n  c\n\n  d\ne: f\n", enc, "a: ENC[x]\ne: f\n"},
	{"sealed, !!str stays", "a: !!str 5\n", enc, "a: !!str ENC[x]\n"},
	{"sealed, !!int goes", "a: !!int \"5\"\n", enc, "a: \"ENC[x]\"\n"},
	{"sealed, own tag goes", "a: !x b\n", enc, "a: ENC[x]\n"},
	{"sealed, anchor stays", "a: &x b\n", enc, "a: &x ENC[x]\n"},
	{"sealed, anchor and tag", "a: &x !!int 5\n", enc, "a: &x ENC[x]\n"},
	{"sealed, binary block", "a: !!binary |\n  aGVsbG8=\n", enc, "a: |\n  ENC[x]\n"},
	{"string, plain", "a: b\n", str("c d"), "a: c d\n"},
	{"string like an int", "a: b\n", str("5"), "a: \"5\"\n"},
	{"string like an int behind !!str", "a: !!str b\n", str("5"), "a: !!str 5\n"},
	{"string like a key", "a: b\n", str("c: d"), "a: \"c: d\"\n"},
	{"string like a comment", "a: b\n", str("c #d"), "a: \"c #d\"\n"},
	{"empty string, plain", "a: b\n", str(""), "a: \"\"\n"},
	{"empty string, single", "a: 'b'\n", str(""), "a: ''\n"},
	{"single", "a: 'b'\n", str("it's"), "a: 'it''s'\n"},
	{"single, but two lines", "a: 'b'\n", str("c\nd"), "a: \"c\\nd\"\n"},
	{"double", "a: \"b\"\n", str("q\"\\\t\x00\u2028é😀\n"), "a: \"q\\\"\\\\\\t\\u0000\\u2028é😀\\n\"\n"},
	{"plain to lines", "a:\n  b: c\nd: e\n", str("x\n y\n"), "a:\n  b: |\n    x\n     y\nd: e\n"},
	{"plain to lines with a first blank", "a: b\nc: d\n", str(" x\ny"), "a: |2-\n   x\n  y\nc: d\n"},
	{"plain to lines before a comment", "a: b # c\n", str("x\ny"), "a: \"x\\ny\" # c\n"},
	{"plain in flow to lines", "a: [b]\n", str("x\ny"), "a: [\"x\\ny\"]\n"},
	{"plain in flow", "a: [b]\n", str("c, d"), "a: ['c, d']\n"},
	{"literal", "a: |\n  b\n", str("x\n\n  y\n"), "a: |\n  x\n\n    y\n"},
	{"literal without a last line feed", "a: |\n  b\n", str("x\ny"), "a: |-\n  x\n  y\n"},
	{"strip with a last line feed", "a: |-\n  b\nc: d\n", str("x\n"), "a: |\n  x\nc: d\n"},
	{"literal with a first blank", "a: |\n   b\n", str("\tx\n"), "a: |3\n   \tx\n"},
	{"literal, kept line feeds", "a: |+\n  b\n\n", str("x\n\n\n"), "a: |+\n  x\n\n\n"},
	{"literal, too many line feeds", "a: |\n  b\n", str("x\n\n"), "a: \"x\\n\\n\"\n"},
	{"literal, not printable", "a: |\n  b\n", str("x\x07\n"), "a: \"x\\u0007\\n\"\n"},
	{"folded", "a: >\n  b\n", str("x y\nz\n"), "a: >\n  x y\n\n  z\n"},
	{"folded, indented lines", "a: >\n  b\n", str("x\n  y\nz\n"), "a: >\n  x\n    y\n  z\n"},
	{"bytes that are no text", "a: b\n", str("\xff"), "a: !!binary \"/w==\"\n"},
	{"int", "a: 'b'\n", num(formats.Int, "5"), "a: 5\n"},
	{"float", "a: b\n", num(formats.Float, "5"), "a: 5.0\n"},
	{"large float", "a: b\n", num(formats.Float, "1000000000000000000000"), "a: 1000000000000000000000.0\n"},
	{"infinity", "a: b\n", num(formats.Float, "-Inf"), "a: -.inf\n"},
	{"not a number", "a: b\n", num(formats.Float, "NaN"), "a: .nan\n"},
	{"bool", "a: b\n", num(formats.Bool, "False"), "a: false\n"},
	{"time", "a: b\n", num(formats.Time, "2020-01-02T00:00:00Z"), "a: 2020-01-02T00:00:00Z\n"},
	{"null to string", "a:\nb: c\n", str("x"), "a: x\nb: c\n"},
	{"null to string in flow", "a: {b}\n", str("x"), "a: {b: x}\n"},
	{"string to null", "a: b\n", num(formats.Null, ""), "a: null\n"},
}

// A new value keeps the quotes and the header that stand there if it can.
func TestReplaceOneValue(t *testing.T) {
	for _, tt := range replacements {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(t, tt.source)
			i := firstValue(d)
			got := rewrite(t, d, formats.Edit{Values: []formats.Value{{Leaf: i, Scalar: tt.to}}})
			if got != tt.want {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			after := parse(t, got).Leaves[i]
			want := tt.to
			if want.Kind == formats.Sealed {
				want.Kind, after.Text = formats.String, strings.TrimSuffix(after.Text, "\n")
			}
			if after.Scalar != want {
				t.Errorf("%q reads as %v %q", got, after.Scalar, after.Text)
			}
		})
	}
}

func TestRewriteRefuses(t *testing.T) {
	tests := []struct {
		name, source string
		value        formats.Value
	}{
		{"an anchor between tag and value", "a: !!int &x 5\n", formats.Value{Scalar: enc}},
		{"a comment between tag and value", "a: !!int # c\n  5\n", formats.Value{Scalar: enc}},
		{"raw text that means something else", "a: b\n", formats.Value{Scalar: str("x"), Raw: "y"}},
		{"raw text that adds a key", "a: b\n", formats.Value{Scalar: str("x"), Raw: "x\nc: d"}},
		{"raw text that adds a comment", "a: b\n", formats.Value{Scalar: str("x"), Raw: "x # y"}},
		{"a value that the header cannot hold", "a: | # c\n  b\nc: d\n", formats.Value{Scalar: str("x")}},
		{"sealed text with a line feed", "a: b\n", formats.Value{Scalar: formats.Scalar{Kind: formats.Sealed, Text: "ENC[\nc: d]"}}},
		{"a map's value as a comment", "a: b\n", formats.Value{Scalar: formats.Scalar{Kind: formats.Comment, Text: "c"}}},
		{"no leaf", "a: b\n", formats.Value{Leaf: 1, Scalar: enc}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(t, tt.source)
			tt.value.Leaf += firstValue(d)
			out, err := yaml.Format{}.Rewrite(d, formats.Edit{Values: []formats.Value{tt.value}})
			var e *formats.Error
			if !errors.As(err, &e) || out != nil {
				t.Errorf("got %q, %v; want a *formats.Error", out, err)
			}
		})
	}
}

// sops writes sealed comments of a list as items; unsealing makes them comments.
func TestItemsBecomeComments(t *testing.T) {
	tests := []struct{ source, want string }{
		{"a:\n    - ENC[c]\n    - b\n", "a:\n    # note\n    - b\n"},
		{"a:\n    - b\n    - ENC[c]\nd: e\n", "a:\n    - b\n    # note\nd: e\n"},
		{"a:\n    - ENC[c]\nd: e\n", "a:\n    # note\n     []\nd: e\n"},
		{"a:\n- ENC[c]\n- ENC[c]\nd: e\n", "a:\n# note\n# note\n []\nd: e\n"},
		{"a: ['ENC[c]', b]\n", "a: [b]\n"},
		{"a: [b, 'ENC[c]']\n", "a: [b]\n"},
		{"a: ['ENC[c]']\n", "a: []\n"},
	}
	for _, tt := range tests {
		d := parse(t, tt.source)
		var e formats.Edit
		for i, l := range d.Leaves {
			if l.Text == "ENC[c]" {
				e.Values = append(e.Values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.Comment, Text: " note"}})
			}
		}
		if got := rewrite(t, d, e); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.source, got, tt.want)
		}
	}
}

func TestAliasesAreWrittenOutAndFolded(t *testing.T) {
	src := "a: &x\n  b: c\n  n:\n  \"d e\": [f, 5]\ng: *x # note\nh:\n  <<: *x\ni: [*x]\nj: &y z\nk: *y\n"
	d := parse(t, src)
	var e formats.Edit
	for i, l := range d.Leaves {
		if l.Text == "c" || l.Text == "z" {
			e.Values = append(e.Values, formats.Value{Leaf: i, Scalar: enc})
		}
	}
	sealed := rewrite(t, d, e)
	out := `{"b": 'ENC[x]', "n": null, "d e": [f, 5]}`
	want := "a: &x\n  b: ENC[x]\n  n:\n  \"d e\": [f, 5]\ng: " + out + " # note\nh:\n  <<: " + out + "\ni: [" + out + "]\nj: &y ENC[x]\nk: 'ENC[x]'\n"
	if sealed != want {
		t.Fatalf("sealed: got\n%s\nwant\n%s", sealed, want)
	}
	s := parse(t, sealed)
	back := formats.Edit{Folds: []formats.Fold{{Path: formats.Root(0).At("no").At("such"), Text: "*x"}}}
	for _, a := range d.Aliases {
		back.Folds = append(back.Folds, formats.Fold{Path: a.Path, Text: a.Text})
	}
	for i, l := range s.Leaves {
		if l.Text == enc.Text {
			back.Values = append(back.Values, formats.Value{Leaf: i, Scalar: d.Leaves[i].Scalar})
		}
	}
	if got := rewrite(t, s, back); got != src {
		t.Errorf("restored: got\n%s\nwant\n%s", got, src)
	}
}

// An alias keeps its value when what it repeats is given another.
func TestAliasOfChangedValue(t *testing.T) {
	d := parse(t, "a: &x b\nc: *x\n")
	got := rewrite(t, d, formats.Edit{Values: []formats.Value{{Leaf: 0, Scalar: str("n")}}})
	if want := "a: &x \"n\"\nc: 'b'\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCommentsAreWhereSopsHasThem(t *testing.T) {
	src := "# head\n\n# of a\na: b # inline\nc:\n  # of d\n  d: e\n  # after d\n# of f\nf:\n  - g # inline g\n  # of h\n  - h\n# end\n"
	var got []seen
	for _, l := range parse(t, src).Leaves {
		got = append(got, seen{l.Path.String(), l.Kind, l.Text})
	}
	comment, text := formats.Comment, formats.String
	want := []seen{
		{".", comment, " head"}, {".", comment, " of a"}, {".", comment, " inline"}, {"a", text, "b"},
		{"c", comment, " of d"}, {"c.d", text, "e"}, {"c", comment, " after d"},
		{".", comment, " of f"}, {"f", comment, " inline g"}, {"f[0]", text, "g"}, {"f", comment, " of h"}, {"f[1]", text, "h"},
		{".", comment, " end"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("leaves (-want +got):\n%s", diff)
	}
}
