package yaml_test

import (
	"errors"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/yaml"
)

func TestPatchSets(t *testing.T) {
	for _, tt := range []struct{ name, source, path, value, want string }{
		{"keeps double quotes", "a: \"b\" # c\n", "a", `"x"`, "a: \"x\" # c\n"},
		{"keeps single quotes", "a: 'b'\n", "a", `"it's"`, "a: 'it''s'\n"},
		{"keeps a block scalar", "a: |\n    b\n    c\nd: e\n", "a", `"x\ny\n"`, "a: |\n    x\n    y\nd: e\n"},
		{"quotes what would be a number", "a: b\n", "a", `"5"`, "a: \"5\"\n"},
		{"quotes what YAML 1.1 has for a boolean", "a: b\n", "a", `"y"`, "a: \"y\"\n"},
		{"keeps the type", "a: 1\n", "a", `2`, "a: 2\n"},
		{"all digits", "a: 1\n", "a", `123456789012345678901234567890`, "a: 123456789012345678901234567890\n"},
		{"the float as spelled", "a: 1\n", "a", `1.50`, "a: 1.50\n"},
		{"an anchored scalar, and so its alias", "a: &x b\nc: *x\n", "a", `"z"`, "a: &x z\nc: *x\n"},
		{"an alias by a value", "a: &x b\nc: *x\n", "c", `"z"`, "a: &x b\nc: z\n"},
		{"below an anchor", "a: &x\n  b: c\nd: *x\n", "a.e", `1`, "a: &x\n  b: c\n  e: 1\nd: *x\n"},
		{"over a merge key", "a: &x\n  b: c\nd:\n  <<: *x\n", "d.b", `1`, "a: &x\n  b: c\nd:\n  <<: *x\n  b: 1\n"},
		{"a new key, comment behind stays", "a:\n  b: c # d\n  # e\nf: g\n", "a.x", `"z"`, "a:\n  b: c # d\n  x: z\n  # e\nf: g\n"},
		{"a new key at the root", "a: b\n\n# end\n", "c", `true`, "a: b\nc: true\n\n# end\n"},
		{"no line feed at the end", "a: b", "c", `"d"`, "a: b\nc: d"},
		{"CRLF", "a: b\r\n", "c", `{"d":[1]}`, "a: b\r\nc:\r\n  d:\r\n    - 1\r\n"},
		{"indentation of maps", "a:\n    b: c\n", "d.e", `1`, "a:\n    b: c\nd:\n    e: 1\n"},
		{"indentation of lists", "a:\n- b\n", "c", `["d",{"e":1,"f":2}]`, "a:\n- b\nc:\n- d\n- e: 1\n  f: 2\n"},
		{"an item", "a:\n  - b\n# c\n", "a[1]", `"d"`, "a:\n  - b\n  - d\n# c\n"},
		{"a map in a list", "a:\n  - b: c\n", "a[0].d", `1`, "a:\n  - b: c\n    d: 1\n"},
		{"a line of flow", "a: {b: c}\n", "a.d", `"e, f"`, "a: {b: c, d: 'e, f'}\n"},
		{"flow with a comma at its end", "a: [b,]\n", "a[1]", `"c"`, "a: [b, c,]\n"},
		{"lines of flow", "a: {\n  b: c\n}\n", "a.d", `1`, "a: {\n  b: c,\n  d: 1\n}\n"},
		{"JSON", "{\"a\":{\"b\":\"c\"}}\n", "a.d", `{"e":"f"}`, "{\"a\":{\"b\":\"c\",\"d\":{\"e\":\"f\"}}}\n"},
		{"in an absent value", "a: # b\nc: d\n", "a.x", `1`, "a: # b\n  x: 1\nc: d\n"},
		{"in an empty map", "a: {}\n", "a.x.z", `1`, "a:\n  x:\n    z: 1\n"},
		{"in an empty map with a comment", "a: {} # b\n", "a.x", `1`, "a: {x: 1} # b\n"},
		{"in an empty list", "a: []\n", "a[0]", `1`, "a:\n  - 1\n"},
		{"in nothing", "", "a.b", `1`, "a:\n  b: 1\n"},
		{"in the second document", "a: b\n---\nc: d\n", "2:a", `1`, "a: b\n---\nc: d\na: 1\n"},
		{"in an empty document", "---\n# a\n---\nb: c\n", "a", `1`, "---\n# a\na: 1\n---\nb: c\n"},
		{"a map by a text", "a: # b\n  c: d\n  # e\n  f: g # h\ni: j\n", "a", `"x"`, "a: x # b\ni: j\n"},
		{"a text by a map", "a: b # c\nd: e\n", "a", `{"x":1}`, "a: # c\n  x: 1\nd: e\n"},
		{"lines of text", "a: b\n", "c.d", `"x\ny\n"`, "a: b\nc:\n  d: |\n    x\n    y\n"},
		{"behind a block scalar that ends the file", "a: |\n  b", "c", `1`, "c: 1\na: |\n  b"},
		{"behind kept blank lines", "a: |+\n  b\n\n\n", "c", `1`, "a: |+\n  b\n\n\nc: 1\n"},
		{"odd keys", "a: b\n", `"x: y"."5"`, `1`, "a: b\n\"x: y\":\n  \"5\": 1\n"},
		{"an explicit key", "? a\n: b\n? c\n", "c", `1`, "? a\n: b\n? c\n: 1\n"},
		{"the root", "# a\nb: c\nd: e # f\n", ".", `{"x":{"z":1}}`, "# a\nx:\n  z: 1\n"},
		{"a tag goes when it does not fit", "a: !!str b # c\n", "a", `5`, "a: 5 # c\n"},
		{"a text's tag goes with it", "a: !!str 1 # c\nd: e\n", "a", `{"x":["1"]}`, "a: # c\n  x:\n    - \"1\"\nd: e\n"},
		{"a text's tag and anchor", "a: &x !!str b\n", "a", `["c"]`, "a:\n  - c\n"},
		{"a number's tag before an anchor", "a: !!int &x 5\n", "a", `{"b":1}`, "a:\n  b: 1\n"},
		{"the tag of lines of text", "a: !!str |\n  b\n  c\nd: e\n", "a", `{"b":1}`, "a:\n  b: 1\nd: e\n"},
		{"a tag in a list", "a:\n  - !!str 1\n  - b\n", "a[0]", `{"b":1}`, "a:\n  - b: 1\n  - b\n"},
		{"a tag in flow", "a: {b: !!str 1, c: d}\n", "a.b", `[1]`, "a: {b: [1], c: d}\n"},
		{"a tag of nothing", "a: &x !!null # b\nc: d\n", "a.x", `1`, "a: &x # b\n  x: 1\nc: d\n"},
		{"a map's tag", "a: !!map\n  b: c\nd: e\n", "a", `["b"]`, "a:\n  - b\nd: e\n"},
		{"a map's tag stays with a map", "a: !!map {b: c}\nd: e\n", "a", `{}`, "a: !!map {}\nd: e\n"},
		{"a key's tag stays", "!!str a: !!str 1\nb: c\n", "a", `[1]`, "!!str a:\n  - 1\nb: c\n"},
		{"a text's tag stays with a text", "a: !!str b\n", "a", `"5"`, "a: !!str 5\n"},
	} {
		got, err := formatstest.PatchText(t, yaml.Format{}, tt.source, tt.path, tt.value)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestPatchRemoves(t *testing.T) {
	for _, tt := range []struct{ name, source, path, want string }{
		{"a key with its comment", "# a\nb: c # d\n# e\nf: g\n", "b", "# a\n# e\nf: g\n"},
		{"the last key of a map", "a: # b\n  # c\n  d: e # f\ng: h\n", "a.d", "a: {} # b\n  # c\ng: h\n"},
		{"the last item of a list", "a:\n- b\nc: d\n", "a[0]", "a: []\nc: d\n"},
		{"the last key of the file", "# a\nb: c # d\n", "b", "# a\n{}\n"},
		{"a map with the comments in it", "a:\n  b: c\n  # d\n  # e\nf: g\n", "a", "f: g\n"},
		{"an anchor nobody repeats", "a: &x b\nc: d\n", "a", "c: d\n"},
		{"an alias", "a: &x b\nc: *x\n", "c", "a: &x b\n"},
		{"the key on the line of a dash", "a:\n  - b: c # d\n    e: f\n", "a[0].b", "a:\n  - e: f\n"},
		{"the only key of an item", "a:\n  - b: c # d\n  - e\n", "a[0].b", "a:\n  - {}\n  - e\n"},
		{"an item", "a:\n  - b\n  # c\n  - d\n", "a[0]", "a:\n  # c\n  - d\n"},
		{"lines of text", "a: |\n  b\n\n  c\nd: e\n", "a", "d: e\n"},
		{"at the end without a line feed", "a: b\nc: d", "c", "a: b"},
		{"in flow, the first", "a: {b: c, d: e}\n", "a.b", "a: {d: e}\n"},
		{"in flow, the last", "a: [b, c]\n", "a[1]", "a: [b]\n"},
		{"in flow, the only one", "a: { b: c }\n", "a.b", "a: {}\n"},
		{"in flow, with its comment", "a: [\n  b, # c\n  # d\n  e\n]\n", "a[0]", "a: [\n  # d\n  e\n]\n"},
		{"with CRLF", "a: b\r\nc: d\r\n", "a", "c: d\r\n"},
	} {
		got, err := formatstest.PatchText(t, yaml.Format{}, tt.source, tt.path, "")
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestPatchRefuses(t *testing.T) {
	const aliased = "a: &x\n  b: c\nd: *x\ne:\n  <<: *x\n"
	for _, tt := range []struct {
		name, source, path, value string
		want                      error
	}{
		{"through an alias", aliased, "d.b", `1`, formats.ErrPlace},
		{"a new key through an alias", aliased, "d.x", `1`, formats.ErrPlace},
		{"through a merge key", aliased, `e."<<".b`, `1`, formats.ErrPlace},
		{"removing through an alias", aliased, "d.b", "", formats.ErrPlace},
		{"removing what an alias repeats", aliased, "a", "", formats.ErrPlace},
		{"replacing what an alias repeats", aliased, "a", `{"z":1}`, formats.ErrPlace},
		{"removing what has such an anchor in it", "a:\n  b: &x c\nd: *x\n", "a", "", formats.ErrPlace},
		{"an anchor that another of its name would stand in for", "a: &x 1\nb: &x 2\nc: *x\n", "b", "", formats.ErrPlace},
		{"below a scalar", "a: b\n", "a.c", `1`, formats.ErrPlace},
		{"a key of a list", "a: [b]\n", "a.c", `1`, formats.ErrPlace},
		{"an index of a map", "a: {b: c}\n", "a[0]", `1`, formats.ErrPlace},
		{"beyond the end of a list", "a: [b]\n", "a[2]", `1`, formats.ErrPlace},
		{"the second item of a list that is not there", "a: b\n", "c[1]", `1`, formats.ErrPlace},
		{"an index at the root", "a: b\n", "[0]", `1`, formats.ErrPlace},
		{"an absent key", "a: b\n", "c", "", formats.ErrNoSuchKey},
		{"an absent item", "a: [b]\n", "a[1]", "", formats.ErrNoSuchKey},
		{"a document that is not there", "a: b\n", "2:a", `1`, formats.ErrNoSuchKey},
		{"removing a root", "a: b\n", ".", "", formats.ErrPlace},
		{"a root that is a text", "a: b\n", ".", `"x"`, formats.ErrPlace},
		{"the key of the metadata", "a: b\n", "sops.x", `1`, formats.ErrPlace},
		{"a sealed file", "a: b\nsops:\n  mac: x\n", "a", `1`, formats.ErrMetadata},
	} {
		got, err := formatstest.PatchText(t, yaml.Format{}, tt.source, tt.path, tt.value)
		var typed *formats.Error
		if !errors.As(err, &typed) || !errors.Is(err, tt.want) {
			t.Errorf("%s: got %q, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}
