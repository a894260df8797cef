package opening_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// seeds are manifests of all forms, and all values that opening one can give.
func seeds(f *testing.F) (manifests []*v1alpha1.SealedManifest, values map[string]bool) {
	f.Helper()
	manifests = []*v1alpha1.SealedManifest{
		inline(f, fiveValues),
		document(f, "yaml", twoSecrets, cipher.SealOptions{}),
		document(f, "dotenv", "A=canary\n", cipher.SealOptions{}),
		target(document(f, "ini", "[a]\nb = canary\n", cipher.SealOptions{}), v1alpha1.Target{Key: "k"}),
		target(document(f, "binary", "canary", cipher.SealOptions{}), v1alpha1.Target{Key: "k"}),
	}
	// With another spec.target a document becomes one value.
	values = map[string]bool{twoSecrets: true, "A=canary\n": true}
	for _, m := range manifests {
		for _, obj := range mustOpen(f, m).Objects {
			for _, v := range obj.Secret.Data {
				values[string(v)] = true
			}
		}
	}
	return manifests, values
}

// FuzzOpen opens whatever an API server could hand out. What opens is in its own
// namespace, and was sealed: the fuzzer has no key.
func FuzzOpen(f *testing.F) {
	sealed, known := seeds(f)
	for _, m := range sealed {
		text, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	keys, weak := set(f, v1alpha1.Policy{}, clusterKey), set(f, lenient, clusterKey)
	opener := opening.New(opening.Options{})
	f.Fuzz(func(t *testing.T, text []byte) {
		m := &v1alpha1.SealedManifest{}
		if json.Unmarshal(text, m) != nil {
			t.Skip()
		}
		before := m.DeepCopy()
		opening.Digest(m, "")
		_, _ = opener.Open(context.Background(), opening.Request{Manifest: m, Keys: weak})
		o, err := opener.Open(context.Background(), opening.Request{Manifest: m, Keys: keys})
		var r *opening.Refusal
		if err != nil && (!errors.As(err, &r) || r.Reason == "" || r.Message == "" || strings.Contains(r.Message, "defect")) {
			t.Fatalf("got %#v, %v", err, errors.Unwrap(err))
		}
		if !maps.Equal(before.Data, m.Data) || !maps.Equal(before.StringData, m.StringData) || before.Spec.Document != m.Spec.Document {
			t.Fatal("the manifest was changed")
		}
		if err != nil {
			return
		}
		for _, obj := range o.Objects {
			if obj.Secret == nil || obj.Secret.Namespace != "prod" || m.Namespace != "prod" || m.Name != "db" {
				t.Fatal("opened where it does not belong")
			}
			for _, v := range obj.Secret.Data {
				if !known[string(v)] {
					t.Fatal("opened what was not sealed")
				}
			}
		}
	})
}

// FuzzParseBinding: what is read as a context is written like that.
func FuzzParseBinding(f *testing.F) {
	for _, s := range []string{"k8s:prod/db", "k8s:prod/*", "k8s:*/*", "k8s:*/db", "k8s:prod", "path:a/b", "", "k8s:", "k8s:a/b/c", "K8S:a/b", "k8s:a/b.c", "k8s:a.b/c", "k8s:-/*"} {
		f.Add(s, "prod", "db")
	}
	f.Fuzz(func(t *testing.T, s, namespace, name string) {
		b, ok := opening.ParseBinding(s)
		if !ok {
			return
		}
		orAny := func(s string) string {
			if s == "" {
				return "*"
			}
			return s
		}
		if again := "k8s:" + orAny(b.Namespace) + "/" + orAny(b.Name); again != s {
			t.Fatalf("%q is read as %q", s, again)
		}
		if b.Name != "" && b.Namespace == "" {
			t.Fatalf("%q: a name in any namespace", s)
		}
		if b.Covers(namespace, name) && b.Width() == opening.ContextStrict && s != "k8s:"+namespace+"/"+name {
			t.Fatalf("%q covers %q/%q", s, namespace, name)
		}
	})
}
