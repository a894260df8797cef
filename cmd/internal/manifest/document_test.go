package manifest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// TestDocumentsStayToTheByte: whatever the sealed file holds, the manifest around it gives
// it back, and kubectl's reader sees the same text.
func TestDocumentsStayToTheByte(t *testing.T) {
	for _, text := range []string{
		"a: b\n", "a: b", "a: b\n\n\n", "\n", "", " a: b\n", "\na\n", "a\r\nb\r\n", "\ttab\n", "trailing \n  deep\n", "a\n\n  \nb\n",
		"# é\n", "\ufeffbom\n", "null byte \x00\n", "bad \xff utf8\n", "nel \u0085\n", "--- x\n", "... \n", "😀\n", "%a\n", "|\n", ">-\n",
	} {
		roundTrip(t, text)
	}
}

func FuzzDocumentsStayToTheByte(f *testing.F) {
	for _, text := range []string{"a: b\n", " x", "\r", "\n\n\n", "a\n b\n\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { roundTrip(t, text) })
}

func roundTrip(t *testing.T, text string) {
	t.Helper()
	d := manifest.Document{Name: "a", Namespace: "on", Format: "dotenv", Key: "yes", Type: "1", ServiceAccount: "n", Text: []byte(text)}
	out, err := d.YAML()
	if err != nil {
		if strings.ToValidUTF8(text, "") == text {
			t.Errorf("%q: %v", text, err)
		}
		return // no string of Kubernetes holds bytes that are not UTF-8
	}
	got, err := manifest.Held(format(t, "yaml"), out)
	if err != nil || string(got.Text) != text || got.Format != "dotenv" || got.Key != "yes" || got.ServiceAccount != "n" {
		t.Fatalf("%q: got %+v, %v", text, got, err)
	}
	other, err := manifest.WithText(format(t, "yaml"), out, []byte("other\n"+text))
	if err == nil {
		got, err = manifest.Held(format(t, "yaml"), other)
	}
	if err != nil || string(got.Text) != "other\n"+text {
		t.Errorf("%q: with another text: got %q, %v", text, got.Text, err)
	}
	doc, err := format(t, "yaml").Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	if o := manifest.Of(doc); !o.IsSealedManifest() || !o.HasDocument || o.Name != "a" || o.Namespace != "on" {
		t.Errorf("%q: got %+v", text, o)
	}
}

func TestDocumentsAClusterRefuses(t *testing.T) {
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"
	for _, tt := range []struct {
		name, plain, want string
		d                 manifest.Document
	}{
		{"a Secret", secret, "", manifest.Document{Format: "yaml"}},
		{"its namespace", secret + "---\n" + strings.Replace(secret, "name: a", "name: b, namespace: ns", 1), "", manifest.Document{Format: "yaml"}},
		{"another namespace", secret + "---\n" + strings.Replace(secret, "name: a", "name: b, namespace: x", 1), "own namespace only", manifest.Document{Format: "yaml"}},
		{"another kind", strings.Replace(secret, "Secret", "ConfigMap", 1), "service account", manifest.Document{Format: "yaml"}},
		{"another kind, allowed", strings.Replace(secret, "Secret", "ConfigMap", 1), "", manifest.Document{Format: "yaml", ServiceAccount: "x"}},
		{"the same object twice", secret + "---\n" + secret, "stands in the file twice", manifest.Document{Format: "yaml"}},
		{"too many objects", strings.Repeat(secret+"---\n", 65), "64 objects", manifest.Document{Format: "yaml"}},
		{"a field that Secrets do not have", secret + "spec: {a: b}\n", "spec: a Secret has no such field", manifest.Document{Format: "yaml"}},
		{"a number", secret + "stringData: {a: 1}\n", "stringData.a: values of a Secret are strings", manifest.Document{Format: "yaml"}},
		{"a list", secret + "data: [a]\n", "values of a Secret are strings", manifest.Document{Format: "yaml"}},
		{"no base64", secret + "data: {a: \"canary!\"}\n", "data.a: not base64", manifest.Document{Format: "yaml"}},
		{"a bad key", secret + "data: {a/b: eA==}\n", "this key", manifest.Document{Format: "yaml"}},
		{"nothing", secret + "data: {}\nstringData:\nimmutable: true\ntype: Opaque\n", "", manifest.Document{Format: "yaml"}},
		{"a token", secret + "type: kubernetes.io/service-account-token\n", "no keyring allows them", manifest.Document{Format: "yaml"}},
		{"immutable is no boolean", secret + "immutable: \"yes\"\n", "neither true nor false", manifest.Document{Format: "yaml"}},
		{"generateName", strings.Replace(secret, "name: a", "name: a, generateName: b-", 1), "names of their own", manifest.Document{Format: "yaml"}},
		{"a label that is a number", strings.Replace(secret, "name: a", "name: a, labels: {a: 1}", 1), "labels and annotations are", manifest.Document{Format: "yaml"}},
		{"a type for objects", secret, "--key KEY", manifest.Document{Format: "yaml", Type: "Opaque"}},
		{"what is sealed is not judged", "apiVersion: ENC[AES256_GCM,x]\nkind: ENC[AES256_GCM,x]\nmetadata: {name: \"ENC[AES256_GCM,x]\", namespace: \"ENC[AES256_GCM,x]\"}\ndata: {a: \"ENC[AES256_GCM,x]\"}\n", "", manifest.Document{Format: "yaml"}},
		{"the same variable twice", "A=b\n A=c\n", "stands in the file twice", manifest.Document{Format: "dotenv"}},
		{"no variables", "# c\n", "1 to 1024 variables", manifest.Document{Format: "dotenv"}},
		{"no object", "a: b\n", "no Kubernetes object", manifest.Document{Format: "yaml"}},
		{"no object, as a key", "a: b\n", "", manifest.Document{Format: "yaml", Key: "a.yaml"}},
		{"a key that Kubernetes refuses", "a: b\n", "this key", manifest.Document{Format: "yaml", Key: "a/b"}},
		{"binary", "x", "--key", manifest.Document{Format: "binary"}},
		{"variables", "A=b\n# c\n", "", manifest.Document{Format: "dotenv"}},
		{"a variable that is no key", "A b=c\n", "this key", manifest.Document{Format: "dotenv"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.d
			d.Name, d.Namespace = "db", "ns"
			err := d.Check(format(t, d.Format), []byte(tt.plain))
			var p *manifest.Problem
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if !errors.As(err, &p) || !strings.Contains(p.Error()+p.Hint, tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// FuzzManifests: no input makes it panic, a Secret that becomes a SealedManifest says the
// same otherwise, and comes back.
func FuzzManifests(f *testing.F) {
	f.Add("yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {on: x, y: 1}\n")
	f.Add("yaml", "&a apiVersion: &b v1\nkind: &k Secret\nx: *k\n---\nkind: SealedManifest\n")
	f.Add("json", `{"apiVersion":"v1","kind":"Secret","data":{"a":null}}`)
	f.Add("yaml", "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nspec: {document: {a: b}}\n")
	f.Fuzz(func(t *testing.T, name, src string) {
		format, ok := all.ByName(name)
		if !ok {
			return
		}
		doc, err := format.Parse([]byte(src))
		if err != nil {
			return
		}
		manifest.Problems(doc, []byte(src))
		manifest.Held(format, []byte(src))
		out, err := manifest.FromSecret(format, []byte(src))
		if err != nil || manifest.Of(doc).IsSealedManifest() {
			return
		}
		back, err := manifest.ToSecret(format, out)
		if err != nil {
			t.Fatal(err)
		}
		again, err := format.Parse(back)
		if err != nil {
			t.Fatal(err)
		}
		sameLeaves(t, doc, again)
	})
}

func sameLeaves(t *testing.T, a, b *formats.Document) {
	t.Helper()
	if len(a.Leaves) != len(b.Leaves) {
		t.Fatalf("%d leaves, then %d", len(a.Leaves), len(b.Leaves))
	}
	for i := range a.Leaves {
		x, y := &a.Leaves[i], &b.Leaves[i]
		if !x.Path.Equal(y.Path) || x.Kind != y.Kind || x.Text != y.Text {
			t.Fatalf("leaf %d: %s %q, then %s %q", i, x.Path, x.Text, y.Path, y.Text)
		}
	}
}
