package formats_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/formats"
)

func TestNodeJSONKeepsEveryDigit(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `false`, `""`, `"<&>é\n"`, `{}`, `[]`, `0`, `-7`, `9223372036854775808`, `123456789012345678901234567890`,
		`1.50`, `1e5`, `-2.5E-3`, `0.12345678901234567890`, `[1,[{"b":2,"a":[]}],null]`, `{"a":{"b.c":"d"},"":1}`,
	} {
		n, err := formats.NodeFromJSON([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := n.JSON()
		if err != nil || string(got) != text {
			t.Errorf("got %s, %v, want %s", got, err, text)
		}
	}
}

func TestNodeFromJSONRefuses(t *testing.T) {
	for _, tt := range []struct {
		text string
		want error
	}{
		{``, formats.ErrSyntax}, {`{`, formats.ErrSyntax}, {`[1 2]`, formats.ErrSyntax}, {`{"a" 1}`, formats.ErrSyntax}, {`hunter2`, formats.ErrSyntax},
		{`1 2`, formats.ErrSyntax}, {`01`, formats.ErrSyntax}, {`"a`, formats.ErrSyntax}, {"\"\xff\"", formats.ErrSyntax}, {`{1:2}`, formats.ErrSyntax},
		{`[1,]`, formats.ErrSyntax}, {`1e999`, formats.ErrNotSealable}, {`1` + strings.Repeat("0", 400), formats.ErrNotSealable},
		{`{"hunter2":1,"hunter2":2}`, formats.ErrDuplicate}, {strings.Repeat("[", 200) + strings.Repeat("]", 200), formats.ErrLimit},
	} {
		_, err := formats.NodeFromJSON([]byte(tt.text))
		if !errors.Is(err, tt.want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%.40s: got %v, want %v", tt.text, err, tt.want)
		}
	}
}

func TestNodePrintsRedacted(t *testing.T) {
	n, err := formats.NodeFromJSON([]byte(`{"a":["hunter2",4711,0.815]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := formats.Change{Path: formats.Root(0).At("a"), Value: n}
	for _, v := range []any{n, &n, n.Items, n.Items[0].Items[2], c, &c, formats.Site{Insert: n}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "hunter") || strings.Contains(s, "4711") || strings.Contains(s, "815") {
				t.Errorf("%s of %T prints %s", verb, v, s)
			}
		}
	}
}

func TestNodeJSONRefusesWhatJSONCannotHold(t *testing.T) {
	for _, s := range []formats.Scalar{
		{Kind: formats.String, Text: "\xff"}, {Kind: formats.Float, Text: "NaN"}, {Kind: formats.Float, Text: "+Inf"},
	} {
		n := formats.Node{Kind: formats.ListNode, Items: []formats.Node{{Scalar: s}}}
		if got, err := n.JSON(); !errors.Is(err, formats.ErrNotSealable) {
			t.Errorf("%v: got %s, %v, want ErrNotSealable", s, got, err)
		}
	}
}

func TestNodeJSONKeepsTypes(t *testing.T) {
	for _, tt := range []struct {
		scalar formats.Scalar
		want   string
	}{
		{formats.Scalar{Kind: formats.Float, Text: "1"}, "1.0"},
		{formats.Scalar{Kind: formats.Float, Text: "0.5"}, "0.5"},
		{formats.Scalar{Kind: formats.Time, Text: "2020-01-02T00:00:00Z"}, `"2020-01-02T00:00:00Z"`},
		{formats.Scalar{Kind: formats.String, Text: "5"}, `"5"`},
	} {
		n := formats.Node{Scalar: tt.scalar}
		if got, err := n.JSON(); err != nil || string(got) != tt.want {
			t.Errorf("%v: got %s, %v, want %s", tt.scalar, got, err, tt.want)
		}
	}
}

func FuzzNodeFromJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.50,null,"x"]}`, `-0`, `"\ud800"`, `123456789012345678901234567890`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := formats.NodeFromJSON(text)
		if err != nil {
			var typed *formats.Error
			if !errors.As(err, &typed) {
				t.Fatalf("%v is not a *formats.Error", err)
			}
			return
		}
		out, err := n.JSON()
		if err != nil {
			t.Fatalf("writing what was read: %v", err)
		}
		back, err := formats.NodeFromJSON(out)
		if err != nil || !back.Equal(&n) {
			t.Errorf("%s reads as %s, which reads otherwise: %v", text, out, err)
		}
	})
}
