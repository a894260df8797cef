package controller_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// forms are manifests of every form with n bytes of content.
func forms(n int) map[string]*v1alpha1.SealedManifest {
	text := strings.Repeat("x", n)
	meta := metav1.ObjectMeta{Name: "db", Namespace: "shop", UID: "u", Generation: 3, Labels: map[string]string{"team": "blue"}}
	return map[string]*v1alpha1.SealedManifest{
		"document": {ObjectMeta: meta, Spec: v1alpha1.SealedManifestSpec{Document: text, Format: "json", Keyring: "main"}},
		// The definition asks of a document that it holds a sealed value, and no more.
		"like a digest": {ObjectMeta: meta, Spec: v1alpha1.SealedManifestSpec{Document: "sha256:ENC[AES256_GCM," + text}},
		"data":          {ObjectMeta: meta, Data: map[string]string{"a": text}, Type: "Opaque"},
		"stringData":    {ObjectMeta: meta, StringData: map[string]string{"a": text}},
		"sops":          {ObjectMeta: meta, StringData: map[string]string{"a": "b"}, Sops: &v1alpha1.Sops{Raw: []byte(`{"x":"` + text + `"}`)}},
		"keys":          {ObjectMeta: meta, StringData: map[string]string{text: "b"}},
	}
}

// TestTheCacheKeepsNoLargeSealedForm: whoever makes many must not fill the memory.
func TestTheCacheKeepsNoLargeSealedForm(t *testing.T) {
	for name, m := range forms(1 << 20) {
		t.Run(name, func(t *testing.T) {
			kept := cached(t, m)
			if text, err := json.Marshal(kept); err != nil || len(text) > 2000 {
				t.Errorf("%d bytes are kept (%v)", len(text), err)
			}
			if kept.Name != m.Name || kept.Generation != 3 || kept.Labels["team"] != "blue" || kept.Spec.Keyring != m.Spec.Keyring || kept.Type != m.Type {
				t.Errorf("kept is %+v", kept)
			}
			if was, is := controller.DigestOf(m), controller.DigestOf(kept); was != is {
				t.Errorf("the digest went from %s to %s", was, is)
			}
			if twice := cached(t, kept); !cmp.Equal(kept, twice) {
				t.Errorf("seen twice, it is %+v", twice)
			}
		})
	}
	for name, m := range forms(1000) {
		if kept := cached(t, m); !cmp.Equal(m, kept) {
			t.Errorf("%s: of a small one is kept %+v", name, kept)
		}
	}
}

// TestDigestsTellSealedFormsApart, large and small.
func TestDigestsTellSealedFormsApart(t *testing.T) {
	seen := map[string]string{}
	for _, n := range []int{1, 2, 1 << 17} {
		for name, m := range forms(n) {
			d := controller.DigestOf(cached(t, m))
			if other, double := seen[d]; double {
				t.Errorf("%s and %s of %d bytes have the digest %s", other, name, n, d)
			}
			seen[d] = name
		}
	}
}

func cached(t *testing.T, m *v1alpha1.SealedManifest) *v1alpha1.SealedManifest {
	t.Helper()
	out, err := controller.Cached(m.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	return out.(*v1alpha1.SealedManifest)
}

// TestOfSecretsTheCacheKeepsWhoseTheyAre, and nothing that was copied into them.
func TestOfSecretsTheCacheKeepsWhoseTheyAre(t *testing.T) {
	owners := []metav1.OwnerReference{{Kind: "SealedManifest", Name: "db", UID: "u"}}
	large := map[string]string{"note": strings.Repeat("x", 1<<18), v1alpha1.ManifestAnnotation: "db"}
	got, err := controller.CachedSecret(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "db", UID: "s", ResourceVersion: "7", OwnerReferences: owners, Annotations: large, Labels: maps.Clone(large),
	}})
	want := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "db", UID: "s", ResourceVersion: "7", OwnerReferences: owners, Annotations: map[string]string{v1alpha1.ManifestAnnotation: "db"},
	}}
	if diff := cmp.Diff(any(want), got); err != nil || diff != "" {
		t.Errorf("error %v, kept (-want +got):\n%s", err, diff)
	}
}

// TestLargeManifestsAreReadWhenTheyAreOpened, and at no other time.
func TestLargeManifestsAreReadWhenTheyAreOpened(t *testing.T) {
	w := newWorld(t)
	first := w.run()
	data := map[string]string{}
	for i := range 200 {
		data[fmt.Sprintf("k%03d", i)] = w.value(strings.Repeat("1", 200))
	}
	w.put(sealed{name: "inline", data: data})
	w.apply(w.document("document", "dotenv", "A="+w.value(strings.Repeat("2", 20000))+"\n", nil))
	w.awaitReason("inline", v1alpha1.ReasonApplied)
	w.awaitReason("document", v1alpha1.ReasonApplied)
	w.awaitData("inline", data)
	first.rest()
	if n := first.count("gitseal_decrypt_duration_seconds"); n != 2 {
		t.Errorf("two manifests were opened %v times", n)
	}
	first.stop()

	second := w.run()
	w.eventually("both are looked at", func() bool { return second.count("gitseal_skipped_total") >= 2 }, nil)
	second.rest()
	if reads := second.requests.reads(w.ns, "/sealedmanifests/"); len(reads) > 0 {
		t.Errorf("after a restart, there were the reads %v", reads)
	}
	data["k000"] = w.value("3")
	w.put(sealed{name: "inline", data: data})
	w.awaitData("inline", data)
	w.awaitReason("inline", v1alpha1.ReasonApplied)
	w.vandalize("document", "A", "theirs")
	w.eventually("drift is undone", func() bool { return text(w.secret("document"))["A"] == w.value(strings.Repeat("2", 20000)) }, nil)
}
