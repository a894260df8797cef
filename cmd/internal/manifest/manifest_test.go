package manifest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

func format(t testing.TB, name string) formats.Format {
	t.Helper()
	f, ok := all.ByName(name)
	if !ok {
		t.Fatalf("there is no format %s", name)
	}
	return f
}

// TestTwoValuesChange: a Secret and the SealedManifest made of it differ in the values of
// apiVersion and kind, and in nothing else.
func TestTwoValuesChange(t *testing.T) {
	for _, tt := range []struct{ name, format, secret, manifest string }{
		{"plain", "yaml", "# a\napiVersion: v1 # b\nkind:   Secret\ndata: {a: Yg==}\n", "# a\napiVersion: gitseal.dev/v1alpha1 # b\nkind:   SealedManifest\ndata: {a: Yg==}\n"},
		{"quoted, in odd places", "yaml", "data:\n  kind: Secret\n'kind': \"Secret\"\napiVersion: 'v1'", "data:\n  kind: Secret\n'kind': \"SealedManifest\"\napiVersion: 'gitseal.dev/v1alpha1'"},
		{"flow, CRLF", "yaml", "{apiVersion: v1, kind: Secret,\r\n data: {}}\r\n", "{apiVersion: gitseal.dev/v1alpha1, kind: SealedManifest,\r\n data: {}}\r\n"},
		{"JSON", "json", `{"kind":"Secret", "apiVersion" : "v1","data":{"kind":"U2VjcmV0"}}`, `{"kind":"SealedManifest", "apiVersion" : "gitseal.dev/v1alpha1","data":{"kind":"U2VjcmV0"}}`},
		{"aliases elsewhere", "yaml", "apiVersion: v1\nkind: &k Secret\nmetadata: {name: &n db, labels: {n: *n}}\nstringData: {a: &a x, b: *a}\n", "apiVersion: gitseal.dev/v1alpha1\nkind: &k SealedManifest\nmetadata: {name: &n db, labels: {n: *n}}\nstringData: {a: &a x, b: *a}\n"},
		{"one document with its marks", "yaml", "---\napiVersion: v1\nkind: Secret\n...\n", "---\napiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\n...\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := format(t, tt.format)
			got, err := manifest.FromSecret(f, []byte(tt.secret))
			if diff := cmp.Diff(tt.manifest, string(got)); err != nil || diff != "" {
				t.Fatal(err, diff)
			}
			back, err := manifest.ToSecret(f, got)
			if diff := cmp.Diff(tt.secret, string(back)); err != nil || diff != "" {
				t.Fatal(err, diff)
			}
		})
	}
}

func TestWhatIsNoSecret(t *testing.T) {
	for src, want := range map[string]string{
		"apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n":                 "no Secret of Kubernetes",
		"apiVersion: v1\nkind: List\nitems: []\n":                         "holds a List",
		"apiVersion: v2\nkind: Secret\n":                                  "no Secret of Kubernetes",
		"apiVersion: v1\nkind: Secret\n---\napiVersion: v1\nkind: Secret": "several documents",
		"a: b\n": "no Secret of Kubernetes",
		"apiVersion: v1\nkind: &k Secret\nstringData: {a: *k}\n":         "stringData.a: apiVersion and kind change",
		"apiVersion: &v v1\nkind: Secret\nmetadata: {labels: {v: *v}}\n": "metadata.labels.v: apiVersion and kind change",
		"x: &k Secret\napiVersion: v1\nkind: *k\n":                       "kind: apiVersion and kind change",
		"apiVersion: v1\nkind: Secret\nspec: {class: a}\n":               "spec: a Secret has no such field",
		"apiVersion: v1\nkind: Secret\nspec:\n":                          "spec: a Secret has no such field",
	} {
		_, err := manifest.FromSecret(format(t, "yaml"), []byte(src))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %s", src, err, want)
		}
	}
}

const manifestHead = "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: db\n  namespace: shop\n"

// problemCase is a manifest, and what is said about it; "" if nothing is.
type problemCase struct{ name, src, want string }

func checkProblems(t *testing.T, cases []problemCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			d, err := format(t, "yaml").Parse([]byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range manifest.Problems(d, []byte(tt.src)) {
				text := p.Error()
				if p.Warning {
					text = "warning: " + text
				}
				if p.Hint == "" {
					t.Errorf("%s: no hint", text)
				}
				got = append(got, text)
			}
			has := func(s string) bool { return strings.HasPrefix(s, tt.want) || strings.Contains(s, tt.want) }
			if tt.want == "" && len(got) > 0 || tt.want != "" && !slices.ContainsFunc(got, has) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if strings.Contains(strings.Join(got, ""), "canary") {
				t.Error("a value is shown")
			}
		})
	}
}

func TestProblems(t *testing.T) {
	const head = manifestHead
	checkProblems(t, []problemCase{
		{"nothing", head + "type: Opaque\nimmutable: true\nstringData:\n  a.b-c_D: x\ndata:\n  k: eA==\n", ""},
		{"sealed values are not looked into", head + "data:\n  k: ENC[AES256_GCM,data:x]\n", ""},
		{"wrapped base64", head + "data:\n  k: |\n    eA\n    ==\n", ""},
		{"a label as a string", head + "stringData: {a: x}\n", ""},
		{"quoted words", strings.Replace(head, "  name: db\n", "  name: db\n  labels: {\"on\": \"yes\"}\n", 1) + "stringData:\n  \"yes\": x\n  'n': x\n", ""},
		{"a number", head + "stringData:\n  port: 5432\n", "stringData.port: not a string"},
		{"a boolean", head + "stringData:\n  on_: true\n", "stringData.on_: not a string"},
		{"null", head + "stringData:\n  a: ~\n", "stringData.a: not a string"},
		{"a list", head + "stringData:\n  a: [b]\n", "values of a Secret are strings"},
		{"a map", head + "data:\n  a: {b: eA==}\n", "values of a Secret are strings"},
		{"data as a list", head + "data: [a]\n", "values of a Secret are strings"},
		{"no base64", head + "data:\n  a: \"canary!\"\n", "data.a: not base64"},
		{"empty", head + "stringData:\n  a: \"\"\n", "warning: stringData.a: empty"},
		{"a bad key", head + "stringData:\n  a/b: x\n", "does not allow this key"},
		{"a word of YAML 1.1 as a key", head + "stringData:\n  on: x\n", "kubectl reads this key as true or false"},
		{"the same in flow", head + "data: {y: eA==}\n", "kubectl reads this key as true or false"},
		{"a service account's token", head + "type: kubernetes.io/service-account-token\n", "no keyring allows them"},
		{"a bootstrap token", head + "type: bootstrap.kubernetes.io/token\n", "no keyring allows them"},
		{"type is no string", head + "type: 1\n", "type: not a string"},
		{"immutable is no boolean", head + "immutable: \"true\"\n", "immutable: neither true nor false"},
		{"an unknown field", head + "stringdata: {a: b}\n", "stringdata: a SealedManifest has no such field"},
		{"status", head + "status: {a: b}\n", "status: "},
		{"no name", strings.Replace(head, "  name: db\n", "", 1), "no name"},
		{"a bad name", strings.Replace(head, "name: db", "name: DB", 1), "metadata.name is not a name"},
		{"a bad namespace", strings.Replace(head, "namespace: shop", "namespace: a.b", 1), "metadata.namespace is not a name"},
		{"a number as name", strings.Replace(head, "name: db", "name: 12", 1), "metadata.name: not a string"},
		{"a word as name", strings.Replace(head, "name: db", "name: on", 1), "metadata.name: not a string"},
		{"generateName", strings.Replace(head, "name: db", "generateName: db-", 1), "metadata.generateName"},
		{"resourceVersion", strings.Replace(head, "name: db", "name: db\n  resourceVersion: \"12\"", 1), "belongs to an object in a cluster"},
		{"managedFields", strings.Replace(head, "name: db", "name: db\n  managedFields: [{manager: x}]", 1), "metadata.managedFields: this belongs"},
		{"what kubectl applied", strings.Replace(head, "name: db", "name: db\n  annotations: {kubectl.kubernetes.io/last-applied-configuration: \"{}\"}", 1), "repeats the whole object"},
		{"a label that is a number", strings.Replace(head, "name: db", "name: db\n  labels: {a: 1}", 1), "not a string, and labels"},
		{"a label that is a word", strings.Replace(head, "name: db", "name: db\n  labels: {a: yes}", 1), "warning: metadata.labels.a: kubectl reads this word"},
		{"a key of a label that is a word", strings.Replace(head, "name: db", "name: db\n  labels: {no: x}", 1), "warning: metadata.labels.no: kubectl reads this key"},
		{"the same key twice", head + "stringData: {a: x}\ndata: {a: eA==}\n", "warning: data and stringData both have a"},
		{"a certificate without key", head + "type: kubernetes.io/tls\ndata: {tls.crt: eA==}\n", "warning: a Secret of type kubernetes.io/tls has the key tls.key"},
		{"several documents", head + "---\n" + head, "several documents"},
		{"both forms", head + "spec: {document: x}\ndata: {a: eA==}\n", "data and spec.document"},
		{"too large", head + "stringData: {a: " + strings.Repeat("x", 1<<20+1) + "}\n", "1 MiB"},
	})
}

// TestKeysAsKubectlReadsThem: a key that we let pass is the same to kubectl, which reads
// YAML by the library used here, and one that we refuse is not.
func TestKeysAsKubectlReadsThem(t *testing.T) {
	words := []string{"y", "Y", "yes", "Yes", "YES", "yEs", "n", "N", "no", "No", "NO", "on", "On", "ON", "oN", "off", "Off", "OFF", "true_", "null_",
		"a", "tls.crt", ".dockerconfigjson", "1a", "1e", "0o", "1.2.3", "-", "_", "nan", "inf", ".5x", "2020-01", "id_rsa.pub"}
	for _, word := range words {
		src := "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata: {name: a, namespace: b}\nstringData:\n  " + word + ": x\n"
		d, err := format(t, "yaml").Parse([]byte(src))
		if err != nil {
			t.Errorf("%s: %v", word, err)
			continue
		}
		var object struct{ StringData map[string]string }
		err = yaml.Unmarshal([]byte(src), &object)
		_, same := object.StringData[word]
		if refused := len(manifest.Problems(d, []byte(src))) > 0; refused == (same && err == nil) {
			t.Errorf("%s: refused is %v, and kubectl reads it as written: %v", word, refused, same)
		}
	}
}

func TestBindings(t *testing.T) {
	for context, want := range map[string]manifest.Binding{
		"k8s:shop/db": {Scope: manifest.Strict, Namespace: "shop", Name: "db"},
		"k8s:shop/*":  {Scope: manifest.Namespace, Namespace: "shop"},
		"k8s:*/*":     {Scope: manifest.Keyring},
	} {
		got, ok := manifest.ParseContext(context)
		if !ok || got != want || got.Context() != context {
			t.Errorf("%s: got %v, %v, %s", context, got, ok, got.Context())
		}
	}
	for _, context := range []string{"", "path:a", "k8s:", "k8s:shop", "k8s:*/db", "k8s:SHOP/db", "k8s:shop/d b", "k8s:shop/", "k8s:shop/a/b"} {
		if b, ok := manifest.ParseContext(context); ok {
			t.Errorf("%q is read as %v", context, b)
		}
	}
	db := manifest.Object{Name: "db", Namespace: "shop"}
	for context, fits := range map[string]bool{"k8s:shop/db": true, "k8s:shop/*": true, "k8s:*/*": true, "k8s:shop/x": false, "k8s:other/db": false, "k8s:other/*": false} {
		if b, _ := manifest.ParseContext(context); b.Fits(db) != fits {
			t.Errorf("%s: fits is %v", context, b.Fits(db))
		}
	}
	if b, _ := manifest.ParseContext("k8s:shop/db"); !b.Fits(manifest.Object{Name: "db"}) || b.Fits(manifest.Object{Name: "x"}) {
		t.Error("an object without a namespace is compared by its name")
	}
}

func TestBind(t *testing.T) {
	before := manifest.Binding{Scope: manifest.Namespace, Namespace: "old"}
	for _, tt := range []struct {
		name   string
		object manifest.Object
		wish   manifest.Wish
		before manifest.Binding
		want   string // "": an error
	}{
		{"strictly if nobody says", manifest.Object{Name: "a", Namespace: "b"}, manifest.Wish{}, manifest.Binding{}, "k8s:b/a"},
		{"as wide as before", manifest.Object{Name: "a", Namespace: "b"}, manifest.Wish{}, before, "k8s:b/*"},
		{"a wish counts more", manifest.Object{Name: "a", Namespace: "b"}, manifest.Wish{Scope: manifest.Strict}, before, "k8s:b/a"},
		{"anywhere", manifest.Object{Name: "a"}, manifest.Wish{Scope: manifest.Keyring}, before, "k8s:*/*"},
		{"the namespace that is wished", manifest.Object{Name: "a"}, manifest.Wish{Namespace: "n"}, before, "k8s:n/*"},
		{"the namespace from before", manifest.Object{Name: "a"}, manifest.Wish{}, before, "k8s:old/*"},
		{"no namespace", manifest.Object{Name: "a"}, manifest.Wish{}, manifest.Binding{}, ""},
		{"two namespaces", manifest.Object{Name: "a", Namespace: "b"}, manifest.Wish{Namespace: "n"}, before, ""},
		{"a bad namespace", manifest.Object{Name: "a", Namespace: "*"}, manifest.Wish{}, before, ""},
	} {
		b, err := manifest.Bind(tt.object, tt.wish, tt.before)
		if got := b.Context(); (err != nil) != (tt.want == "") || err == nil && got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}
