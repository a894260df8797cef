package chaostest_test

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// variant is what may be special about a revision.
type variant int

const (
	plain      variant = iota
	suspended          // the controller is told to leave it alone
	otherClass         // the controller is told that another one is responsible
	hostile            // it must be refused
)

// sealer makes manifests as people would have them in git.
type sealer struct{ reader age.Recipient }

// manifest seals a revision of an item.
func (s sealer) manifest(ctx context.Context, it *item, n int, v variant) (*unstructured.Unstructured, error) {
	spec := map[string]any{}
	switch v {
	case suspended:
		spec["suspend"] = true
	case otherClass:
		spec["class"] = "other"
	}
	var u *unstructured.Unstructured
	var err error
	switch it.form {
	case formRenaming:
		u, err = s.renaming(ctx, it, n, spec)
	case formPair:
		u, err = s.pair(ctx, it, n, spec)
	default:
		u, err = s.inline(ctx, it, n, v, spec)
	}
	if err != nil {
		return nil, fmt.Errorf("sealing %s/%s: %w", it.namespace, it.name, err)
	}
	u.SetAPIVersion("gitseal.dev/v1alpha1")
	u.SetKind("SealedManifest")
	u.SetNamespace(it.namespace)
	u.SetName(it.name)
	u.SetAnnotations(map[string]string{revisionOf: fmt.Sprint(n)})
	if v == hostile && it.form != formHostile {
		return u, spoil(u, n)
	}
	if it.form == formHostile {
		return u, spoil(u, it.index)
	}
	return u, nil
}

// inline is a Secret that was sealed, with another kind.
func (s sealer) inline(ctx context.Context, it *item, n int, v variant, spec map[string]any) (*unstructured.Unstructured, error) {
	top := map[string]any{}
	switch it.form {
	case formImmutable:
		top["immutable"], spec["immutablePolicy"] = true, "Recreate"
	case formMerge:
		spec["conflictPolicy"] = "Merge"
	case formOrphan:
		spec["deletionPolicy"] = "Orphan"
	}
	if len(spec) > 0 {
		top["spec"] = spec
	}
	head, err := sigsyaml.Marshal(top)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: %s\n  namespace: %s\n", it.name, it.namespace)
	if len(top) > 0 {
		text += string(head)
	}
	text += "stringData:\n" + yamlOf(it.content(it.name, n), "  ")
	sealed, err := s.seal(ctx, "yaml", text, cipher.SealOptions{
		Selector: cipher.KubernetesSelector(), MACOnlyEncrypted: true, Context: contextOf(it, n, v),
	})
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	return u, sigsyaml.Unmarshal([]byte(sealed), &u.Object)
}

// contextOf is what a revision is sealed for.
func contextOf(it *item, n int, v variant) string {
	if it.form == formHostile && hostileBy(it.index) == copied || v == hostile && hostileBy(n) == copied {
		return "k8s:elsewhere/" + it.name
	}
	return "k8s:" + it.namespace + "/" + it.name
}

// renaming is a dotenv file that becomes a Secret of a name of its own.
func (s sealer) renaming(ctx context.Context, it *item, n int, spec map[string]any) (*unstructured.Unstructured, error) {
	name := it.names(n)[0]
	var text strings.Builder
	data := it.content(name, n)
	for k, v := range data {
		fmt.Fprintf(&text, "%s=%s\n", k, v)
	}
	maps.Copy(spec, map[string]any{"format": "dotenv", "target": map[string]any{"name": name}})
	return s.document(ctx, it, "dotenv", text.String(), spec)
}

// pair is a file of two Secrets.
func (s sealer) pair(ctx context.Context, it *item, n int, spec map[string]any) (*unstructured.Unstructured, error) {
	var docs []string
	for _, name := range it.names(n) {
		docs = append(docs, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: "+name+"\nstringData:\n"+yamlOf(it.content(name, n), "  "))
	}
	return s.document(ctx, it, "yaml", strings.Join(docs, "---\n"), spec)
}

func (s sealer) document(ctx context.Context, it *item, format, text string, spec map[string]any) (*unstructured.Unstructured, error) {
	sealed, err := s.seal(ctx, format, text, cipher.SealOptions{Context: contextOf(it, 0, plain)})
	if err != nil {
		return nil, err
	}
	spec["document"] = sealed
	return &unstructured.Unstructured{Object: map[string]any{"spec": spec}}, nil
}

func (s sealer) seal(ctx context.Context, format, text string, o cipher.SealOptions) (string, error) {
	f, _ := all.ByName(format)
	o.Recipients = []keysources.Recipient{s.reader}
	sealed, err := cipher.Seal(ctx, f, []byte(text), o)
	return string(sealed.Bytes), err
}

// The ways in which a manifest is hostile.
const (
	copied   = iota // from another namespace
	swapped         // two values have changed places
	stripped        // of what binds it to its place
	forged          // a value was cut short
	ways
)

func hostileBy(n int) int { return n % ways }

// spoil makes a manifest one that must be refused.
func spoil(u *unstructured.Unstructured, n int) error {
	data, found, err := unstructured.NestedStringMap(u.Object, "stringData")
	if err != nil || !found {
		// A document: its first sealed value is changed.
		text, _, err := unstructured.NestedString(u.Object, "spec", "document")
		if err != nil {
			return err
		}
		i := strings.Index(text, "data:") + len("data:")
		return unstructured.SetNestedField(u.Object, text[:i]+flip(text[i:i+1])+text[i+1:], "spec", "document")
	}
	switch hostileBy(n) {
	case copied:
		return nil // it was sealed for another place
	case swapped:
		data[revisionKey], data["password"] = data["password"], data[revisionKey]
	case stripped:
		unstructured.RemoveNestedField(u.Object, "sops", "seal")
	case forged:
		i := strings.Index(data["password"], "data:") + len("data:")
		data["password"] = data["password"][:i] + flip(data["password"][i:i+1]) + data["password"][i+1:]
	}
	return unstructured.SetNestedStringMap(u.Object, data, "stringData")
}

// flip returns another character of base64.
func flip(c string) string {
	if c == "A" {
		return "B"
	}
	return "A"
}
