package yaml_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

const blockText = `sops:
    age:
        - enc: |
            -----BEGIN-----
            abc
            -----END-----
          recipient: age1xyz
    lastmodified: "2026-01-02T03:04:05Z"
    mac: x
    mac_only_encrypted: true
    pgp: []
    shamir_threshold: 2
    version: 3.13.3
`

const flowText = `"sops": {"age": [{"enc": "-----BEGIN-----\nabc\n-----END-----\n", "recipient": "age1xyz"}], ` +
	`"lastmodified": "2026-01-02T03:04:05Z", "mac": "x", "mac_only_encrypted": true, "pgp": [], "shamir_threshold": 2, "version": "3.13.3"}`

// The block goes to the end of every document, as sops writes it.
func TestSetMeta(t *testing.T) {
	indented := func(s string) string {
		return "  " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n  ") + "\n"
	}
	tests := []struct{ name, source, want string }{
		{"block", "a: b\n", "a: b\n" + blockText},
		{"no final newline", "a: b", "a: b\n" + blockText},
		{"comment at the end", "a: b\n# c\n\n", "a: b\n# c\n\n" + blockText},
		{"CRLF", "a: b\r\n", strings.ReplaceAll("a: b\n"+blockText, "\n", "\r\n")},
		{"indented root", "  a: b\n", "  a: b\n" + indented(blockText)},
		{"documents", "a: b\n---\nc: d\n...\n---\n", "a: b\n" + blockText + "---\nc: d\n" + blockText + "...\n---\n" + blockText},
		{"empty", "", blockText},
		{"comment alone", "# c\n", "# c\n" + blockText},
		{"open block scalar", "x: y\na: |\n  b", "x: y\n" + blockText + "a: |\n  b"},
		{"flow", "{a: b}\n", "{a: b, " + flowText + "}\n"},
		{"flow with a comma", "{a: b,}\n", "{a: b," + flowText + ",}\n"},
		{"flow, empty", "{}\n", "{" + flowText + "}\n"},
		{"flow with a comment", "{a: b # c\n}\n", "{a: b # c\n, " + flowText + "}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rewrite(t, parse(t, tt.source), formats.Edit{Meta: formats.MetaEdit{Set: exampleMeta("x")}})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			d := parse(t, got)
			if diff := cmp.Diff(exampleMeta("x"), d.Meta); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
			back := rewrite(t, d, formats.Edit{Meta: formats.MetaEdit{Remove: true}})
			if back != tt.source && back != tt.source+"\n" {
				t.Errorf("removed: got %q, want %q", back, tt.source)
			}
		})
	}
}

// Blocks that others wrote are removed wherever they stand.
func TestRemoveMeta(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"first", "sops:\n  mac: x\na: b\n", "a: b\n"},
		{"in the middle, with comments", "a: b\nsops:\n    # c\n    mac: x # d\n    kms: []\ne: f\n", "a: b\ne: f\n"},
		{"alone", "---\nsops:\n    mac: x\n", "---\n"},
		{"no final newline", "a: b\nsops:\n    mac: x", "a: b\n"},
		{"flow value", "a: b\nsops: {mac: x, age: [{enc: \"y\"}]} # c\ne: f\n", "a: b\ne: f\n"},
		{"explicit key", "a: b\n? sops\n: mac: x\n", "a: b\n"},
		{"literal at the end", "a: b\nsops:\n    age:\n        - enc: |\n            x\n\n\ne: f\n", "a: b\n\n\ne: f\n"},
		{"JSON, first", "{\"sops\": {\"mac\": \"x\"}, \"a\": 1}", "{ \"a\": 1}"},
		{"JSON, last", "{\n  \"a\": 1,\n  \"sops\": {\n    \"mac\": \"x\"\n  }\n}\n", "{\n  \"a\": 1\n  \n}\n"},
		{"quoted key", "'sops':\n  mac: x\na: b\n", "a: b\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rewrite(t, parse(t, tt.source), formats.Edit{Meta: formats.MetaEdit{Remove: true}})
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if d := parse(t, got); d.Meta != nil {
				t.Errorf("metadata left in %q", got)
			}
		})
	}
}

// A change of texts alone keeps every other byte of the block.
func TestSetMetaSplices(t *testing.T) {
	src := "a: b\nsops:\n  mac:   \"x\" # c\n  version: '3.9'\n  age:\n  - enc: |-\n      y\n"
	d := parse(t, src)
	m := *d.Meta
	m.Items = append([]formats.Meta(nil), m.Items...)
	m.Items[0].Text = "new"
	got := rewrite(t, d, formats.Edit{Meta: formats.MetaEdit{Set: &m}})
	if want := strings.Replace(src, `"x"`, `"new"`, 1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	other := exampleMeta("z")
	got = rewrite(t, d, formats.Edit{Meta: formats.MetaEdit{Set: other}})
	if want := "a: b\n" + strings.Replace(blockText, "mac: x", "mac: z", 1); got != want {
		t.Errorf("replaced: got %q, want %q", got, want)
	}
}

// Strings in the block that would read as something else are quoted.
func TestMetaTexts(t *testing.T) {
	for _, text := range []string{"", " ", "5", "1.5", "true", "yes", "null", "~", "2020-01-02T03:04:05Z", "a: b", "a #b", "- a", "x\ny", "x\ny\n", "x\n\n", "\n", " x\n", "\tx", "é\u2028", "ENC[AES256_GCM,data:a=,type:str]", "^(data|b)$", "'", `"`} {
		for _, src := range []string{"a: b\n", "{a: b}\n"} {
			m := &formats.Meta{Key: "sops", Items: []formats.Meta{{Key: text + "k", Kind: formats.MetaString, Text: text}, {Key: "l", Kind: formats.MetaList, Items: []formats.Meta{{Kind: formats.MetaString, Text: text}}}}}
			d := parse(t, rewrite(t, parse(t, src), formats.Edit{Meta: formats.MetaEdit{Set: m}}))
			if diff := cmp.Diff(m, d.Meta); diff != "" {
				t.Errorf("%q in %q (-want +got):\n%s", text, src, diff)
			}
		}
	}
}

// A block that no reader would take for what it is cannot be set.
func TestSetMetaRefuses(t *testing.T) {
	for _, m := range []*formats.Meta{
		{Kind: formats.MetaString, Text: "x"},
		{Items: []formats.Meta{{Key: "a", Kind: formats.MetaInt, Text: "b"}}},
		{Items: []formats.Meta{{Key: "a", Kind: formats.MetaNull}, {Key: "a", Kind: formats.MetaNull}}},
		{Items: []formats.Meta{{Key: "a", Kind: formats.MetaString, Text: "\xff"}}},
	} {
		if out, err := (yaml.Format{}).Rewrite(parse(t, "a: b\n"), formats.Edit{Meta: formats.MetaEdit{Set: m}}); err == nil {
			t.Errorf("%v: got %q, want an error", m, out)
		}
	}
}
