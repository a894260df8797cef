package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// manyReaders returns n recipients.
func manyReaders(t *testing.T, n int) []keysources.Recipient {
	t.Helper()
	list := make([]keysources.Recipient, n)
	for i := range list {
		id, err := age.Generate(false)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = id.Recipient()
	}
	return list
}

// TestSealedManifests: what a cluster would refuse of one is found without a key, and
// nothing is found on one that is as it must be.
func TestSealedManifests(t *testing.T) {
	const head = "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: db\n  namespace: shop\n"
	const plain = head + "stringData:\n  a: first\n  b: second\n"
	w := newWorld(t)
	part, err := cipher.NewSelector(cipher.EncryptedRegex, "^a$")
	if err != nil {
		t.Fatal(err)
	}
	good := cipher.SealOptions{Context: "k8s:shop/db", MACOnlyEncrypted: true}
	with := func(change func(*cipher.SealOptions)) cipher.SealOptions {
		o := good
		change(&o)
		return o
	}
	sealed := w.seal("a.yaml", plain, good)
	for _, tt := range []struct{ name, src, want string }{
		{"as it must be", sealed, ""},
		{"for the namespace", w.seal("a.yaml", plain, with(func(o *cipher.SealOptions) { o.Context = "k8s:shop/*" })), ""},
		{"for any", w.seal("a.yaml", plain, with(func(o *cipher.SealOptions) { o.Context = "k8s:*/*" })), ""},
		{"more labels", strings.Replace(sealed, "  namespace: shop\n", "  namespace: shop\n  labels: {a: b}\n", 1), ""},
		{"for none", w.seal("a.yaml", plain, with(func(o *cipher.SealOptions) { o.Context = "" })), check.IDContext},
		{"for a path", w.seal("a.yaml", plain, with(func(o *cipher.SealOptions) { o.Context = "path:a.yaml" })), check.IDContext},
		{"for another name", strings.Replace(sealed, "  name: db", "  name: x", 1), check.IDContext},
		{"for another namespace", strings.Replace(sealed, "namespace: shop", "namespace: x", 1), check.IDContext},
		{"its context changed", strings.Replace(sealed, "context: k8s:shop/db", "context: k8s:shop/x", 1), check.IDContext},
		{"mac_only_encrypted", w.seal("a.yaml", plain, with(func(o *cipher.SealOptions) { o.MACOnlyEncrypted = false })), check.IDMACOnly},
		{"a value that the selector leaves plain", w.seal("a.yaml", plain, with(func(o *cipher.SealOptions) { o.Selector = part })), check.IDPlainValue},
		{"what the cluster has to read", w.seal("a.yaml", plain, with(func(o *cipher.SealOptions) { o.Selector = cipher.DefaultSelector() })), ""},
		{"a field that is none", strings.Replace(sealed, "stringData:", "x: y\nstringData:", 1), check.IDManifest},
		{"plain", plain, check.IDNotSealed},
		{"several, plain", plain + "---\n" + plain, check.IDNotSealed},
		{"a plain document", head + "spec:\n  document: |\n    a: b\n", check.IDNotSealed},
		{"a document in a format that is none", head + "spec:\n  format: x\n  document: a\n", check.IDNotSealed},
		{"a document that is no text", head + "spec:\n  document: {a: b}\n", check.IDNotSealed},
		{"a document of another place", head + "spec:\n  document: |\n    " + strings.ReplaceAll(w.seal("a.yaml", "a: first\n", cipher.SealOptions{Context: "k8s:shop/x"}), "\n", "\n    "), check.IDContext},
		{"a document", head + "spec:\n  target: {key: a}\n  document: |\n    " + strings.ReplaceAll(w.seal("a.yaml", "a: first\n", cipher.SealOptions{Context: "k8s:shop/db"}), "\n", "\n    "), ""},
		{"a document that is no object", head + "spec:\n  document: |\n    " + strings.ReplaceAll(w.seal("a.yaml", "a: first\n", cipher.SealOptions{Context: "k8s:shop/db"}), "\n", "\n    "), check.IDManifest},
		{"an unknown field of spec", strings.Replace(sealed, "stringData:", "spec: {a: b}\nstringData:", 1), check.IDManifest},
		{"a tagged value", strings.Replace(sealed, "a: ENC", "a: !!str ENC", 1), check.IDManifest},
		{"type beside a document", head + "type: Opaque\nspec:\n  target: {key: a}\n  document: |\n    " + strings.ReplaceAll(w.seal("a.yaml", "a: first\n", cipher.SealOptions{Context: "k8s:shop/db"}), "\n", "\n    "), check.IDManifest},
		{"more readers than a cluster takes", w.seal("a.yaml", plain, with(func(o *cipher.SealOptions) { o.Groups = [][]keysources.Recipient{manyReaders(t, 65)} })), check.IDManifest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := check.File(check.Input{Name: "a.yaml", Data: []byte(tt.src), Expected: w.expect("", "a.yaml")})
			errors := slices.DeleteFunc(slices.Clone(list), func(f check.Finding) bool { return f.Level != check.Error || f.ID == check.IDSecret })
			if tt.want == "" && len(errors) > 0 || tt.want != "" && !slices.ContainsFunc(errors, func(f check.Finding) bool { return f.ID == tt.want }) {
				t.Errorf("got %v, want %q", list, tt.want)
			}
			for _, f := range list {
				if f.Hint == "" && f.Level == check.Error || strings.Contains(f.Message, "first") {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
