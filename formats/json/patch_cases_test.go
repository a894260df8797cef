package json_test

import (
	"errors"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/json"
)

func TestPatch(t *testing.T) {
	const lines = "{\n  \"a\": \"b\",\n  \"c\": {\n    \"d\": 1\n  },\n  \"e\": []\n}\n"
	for _, tt := range []struct{ name, source, path, value, want string }{
		{"a text, not escaped for HTML", `{"a":"b"}`, "a", `"<é\n&>"`, `{"a":"<é\n&>"}`},
		{"all digits", `{"a": 1}`, "a", `123456789012345678901234567890`, `{"a": 123456789012345678901234567890}`},
		{"another large number", `{"a": 123456789012345678901234567890}`, "a", `123456789012345678901234567891`, `{"a": 123456789012345678901234567891}`},
		{"the float as spelled", `{"a": 1}`, "a", `1.50`, `{"a": 1.50}`},
		{"a new key on its line", lines, "c.x", `{"y":[1]}`,
			"{\n  \"a\": \"b\",\n  \"c\": {\n    \"d\": 1,\n    \"x\": {\n      \"y\": [\n        1\n      ]\n    }\n  },\n  \"e\": []\n}\n"},
		{"a first item", lines, "e[0]", `1`, "{\n  \"a\": \"b\",\n  \"c\": {\n    \"d\": 1\n  },\n  \"e\": [\n    1\n  ]\n}\n"},
		{"parents", `{"a": 1}`, "b.c[0].d", `true`, `{"a": 1, "b": {"c": [{"d": true}]}}`},
		{"compact", `{"a":{"b":1}}`, "a.c", `{"d":[1,2]}`, `{"a":{"b":1,"c":{"d":[1,2]}}}`},
		{"one line among many", "{\n\t\"a\": [1, 2],\n\t\"b\": 3\n}", "a[2]", `{"c":4}`, "{\n\t\"a\": [1, 2, {\"c\": 4}],\n\t\"b\": 3\n}"},
		{"CRLF", "{\r\n  \"a\": 1\r\n}\r\n", "b", `2`, "{\r\n  \"a\": 1,\r\n  \"b\": 2\r\n}\r\n"},
		{"without the blank lines before the last key", "{\n\n\n  \"a\": 1\n}", "b", `2`, "{\n\n\n  \"a\": 1,\n  \"b\": 2\n}"},
		{"a null gains children", `{"a": null}`, "a.b", `1`, `{"a": {"b": 1}}`},
		{"the root", "{\n\t\"a\": 1\n}\n", ".", `{"b":2}`, "{\n\t\"b\": 2\n}\n"},
		{"removes a key", lines, "a", "", "{\n  \"c\": {\n    \"d\": 1\n  },\n  \"e\": []\n}\n"},
		{"removes the last key", lines, "e", "", "{\n  \"a\": \"b\",\n  \"c\": {\n    \"d\": 1\n  }\n}\n"},
		{"removes the only key", lines, "c.d", "", "{\n  \"a\": \"b\",\n  \"c\": {},\n  \"e\": []\n}\n"},
		{"removes an item", `{"a": [1, 2, 3]}`, "a[1]", "", `{"a": [1, 3]}`},
		{"finds escaped keys", `{"\u0061\"": 1}`, `"a\""`, `2`, `{"\u0061\"": 2}`},
	} {
		got, err := formatstest.PatchText(t, json.Format{}, tt.source, tt.path, tt.value)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestPatchRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, source, path, value string
		want                      error
	}{
		{"below a scalar", `{"a": 1}`, "a.b", `1`, formats.ErrPlace},
		{"a key of a list", `{"a": [1]}`, "a.b", `1`, formats.ErrPlace},
		{"a key of an empty list", `{"a": []}`, "a.b", `1`, formats.ErrPlace},
		{"an index of an empty map", `{"a": {}}`, "a[0]", `1`, formats.ErrPlace},
		{"beyond the end of a list", `{"a": [1]}`, "a[2]", `1`, formats.ErrPlace},
		{"an absent key", `{"a": 1}`, "b", "", formats.ErrNoSuchKey},
		{"another document", `{"a": 1}`, "2:a", `1`, formats.ErrNoSuchKey},
		{"the key of the metadata", `{"a": 1}`, "sops", `{"mac":"x"}`, formats.ErrPlace},
		{"metadata that is none", `{"a": 1}`, "sops", `1`, formats.ErrNotSealable},
		{"a sealed file", `{"a": 1, "sops": {"mac": "x"}}`, "a", `2`, formats.ErrMetadata},
	} {
		got, err := formatstest.PatchText(t, json.Format{}, tt.source, tt.path, tt.value)
		var typed *formats.Error
		if !errors.As(err, &typed) || !errors.Is(err, tt.want) {
			t.Errorf("%s: got %q, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestPatchRefusesWhatJSONCannotHold(t *testing.T) {
	d, err := json.Format{}.Parse([]byte(`{"a": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []formats.Scalar{
		{Kind: formats.String, Text: "\xff"},
		{Kind: formats.Float, Text: "NaN"},
		{Kind: formats.Float, Text: "+Inf"},
		{Kind: formats.Time, Text: "2020-01-02T03:04:05Z"},
		{Kind: formats.Int, Text: "0x1"},
		{Kind: formats.Comment, Text: "x"},
		{Kind: formats.Sealed, Text: "ENC[x]"},
	} {
		_, err := json.Format{}.Patch(d, formats.Change{Path: formats.Root(0).At("a"), Value: formats.Node{Scalar: s}})
		if !errors.Is(err, formats.ErrNotSealable) {
			t.Errorf("%v %q: got %v, want ErrNotSealable", s, s.Text, err)
		}
	}
}
