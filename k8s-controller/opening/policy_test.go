package opening_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
	"github.com/gitseal/gitseal/keysources"
)

// lenient opens what sops sealed.
var lenient = v1alpha1.Policy{Integrity: v1alpha1.Warn, Context: v1alpha1.Warn}

func TestFilesThatSopsSealedNeedALenientPolicy(t *testing.T) {
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			s := sopstest.New(t, version)
			keys, strict := set(t, lenient, s.Key.Identity), set(t, v1alpha1.Policy{}, s.Key.Identity)
			plain := secretWith("data:\n  b: Y2FuYXJ5\n  a: b25l\nstringData:\n  # c\n  x: canary\n")
			sealed := sopsSeal(t, s, "s.yaml", plain, "--encrypted-regex", "^(data|stringData)$")
			_, err := openWith(withDocument("yaml", sealed), strict)
			wantRefusal(t, err, v1alpha1.ReasonMACMismatch, "sops.seal")
			o, err := openWith(withDocument("yaml", sealed), keys)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]string{"a": "one", "b": "canary", "x": "canary"}, content(t, o)); diff != "" {
				t.Error(diff)
			}
			if want := (v1alpha1.Integrity{MAC: opening.MACSopsOnly, Context: opening.ContextNone}); o.Integrity != want || len(o.Warnings) < 2 {
				t.Errorf("got %+v, warnings %q", o.Integrity, o.Warnings)
			}
			for format, c := range map[string]struct{ file, plain string }{"dotenv": {"s.env", "A=canary\n"}, "binary": {"s.bin", "\x00canary"}} {
				m := withDocument(format, sopsSeal(t, s, c.file, c.plain))
				if format == "binary" {
					target(m, v1alpha1.Target{Key: "k"})
				}
				if _, err := openWith(m, keys); err != nil {
					t.Errorf("%s: %v", format, err)
				}
			}
		})
	}
}

func sopsSeal(t *testing.T, s sopstest.Sops, name, plain string, flags ...string) string {
	t.Helper()
	r := s.Encrypt(t.Context(), name, []byte(plain), flags...)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return string(r.Stdout)
}

// sops's MAC depends on the order of keys, which the API server sorts.
func TestInlineManifestsThatSopsSealed(t *testing.T) {
	s := sopstest.New(t, "3.13.3")
	keys := set(t, lenient, s.Key.Identity)
	only := []string{"--encrypted-regex", "^(data|stringData)$", "--mac-only-encrypted"}
	for name, c := range map[string]struct {
		body   string
		flags  []string
		reason string
	}{
		"in the API server's order": {"data:\n  a: b25l\n  b: dHdv\nstringData:\n  x: canary\n", only, ""},
		"in another order":          {"data:\n  b: b25l\n  a: dHdv\n", only, v1alpha1.ReasonMACMismatch},
		"with an empty value":       {"stringData:\n  a: canary\n  b: \"\"\n", only, v1alpha1.ReasonPlaintextRejected},
		"the MAC over everything":   {"stringData:\n  a: canary\n", only[:2], v1alpha1.ReasonInvalidDocument},
		"everything sealed":         {"stringData:\n  a: canary\n", nil, v1alpha1.ReasonInvalidDocument},
	} {
		t.Run(name, func(t *testing.T) {
			m := fromYAML(t, sopsSeal(t, s, "m.yaml", head+c.body, c.flags...))
			m.Namespace, m.Name, m.Type = "prod", "db", ""
			if _, err := openWith(m, keys); reason(err) != c.reason {
				t.Errorf("got %q (%v), want %q", reason(err), err, c.reason)
			}
		})
	}
}

func TestPlainValuesOfADocumentHaveToBeVouchedFor(t *testing.T) {
	plain := secretWith("stringData:\n  a: canary\n")
	o := inlineOptions(t, "k8s:prod/db")
	m := document(t, "yaml", plain, o)
	_, err := tryOpen(t, m)
	wantRefusal(t, err, v1alpha1.ReasonPlaintextRejected, "apiVersion: nothing vouches for this plain value")
	opened, err := openWith(m, set(t, v1alpha1.Policy{Integrity: v1alpha1.Warn}, clusterKey))
	if err != nil || len(opened.Warnings) != 1 {
		t.Fatalf("got %v, %+v", err, opened)
	}
	// If all values are sealed there is nothing plain.
	m = document(t, "dotenv", "A=canary\n", cipher.SealOptions{MACOnlyEncrypted: true})
	if _, err := tryOpen(t, m); err != nil {
		t.Error(err)
	}
}

func TestInlineManifestsAreSealedAsTheyMustBe(t *testing.T) {
	for name, change := range map[string]func(*cipher.SealOptions){
		"everything sealed": func(o *cipher.SealOptions) { o.Selector = cipher.DefaultSelector() },
		"not anchored":      func(o *cipher.SealOptions) { o.Selector = selector(t, cipher.EncryptedRegex, "data|stringData") },
		"another field": func(o *cipher.SealOptions) {
			o.Selector = selector(t, cipher.EncryptedRegex, "^(data|stringData|type)$")
		},
		"inverted": func(o *cipher.SealOptions) {
			o.Selector = selector(t, cipher.UnencryptedRegex, "^(apiVersion|kind|metadata)$")
		},
		"the MAC over it all": func(o *cipher.SealOptions) { o.MACOnlyEncrypted = false },
	} {
		t.Run(name, func(t *testing.T) {
			o := inlineOptions(t, "k8s:prod/db")
			change(&o)
			m := fromYAML(t, sealText(t, "yaml", head+"stringData:\n  a: canary\n", o))
			m.Namespace, m.Name = "prod", "db"
			_, err := tryOpen(t, m)
			wantRefusal(t, err, v1alpha1.ReasonInvalidDocument, "an inline manifest has to be sealed with")
		})
	}
	o := inlineOptions(t, "k8s:prod/db")
	o.Selector = selector(t, cipher.EncryptedRegex, "^data$")
	m := fromYAML(t, sealText(t, "yaml", head+"data:\n  a: Y2FuYXJ5\n", o))
	if _, err := tryOpen(t, m); err != nil {
		t.Error(err)
	}
	m.StringData = map[string]string{"b": m.Data["a"]}
	_, err := tryOpen(t, m)
	wantRefusal(t, err, v1alpha1.ReasonPlaintextRejected, "stringData.b")
}

func selector(t *testing.T, kind cipher.SelectorKind, pattern string) cipher.Selector {
	t.Helper()
	s, err := cipher.NewSelector(kind, pattern)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHalfMergedFilesSayWhatToDo(t *testing.T) {
	o := inlineOptions(t, "k8s:prod/db")
	base := sealText(t, "yaml", head+"stringData:\n  a: canary\n  b: canary\n", o)
	previous, err := cipher.Open(t.Context(), yaml.Format{}, []byte(base), cipher.OpenOptions{Identities: []keysources.Identity{identity(t, clusterKey)}})
	if err != nil {
		t.Fatal(err)
	}
	o.Previous = previous
	ours := sealText(t, "yaml", head+"stringData:\n  a: ours canary\n  b: canary\n", o)
	theirs := sealText(t, "yaml", head+"stringData:\n  a: canary\n  b: theirs canary\n", o)
	id := strings.Repeat("ab", 20)
	merged, err := cipher.MergeSealed(yaml.Format{}, merge.Versions{Base: []byte(base), Ours: []byte(ours), Theirs: []byte(theirs)},
		cipher.MergeRecord{Base: id, Ours: id, Theirs: id})
	if err != nil || !merged.HalfMerged {
		t.Fatalf("got %v", err)
	}
	_, err = tryOpen(t, fromYAML(t, string(merged.Ours)))
	wantRefusal(t, err, v1alpha1.ReasonInvalidDocument, "gitseal reseal")
	_, err = tryOpen(t, withDocument("yaml", "<<<<<<< ours\n"+ours+"=======\n"+theirs+">>>>>>> theirs\n"))
	wantRefusal(t, err, v1alpha1.ReasonInvalidDocument, "conflict markers")
}

func TestOpenProposalsHaveNoEffect(t *testing.T) {
	sealed := sealText(t, "yaml", head+"stringData:\n  a: canary\n", inlineOptions(t, "k8s:prod/db"))
	proposed, err := cipher.Propose(t.Context(), yaml.Format{}, []byte(sealed), cipher.ProposeOptions{
		Path: formats.Root(0).At("stringData").At("a"), Content: []byte(`"proposed canary"`), By: "somebody",
		Recipients: recipients(t, clusterKey, recoveryKey), Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := mustOpen(t, fromYAML(t, string(proposed)))
	if diff := cmp.Diff(map[string]string{"a": "canary"}, content(t, o)); diff != "" || len(o.Warnings) != 1 {
		t.Errorf("%s, warnings %q", diff, o.Warnings)
	}
}

func TestKeyGroupsNeedEnoughIdentities(t *testing.T) {
	o := inlineOptions(t, "k8s:prod/db")
	o.Recipients = nil
	o.Groups = [][]keysources.Recipient{recipients(t, clusterKey), recipients(t, hybridKey), recipients(t, recoveryKey)}
	o.Threshold = 2
	m := fromYAML(t, sealText(t, "yaml", head+"stringData:\n  a: canary\n", o))
	opened, err := openWith(m, set(t, v1alpha1.Policy{}, hybridKey, clusterKey))
	if err != nil || len(opened.Keys) != 2 {
		t.Fatalf("got %v, %+v", err, opened)
	}
	_, err = openWith(m, set(t, v1alpha1.Policy{}, clusterKey))
	wantRefusal(t, err, v1alpha1.ReasonNoMatchingKey, "2 of 3 key groups are needed")
}

func TestCancelledOpeningIsTransient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := opening.New(opening.Options{}).Open(ctx, opening.Request{Manifest: inline(t, "stringData: {a: canary}\n"), Keys: set(t, v1alpha1.Policy{}, clusterKey)})
	if r := wantRefusal(t, err, v1alpha1.ReasonKeyUnavailable, ""); !r.Transient {
		t.Error("not transient")
	}
}

func TestMetadataNeedsARealPlace(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.SealedManifest){
		"no namespace":    func(m *v1alpha1.SealedManifest) { m.Namespace = "" },
		"a bad namespace": func(m *v1alpha1.SealedManifest) { m.Namespace = "a/b" },
		"any namespace":   func(m *v1alpha1.SealedManifest) { m.Namespace = "*" },
		"no name":         func(m *v1alpha1.SealedManifest) { m.Name = "" },
		"any name":        func(m *v1alpha1.SealedManifest) { m.Name = "*" },
	} {
		m := inline(t, "stringData: {a: canary}\n")
		change(m)
		_, err := tryOpen(t, m)
		if reason(err) != v1alpha1.ReasonInvalidDocument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := tryOpen(t, nil)
	wantRefusal(t, err, v1alpha1.ReasonInvalidDocument, "no manifest")
}
