// Package manifest knows SealedManifests as files: Secrets of which apiVersion and kind
// were changed and the values sealed, or sealed files of any kind inside spec.document.
// It makes them of plain objects and back, says what they are sealed for, and what of
// them a cluster would refuse or change. It neither seals nor opens anything.
package manifest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// What makes an object a SealedManifest.
const (
	APIVersion = "gitseal.dev/v1alpha1"
	Kind       = "SealedManifest"
)

// Object is what a file says about the Kubernetes object in its first document.
type Object struct {
	APIVersion, Kind, Name, Namespace string
	// UID is what an API server has given it; files have none.
	UID string
	// Documents counts the documents of the file, Manifests the SealedManifests among
	// them.
	Documents, Manifests int
	// HasSpec: it has fields below spec, which Secrets do not have.
	HasSpec bool
	// HasDocument: it has the field spec.document, so that it is no Secret itself.
	HasDocument bool
}

// MayBe reports whether a text could hold a SealedManifest, so that a look at it is
// worth while.
func MayBe(src []byte) bool { return bytes.Contains(src, []byte(Kind)) }

// Of returns what a document, plain or sealed, says about its object.
func Of(d *formats.Document) Object {
	o := Object{Documents: max(1, d.Documents)}
	versions := map[int]string{}
	kinds := map[int]string{}
	for i := range d.Leaves {
		l := &d.Leaves[i]
		if l.Kind == formats.Comment || isDeeper(l.Path, 2) {
			continue
		}
		steps := stepsOf(l.Path)
		n := l.Path.Document()
		if len(steps) == 1 && l.Kind == formats.String {
			switch steps[0] {
			case "apiVersion":
				versions[n] = l.Text
			case "kind":
				kinds[n] = l.Text
			}
		}
		if n == 0 && len(steps) == 2 {
			o.field(steps[0], steps[1], l)
		}
	}
	o.APIVersion, o.Kind = versions[0], kinds[0]
	for n, kind := range kinds {
		if kind == Kind && versions[n] == APIVersion {
			o.Manifests++
		}
	}
	return o
}

func (o *Object) field(top, key string, l *formats.Leaf) {
	o.HasSpec = o.HasSpec || top == "spec"
	switch {
	case top == "metadata" && key == "name" && l.Kind == formats.String:
		o.Name = l.Text
	case top == "metadata" && key == "namespace" && l.Kind == formats.String:
		o.Namespace = l.Text
	case top == "metadata" && key == "uid":
		o.UID = l.Text
	case top == "spec" && key == "document":
		o.HasDocument = true
	}
}

// isDeeper reports whether p is more than n steps below the root: most leaves of a large
// file are.
func isDeeper(p *formats.Path, n int) bool {
	for ; n >= 0 && p != nil && p.Parent != nil; n-- {
		p = p.Parent
	}
	return n < 0
}

// stepsOf returns the map keys that lead to p, nil if there is a list on the way.
func stepsOf(p *formats.Path) []string {
	var steps []string
	for ; p != nil && p.Parent != nil; p = p.Parent {
		if p.Index != formats.InMap {
			return nil
		}
		steps = append(steps, p.Key)
	}
	slices.Reverse(steps)
	return steps
}

// IsSealedManifest reports whether the first document is one.
func (o Object) IsSealedManifest() bool { return o.APIVersion == APIVersion && o.Kind == Kind }

// IsSecret reports whether the first document is a core Secret.
func (o Object) IsSecret() bool { return o.APIVersion == "v1" && o.Kind == "Secret" }

// SealsValues reports whether a selector is one by which a cluster knows, without trying
// it on names that it has not seen, that a Secret's values are sealed and nothing else is.
func SealsValues(s cipher.Selector) bool {
	patterns := []string{"^(data|stringData)$", "^(stringData|data)$", "^data$", "^stringData$", "^(data)$", "^(stringData)$"}
	return s.Kind == cipher.EncryptedRegex && slices.Contains(patterns, s.Pattern)
}

// FromSecret returns the text of a plain core Secret as that of a SealedManifest: the
// values of apiVersion and kind are others, and every other byte is as it was. The
// error is a [*Problem] or wraps a [formats.Error].
func FromSecret(f formats.Format, src []byte) ([]byte, error) {
	d, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	o := Of(d)
	switch {
	case o.Documents > 1:
		return nil, severalDocuments()
	case o.IsSealedManifest():
		return src, nil
	case o.Kind == "List" || o.Kind == "SecretList":
		return nil, &Problem{Msg: "the file holds a " + o.Kind + ", not a Secret", Hint: "write each of its Secrets into a file of its own"}
	case o.IsSecret():
		return retypeSecret(f, d)
	default:
		return nil, &Problem{Msg: "the file holds no Secret of Kubernetes (apiVersion: v1, kind: Secret)", Hint: "with --document it becomes a SealedManifest whatever it holds"}
	}
}

// retypeSecret makes a SealedManifest of a Secret. A field that Secrets do not have must
// not become one of what is made of it.
func retypeSecret(f formats.Format, d *formats.Document) ([]byte, error) {
	for i := range d.Leaves {
		if top := belowTop(d.Leaves[i].Path, 1); top != nil && top.Key == "spec" {
			return nil, &Problem{Path: top, Msg: "a Secret has no such field", Hint: "take it out; a SealedManifest's own spec is written once the Secret is one"}
		}
	}
	return retype(f, d, APIVersion, Kind)
}

// ToSecret is the inverse of FromSecret.
func ToSecret(f formats.Format, src []byte) ([]byte, error) {
	d, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	o := Of(d)
	switch {
	case o.IsSecret() && o.Documents == 1:
		return src, nil
	case !o.IsSealedManifest() || o.Documents > 1:
		return nil, &Problem{Msg: "the file is no SealedManifest", Hint: "leave --manifest out"}
	}
	return retype(f, d, "v1", "Secret")
}

// retype gives the one object of d another apiVersion and kind.
func retype(f formats.Format, d *formats.Document, version, kind string) ([]byte, error) {
	if p := repeatedType(d); p != nil {
		return nil, p
	}
	var e formats.Edit
	for i := range d.Leaves {
		l := &d.Leaves[i]
		steps := stepsOf(l.Path)
		if l.Kind == formats.Comment || len(steps) != 1 {
			continue
		}
		text := map[string]string{"apiVersion": version, "kind": kind}[steps[0]]
		if text != "" {
			e.Values = append(e.Values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.String, Text: text}})
		}
	}
	out, err := f.Rewrite(d, e)
	if err != nil {
		return nil, err
	}
	return out, hasType(f, out, version, kind)
}

// repeatedType finds aliases between apiVersion or kind and another place: they would change
// together.
func repeatedType(d *formats.Document) *Problem {
	isType := func(p *formats.Path) bool {
		steps := stepsOf(p)
		return len(steps) == 1 && (steps[0] == "apiVersion" || steps[0] == "kind")
	}
	for _, a := range d.Aliases {
		repeats := isType(a.Path) || slices.ContainsFunc(a.Target, func(i int) bool { return isType(d.Leaves[i].Path) })
		if repeats {
			return &Problem{Path: a.Path, Msg: "apiVersion and kind change, and an alias ties them to another place", Hint: "write the value out in both places, without the anchor (&) and the alias (*)"}
		}
	}
	return nil
}

// hasType makes sure of what was written.
func hasType(f formats.Format, src []byte, version, kind string) error {
	d, err := f.Parse(src)
	if err != nil {
		return fmt.Errorf("reading back the manifest: %w", err)
	}
	if o := Of(d); o.APIVersion != version || o.Kind != kind {
		return &Problem{Msg: "apiVersion and kind cannot be changed where they stand", Hint: "write them out as plain values"}
	}
	return nil
}

func severalDocuments() *Problem {
	return &Problem{Msg: "the file holds several documents, and each would be an object of its own in the cluster without the seal of the others",
		Hint: "write each SealedManifest into a file of its own"}
}
