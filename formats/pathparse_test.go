package formats_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/formats"
)

func TestParsePath(t *testing.T) {
	root := formats.Root(0)
	long := strings.Repeat("k", 100)
	tests := []struct {
		text string
		want *formats.Path
	}{
		{".", root},
		{"a", root.At("a")},
		{`a.b[2]."odd key"`, root.At("a").At("b").Item(2).At("odd key")},
		{`["a"]["b"][2]`, root.At("a").At("b").Item(2)},
		{`['a']['b"\']`, root.At("a").At(`b"\`)},
		{`a["tls.crt"].b`, root.At("a").At("tls.crt").At("b")},
		{`[2]`, root.Item(2)},
		{`""`, root.At("")},
		{`"a\xff\n"`, root.At("a\xff\n")},
		{"document 2: a.b", formats.Root(1).At("a").At("b")},
		{"document 1: a", root.At("a")},
		{"2:a.b", formats.Root(1).At("a").At("b")},
		{"3: .", formats.Root(2)},
		{`2:["a"]`, formats.Root(1).At("a")},
		{"2", root.At("2")},
		{"document", root.At("document")},
		{"a-b/c_d@é+*", root.At("a-b/c_d@é+*")},
		{long, root.At(long)},
	}
	for _, tt := range tests {
		got, err := formats.ParsePath(tt.text)
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("%q: got %v, %v, want %v", tt.text, got, err, tt.want)
			continue
		}
		if back, err := formats.ParsePath(got.Text()); err != nil || !back.Equal(got) {
			t.Errorf("%q: its text %q reads as %v, %v", tt.text, got.Text(), back, err)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, text := range []string{
		"", "..", ".a", "a.", "a..b", "a b", "a:b", "a[", "a[]", "a[1", "a[-1]", "a[01]", "a[+1]", "a[1]b", `a["b"`, `a["b]`, `a."b`, `a.'b'`,
		`"\q"`, "a]", "0:a", "01:a", "document 0: a", "document 2 a", "document 2:", "2:", "a\x00", "a\xff", "[99999999999999999999]", "['a]",
		"a" + strings.Repeat(".a", formats.MaxDepth),
	} {
		p, err := formats.ParsePath(text)
		var typed *formats.Error
		if !errors.As(err, &typed) || !errors.Is(err, formats.ErrPath) {
			t.Errorf("%q: got %v, %v, want ErrPath", text, p, err)
		}
	}
}

func TestPathErrorsQuoteNothing(t *testing.T) {
	for _, text := range []string{"hunter2 hunter2", `hunter2["hunter2`, "hunter2[hunter2]"} {
		if _, err := formats.ParsePath(text); err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{".", `a.b[2]."odd key"`, `["a"]['b'][0]`, "document 2: a", "2:.", `"\u00e9"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := formats.ParsePath(text)
		if err != nil {
			if !errors.Is(err, formats.ErrPath) {
				t.Fatalf("got %v", err)
			}
			return
		}
		back, err := formats.ParsePath(p.Text())
		if err != nil || !back.Equal(p) {
			t.Errorf("%q: %q reads as %v, %v", text, p.Text(), back, err)
		}
	})
}
