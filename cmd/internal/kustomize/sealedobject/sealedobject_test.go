package sealedobject_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	formatyaml "github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

const plainSecret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: shop\nstringData:\n  password: canary-one\n"

// sealed returns a sealed text and an identity for it.
func sealed(tb testing.TB, text, place string) (string, []keysources.Identity) {
	tb.Helper()
	id, err := age.Generate(false)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := cipher.Seal(context.Background(), formatyaml.Format{}, []byte(text), cipher.SealOptions{
		Recipients: []keysources.Recipient{id.Recipient()}, Selector: cipher.KubernetesSelector(), MACOnlyEncrypted: true, Context: place,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return string(s.Bytes), []keysources.Identity{id}
}

func opener(mode sealedobject.Mode, ids []keysources.Identity) sealedobject.Opener {
	return sealedobject.Opener{Mode: mode, Options: cipher.OpenOptions{Identities: ids}}
}

// TestPlaces: an object is opened where it was sealed for, and nowhere else.
func TestPlaces(t *testing.T) {
	const tracked = "  annotations:\n    internal.config.kubernetes.io/previousNames: db\n    internal.config.kubernetes.io/previousNamespaces: shop\n"
	for _, tt := range []struct {
		name, place, demanded string
		change                [2]string
		want                  string // the namespace, "" for a refusal
	}{
		{"its own", "k8s:shop/db", "", [2]string{}, "shop"},
		{"its namespace", "k8s:shop/*", "", [2]string{"name: db", "name: other"}, "shop"},
		{"anywhere", "k8s:*/*", "", [2]string{"namespace: shop", "namespace: x"}, "x"},
		{"no place", "", "", [2]string{}, "shop"},
		{"a path", "path:a.yaml", "", [2]string{}, "shop"},
		{"another name", "k8s:shop/db", "", [2]string{"name: db", "name: dc"}, ""},
		{"another namespace", "k8s:shop/db", "", [2]string{"namespace: shop", "namespace: prod"}, ""},
		{"no namespace: that which it is sealed for", "k8s:shop/db", "", [2]string{"  namespace: shop\n", ""}, "shop"},
		{"renamed by kustomize", "k8s:shop/db", "", [2]string{"name: db\n  namespace: shop\n", "name: pre-db\n  namespace: prod\n" + tracked}, "prod"},
		{"what is asked for", "k8s:shop/db", "shop", [2]string{}, "shop"},
		{"not what is asked for", "k8s:shop/db", "prod", [2]string{}, ""},
		{"no place, but one is asked for", "", "shop", [2]string{}, ""},
		{"a place that is none", "k8s:shop", "", [2]string{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, ids := sealed(t, plainSecret, tt.place)
			text = strings.Replace(text, tt.change[0], tt.change[1], 1)
			n, err := sealedobject.ParseYAML([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			o := opener(sealedobject.Plain, ids)
			o.Namespace = tt.demanded
			opened, err := o.Object(t.Context(), &n)
			if tt.want == "" {
				if !errors.Is(err, cipher.ErrContext) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := sealedobject.Text(&opened.Objects[0], "metadata", "namespace"); got != tt.want {
				t.Errorf("in namespace %q, want %q", got, tt.want)
			}
			if got := sealedobject.Text(&opened.Objects[0], "stringData", "password"); got != "canary-one" {
				t.Error("not opened")
			}
		})
	}
}

// TestMasksShowNothing: no value and no part of one is in a mask, whether there is an
// identity or not; plain values among sealed ones are refused.
func TestMasksShowNothing(t *testing.T) {
	text, ids := sealed(t, plainSecret, "")
	masks := map[string]bool{}
	for _, have := range [][]keysources.Identity{ids, nil} {
		o := opener(sealedobject.Masked, have)
		opened, err := o.File(t.Context(), formatyaml.Format{}, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out, err := sealedobject.YAML(opened.Objects[0])
		if err != nil || bytes.Contains(out, []byte("canary")) || !bytes.Contains(out, []byte("sealed:")) {
			t.Errorf("%v: %s", err, out)
		}
		masks[sealedobject.Text(&opened.Objects[0], "stringData", "password")] = true
	}
	if len(masks) != 2 {
		t.Error("the mask with an identity is not keyed")
	}
	exposed := strings.Replace(text, "stringData:\n", "stringData:\n  other: canary-two\n", 1)
	for _, have := range [][]keysources.Identity{ids, nil} {
		o := opener(sealedobject.Masked, have)
		if _, err := o.File(t.Context(), formatyaml.Format{}, []byte(exposed)); !errors.Is(err, cipher.ErrTampered) {
			t.Errorf("with a plain value: %v", err)
		}
	}
}

// TestOpenedThingsPrintRedacted: no way of printing shows a value.
func TestOpenedThingsPrintRedacted(t *testing.T) {
	text, ids := sealed(t, plainSecret, "")
	o := opener(sealedobject.Plain, ids)
	opened, err := o.File(t.Context(), formatyaml.Format{}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	content, err := o.Content(t.Context(), formatyaml.Format{}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{opened, *opened, opened.Objects, content, *content, sealedobject.Entry{Key: "a", Value: []byte("canary-one")}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "canary") || strings.Contains(s, "99, 97, 110") {
				t.Errorf("%s of a %T: %s", verb, v, s)
			}
		}
	}
}

// TestFilesOfSeveralObjects: sealed together or one by one, all are opened.
func TestFilesOfSeveralObjects(t *testing.T) {
	second := strings.Replace(plainSecret, "name: db", "name: two", 1)
	together, ids := sealed(t, plainSecret+"---\n"+second, "k8s:shop/*")
	o := opener(sealedobject.Plain, ids)
	opened, err := o.File(t.Context(), formatyaml.Format{}, []byte(together))
	if err != nil || len(opened.Objects) != 2 {
		t.Fatalf("together: %v", err)
	}
	one, ids1 := sealed(t, plainSecret, "k8s:shop/db")
	two, ids2 := sealed(t, second, "k8s:shop/two")
	o = opener(sealedobject.Plain, append(ids1, ids2...))
	opened, err = o.File(t.Context(), formatyaml.Format{}, []byte(one+"---\n"+two))
	if err != nil || len(opened.Objects) != 2 || sealedobject.Text(&opened.Objects[1], "metadata", "name") != "two" {
		t.Fatalf("one by one: %v", err)
	}
	if _, err := o.File(t.Context(), formatyaml.Format{}, []byte(one+"---\n"+plainSecret)); err == nil {
		t.Error("a plain Secret among sealed ones was taken")
	}
}

func each(_ context.Context, n int, work func(int) error) error {
	for i := range n {
		if err := work(i); err != nil {
			return err
		}
	}
	return nil
}

// TestStreamsKeepEverythingElse: of a stream only the sealed object changes.
func TestStreamsKeepEverythingElse(t *testing.T) {
	text, ids := sealed(t, plainSecret, "k8s:shop/db")
	before := "# first\n--- # a comment\n# Source: a\nkind:   A # odd\nx: |\n  sops: no\n\n---\n# Source: b\n"
	after := "--- \nkind: C\r\n---\n\n...\n"
	o := opener(sealedobject.Plain, ids)
	out, _, err := sealedobject.Stream(t.Context(), &o, []byte(before+text+after), each)
	if err != nil {
		t.Fatal(err)
	}
	middle, ok := strings.CutPrefix(string(out), before)
	middle, ok2 := strings.CutSuffix(middle, after)
	if !ok || !ok2 || !strings.Contains(middle, "password: canary-one\n") || strings.Contains(middle, "sops") {
		t.Errorf("got %q", out)
	}
}

// FuzzStream: no stream makes it panic, parts put together are the stream, and without
// anything sealed nothing changes.
func FuzzStream(f *testing.F) {
	text, ids := sealed(f, plainSecret, "k8s:shop/db")
	f.Add([]byte("---\n# Source: a\n" + text + "---\nkind: A\n"))
	f.Add([]byte("--- {kind: SealedManifest, apiVersion: gitseal.dev/v1alpha1, spec: {document: 'a: b'}}\n"))
	f.Add([]byte("a: &a [*a]\nsops: {mac: 1}\n---\n- sops\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		var joined []byte
		sealedParts := false
		for _, p := range sealedobject.Split(src) {
			joined = append(append(joined, p.Separator...), p.Text...)
			n, err := sealedobject.ParseYAML(p.Text)
			sealedParts = sealedParts || err != nil || sealedobject.IsSealed(&n) || sealedobject.SealedAt(&n) != ""
		}
		if !bytes.Equal(joined, src) {
			t.Fatal("the parts are not the stream")
		}
		for _, mode := range []sealedobject.Mode{sealedobject.Plain, sealedobject.Masked} {
			o := opener(mode, ids)
			out, _, err := sealedobject.Stream(t.Context(), &o, src, each)
			if !sealedParts && (err != nil || !bytes.Equal(out, src)) {
				t.Fatalf("nothing is sealed, but it changed: %v", err)
			}
		}
	})
}

// FuzzYAML: what is written reads back as the same tree, for readers of YAML.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{"yes", "012", "1e3", "a: b", "- a", "", " ", "a\nb", "\u2028", "null", "=", "0x1f", "12:30:00", "!!a", "\t", "é"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		n := sealedobject.Map("", sealedobject.String(key, value), sealedobject.Map("z", sealedobject.String("x", value)))
		want, err := n.JSON()
		if err != nil || key == "z" {
			return // not UTF-8
		}
		text, err := sealedobject.YAML(n)
		if err != nil {
			t.Fatal(err)
		}
		back, err := sealedobject.ParseYAML(text)
		if err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		if got, err := back.JSON(); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v: got %s, want %s", err, got, want)
		}
		var m map[string]any
		if err := yaml.Unmarshal(text, &m); err != nil || m[key] != value {
			t.Fatalf("%v: %q", err, text)
		}
	})
}
