package merge_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// crlf returns a text with the line endings of another system.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

const jsonBase = "{\n\t\"a\": 1,\n\t\"m\": {\n\t\t\"x\": 1,\n\t\t\"y\": 2\n\t},\n\t\"z\": 1\n}\n"

// Merges without a conflict, to the byte.
func TestMergeKeepsBothTexts(t *testing.T) {
	for _, tt := range []struct{ name, format, base, ours, theirs, want string }{
		{"neighbours", "yaml", "a: 1\nb: 2\nc: 3\n", "a: 1\nb: 20\nc: 3\n", "a: 10\nb: 2\nc: 30\n", "a: 10\nb: 20\nc: 30\n"},
		{"sealed", "yaml", "a: ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]\nb: ENC[AES256_GCM,data:d,iv:e,tag:f,type:int]\n",
			"a: ENC[AES256_GCM,data:x,iv:b,tag:c,type:str]\nb: ENC[AES256_GCM,data:d,iv:e,tag:f,type:int]\n",
			"a: ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]\nb: ENC[AES256_GCM,data:y,iv:e,tag:f,type:int]\n",
			"a: ENC[AES256_GCM,data:x,iv:b,tag:c,type:str]\nb: ENC[AES256_GCM,data:y,iv:e,tag:f,type:int]\n"},
		{"sealed comments", "yaml", "#ENC[AES256_GCM,data:1,type:comment]\na: 1\n", "#ENC[AES256_GCM,data:2,type:comment]\na: 1\n", "#ENC[AES256_GCM,data:1,type:comment]\na: 2\n",
			"#ENC[AES256_GCM,data:2,type:comment]\na: 2\n"},
		{"both add", "yaml", "a: 1\n", "a: 1\n\n# ours\nb: 1\n", "a: 1\nc: 1 # theirs\n", "a: 1\n\n# ours\nb: 1\nc: 1 # theirs\n"},
		{"both add the same and more", "yaml", "a: 1\n", "a: 1\nn: 1\nb: 1\n", "a: 1\nn: 1\nc: 1\n", "a: 1\nn: 1\nb: 1\nc: 1\n"},
		{"both add maps", "yaml", "a: 1\n", "a: 1\nm:\n    x: 1\n", "a: 1\nn:\n    x: 1\n", "a: 1\nm:\n    x: 1\nn:\n    x: 1\n"},
		{"both add to a map that is new", "yaml", "a: 1\n", "a: 1\nm:\n    x: 1\n", "m:\n    w: 2\na: 1\n", "a: 1\nm:\n    x: 1\n    w: 2\n"},
		{"the same key at two places", "yaml", "a: 1\nb: 1\n", "n: 1\na: 1\nb: 1\n", "a: 1\nb: 1\nn: 1\nm: 2\n", "n: 1\na: 1\nb: 1\nm: 2\n"},
		{"one moves, one changes", "yaml", "k: 1\na: 1\nb: 1\nc: 1\n", "a: 1\nb: 1\nc: 1\nk: 1\n", "k: 2\na: 1\nb: 1\nc: 1\n", "a: 1\nb: 1\nc: 1\nk: 2\n"},
		{"one removes a map, one adds behind it", "yaml", "m:\n  x: 1\n  y: 2\nz: 1\n", "z: 1\n", "m:\n  x: 1\n  y: 2\nn: 1\nz: 1\n", "n: 1\nz: 1\n"},
		{"all keys of a map are removed", "yaml", "m:\n  x: 1\n  y: 2\nz: 1\n", "m:\n  x: 1\nz: 1\n", "m:\n  y: 2\nz: 1\n", "m: {}\nz: 1\n"},
		{"both agree", "yaml", "a: 1\nb: 1\n", "a: 2\nb: 1\nc: 1\n", "a: 2\nb: 3\n", "a: 2\nb: 3\nc: 1\n"},
		{"one spells anew", "yaml", "a: x\nb: 1\n", "a: 'x'\nb: 1\n", "a: x\nb: 2\n", "a: 'x'\nb: 2\n"},
		{"value and comment of one line", "yaml", "a: 1 # old\n", "a: 2 # old\n", "a: 1 # new\n", "a: 2 # new\n"},
		{"one line", "yaml", "m: {x: 1, y: 2, z: 3}\n", "m: {x: 9, y: 2, z: 3}\n", "m: {x: 1, y: 2, z: 8}\n", "m: {x: 9, y: 2, z: 8}\n"},
		{"one line, in each other", "yaml", "m: {x: 1, y: 2, z: 3}\n", "m: {x: 9, y: 2, z: 7}\n", "m: {x: 1, y: 8, z: 3}\n", "m: {x: 9, y: 8, z: 7}\n"},
		{"block scalar", "yaml", "k: |\n  one\n  two\nz: 1\n", "k: |\n  one\n  2\nz: 1\n", "k: |\n  one\n  two\nz: 2\n", "k: |\n  one\n  2\nz: 2\n"},
		{"CRLF", "yaml", crlf("a: 1\nb: 1\n"), crlf("a: 2\nb: 1\nc: 1\n"), crlf("a: 1\nb: 2\nd: 1\n"), crlf("a: 2\nb: 2\nc: 1\nd: 1\n")},
		{"one changes line endings", "yaml", "a: 1\nb: 1\n", crlf("a: 1\nb: 1\n"), "a: 1\nb: 2\n", crlf("a: 1\nb: 2\n")},
		{"one lays out anew", "yaml", "m:\n    n:\n        x: 1\n        z: 1\n", "m:\n  n:\n    x: 1\n    z: 1\n", "m:\n    n:\n        x: 2\n        z: 1\n        # new\n        w: 1\n", "m:\n  n:\n    x: 2\n    z: 1\n    w: 1\n        # new\n"},
		{"one sorts", "yaml", "c: 1\nb: 1\na: 1\n", "a: 1\nb: 1\nc: 1\n", "c: 1\nb: 2\na: 3\n", "a: 3\nb: 2\nc: 1\n"},
		{"no line feed at the end", "yaml", "a: 1\nb: 1", "a: 2\nb: 1", "a: 1\nb: 1\nc: 1", "a: 2\nb: 1\nc: 1"},
		{"both add, no line feed at the end", "yaml", "a: 1", "a: 1\nb: 1", "a: 1\nc: 1", "a: 1\nb: 1\nc: 1"},
		{"one adds the line feed", "yaml", "a: 1\nb: 1", "a: 1\nb: 1\n", "a: 1\nb: 2", "a: 1\nb: 2\n"},
		{"lists: both append", "yaml", "l:\n  - a\nz: 1\n", "l:\n  - a\n  - b\nz: 1\n", "l:\n  - a\n  - c\nz: 1\n", "l:\n  - a\n  - b\n  - c\nz: 1\n"},
		{"lists: different places", "yaml", "l: [a, b]\n", "l: [n, a, b]\n", "l: [a, b, m]\n", "l: [n, a, b, m]\n"},
		{"lists: one removes, one appends", "yaml", "l:\n  - a\n  - b\n  - c\n", "l:\n  - b\n  - c\n", "l:\n  - a\n  - b\n  - c\n  - d\n", "l:\n  - b\n  - c\n  - d\n"},
		{"lists of maps", "yaml", "l:\n  - n: a\n    v: 1\n    w: 1\n  - n: b\n    v: 1\n", "l:\n  - n: a\n    v: 2\n    w: 1\n  - n: b\n    v: 1\n", "l:\n  - n: A\n    v: 1\n    w: 1\n  - n: b\n    v: 1\n  - n: c\n",
			"l:\n  - n: A\n    v: 2\n    w: 1\n  - n: b\n    v: 1\n  - n: c\n"},
		{"documents", "yaml", "a: 1\n---\na: 1\n", "a: 2\n---\na: 1\n", "a: 1\n---\na: 3\n", "a: 2\n---\na: 3\n"},
		{"both change a document", "yaml", "a: 1\nb: 1\n---\na: 1\n", "a: 2\nb: 1\n---\na: 1\n", "a: 1\nb: 2\n---\na: 1\n", "a: 2\nb: 2\n---\na: 1\n"},
		{"one adds a document", "yaml", "a: 1\n---\nb: 1\n", "a: 2\n---\nb: 1\n", "a: 1\n---\nb: 1\n---\nc: 1\n", "a: 2\n---\nb: 1\n---\nc: 1\n"},
		{"one removes a document", "yaml", "a: 1\n---\nb: 1\n---\nc: 1\n", "b: 1\n---\nc: 1\n", "a: 1\n---\nb: 1\n---\nc: 2\n", "b: 1\n---\nc: 2\n"},
		{"aliases stay", "yaml", "a: &x {k: 1}\nb: *x\nz: 1\n", "a: &x {k: 2}\nb: *x\nz: 1\n", "a: &x {k: 1}\nb: *x\nz: 2\n", "a: &x {k: 2}\nb: *x\nz: 2\n"},
		{"both replace a value by the same map", "yaml", "a: 1\nz: 1\n", "a: {x: 1, y: 2}\nz: 1\n", "a:\n  y: 2\n  x: 1\nz: 2\n", "a: {x: 1, y: 2}\nz: 2\n"},
		{"both add a map", "yaml", "z: 1\n", "a: {x: 1}\nz: 1\n", "a: {w: 1}\nz: 2\n", "a: {x: 1, w: 1}\nz: 2\n"},
		{"both fill an empty map", "yaml", "a: {}\nz: 1\n", "a: {x: 1}\nz: 1\n", "a: {w: 1}\nz: 1\n", "a: {x: 1, w: 1}\nz: 1\n"},
		{"JSON: both append", "json", jsonBase, strings.Replace(jsonBase, "\"z\": 1", "\"z\": 1,\n\t\"o\": 1", 1), strings.Replace(jsonBase, "\"z\": 1", "\"z\": 1,\n\t\"t\": {\n\t\t\"x\": 1\n\t}", 1),
			strings.Replace(jsonBase, "\"z\": 1", "\"z\": 1,\n\t\"o\": 1,\n\t\"t\": {\n\t\t\"x\": 1\n\t}", 1)},
		{"JSON: one changes the last, one appends", "json", jsonBase, strings.Replace(jsonBase, "\"z\": 1", "\"z\": 2", 1), strings.Replace(jsonBase, "\"z\": 1", "\"z\": 1,\n\t\"t\": 1", 1),
			strings.Replace(jsonBase, "\"z\": 1", "\"z\": 2,\n\t\"t\": 1", 1)},
		{"JSON: one removes the last, one appends", "json", jsonBase, strings.Replace(jsonBase, ",\n\t\"z\": 1", "", 1), strings.Replace(jsonBase, "\"z\": 1", "\"z\": 1,\n\t\"t\": 1", 1),
			strings.Replace(jsonBase, "\"z\": 1", "\"t\": 1", 1)},
		{"JSON: both remove", "json", jsonBase, strings.Replace(jsonBase, ",\n\t\"z\": 1", "", 1), strings.Replace(jsonBase, ",\n\t\t\"y\": 2", "", 1),
			"{\n\t\"a\": 1,\n\t\"m\": {\n\t\t\"x\": 1\n\t}\n}\n"},
		{"JSON on one line", "json", `{"a": 1, "b": 2, "c": 3}`, `{"a": 9, "b": 2, "c": 7}`, `{"a": 1, "b": 8, "c": 3, "d": 4}`, `{"a": 9, "b": 8, "c": 7, "d": 4}`},
		{"JSON: numbers keep their digits", "json", `{"a": 1, "b": 12345678901234567890123, "c": 3}`, `{"a": 9, "b": 12345678901234567890123, "c": 7}`, `{"a": 1, "b": 12345678901234567890124, "c": 3}`,
			`{"a": 9, "b": 12345678901234567890124, "c": 7}`},
		{"dotenv", "dotenv", "# c\nA=1\nB=2\n", "# c\nA=10\nB=2\nC=1\n", "# c\nA=1\nB=20\nD=1\n", "# c\nA=10\nB=20\nC=1\nD=1\n"},
		{"dotenv, CRLF", "dotenv", crlf("A=1\nB=2\n"), crlf("A=10\nB=2\n"), crlf("A=1\nB=20\n"), crlf("A=10\nB=20\n")},
		{"INI", "ini", "[a]\nx = 1\n\n[b]\nx = 1\n", "[a]\nx = 2\n\n[b]\nx = 1\n", "[a]\nx = 1\n; new\ny = 1\n\n[b]\nx = 3\n", "[a]\nx = 2\n; new\ny = 1\n\n[b]\nx = 3\n"},
		{"INI: both add sections", "ini", "[a]\nx = 1\n", "[a]\nx = 1\n\n[b]\nx = 1\n", "[a]\nx = 1\n\n[c]\nx = 1\n", "[a]\nx = 1\n\n[b]\nx = 1\n\n[c]\nx = 1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := all.ByName(tt.format)
			r := mustMerge(t, f, []byte(tt.base), []byte(tt.ours), []byte(tt.theirs))
			if diff := cmp.Diff(tt.want, string(r.Ours)); diff != "" {
				t.Error(diff)
			}
			if len(r.Conflicts) > 0 || string(r.Theirs) != string(r.Ours) {
				t.Errorf("conflicts: %v", paths(r.Conflicts))
			}
		})
	}
}

// shown returns a result with markers and what the conflicts are.
func shown(r *merge.Result) string {
	text := string(merge.Mark(r.Ours, r.Theirs, merge.Labels{}, 7))
	for _, c := range r.Conflicts {
		text += c.Path.Text()
		for side, has := range map[string]bool{" not in ours": c.Ours, " not in theirs": c.Theirs} {
			if !has {
				text += side
			}
		}
		text += "\n"
	}
	return text
}

func TestMergeFindsConflicts(t *testing.T) {
	for _, tt := range []struct{ name, format, base, ours, theirs, want string }{
		{"one value", "yaml", "a: 1\nb: 1\nc: 1\n", "a: 1\nb: 2\nc: 2\n", "a: 2\nb: 3\nc: 1\n", "a: 2\n<<<<<<<\nb: 2\n=======\nb: 3\n>>>>>>>\nc: 2\nb\n"},
		{"removed and changed", "yaml", "a: 1\nb: 1\n", "a: 1\n", "a: 1\nb: 2\n", "a: 1\n<<<<<<<\n=======\nb: 2\n>>>>>>>\nb not in ours\n"},
		{"changed and removed", "yaml", "a: 1\nb: 1\n", "a: 2\nb: 2\n", "a: 1\n", "a: 2\n<<<<<<<\nb: 2\n=======\n>>>>>>>\nb not in theirs\n"},
		{"a removed map, and a value in it", "yaml", "m:\n  x: 1\n  y: 1\nz: 1\n", "z: 1\n", "m:\n  x: 1\n  y: 2\n  # new\n  w: 1\nz: 1\n",
			"<<<<<<<\n=======\nm:\n  x: 1\n  y: 2\n  # new\n  w: 1\n>>>>>>>\nz: 1\nm not in ours\n"},
		{"kinds", "yaml", "a: 1\nz: 1\n", "a: {x: 1}\nz: 2\n", "a: [1]\nz: 1\n", "<<<<<<<\na: {x: 1}\n=======\na: [1]\n>>>>>>>\nz: 2\na\n"},
		{"a value that both replace by maps", "yaml", "a: 1\nz: 1\n", "a: {x: 1, y: 1}\nz: 2\n", "a: {v: 1, w: 1}\nz: 1\n", "<<<<<<<\na: {x: 1, y: 1}\n=======\na: {v: 1, w: 1}\n>>>>>>>\nz: 2\na\n"},
		{"over several lines", "yaml", "a: 1\nz: 1\n", "a:\n  x: 1\n  y: 1\nz: 2\n", "a:\n  v: 1\n  w:\n    x: 1\nz: 1\n", "a:\n<<<<<<<\n  x: 1\n  y: 1\n=======\n  v: 1\n  w:\n    x: 1\n>>>>>>>\nz: 2\na\n"},
		{"maps with keys in common", "yaml", "a: 1\n", "a: {x: 1, y: 1, s: 1}\n", "a: {x: 2, w: 1, s: 1}\n", "<<<<<<<\na: {x: 1, y: 1, s: 1}\n=======\na: {x: 2, w: 1, s: 1}\n>>>>>>>\na.x\na.w not in ours\na.y not in theirs\n"},
		{"a list", "json", "{\"a\": [1, 2]}\n", "{\"a\": {\"x\": 1}}\n", "{\"a\": {\"y\": 1}}\n", "<<<<<<<\n{\"a\": {\"x\": 1}}\n=======\n{\"a\": {\"y\": 1}}\n>>>>>>>\na\n"},
		{"nothing", "yaml", "a:\nz: 1\n", "a: {x: 1}\nz: 1\n", "a: {y: 1}\nz: 2\n", "<<<<<<<\na: {x: 1}\n=======\na: {y: 1}\n>>>>>>>\nz: 2\na\n"},
		{"in an item of a list", "yaml", "l:\n  - {name: n, a: 1}\n", "l:\n  - {name: n, a: {x: 1}}\n", "l:\n  - {name: n, a: {y: 1}}\n", "l:\n<<<<<<<\n  - {name: n, a: {x: 1}}\n=======\n  - {name: n, a: {y: 1}}\n>>>>>>>\nl[0].a\n"},
		{"a value that both replace by lists", "yaml", "a: 1\n", "a: [1, 2]\n", "a: [2, 3]\n", "<<<<<<<\na: [1, 2]\n=======\na: [2, 3]\n>>>>>>>\na\n"},
		{"a number and a text", "yaml", "a: 1\n", "a: 2\n", "a: '2'\n", "<<<<<<<\na: 2\n=======\na: '2'\n>>>>>>>\na\n"},
		{"added by both", "yaml", "a: 1\n", "a: 1\nb: 1\nc: 1\n", "a: 1\nb: 2\nd: 1\n", "a: 1\n<<<<<<<\nb: 1\n=======\nb: 2\n>>>>>>>\nc: 1\nd: 1\nb\n"},
		{"added by both at different places", "yaml", "a: 1\nb: 1\n", "n: 1\na: 1\nb: 1\n", "a: 1\nb: 1\nn: 2\n", "<<<<<<<\nn: 1\n=======\n>>>>>>>\na: 1\nb: 1\n<<<<<<<\n=======\nn: 2\n>>>>>>>\nn\n"},
		{"no base", "yaml", "", "a: 1\nb: 1\nm:\n  x: 1\n", "a: 1\nb: 2\nm:\n  x: 1\n  y: 1\n", "a: 1\n<<<<<<<\nb: 1\n=======\nb: 2\n>>>>>>>\nm:\n  x: 1\n  y: 1\nb\n"},
		{"in lists", "yaml", "l:\n  - a: 1\n    b: 1\n    c: 1\n", "l:\n  - a: 2\n    b: 1\n    c: 1\n", "l:\n  - a: 3\n    b: 1\n    c: 1\nz: 1\n", "l:\n<<<<<<<\n  - a: 2\n=======\n  - a: 3\n>>>>>>>\n    b: 1\n    c: 1\nz: 1\nl[0].a\n"},
		{"in lists that grow", "yaml", "l:\n  - a: 1\n  - z: 1\n", "l:\n  - n: 1\n  - a: 2\n  - z: 1\n", "l:\n  - a: 3\n  - z: 1\n  - m: 1\n",
			"l:\n<<<<<<<\n  - n: 1\n  - a: 2\n=======\n  - a: 3\n>>>>>>>\n  - z: 1\n<<<<<<<\n=======\n  - m: 1\n>>>>>>>\nl\n"},
		{"lists that shrink and change", "yaml", "l: [a, b, c]\n", "l: [a, c]\n", "l: [a, x, c]\n", "<<<<<<<\nl: [a, c]\n=======\nl: [a, x, c]\n>>>>>>>\nl\n"},
		{"in documents", "yaml", "a: 1\n---\na: 1\n", "a: 2\n---\na: 2\n", "a: 1\n---\na: 3\n", "a: 2\n---\n<<<<<<<\na: 2\n=======\na: 3\n>>>>>>>\ndocument 2: a\n"},
		{"comments of both sides", "yaml", "# old\na: 1\n", "# ours\na: 2\n", "# theirs\na: 3\n", "# ours\n# theirs\n<<<<<<<\na: 2\n=======\na: 3\n>>>>>>>\na\n"},
		{"JSON", "json", "{\n  \"a\": 1,\n  \"b\": 1\n}\n", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "{\n  \"a\": 2,\n  \"b\": 3,\n  \"c\": 1\n}\n",
			"{\n  \"a\": 2,\n<<<<<<<\n  \"b\": 2,\n=======\n  \"b\": 3,\n>>>>>>>\n  \"c\": 1\n}\nb\n"},
		{"dotenv", "dotenv", "A=1\nB=1\n", "A=2\nB=1\n", "A=3\nB=2\n", "<<<<<<<\nA=2\n=======\nA=3\n>>>>>>>\nB=2\nA\n"},
		{"dotenv over lines", "dotenv", "A=1\n", "A=\"x\ny\"\n", "A=3\n", "<<<<<<<\nA=\"x\ny\"\n=======\nA=3\n>>>>>>>\nA\n"},
		{"INI", "ini", "[a]\nx = 1\n", "[a]\nx = 2\n", "[a]\nx = 3\n", "[a]\n<<<<<<<\nx = 2\n=======\nx = 3\n>>>>>>>\na.x\n"},
		{"binary", "binary", "a\nb\n", "a\nc\n", "d\nb\n", "<<<<<<<\na\nc\n=======\nd\nb\n>>>>>>>\ndata\n"},
		{"CRLF", "yaml", crlf("a: 1\nb: 1\n"), crlf("a: 2\nb: 1\n"), crlf("a: 3\nb: 2\n"), crlf("<<<<<<<\na: 2\n=======\na: 3\n>>>>>>>\nb: 2\n") + "a\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := all.ByName(tt.format)
			r := mustMerge(t, f, []byte(tt.base), []byte(tt.ours), []byte(tt.theirs))
			if diff := cmp.Diff(tt.want, shown(r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Comments of both sides stay, wherever the values come from.
func TestMergeLosesNoComment(t *testing.T) {
	yaml, _ := all.ByName("yaml")
	for _, tt := range []struct{ name, base, ours, theirs, want string }{
		{"both change one", "# old\na: 1\n", "# ours\na: 1\n", "# theirs\na: 1\n", "# ours\n# theirs\na: 1\n"},
		{"one removes it, one changes it", "# old\na: 1\nb: 1\n", "a: 1\nb: 1\n", "# theirs\na: 1\nb: 1\n", "# theirs\na: 1\nb: 1\n"},
		{"behind values", "a: 1 # old\nb: 1\n", "a: 2 # ours\nb: 1\n", "a: 1 # theirs\nb: 1\n", "# theirs\na: 2 # ours\nb: 1\n"},
		{"in what the other side removes", "m:\n  x: 1\n  y: 1\nz: 1\n", "m:\n  # note\n  x: 1\n  y: 1\nz: 1\n", "z: 1\n", "  # note\nz: 1\n"},
		{"a clash where the lines cannot be merged", "m: {x: 1, y: 2, z: 3} # old\n", "m: {x: 9, y: 2, z: 7} # ours\n", "m: {x: 1, y: 8, z: 3} # theirs\n", "# theirs\nm: {x: 9, y: 8, z: 7} # ours\n"},
		{"braces, one empties them", "first: x\n", "{}\n", "# theirs\n{new: 1}\n", "# theirs\n{new: 1}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustMerge(t, yaml, []byte(tt.base), []byte(tt.ours), []byte(tt.theirs))
			if diff := cmp.Diff(tt.want, shown(r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A base that is undecided somewhere decides nothing there.
func TestPoisonedBaseDecidesNothing(t *testing.T) {
	yaml, _ := all.ByName("yaml")
	const base = "a: 1\nm:\n  x: 1\n  y: 1\nl: [1]\n"
	for _, tt := range []struct{ name, path, ours, theirs, want string }{
		{"a side has what the base has", "a", base, "a: 2\nm:\n  x: 1\n  y: 1\nl: [1]\n", "<<<<<<<\na: 1\n=======\na: 2\n>>>>>>>\nm:\n  x: 1\n  y: 1\nl: [1]\na\n"},
		{"the sides agree", "a", "a: 2\nm:\n  x: 1\n  y: 1\nl: [1]\n", "a: 2\nm:\n  x: 1\n  y: 2\nl: [1]\n", "a: 2\nm:\n  x: 1\n  y: 2\nl: [1]\n"},
		{"elsewhere it does", "m.x", "a: 2\nm:\n  x: 1\n  y: 1\nl: [1]\n", "a: 1\nm:\n  x: 1\n  y: 2\nl: [1]\n", "a: 2\nm:\n  x: 1\n  y: 2\nl: [1]\n"},
		{"below a map that is gone", "m.x", "a: 1\nl: [1]\n", base, "a: 1\n<<<<<<<\n=======\nm:\n  x: 1\n  y: 1\n>>>>>>>\nl: [1]\nm not in ours\n"},
		{"all of a map", "m", "a: 1\nm:\n  x: 1\nl: [1]\n", "a: 1\nm:\n  x: 2\n  y: 1\nl: [1]\n", "a: 1\nm:\n<<<<<<<\n  x: 1\n=======\n  x: 2\n  y: 1\n>>>>>>>\nl: [1]\nm.x\nm.y not in ours\n"},
		{"in a list", "l[0]", base, "a: 1\nm:\n  x: 1\n  y: 1\nl: [2]\n", "a: 1\nm:\n  x: 1\n  y: 1\n<<<<<<<\nl: [1]\n=======\nl: [2]\n>>>>>>>\nl[0]\n"},
		{"the root", ".", base, "a: 2\nm:\n  x: 1\n  y: 1\nl: [1]\n", "<<<<<<<\na: 1\n=======\na: 2\n>>>>>>>\nm:\n  x: 1\n  y: 1\nl: [1]\na\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := formats.ParsePath(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			r, err := merge.Merge(yaml, merge.Versions{Base: []byte(base), Ours: []byte(tt.ours), Theirs: []byte(tt.theirs)}, merge.Options{Poisoned: []*formats.Path{p}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, shown(r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	const sealed = "a: ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]\nsops:\n    mac: x\n    version: 3.9.0\n"
	for _, tt := range []struct {
		name, format, base, ours, theirs string
		want                             error
	}{
		{"no YAML", "yaml", "a: 1\n", "a: [\n", "a: 2\n", formats.ErrSyntax},
		{"their version", "yaml", "a: 1\n", "a: 2\n", "a: [\n", formats.ErrSyntax},
		{"the base", "json", "{", "{}", `{"a": 1}`, formats.ErrSyntax},
		{"nothing", "json", "{}", "", `{"a": 1}`, formats.ErrSyntax},
		{"a metadata block", "yaml", "a: 1\n", sealed, "a: 2\n", formats.ErrMetadata},
		{"documents that cannot be told apart", "yaml", "a: 1\n---\nb: 1\n", "a: 2\n", "a: 3\n---\nb: 2\n", merge.ErrDocuments},
		{"documents without a base", "yaml", "", "a: 2\n", "a: 3\n---\nb: 2\n", merge.ErrDocuments},
		{"an alias to what is another value now", "yaml", "{a: &x {k: 1, l: 1}, b: *x, c: 1}\n", "{a: &x {k: 1, l: 1}, b: *x, c: 2}\n", "{a: {k: 1, l: 1}, b: {k: 1, l: 2}, c: 3, d: 1}\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := all.ByName(tt.format)
			r, err := merge.Merge(f, merge.Versions{Base: []byte(tt.base), Ours: []byte(tt.ours), Theirs: []byte(tt.theirs)}, merge.Options{})
			if !errors.Is(err, tt.want) || (err == nil) == (r == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
