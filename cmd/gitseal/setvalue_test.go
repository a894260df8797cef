package main_test

import (
	"strings"
	"testing"

	gitseal "github.com/gitseal/gitseal/cmd/gitseal"
	"github.com/gitseal/gitseal/formats"
)

func fromJSON(t *testing.T, text string) *formats.Node {
	t.Helper()
	if text == "" {
		return nil
	}
	n, err := formats.NodeFromJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &n
}

// TestTypesOfValues: what a text means, by --type and by what it replaces, as JSON;
// "" for what is refused.
func TestTypesOfValues(t *testing.T) {
	for _, tt := range []struct{ text, typ, old, want string }{
		{"x", "auto", "", `"x"`},
		{"1", "auto", "", `"1"`},
		{"true", "auto", "", `"true"`},
		{"1", "auto", `"s"`, `"1"`},
		{"2", "auto", "1", "2"},
		{"9223372036854775807", "int", "", "9223372036854775807"},
		{"-9223372036854775808", "int", "", "-9223372036854775808"},
		{"9223372036854775808", "int", "", ""},
		{"12345678901234567890", "json", "", "12345678901234567890"},
		{"123456789012345678901234567890", "auto", "1", "123456789012345678901234567890"},
		{"1.5", "auto", "1", `"1.5"`},
		{"007", "auto", "1", `"007"`},
		{" 7", "auto", "1", `" 7"`},
		{"-7", "auto", "1", "-7"},
		{"2.50", "auto", "1.5", "2.50"},
		{"3", "auto", "1.5", "3.0"},
		{"false", "auto", "true", "false"},
		{"False", "auto", "true", `"False"`},
		{"x", "auto", "null", `"x"`},
		{"[1]", "auto", "[]", "[1]"},
		{"[1]", "auto", "[2]", "[1]"},
		{"x", "auto", "[]", `"x"`},
		{"x", "auto", "[2]", ""},
		{"{}", "auto", "[2]", ""},
		{`{"a":1}`, "auto", `{"b":2}`, `{"a":1}`},
		{"x", "string", `{"b":2}`, `"x"`},
		{"1", "int", `"s"`, "1"},
		{"+1", "int", "", ""},
		{"0x10", "int", "", ""},
		{"-0", "int", "", ""},
		{"1 ", "int", "", ""},
		{"1.5", "int", "", ""},
		{"1e3", "float", "", "1e3"},
		{"1", "float", "", "1.0"},
		{"NaN", "float", "", ""},
		{"1e999", "float", "", ""},
		{"true", "bool", "", "true"},
		{"yes", "bool", "", ""},
		{"", "null", "", "null"},
		{"x", "null", "", ""},
		{`[1, {"a": 1.50}]`, "json", "", `[1,{"a":1.50}]`},
		{`[1`, "json", "", ""},
		{`{"a":1,"a":2}`, "json", "", ""},
	} {
		got, err := gitseal.NodeOf(tt.text, tt.typ, fromJSON(t, tt.old))
		if (err != nil) != (tt.want == "") {
			t.Errorf("%q as %s for %s: %v", tt.text, tt.typ, tt.old, err)
			continue
		}
		if err != nil {
			if strings.Contains(err.Error(), tt.text) && tt.text != "" && len(tt.text) > 1 {
				t.Errorf("%q as %s: the error holds the value: %v", tt.text, tt.typ, err)
			}
			continue
		}
		if text, err := got.JSON(); err != nil || string(text) != tt.want {
			t.Errorf("%q as %s for %s: got %s, %v, want %s", tt.text, tt.typ, tt.old, text, err, tt.want)
		}
	}
	at, err := gitseal.NodeOf("2026-02-03", "auto", &formats.Node{Scalar: formats.Scalar{Kind: formats.Time, Text: "2026-01-01T00:00:00Z"}})
	if err != nil || at.Scalar != (formats.Scalar{Kind: formats.Time, Text: "2026-02-03T00:00:00Z"}) {
		t.Errorf("a time: %v, %v", at, err)
	}
}

// TestRevealedIsHarmless: a value that is proposed cannot steer the terminal of who
// looks at it.
func TestRevealedIsHarmless(t *testing.T) {
	evil := "\x1b]0;x\x07\u009b31m\u202e\u2028\U000e0041\r\n\x7fplain ä"
	got := gitseal.Revealed(formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: evil}})
	for _, c := range got {
		if c < ' ' || c >= 0x7f && c <= 0x9f || c == '\u202e' || c == '\u2028' || c > 0xffff {
			t.Errorf("%U in %q", c, got)
		}
	}
	if !strings.HasSuffix(got, `plain ä"`) {
		t.Errorf("got %q", got)
	}
	if back := fromJSON(t, got); back.Scalar.Text != evil {
		t.Errorf("it reads back as %q", back.Scalar.Text)
	}
}
