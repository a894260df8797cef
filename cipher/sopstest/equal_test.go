package sopstest_test

import (
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

func TestEqualData(t *testing.T) {
	for _, tt := range []struct{ name, format, a, b string }{
		{"yaml spelling", "yaml", "a: \"x\"\nb: [1, 2]\n", "# c\na: x\nb:\n- 1\n- 0x2\n"},
		{"yaml alias", "yaml", "a: &x {k: v}\nb: *x\n", "a: {k: v}\nb: {k: v}\n"},
		{"yaml merge key", "yaml", "a: &x {k: v}\nb: {<<: *x}\n", "a: {k: v}\nb:\n  !!merge <<: {k: v}\n"},
		{"yaml float and int", "yaml", "a: 1.0\nb: 1e3\nc: -0.0\n", "a: 1\nb: 1000\nc: 0\n"},
		{"yaml not a number", "yaml", "a: .nan\nb: -.inf\n", "a: .NaN\nb: -.Inf\n"},
		{"yaml big number", "yaml", "a: 123456789012345678901234567890\n", "a: 1.2345678901234568e+29\n"},
		{"yaml date", "yaml", "a: 2020-01-02\n", "a: 2020-01-02T00:00:00Z\n"},
		{"yaml null", "yaml", "a: ~\nb:\n", "a: null\nb: null\n"},
		{"yaml own tag", "yaml", "a: !own x\n", "a: x\n"},
		{"yaml binary", "yaml", "a: !!binary aGVsbG8=\n", "a: hello\n"},
		{"yaml block", "yaml", "a: |\n  x\n  y\n", "a: \"x\\ny\\n\"\n"},
		{"yaml empty document", "yaml", "---\n---\na: 1\n", "{}\n---\na: 1\n"},
		{"json white space", "json", `{"a": [1, "x\u003c"], "a": null}`, "{\"a\":[1.0,\"x<\"],\n\"a\":null}\n"},
		{"dotenv comments", "dotenv", "# c\nA=1\n\nB=x\\ny", "A=1\nB=x\\ny\n"},
		{"ini layout", "ini", "a=1\n[s]\nk:v ; c\n", "a = 1\n\n[s]\n# c\nk   = v\n"},
		{"binary", "binary", "\x00\xff", "\x00\xff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := sopstest.EqualData(tt.format, []byte(tt.a), []byte(tt.b)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEqualDataTellsApart(t *testing.T) {
	for _, tt := range []struct{ name, format, a, b, want string }{
		{"yaml value", "yaml", "a: {b: x}\n", "a: {b: y}\n", `.[0]["a"]["b"]: string "x" and "y"`},
		{"yaml kind", "yaml", "a: 1\n", "a: \"1\"\n", `.[0]["a"]: number "1" and string "1"`},
		{"yaml bool", "yaml", "a: true\n", "a: \"true\"\n", "bool"},
		{"yaml null", "yaml", "a:\n", "a: \"\"\n", "null"},
		{"yaml empty collections", "yaml", "a: {}\n", "a: []\n", "map of 0 items and list of 0 items"},
		{"yaml key order", "yaml", "a: 1\nb: 1\n", "b: 1\na: 1\n", "(key)"},
		{"yaml key lost", "yaml", "a: 1\nb: 1\n", "a: 1\n", "2 items and of 1 items"},
		{"yaml documents", "yaml", "a: 1\n---\nb: 1\n", "a: 1\n", "2 items and of 1 items"},
		{"yaml close numbers", "yaml", "a: 9007199254740993\n", "a: 9007199254740992\n", "number"},
		{"yaml last line feed", "yaml", "a: |\n  x\n", "a: x\n", "string"},
		{"yaml zone", "yaml", "a: 2020-01-02T01:00:00+01:00\n", "a: 2020-01-02T00:00:00Z\n", "time"},
		{"json double key", "json", `{"a": 1, "a": 2}`, `{"a": 2}`, "2 items and of 1 items"},
		{"json trailing data", "json", `{} {}`, `{}`, "follows"},
		{"dotenv white space", "dotenv", "A=1\n", "A= 1\n", "string"},
		{"dotenv order", "dotenv", "A=1\nB=1\n", "B=1\nA=1\n", "(key)"},
		{"ini section", "ini", "[a]\nk=v\n", "[b]\nk=v\n", "(key)"},
		{"ini value", "ini", "[a]\nk=v\n", "[a]\nk=w\n", "string"},
		{"binary line feed", "binary", "a", "a\n", "bytes"},
		{"unreadable", "yaml", "a: 'x\n", "a: x\n", "reading the first"},
		{"unknown format", "toml", "", "", "unknown format"},
		{"endless alias", "yaml", "a: &a [*a]\n", "a: []\n", "too many"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := sopstest.EqualData(tt.format, []byte(tt.a), []byte(tt.b))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestEqualDataErrorIsBounded(t *testing.T) {
	a := strings.Repeat("k: "+strings.Repeat("x", 1000)+"\n", 1)
	for range 12 {
		a += a
	}
	b := strings.ReplaceAll(a, "xxx\n", "xxy\n")
	err := sopstest.EqualData("dotenv", []byte(strings.ReplaceAll(a, ": ", "=")), []byte(strings.ReplaceAll(b, ": ", "=")))
	if err == nil || len(err.Error()) > 4000 {
		t.Fatalf("the error is nil or has %d bytes", len(err.Error()))
	}
	if !strings.Contains(err.Error(), "and 4086 more") {
		t.Errorf("the rest is not counted: %v", err)
	}
}
