package sealedsecret_test

import (
	"errors"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
)

// FuzzRead feeds foreign bytes to both readers. What is read and opened must be
// writable so that it reads back, and every refusal be one of the package's.
func FuzzRead(f *testing.F) {
	ok := seal(f, "shop/db", "value")
	for _, text := range []string{
		manifest(inShop, ok, "  template: {type: Opaque, data: {a: b, password: null}, metadata: {labels: {x: y}}}\n"),
		manifest(inShop+wide("cluster-wide"), seal(f, "", "\xff\x00"), ""),
		whole(seal(f, "shop/db", `{"kind":"Secret","data":{"a":"eA=="}}`)),
		`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"bitnami.com/v1alpha1","kind":"SealedSecret","metadata":{"name":"a"}}]}`,
		keySecret("data", "eA=="), "a: &a [*a]", "- a", "{", "",
	} {
		f.Add([]byte(text))
	}
	keys := keysOf(f, pkcs1(testKey()))
	f.Fuzz(func(t *testing.T, src []byte) {
		var k sealedsecret.Keys
		if err := k.Add(src); err != nil && !errors.Is(err, sealedsecret.ErrKeys) {
			t.Errorf("reading keys: got error %v", err)
		}
		file, err := sealedsecret.Read(src)
		if err != nil {
			if !errors.Is(err, sealedsecret.ErrManifest) {
				t.Errorf("got error %v", err)
			}
			return
		}
		for _, m := range file.Manifests {
			checkOpened(t, m, keys)
		}
	})
}

func checkOpened(t *testing.T, m *sealedsecret.Manifest, keys *sealedsecret.Keys) {
	s, err := m.Open(t.Context(), keys, sealedsecret.OpenOptions{DropTemplates: true})
	if err != nil {
		if e := (*sealedsecret.Error)(nil); !errors.As(err, &e) {
			t.Errorf("opening: got error %v", err)
		}
		return
	}
	if _, err := sealedsecret.PlaintextYAML([]*sealedsecret.Secret{s}); err != nil {
		t.Errorf("writing YAML: %v", err)
	}
	if _, err := sealedsecret.PlaintextJSON(s); err != nil {
		t.Errorf("writing JSON: %v", err)
	}
}
