package sealedsecret_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/json"
	ouryaml "github.com/gitseal/gitseal/formats/yaml"
)

// awkward are values that YAML could read as something else.
var awkward = []string{
	"", "x", "yes", "No", "y", "null", "~", "true", "1234", "0x1F", "1e3", "1:30", "2026-01-02", "-", "- a", "a: b", "#a", "a #b", "'", `"`, `\n`,
	"a\nb", "a\nb\n", "a\n\n", "\na", " a", "a ", " a\nb", "a \nb", "a\n b\n", "\t", "a\tb\nc", "a\r\nb\r\n", "\x00\x01", "\u0085", "\u2028a", "\ufeff", "ä\nö",
	"😀", "{{ x }}", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "---", "...", "---\na", "# a\nb", "a\n# b\n", "ENC", "\u200b", "[a]", "{a: b}", "=", "<<", "\n", "\n\n",
}

func texts(values []string) map[string]string {
	out := map[string]string{}
	for i, v := range values {
		out["k"+string(rune('a'+i/26))+string(rune('a'+i%26))] = v
	}
	return out
}

func TestManifestsReadBack(t *testing.T) {
	no := false
	s := &sealedsecret.Secret{
		Name: "1234", Namespace: "null", Type: "Opaque", Immutable: &no, Labels: map[string]string{"on": "yes", "n": "1"},
		Annotations: texts(awkward), Finalizers: []string{"true", "a/b"}, Data: map[string][]byte{}, StringData: texts(awkward),
	}
	for _, v := range []string{"", "\xb6\xbb\x9e", "\xd7\x6d\xf8", "\xd5\xee\xf4", "\x00"} {
		s.Data["d"+yamlKey(v)] = []byte(v) // "true", "1234" and the like in base64
	}
	text, err := sealedsecret.PlaintextYAML([]*sealedsecret.Secret{s, s})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Metadata struct {
			Name, Namespace string
			Annotations     map[string]string
			Finalizers      []string
		}
		Immutable  *bool
		StringData map[string]string `yaml:"stringData"`
	}
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.StringData, got.StringData); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(s.Annotations, got.Metadata.Annotations); diff != "" {
		t.Error(diff)
	}
	if got.Metadata.Name != "1234" || got.Metadata.Namespace != "null" || *got.Immutable || got.Metadata.Finalizers[0] != "true" {
		t.Errorf("got %+v", got)
	}
	checkStrings(t, ouryaml.Format{}, text, s)
	asJSON, err := sealedsecret.PlaintextJSON(s)
	if err != nil {
		t.Fatal(err)
	}
	checkStrings(t, json.Format{}, asJSON, s)
}

func yamlKey(v string) string {
	const hex = "0123456789abcdef"
	out := ""
	for i := range len(v) {
		out += string(hex[v[i]>>4]) + string(hex[v[i]&15])
	}
	return out
}

// checkStrings looks at the text as the sealing does: all values must be strings.
func checkStrings(t *testing.T, f formats.Format, text []byte, s *sealedsecret.Secret) {
	t.Helper()
	doc, err := f.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, l := range doc.Leaves {
		keys := l.Path.Keys()
		if len(keys) != 2 || keys[0] != "stringData" && keys[0] != "data" {
			continue
		}
		seen++
		if l.Kind != formats.String || keys[0] == "stringData" && l.Text != s.StringData[keys[1]] {
			t.Errorf("%s is a %s", l.Path, l.Kind)
		}
	}
	if n := len(s.Data) + len(s.StringData); seen != n && seen != 2*n {
		t.Errorf("%d values are there, want %d", seen, n)
	}
}

func TestMapReadsBackInOrder(t *testing.T) {
	text, err := sealedsecret.PlaintextMapYAML(len(awkward), func(i int) (string, string) {
		return "K" + string(rune('Z'-i%26)) + string(rune('a'+i/26)), awkward[i]
	})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := ouryaml.Format{}.Parse(text)
	if err != nil || len(doc.Leaves) != len(awkward) {
		t.Fatalf("got %d values, error %v", len(doc.Leaves), err)
	}
	for i, l := range doc.Leaves {
		if l.Kind != formats.String || l.Text != awkward[i] {
			t.Errorf("value %d is a %s", i, l.Kind)
		}
	}
}

func TestPreferText(t *testing.T) {
	s := &sealedsecret.Secret{Name: "a", Data: map[string][]byte{"t": []byte("text"), "b": {0xff}}, StringData: map[string]string{"u": "x"}}
	s.PreferText()
	want := &sealedsecret.Secret{Name: "a", Data: map[string][]byte{"b": {0xff}}, StringData: map[string]string{"t": "text", "u": "x"}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"b", "t", "u"}, s.Keys()); diff != "" {
		t.Error(diff)
	}
}

func TestEmptySecret(t *testing.T) {
	s := &sealedsecret.Secret{Name: "a"}
	text, err := sealedsecret.PlaintextYAML([]*sealedsecret.Secret{s})
	if err != nil {
		t.Fatal(err)
	}
	const want = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\ndata: {}\n"
	if string(text) != want {
		t.Errorf("got %q, want %q", text, want)
	}
}
