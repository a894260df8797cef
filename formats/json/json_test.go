package json_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/json"
	"github.com/google/go-cmp/cmp"
)

// oracle lists path, kind and text of the leaves of src as sops 3.13 takes them:
// encoding/json's tokens with numbers as int64 or else float64.
func oracle(src []byte) (leaves []string, err error) {
	dec := stdjson.NewDecoder(bytes.NewReader(bytes.TrimPrefix(src, []byte("\ufeff"))))
	dec.UseNumber()
	t, err := dec.Token()
	if err != nil || t != stdjson.Delim('{') {
		return nil, fmt.Errorf("no object: %v", err)
	}
	o := oracleReader{dec: dec}
	if err := o.collection(formats.Root(0), t.(stdjson.Delim)); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("trailing bytes")
	}
	return o.leaves, nil
}

type oracleReader struct {
	dec    *stdjson.Decoder
	leaves []string
}

func (o *oracleReader) collection(p *formats.Path, open stdjson.Delim) error {
	seen := map[string]bool{}
	n := 0
	for ; o.dec.More(); n++ {
		next := p.Item(n)
		if open == '{' {
			k, err := o.dec.Token()
			if err != nil {
				return err
			}
			key := k.(string)
			if seen[key] {
				return errors.New("duplicate")
			}
			seen[key] = true
			next = p.At(key)
		}
		if err := o.value(next); err != nil {
			return err
		}
	}
	if n == 0 && p.Parent != nil {
		o.add(p, map[stdjson.Delim]string{'{': "empty map", '[': "empty list"}[open], "")
	}
	_, err := o.dec.Token()
	return err
}

func (o *oracleReader) value(p *formats.Path) error {
	t, err := o.dec.Token()
	if err != nil {
		return err
	}
	switch v := t.(type) {
	case stdjson.Delim:
		return o.collection(p, v)
	case string:
		o.add(p, "string", v)
	case bool:
		o.add(p, "bool", map[bool]string{true: "True", false: "False"}[v])
	case nil:
		o.add(p, "null", "")
	case stdjson.Number:
		if i, err := v.Int64(); err == nil {
			o.add(p, "int", strconv.Itoa(int(i)))
			return nil
		}
		f, err := v.Float64()
		if err != nil {
			return err
		}
		o.add(p, "float", strconv.FormatFloat(f, 'f', -1, 64))
	}
	return nil
}

func (o *oracleReader) add(p *formats.Path, kind, text string) {
	o.leaves = append(o.leaves, p.String()+" "+kind+" "+text)
}

func describe(d *formats.Document) (leaves []string) {
	for _, l := range d.Leaves {
		leaves = append(leaves, l.Path.String()+" "+l.Kind.String()+" "+l.Text)
	}
	return leaves
}

// samples are accepted, and the laws hold for them.
var samples = []formatstest.Sample{
	{Name: "empty object", Source: `{}`},
	{Name: "empty object with space", Source: "{ }"},
	{Name: "empty object over lines", Source: "{\n}\n"},
	{Name: "empty object with CRLF", Source: "{\r\n\r\n}\r\n"},
	{Name: "compact", Source: `{"a":1,"b":[true,false,null],"c":{"d":"x"}}`},
	{Name: "one line", Source: `{"a": 1, "b": "x"}`},
	{Name: "tabs", Source: "{\n\t\"a\": \"x\",\n\t\"b\": {\n\t\t\"c\": 1.5\n\t}\n}\n"},
	{Name: "two spaces", Source: "{\n  \"a\": \"x\",\n  \"b\": [\n    1\n  ]\n}\n"},
	{Name: "CRLF", Source: "{\r\n  \"a\": \"x\"\r\n}\r\n"},
	{Name: "not indented", Source: "{\n\"a\":\"x\"\n}"},
	{Name: "root is indented", Source: "  {\n    \"a\": 1\n  }  \n\n"},
	{Name: "byte order mark", Source: "\ufeff{\"a\": \"x\"}"},
	{Name: "blank lines", Source: "{\n\n\n  \"a\"\n:\n\"x\"\n\n,\n\"b\":\n2\n\n}"},
	{Name: "empty values", Source: `{"a":"","b":{},"c":[],"d":null,"e":[{},[],""],"":{"":""}}`},
	{Name: "escapes", Source: `{"a\n\u0041":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00<>&\u2028"}`},
	{Name: "lone surrogates", Source: `{"a":"\ud800","b":"x\udc00y"}`},
	{Name: "not UTF-8", Source: "{\"a\":\"\xff\xfe\",\"\xff\":1}"},
	{Name: "numbers", Source: `{"a":[0,-0,-0.0,1.0,1e3,1E+2,9223372036854775807,9223372036854775808,-9223372036854775808,1e308,1e-400,0.1,12345678901234567890123]}`},
	{Name: "nested lists", Source: `{"a":[[1,[2,"x"]],["y"]]}`},
	{Name: "key that reads like a path", Source: `{"a.b":{"c:d":"x"},"a":{"b":"y"}}`},
	{Name: "sealed by sops", Source: "{\n\t\"a\": \"ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\",\n\t\"sops\": {\n\t\t\"mac\": \"m\",\n\t\t\"kms\": null,\n\t\t\"pgp\": [],\n\t\t\"shamir_threshold\": 2,\n\t\t\"mac_only_encrypted\": true,\n\t\t\"version\": \"3.8.1\"\n\t}\n}\n"},
	{Name: "metadata first", Source: `{"sops":{"mac":"m"},"a":1}`},
	{Name: "metadata between", Source: `{"a":1 , "sops" : {"mac":"m"} , "b":2}`},
	{Name: "metadata alone", Source: `{"sops":{}}`},
	{Name: "sops deeper is a key like others", Source: `{"a":{"sops":"x"},"b":[{"sops":{"mac":1.5}}]}`},
}

func TestLaws(t *testing.T) { formatstest.Run(t, json.Format{}, samples) }

func TestReadsAsSopsDoes(t *testing.T) {
	for _, s := range samples {
		// The oracle would read a metadata block as values.
		if strings.Contains(s.Source, `"sops"`) && !strings.Contains(s.Name, "deeper") {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			d, err := json.Format{}.Parse([]byte(s.Source))
			if err != nil {
				t.Fatal(err)
			}
			want, err := oracle([]byte(s.Source))
			if diff := cmp.Diff(want, describe(d)); diff != "" || err != nil {
				t.Errorf("oracle error %v, leaves (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) + "}" }
	tests := []struct {
		name, src string
		want      error
		line, col int
	}{
		{"nothing", "", formats.ErrSyntax, 1, 1},
		{"space", " \n ", formats.ErrSyntax, 2, 2},
		{"list", `["secret"]`, formats.ErrNotSealable, 1, 1},
		{"string", ` "secret"`, formats.ErrNotSealable, 1, 2},
		{"number", `-1`, formats.ErrNotSealable, 1, 1},
		{"null", `null`, formats.ErrNotSealable, 1, 1},
		{"word", `secret`, formats.ErrSyntax, 1, 1},
		{"second object", `{"a":1} {"b":2}`, formats.ErrSyntax, 1, 9},
		{"end missing", `{"a":"secret"`, formats.ErrSyntax, 1, 14},
		{"value missing", `{"a":`, formats.ErrSyntax, 1, 6},
		{"string does not end", `{"a":"secret`, formats.ErrSyntax, 1, 13},
		{"escape at the end", `{"a":"secret\`, formats.ErrSyntax, 1, 14},
		{"unknown escape", `{"a":"secret\x"}`, formats.ErrSyntax, 1, 6},
		{"short escape", `{"a":"secret\u12"}`, formats.ErrSyntax, 1, 6},
		{"comment", "{\n// secret\n\"a\":1}", formats.ErrSyntax, 2, 1},
		{"comma at the end", `{"a":1,}`, formats.ErrSyntax, 1, 8},
		{"comma at the end of a list", `{"a":[1,]}`, formats.ErrSyntax, 1, 9},
		{"comma missing", `{"a":1 "b":2}`, formats.ErrSyntax, 1, 8},
		{"colon missing", `{"a" 1}`, formats.ErrSyntax, 1, 6},
		{"key without quotes", `{a:1}`, formats.ErrSyntax, 1, 2},
		{"single quotes", `{'a':1}`, formats.ErrSyntax, 1, 2},
		{"wrong bracket", `{"a":[1}}`, formats.ErrSyntax, 1, 8},
		{"leading zero", `{"a":01}`, formats.ErrSyntax, 1, 6},
		{"plus", `{"a":+1}`, formats.ErrSyntax, 1, 6},
		{"point at the end", `{"a":1.}`, formats.ErrSyntax, 1, 6},
		{"exponent at the end", `{"a":1e}`, formats.ErrSyntax, 1, 6},
		{"NaN", `{"a":NaN}`, formats.ErrSyntax, 1, 6},
		{"word that only begins well", `{"a":nullx}`, formats.ErrSyntax, 1, 10},
		{"number too large", `{"a":1e400}`, formats.ErrNotSealable, 1, 6},
		{"line feed in a string", "{\"a\":\"sec\nret\"}", formats.ErrSyntax, 1, 10},
		{"NUL", "{\"a\":\"\x00\"}", formats.ErrSyntax, 1, 7},
		{"duplicate", `{"a":1,"b":{"c":1,"\u0063":"secret"}}`, formats.ErrDuplicate, 1, 19},
		{"duplicate at the root", `{"a":1,"a":2}`, formats.ErrDuplicate, 1, 8},
		{"two blocks", `{"sops":{},"sops":{}}`, formats.ErrDuplicate, 1, 12},
		{"duplicate in the block", `{"sops":{"a":1,"a":1}}`, formats.ErrDuplicate, 1, 16},
		{"block is a string", `{"sops":"secret"}`, formats.ErrMetadata, 1, 9},
		{"block is a list", `{"sops":[]}`, formats.ErrMetadata, 1, 9},
		{"float in the block", `{"sops":{"a":1.5}}`, formats.ErrMetadata, 1, 14},
		{"too deep", deep(formats.MaxDepth), formats.ErrLimit, 0, 0},
		{"far too deep", deep(1_000_000), formats.ErrLimit, 0, 0},
		{"block too deep", `{"sops":` + deep(formats.MaxDepth) + `}`, formats.ErrLimit, 0, 0},
		{"UTF-16", "\xff\xfe{\x00}\x00", formats.ErrSyntax, 1, 1},
		{"two marks", "\ufeff\ufeff{}", formats.ErrSyntax, 1, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := json.Format{}.Parse([]byte(tt.src))
			var e *formats.Error
			if !errors.As(err, &e) || !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.line > 0 && (e.Line != tt.line || e.Column != tt.col) {
				t.Errorf("got line %d, column %d, want %d, %d: %v", e.Line, e.Column, tt.line, tt.col, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the input: %v", err)
			}
		})
	}
}

func TestDuplicatesAreFoundInObjectsOfAnySize(t *testing.T) {
	for n := 1; n < 60; n++ {
		var b strings.Builder
		b.WriteString(`{"k0":0`)
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, `,"k%d":0`, i)
		}
		if _, err := (json.Format{}).Parse([]byte(b.String() + "}")); err != nil {
			t.Fatalf("%d keys: %v", n, err)
		}
		for _, i := range []int{0, n / 2, n - 1} {
			src := fmt.Sprintf(`%s,"k%d":1}`, b.String(), i)
			if _, err := (json.Format{}).Parse([]byte(src)); !errors.Is(err, formats.ErrDuplicate) {
				t.Errorf("%d keys and key %d again: got %v", n, i, err)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	list := func(n int) string { return `{"a":[` + strings.Repeat("0,", n-1) + `0]}` }
	tests := []struct {
		name, src string
		want      error
	}{
		{"most values", list(formats.MaxLeaves), nil},
		{"too many values", list(formats.MaxLeaves + 1), formats.ErrLimit},
		{"longest value", `{"a":"` + strings.Repeat("x", formats.MaxValue) + `"}`, nil},
		{"value too long", `{"a":"` + strings.Repeat("x", formats.MaxValue+1) + `"}`, formats.ErrLimit},
		{"deepest", `{"a":` + strings.Repeat("[", formats.MaxDepth-1) + strings.Repeat("]", formats.MaxDepth-1) + "}", nil},
	}
	for _, tt := range tests {
		if _, err := (json.Format{}).Parse([]byte(tt.src)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func rewrite(t *testing.T, src string, e formats.Edit) (string, error) {
	t.Helper()
	d, err := json.Format{}.Parse([]byte(src))
	if err != nil {
		t.Fatalf("parsing %s: %v", src, err)
	}
	out, err := json.Format{}.Rewrite(d, e)
	return string(out), err
}

func TestBlockIsLaidOutLikeTheFile(t *testing.T) {
	meta := &formats.Meta{Items: []formats.Meta{
		{Key: "age", Kind: formats.MetaList, Items: []formats.Meta{{Items: []formats.Meta{{Key: "enc", Kind: formats.MetaString, Text: "a\nb"}}}}},
		{Key: "kms", Kind: formats.MetaList},
		{Key: "n", Kind: formats.MetaInt, Text: "2"},
		{Key: "z", Kind: formats.MetaNull},
	}}
	tests := []struct{ name, src, want string }{
		{"tabs, as sops", "{\n\t\"a\": 1\n}\n", "{\n\t\"a\": 1,\n\t\"sops\": {\n\t\t\"age\": [\n\t\t\t{\n\t\t\t\t\"enc\": \"a\\nb\"\n\t\t\t}\n\t\t],\n\t\t\"kms\": [],\n\t\t\"n\": 2,\n\t\t\"z\": null\n\t}\n}\n"},
		{"two spaces, CRLF", "{\r\n  \"a\": 1\r\n}", "{\r\n  \"a\": 1,\r\n  \"sops\": {\r\n    \"age\": [\r\n      {\r\n        \"enc\": \"a\\nb\"\r\n      }\r\n    ],\r\n    \"kms\": [],\r\n    \"n\": 2,\r\n    \"z\": null\r\n  }\r\n}"},
		{"one line", `{"a": 1}`, `{"a": 1, "sops": {"age": [{"enc": "a\nb"}], "kms": [], "n": 2, "z": null}}`},
		{"compact", `{"a":1}`, `{"a":1,"sops":{"age":[{"enc":"a\nb"}],"kms":[],"n":2,"z":null}}`},
		{"empty", `{}`, `{"sops":{"age":[{"enc":"a\nb"}],"kms":[],"n":2,"z":null}}`},
		{"replaced in its place", `{"sops": {"x": 1}, "a": 1}`, `{"sops": {"age": [{"enc": "a\nb"}], "kms": [], "n": 2, "z": null}, "a": 1}`},
	}
	for _, tt := range tests {
		got, err := rewrite(t, tt.src, formats.Edit{Meta: formats.MetaEdit{Set: meta}})
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

func TestRemovingTheBlockLeavesAValidFile(t *testing.T) {
	tests := []struct{ src, want string }{
		{`{"sops":{"m":1}, "a":1}`, `{"a":1}`},
		{`{"a":1 , "sops" : {} , "b":2}`, `{"a":1 , "b":2}`},
		{"{\n\t\"a\": 1,\n\t\"sops\": {\n\t}\n}\n", "{\n\t\"a\": 1\n}\n"},
		{"{\n\t\"sops\": {\n\t}\n}\n", "{\n}\n"},
		{`{"a":1}`, `{"a":1}`},
	}
	for _, tt := range tests {
		got, err := rewrite(t, tt.src, formats.Edit{Meta: formats.MetaEdit{Remove: true}})
		if got != tt.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", tt.src, got, err, tt.want)
		}
	}
}

func TestCommentsLeaveTheirList(t *testing.T) {
	tests := []struct {
		src    string
		leaves []int
		want   string
	}{
		{`{"a":["c", "x"]}`, []int{0}, `{"a":["x"]}`},
		{`{"a":["x", "c"]}`, []int{1}, `{"a":["x"]}`},
		{`{"a":["c"]}`, []int{0}, `{"a":[]}`},
		{`{"a":["c", "c", "c"]}`, []int{2, 0, 1}, `{"a":[]}`},
		{`{"a":["c", "x", "c", "c", "y", "c"], "b":1}`, []int{0, 2, 3, 5}, `{"a":["x", "y"], "b":1}`},
		{`{"a":["x", "c", "c"], "b":["c","y"]}`, []int{1, 2, 3}, `{"a":["x"], "b":["y"]}`},
		{"{\"a\":[\n  \"x\",\n  \"c\"\n]}", []int{1}, "{\"a\":[\n  \"x\"\n]}"},
		{`{"a":["c", ["c"], "c"]}`, []int{0, 1, 2}, `{"a":[[]]}`},
	}
	for _, tt := range tests {
		var values []formats.Value
		for _, i := range tt.leaves {
			values = append(values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.Comment, Text: "c"}})
		}
		got, err := rewrite(t, tt.src, formats.Edit{Values: values})
		if got != tt.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", tt.src, got, err, tt.want)
		}
	}
}

func TestRewriteRefuses(t *testing.T) {
	value := func(leaf int, k formats.Kind, text string) formats.Value {
		return formats.Value{Leaf: leaf, Scalar: formats.Scalar{Kind: k, Text: text}}
	}
	tests := []struct {
		name   string
		values []formats.Value
	}{
		{"no such leaf", []formats.Value{value(9, formats.Int, "1")}},
		{"negative leaf", []formats.Value{value(-1, formats.Int, "1")}},
		{"no such comment", []formats.Value{value(9, formats.Comment, "1")}},
		{"leaf twice", []formats.Value{value(0, formats.Int, "1"), value(0, formats.Int, "2")}},
		{"leaf twice as comment", []formats.Value{value(1, formats.Comment, ""), value(1, formats.Comment, "")}},
		{"comment in a map", []formats.Value{value(0, formats.Comment, "secret")}},
		{"comment for a number", []formats.Value{value(2, formats.Comment, "secret")}},
		{"infinity", []formats.Value{value(0, formats.Float, "+Inf")}},
		{"not a number", []formats.Value{value(0, formats.Float, "NaN")}},
		{"hexadecimal float", []formats.Value{value(0, formats.Float, "0x1p4")}},
		{"not an int", []formats.Value{value(0, formats.Int, "secret")}},
		{"not a bool", []formats.Value{value(0, formats.Bool, "secret")}},
		{"not UTF-8", []formats.Value{value(0, formats.String, "secret\xff")}},
	}
	for _, tt := range tests {
		_, err := rewrite(t, `{"a":"x","b":["y",1]}`, formats.Edit{Values: tt.values})
		var e *formats.Error
		if !errors.As(err, &e) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want a *formats.Error", tt.name, err)
		}
	}
}

func TestSpellMeansTheScalar(t *testing.T) {
	scalars := []formats.Scalar{
		{Kind: formats.Float, Text: "1"}, {Kind: formats.Float, Text: "-0"}, {Kind: formats.Float, Text: "0.5"},
		{Kind: formats.Float, Text: "1000000000000000000000"}, {Kind: formats.Int, Text: "-7"},
		{Kind: formats.Bool, Text: "True"}, {Kind: formats.Bool, Text: "False"}, {Kind: formats.Null},
		{Kind: formats.EmptyMap}, {Kind: formats.EmptyList}, {Kind: formats.String},
		{Kind: formats.String, Text: "\x00\x1f\x7f\b\f\n\r\t\"\\/<>&\u2028é😀"},
	}
	for _, s := range scalars {
		src := `{"a":` + json.Format{}.Spell(nil, 0, s) + `}`
		d, err := json.Format{}.Parse([]byte(src))
		if err != nil || d.Leaves[0].Scalar != s {
			t.Errorf("%v %q: %s reads as something else (%v)", s, s.Text, src, err)
		}
	}
}
