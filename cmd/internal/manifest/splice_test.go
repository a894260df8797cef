package manifest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

const (
	spliceHead = "# first\napiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: a # here\n  namespace: 'shop'\nspec:\n  rollout:   None\n"
	spliceTail = "  # behind it\n  format: dotenv\n  suspend: false   # last\n"
)

// documentForms are the ways to write a document of two lines, and what a text of two
// lines begins with that takes its place.
var documentForms = map[string]struct{ text, begins string }{
	"literal":                    {"|\n    A=b\n    C=d\n", "|\n    "},
	"literal, stripped":          {"|-\n    A=b\n    C=d\n", "|\n    "},
	"literal, kept":              {"|+\n    A=b\n    C=d\n", "|+\n    "},
	"literal, blank lines kept":  {"|+\n    A=b\n    C=d\n\n\n", "|+\n    "},
	"literal, deep":              {"|\n          A=b\n          C=d\n", "|\n          "},
	"literal, indented":          {"|2\n    A=b\n    C=d\n", "|2\n    "},
	"literal, with a comment":    {"|  # sealed\n    A=b\n    C=d\n", "|  # sealed\n    "},
	"literal, blank lines after": {"|\n    A=b\n    C=d\n\n\n", "|\n    "},
	"folded":                     {">\n    A=b\n\n    C=d\n", ">\n    "},
	"folded, stripped":           {">-\n    A=b\n\n    C=d\n", ">\n    "},
	"plain":                      {"A=b\n", "|\n    "},
	"plain, in two lines":        {"A=b\n\n    C=d\n", "|\n    "},
	"single quotes":              {"'A=b' # why\n", "\""},
	"double quotes":              {"\"A=b\\nC=d\\n\" # why\n", "\"X=1\\nY=2\\n\" # why"},
	"double quotes, lines":       {"\"A=b\\n\\\n    C=d\"\n", "\""},
	"a tag":                      {"!!str |\n    A=b\n    C=d\n", "!!str |\n    "},
	"an anchor":                  {"&doc |\n    A=b\n    C=d\n", "&doc |\n    "},
}

// spliceTexts are texts of which most are those of sealed files; the others are what could
// be spelled wrongly.
var spliceTexts = []string{
	"X=1\nY=2\n", "X=1\nY=2", "X=1", "X=1\n\nY=2\n", "\nX=1\n", " X=1\n", "X=1 \n", "X=1\n\n\n", "X=1\n  deep\n\tdeeper\n",
	"X\r\nY\r\n", "# é 😀\n", "nel \u0085\n", "ls \u2028\n", "\ufeffX=1\n", "control \x01\n", "--- x\n...\n", "'\"\\\n", ": #\n", "- a\n- b\n", "", "\n", "\n\n", " ",
	"{}", "null", "12", "~", "on", "=\n", "%a\n", "ENC[AES256_GCM,data:x,type:str]", "sops_mac=ENC[AES256_GCM,data:x]\nsops_version=3.13\n",
}

// TestSplicedDocuments: whatever text takes the place of a document, in whatever way that is
// written, the manifest gives it back, to us and to kubectl's reader, and no other byte of it
// is another; or there is an error.
func TestSplicedDocuments(t *testing.T) {
	for name, form := range documentForms {
		for kind, change := range map[string]func(string) string{
			"":                       func(s string) string { return s },
			" with CRLF":             func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
			" at the end":            func(s string) string { return s },
			" at the end, cut short": func(s string) string { return strings.TrimRight(s, "\n") },
		} {
			t.Run(name+kind, func(t *testing.T) {
				tail := spliceTail
				if strings.Contains(kind, "end") {
					tail = ""
				}
				src := change(spliceHead + "  document: " + form.text + tail)
				for i, text := range spliceTexts {
					out := splice(t, "yaml", src, text)
					if out == "" && name == "literal, with a comment" {
						continue // which is in the way of another header
					}
					head := change(spliceHead + "  document: ")
					if !strings.HasPrefix(out, head) || !strings.HasSuffix(out, change(tail)) {
						t.Errorf("%q: other bytes were changed:\n%s", text, out)
					}
					if i == 0 && kind == "" && !strings.HasPrefix(out[len(head):], form.begins) {
						t.Errorf("it is written in another way:\n%s", out[len(head):])
					}
				}
			})
		}
	}
}

// splice puts a text into a manifest, "" if that is refused, and checks what became of it.
func splice(t *testing.T, name, src, text string) string {
	t.Helper()
	f := format(t, name)
	out, err := manifest.WithText(f, []byte(src), []byte(text))
	if p := (*manifest.Problem)(nil); err != nil {
		if out != nil || !errors.As(err, &p) || p.Hint == "" || strings.Contains(p.Error(), text) && len(text) > 2 {
			t.Errorf("%q: refused with %v", text, err)
		}
		return ""
	}
	held, err := manifest.Held(f, out)
	if err != nil || string(held.Text) != text {
		t.Fatalf("%q: got %q, %v", text, held.Text, err)
	}
	var object struct{ Spec struct{ Document string } }
	read := yaml.Unmarshal
	if name == "json" {
		read = json.Unmarshal
	}
	if err := read(out, &object); err != nil || object.Spec.Document != text {
		t.Errorf("%q: another reader gets %q, %v", text, object.Spec.Document, err)
	}
	onlyDocumentDiffers(t, f, []byte(src), out)
	return string(out)
}

func onlyDocumentDiffers(t *testing.T, f formats.Format, src, out []byte) {
	t.Helper()
	was, err := f.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	is, err := f.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(was.Leaves) != len(is.Leaves) {
		t.Fatalf("%d leaves, then %d", len(was.Leaves), len(is.Leaves))
	}
	for i := range was.Leaves {
		a, b := &was.Leaves[i], &is.Leaves[i]
		if !a.Path.Equal(b.Path) || a.Kind != b.Kind || a.Text != b.Text && a.Path.Text() != "spec.document" {
			t.Fatalf("leaf %d: %s %q, then %s %q", i, a.Path, a.Text, b.Path, b.Text)
		}
	}
}

// TestSealedTextsAreAlwaysTaken: what sealed files look like is refused nowhere, but in the
// places that cannot hold it: those are known.
func TestSealedTextsAreAlwaysTaken(t *testing.T) {
	for name, form := range documentForms {
		for _, text := range []string{"X=1\nY=2\n", "a: b\nsops:\n    mac: ENC[AES256_GCM,data:x]\n", "{\n\t\"data\": \"ENC[AES256_GCM,data:x]\"\n}\n"} {
			if splice(t, "yaml", spliceHead+"  document: "+form.text+spliceTail, text) == "" {
				t.Errorf("%s: %q is refused", name, text)
			}
		}
	}
}

func TestSplicedJSON(t *testing.T) {
	const head, tail = "{\"apiVersion\":\"gitseal.dev/v1alpha1\",\n\t\"kind\": \"SealedManifest\", \"metadata\":{\"name\":\"a\"},\"spec\":{\"document\": ", " ,\"format\":\"dotenv\"}}"
	for kind, change := range map[string]func(string) string{
		"LF": func(s string) string { return s }, "CRLF": func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	} {
		for _, text := range spliceTexts {
			out := splice(t, "json", change(head+`"A=b\nC=\u0064"`+tail), text)
			if !strings.HasPrefix(out, change(head)) || !strings.HasSuffix(out, change(tail)) {
				t.Errorf("%s: %q: other bytes were changed: %s", kind, text, out)
			}
		}
	}
}

// TestSpliceRefuses: what ties the document to another place, and what is no one document.
func TestSpliceRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ src, want string }{
		"an alias to it":    {spliceHead + "  document: &d |\n    A=b\n  keyring: *d\n" + spliceTail, "cannot be written"},
		"no manifest":       {"a: b\n", "no SealedManifest"},
		"no document":       {spliceHead + spliceTail, "no SealedManifest with spec.document"},
		"several documents": {spliceHead + "  document: x\n---\na: b\n", "several documents"},
		"a map":             {spliceHead + "  document: {a: b}\n", "no SealedManifest with spec.document"},
		"the second":        {"a: b\n---\n" + spliceHead + "  document: x\n", "several documents"},
	} {
		out, err := manifest.WithText(format(t, "yaml"), []byte(tt.src), []byte("X=1\n"))
		if err == nil || out != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %q, %v", name, out, err)
		}
	}
}

// TestUnchangedTextChangesNoByte: however it is written.
func TestUnchangedTextChangesNoByte(t *testing.T) {
	for name, form := range documentForms {
		src := []byte(spliceHead + "  document: " + form.text + spliceTail)
		held, err := manifest.Held(format(t, "yaml"), src)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if out, err := manifest.WithText(format(t, "yaml"), src, held.Text); err != nil || string(out) != string(src) {
			t.Errorf("%s: got %q, %v", name, out, err)
		}
	}
}

func TestInside(t *testing.T) {
	yamlFormat := format(t, "yaml")
	src := []byte(spliceHead + "  document: |\n    A=b\n" + spliceTail)
	if f, text := manifest.Inside(yamlFormat, src); f != format(t, "dotenv") || string(text) != "A=b\n" {
		t.Errorf("got %T, %q", f, text)
	}
	for _, src := range []string{"a: b\n", "kind: SealedManifest\n", spliceHead + spliceTail, spliceHead + "  format: toml\n  document: x\n", spliceHead + "  document: x\n---\na: b\n"} {
		if f, text := manifest.Inside(yamlFormat, []byte(src)); f != yamlFormat || string(text) != src {
			t.Errorf("%q: got %T, %q", src, f, text)
		}
	}
}

func FuzzSplice(f *testing.F) {
	for _, form := range documentForms {
		for _, text := range []string{"X=1\nY=2\n", " X=1"} {
			f.Add("yaml", spliceHead+"  document: "+form.text+spliceTail, text)
		}
	}
	f.Add("json", `{"apiVersion":"gitseal.dev/v1alpha1","kind":"SealedManifest","spec":{"document":"a"}}`, "X=1\n")
	f.Add("yaml", spliceHead+"  document: *a\n  a: &a |-\n    x\n", "y")
	f.Add("yaml", "{apiVersion: gitseal.dev/v1alpha1, kind: SealedManifest, spec: {document: A=b, x: y}}", "y\nz\n")
	f.Fuzz(func(t *testing.T, name, src, text string) {
		format, ok := all.ByName(name)
		if !ok || strings.ToValidUTF8(text, "") != text {
			return
		}
		out, err := manifest.WithText(format, []byte(src), []byte(text))
		if err != nil {
			return
		}
		held, err := manifest.Held(format, out)
		if err != nil || string(held.Text) != text {
			t.Fatalf("got %v", err)
		}
		onlyDocumentDiffers(t, format, []byte(src), out)
	})
}
