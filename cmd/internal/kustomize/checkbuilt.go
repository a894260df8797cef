package kustomize

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

const sealedPrefix = cipher.SealedPrefix

// want is a Secret that should be built.
type want struct {
	// own is its name before kustomize changes it, name after that, but for a hash.
	namespace, own, name string
	ownNamespace         string
	// passed: it may be a SealedManifest. shared: it is merged with another.
	passed, shared bool
}

func (w want) String() string { return strings.TrimPrefix(w.ownNamespace+"/"+w.own, "/") }

// want is a Secret of a name in a scope.
func (s scope) want(namespace, name string) want {
	return want{namespace: cmp.Or(s.namespace, namespace), ownNamespace: namespace, own: name, name: s.prefix + name + s.suffix}
}

// secretsOf lists the Secrets that a sealed object becomes, as far as it shows.
func secretsOf(n *formats.Node, s scope) []want {
	name, ns := sealedobject.Text(n, "metadata", "name"), sealedobject.Text(n, "metadata", "namespace")
	document := sealedobject.Text(n, "spec", "document")
	target := sealedobject.Get(n, "spec", "target")
	switch {
	case strings.HasPrefix(name, sealedPrefix):
		return nil
	case !sealedobject.IsManifest(n) && sealedobject.Text(n, "kind") != "Secret":
		return nil
	case document == "" || target != nil || sealedobject.Text(n, "spec", "format") == "dotenv":
		return []want{s.want(ns, cmp.Or(sealedobject.Text(target, "name"), name))}
	}
	var out []want
	objects, _ := objectsIn([]byte(document))
	if len(objects) == 0 {
		return []want{s.want(ns, name)}
	}
	for i := range objects {
		if kind := sealedobject.Text(&objects[i], "kind"); kind == "Secret" {
			out = append(out, s.want(ns, sealedobject.Text(&objects[i], "metadata", "name")))
		}
	}
	return out
}

// object looks at a resource.
func (c *checker) object(file string, n *formats.Node, s scope) {
	kind, name := sealedobject.Text(n, "kind"), sealedobject.Text(n, "metadata", "name")
	switch {
	case isUnseal(n):
		c.find(file, name+" is a configuration of kind Unseal, listed under resources:, where nothing runs it", "list it under generators: or transformers:")
	case sealedobject.IsManifest(n):
		if !s.opened {
			c.misplaced(file, n, s)
			return
		}
		c.report.wants = append(c.report.wants, secretsOf(n, s)...)
	case sealedobject.IsSealed(n):
		if kind == "Secret" {
			c.report.wants = append(c.report.wants, secretsOf(n, s)...)
		}
		if !s.opened {
			shown := kind + " " + name
			if strings.HasPrefix(kind, sealedPrefix) {
				shown = "an object"
			}
			c.find(file, shown+" is a resource, and nothing opens it: it would be deployed sealed",
				"list its file under files: of a generator, or add a transformer of kind Unseal; a SealedManifest needs neither")
		}
	default:
		if at := sealedobject.SealedAt(n); at != "" && kind != "SopsSecret" {
			c.find(file, sealedobject.NameOf(n)+": "+at+" is sealed, and the object has no sops entry by which to open it", "take the sealed file as it is")
		}
	}
}

// misplaced makes a finding of a SealedManifest that the controller would refuse where
// kustomize puts it.
func (c *checker) misplaced(file string, n *formats.Node, s scope) {
	name, ns := sealedobject.Text(n, "metadata", "name"), sealedobject.Text(n, "metadata", "namespace")
	if msg := refusedAt(n, cmp.Or(s.namespace, ns), s.prefix+name+s.suffix); msg != "" {
		c.find(file, msg, misplacedHint)
	}
}

const misplacedHint = "gitseal seal --manifest --rebind seals it for its place; with --scope namespace it can have any name there"

// refusedAt says why the controller would refuse a SealedManifest at a place, "" if it
// need not.
func refusedAt(n *formats.Node, namespace, name string) string {
	if !sealedobject.IsManifest(n) {
		return ""
	}
	context := sealedobject.Text(n, "sops", "seal", "context")
	if text := sealedobject.Text(n, "spec", "document"); text != "" {
		if f, ok := all.ByName(cmp.Or(sealedobject.Text(n, "spec", "format"), "yaml")); ok {
			if report, err := cipher.Inspect(f, []byte(text)); err == nil && report.Metadata.Seal != nil {
				context = report.Metadata.Seal.Context
			}
		}
	}
	b, ok := manifest.ParseContext(context)
	switch {
	case !ok:
		return sealedobject.NameOf(n) + " is sealed for no namespace, and the controller refuses it"
	case b.Scope == manifest.Keyring:
		return ""
	case namespace != "" && namespace != b.Namespace, b.Scope == manifest.Strict && name != b.Name:
		return fmt.Sprintf("%s is sealed for %s: as %s the controller refuses it", sealedobject.NameOf(n), strings.TrimPrefix(context, "k8s:"),
			strings.TrimPrefix(namespace+"/"+name, "/"))
	}
	return ""
}

// CheckBuilt looks whether what kustomize built has the Secrets that a report expects,
// each of them, opened, and no sealed value but in SealedManifests.
func (r *Report) CheckBuilt(name string, built []byte) []Finding {
	var out []Finding
	find := func(msg, hint string) { out = append(out, Finding{File: name, Msg: msg, Hint: hint}) }
	objects, unreadable := objectsIn(built)
	if unreadable > 0 {
		find(fmt.Sprintf("document %d may be sealed, and cannot be read", unreadable), enableHint)
	}
	var secrets []formats.Node
	for i := range objects {
		n := &objects[i]
		kind := sealedobject.Text(n, "kind")
		if kind == "Secret" || sealedobject.IsManifest(n) {
			secrets = append(secrets, *n)
		}
		if msg := refusedAt(n, sealedobject.Text(n, "metadata", "namespace"), sealedobject.Text(n, "metadata", "name")); msg != "" {
			find(msg, misplacedHint)
		}
		if msg := stillSealed(n); msg != "" {
			find(sealedobject.NameOf(n)+msg, enableHint)
		}
	}
	for _, w := range r.missing(secrets) {
		find("there is no Secret "+w.String(), enableHint)
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Compare(a.Msg, b.Msg) })
	return out
}

// stillSealed says what of an object is sealed, "" if nothing is that should not be.
func stillSealed(n *formats.Node) string {
	kind := sealedobject.Text(n, "kind")
	switch {
	case sealedobject.IsManifest(n), kind == "SopsSecret":
		return ""
	case isUnseal(n):
		return ": this configuration was built as a resource"
	case sealedobject.IsSealed(n):
		return " is still sealed"
	}
	if at := sealedobject.SealedAt(n); at != "" {
		return ": " + at + " is still sealed"
	}
	if kind != "Secret" && kind != "ConfigMap" {
		return ""
	}
	for _, field := range []string{"data", "stringData", "binaryData"} {
		values := sealedobject.Get(n, field)
		if values == nil {
			continue
		}
		for i := range values.Items {
			text := values.Items[i].Scalar.Text
			if plain, err := base64.StdEncoding.DecodeString(text); err == nil && field != "stringData" {
				text += string(plain)
			}
			if strings.Contains(text, sealedPrefix) {
				return ": " + field + "." + values.Items[i].Key + " is a sealed file, or a sealed value of one"
			}
		}
	}
	return ""
}

// missing lists the Secrets that are wanted and not there; each that is there counts
// once. The best matches are taken first.
func (r *Report) missing(secrets []formats.Node) []want {
	used := make([]bool, len(secrets))
	wants := slices.Clone(r.wants)
	for _, fits := range []func(w want, namespace, name string) bool{want.isAt, want.mayBeAt, func(w want, _, name string) bool {
		return r.lenient && strings.Contains(name, w.own)
	}} {
		wants = slices.DeleteFunc(wants, func(w want) bool {
			for i := range secrets {
				n := &secrets[i]
				if used[i] && !w.shared || sealedobject.IsManifest(n) && !w.passed || !fits(w, sealedobject.Text(n, "metadata", "namespace"), sealedobject.Text(n, "metadata", "name")) {
					continue
				}
				used[i] = used[i] || !w.shared
				return true
			}
			return false
		})
	}
	return wants
}

// isAt reports whether a Secret is there as kustomize should name it, a hash aside.
func (w want) isAt(namespace, name string) bool {
	const hash = len("-0123456789")
	rest, ok := strings.CutPrefix(name, w.name)
	return ok && (rest == "" || len(rest) == hash && rest[0] == '-') && w.isIn(namespace)
}

// mayBeAt takes other prefixes and suffixes, too: of components, say.
func (w want) mayBeAt(namespace, name string) bool {
	return strings.Contains(name, w.own) && w.isIn(namespace)
}

// isIn: an object without a namespace gets that which it is sealed for.
func (w want) isIn(namespace string) bool {
	const byDefault = "default"
	return w.namespace == "" || cmp.Or(w.namespace, byDefault) == cmp.Or(namespace, byDefault)
}

const enableHint = "call kustomize build with --enable-alpha-plugins and --enable-exec; without the second it leaves exec functions out and says nothing"
