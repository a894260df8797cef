package merge_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

func TestSettle(t *testing.T) {
	const two = "a: 1\n<<<<<<<\nb: 2 # ours\n=======\nb: '3'\n>>>>>>>\nc: 1\n<<<<<<<\nd:\n  x: 1\n=======\n>>>>>>>\n"
	for _, tt := range []struct {
		name, format, marked, path string
		ours                       bool
		want                       string
	}{
		{"ours", "yaml", two, "b", true, "a: 1\nb: 2 # ours\nc: 1\n<<<<<<<\nd:\n  x: 1\n=======\n>>>>>>>\n"},
		{"theirs", "yaml", two, "b", false, "a: 1\nb: '3'\nc: 1\n<<<<<<<\nd:\n  x: 1\n=======\n>>>>>>>\n"},
		{"ours, that theirs has removed", "yaml", two, "d", true, "a: 1\n<<<<<<<\nb: 2 # ours\n=======\nb: '3'\n>>>>>>>\nc: 1\nd:\n  x: 1\n"},
		{"theirs, that has removed it", "yaml", two, "d", false, "a: 1\n<<<<<<<\nb: 2 # ours\n=======\nb: '3'\n>>>>>>>\nc: 1\n"},
		{"all", "yaml", two, ".", true, "a: 1\nb: 2 # ours\nc: 1\nd:\n  x: 1\n"},
		{"what is no conflict", "yaml", two, "a", true, two},
		{"values that are neighbours", "yaml", "<<<<<<<\na: 1\nb: 1\n=======\na: 2\nb: 2\n>>>>>>>\n", "a", false, "a: 2\n<<<<<<<\nb: 1\n=======\nb: 2\n>>>>>>>\n"},
		{"values of one line", "yaml", "<<<<<<<\n{a: 1, b: 1}\n=======\n{a: 2, b: 2}\n>>>>>>>\n", "a", false, "<<<<<<<\n{a: 2, b: 1}\n=======\n{a: 2, b: 2}\n>>>>>>>\n"},
		{"the last, with comments that differ", "yaml", "<<<<<<<\n# z\na: 1 # y\n=======\n# y\na: 2 # z\n>>>>>>>\n", "a", true, "# z\na: 1 # y\n"},
		{"the last, with a comment that only the other has", "yaml", "<<<<<<<\na: 1\n=======\na: 2\n>>>>>>>\nb: 1\n<<<<<<<\n=======\n# note\n>>>>>>>\nc: 1\n", "a", true, "a: 1\nb: 1\n# note\nc: 1\n"},
		{"JSON", "json", "{\n<<<<<<<\n  \"a\": 1\n=======\n  \"a\": 1,\n  \"b\": 2\n>>>>>>>\n}\n", "b", false, "{\n  \"a\": 1,\n  \"b\": 2\n}\n"},
		{"JSON, removed", "json", "{\n<<<<<<<\n  \"a\": 1\n=======\n  \"a\": 1,\n  \"b\": 2\n>>>>>>>\n}\n", "b", true, "{\n  \"a\": 1\n}\n"},
		{"a map without a key in common", "yaml", "<<<<<<<\na: {x: 1, y: 1}\n=======\na: {v: 1}\n>>>>>>>\nz: 1\n", "a", false, "a: {v: 1}\nz: 1\n"},
		{"a map with keys in common", "yaml", "a:\n<<<<<<<\n  x: 1\n  y: 1\n=======\n  x: 2\n  v: 1\n>>>>>>>\nz: 1\n", "a", true, "a:\n  x: 1\n  y: 1\nz: 1\n"},
		{"binary", "binary", "a\n<<<<<<<\nb\n=======\nc\n>>>>>>>\n", "data", false, "a\nc\n"},
		{"INI section", "ini", "[a]\nx = 1\n<<<<<<<\n\n[b]\nx = 1\n=======\n>>>>>>>\n", "b", false, "[a]\nx = 1\n"},
		{"dotenv, CRLF", "dotenv", crlf("A=1\n<<<<<<<\nB=1\n=======\nB=2\n>>>>>>>\n"), "B", false, crlf("A=1\nB=2\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := all.ByName(tt.format)
			ours, theirs, ok := merge.Split([]byte(tt.marked))
			if !ok {
				t.Fatal("no markers")
			}
			p, err := formats.ParsePath(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			ours, theirs, err = merge.Settle(f, ours, theirs, p, tt.ours)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(merge.Mark(ours, theirs, merge.Labels{}, 7))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSettleRefuses(t *testing.T) {
	yaml, _ := all.ByName("yaml")
	for _, tt := range []struct {
		name, ours, theirs, path string
		want                     error
	}{
		{"no such key", "a: 1\n", "a: 2\n", "b", formats.ErrNoSuchKey},
		{"no such document", "a: 1\n", "a: 2\n", "2:a", formats.ErrNoSuchKey},
		{"in what the other has not", "a: {b: {c: 1}}\n", "a: 2\n", "a.b.c", formats.ErrPlace},
		{"in a map without a key in common", "a: {b: 1, c: 1}\n", "a: {d: 1}\n", "a.b", formats.ErrPlace},
		{"through an alias", "a: &x {k: 1}\nb: {k: 2}\n", "a: &x {k: 2}\nb: *x\n", "a.k", merge.ErrNotWritten},
		{"no YAML", "a: 1\n", "a: [\n", "a", formats.ErrSyntax},
		{"documents", "a: 1\n", "a: 2\n---\n", "a", merge.ErrDocuments},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := formats.ParsePath(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := merge.Settle(yaml, []byte(tt.ours), []byte(tt.theirs), p, true); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
