package opening

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// rendering is the version of what is made of a manifest. Whoever changes that raises
// it, so that a new controller looks at all manifests again.
const rendering = "gitseal manifest v3"

// Digest returns a digest, sha256:…, of everything that opening and applying a
// manifest depends on, but for identities: its place, the sealed form, the labels and
// annotations that are copied, the spec without suspend, and revision, which is the
// keyring's. Nothing is decrypted for it. The sops block counts as the API server
// writes it, which sorts keys.
func Digest(m *v1alpha1.SealedManifest, revision string) string {
	b := make([]byte, 0, digested(m))
	for _, t := range []string{rendering, revision, m.Namespace, m.Name, string(m.Type), flag(m.Immutable)} {
		b = appendText(b, t)
	}
	labels, annotations := CopiedMetadata(m)
	for _, values := range []map[string]string{m.Data, m.StringData, labels, annotations} {
		b = appendTexts(b, values)
	}
	if m.Sops == nil {
		b = appendNumber(b, 0)
	} else {
		b = append(appendNumber(b, len(m.Sops.Raw)+1), m.Sops.Raw...)
	}
	b = appendText(b, m.Spec.Document)
	spec := m.Spec
	spec.Document, spec.Suspend = "", false
	rest, err := json.Marshal(spec)
	if err != nil {
		rest = nil // not possible: it holds strings
	}
	sum := sha256.Sum256(append(b, rest...))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// digested is about how many bytes are hashed.
func digested(m *v1alpha1.SealedManifest) int {
	n := 1024 + len(m.Spec.Document)
	if m.Sops != nil {
		n += len(m.Sops.Raw)
	}
	for _, values := range []map[string]string{m.Data, m.StringData, m.Labels, m.Annotations} {
		for k, v := range values {
			n += len(k) + len(v) + 2*binary.MaxVarintLen32
		}
	}
	return n
}

func flag(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "true"
	}
	return "false"
}

// appendTexts tells a map that is absent from an empty one: to a MAC they differ.
func appendTexts(b []byte, values map[string]string) []byte {
	if values == nil {
		return appendNumber(b, 0)
	}
	b = appendNumber(b, len(values)+1)
	for _, k := range slices.Sorted(maps.Keys(values)) {
		b = appendText(appendText(b, k), values[k])
	}
	return b
}

// appendText appends a text and its length, so that no two lists of texts are the
// same.
func appendText(b []byte, s string) []byte { return append(appendNumber(b, len(s)), s...) }

func appendNumber(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }
