package manifest

import (
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
)

// Scope is how wide the place is that a SealedManifest is sealed for.
type Scope string

// The scopes, narrowest first.
const (
	// Strict: this name in this namespace.
	Strict Scope = "strict"
	// Namespace: any name in this namespace.
	Namespace Scope = "namespace"
	// Keyring: any name and namespace that the cluster's keyring reaches.
	Keyring Scope = "keyring"
)

// Binding is what a SealedManifest is sealed for. It is kept as the text
// sops.seal.context (docs/FORMAT.md §6).
type Binding struct {
	Scope           Scope
	Namespace, Name string
}

const contextPrefix = "k8s:"

// Context returns the text.
func (b Binding) Context() string {
	switch b.Scope {
	case Keyring:
		return contextPrefix + "*/*"
	case Namespace:
		return contextPrefix + b.Namespace + "/*"
	}
	return contextPrefix + b.Namespace + "/" + b.Name
}

// ParseContext is the inverse of Context; ok is false for the contexts of other things.
func ParseContext(context string) (b Binding, ok bool) {
	rest, ok := strings.CutPrefix(context, contextPrefix)
	if !ok {
		return b, false
	}
	namespace, name, ok := strings.Cut(rest, "/")
	switch {
	case !ok:
		return b, false
	case namespace == "*" && name == "*":
		return Binding{Scope: Keyring}, true
	case !sealedsecret.ValidNamespace(namespace):
		return b, false
	case name == "*":
		return Binding{Scope: Namespace, Namespace: namespace}, true
	}
	return Binding{Scope: Strict, Namespace: namespace, Name: name}, sealedsecret.ValidName(name)
}

// Fits reports whether what is sealed for b opens as the object o. An object without a
// namespace gets one elsewhere, and fits any.
func (b Binding) Fits(o Object) bool {
	switch {
	case b.Scope == Keyring:
		return true
	case o.Namespace != "" && o.Namespace != b.Namespace:
		return false
	}
	return b.Scope == Namespace || b.Name == o.Name
}

// Wish is what somebody asks of a binding; the zero value asks for nothing.
type Wish struct {
	Scope Scope
	// Namespace is that of objects which do not say theirs.
	Namespace string
}

// Bind returns what the object o is to be sealed for: as wide as wished or else as it
// was before, and strictly if there is no before. The error is a [*Problem].
func Bind(o Object, w Wish, before Binding) (Binding, error) {
	b := Binding{Scope: w.Scope, Namespace: o.Namespace, Name: o.Name}
	if b.Scope == "" {
		b.Scope = before.Scope
	}
	if b.Scope == "" {
		b.Scope = Strict
	}
	if b.Namespace == "" {
		b.Namespace = w.Namespace
	}
	if b.Namespace == "" {
		b.Namespace = before.Namespace
	}
	switch {
	case b.Scope == Keyring:
		return Binding{Scope: Keyring}, nil
	case w.Namespace != "" && b.Namespace != w.Namespace:
		return b, &Problem{Msg: "the file is in namespace " + b.Namespace + ", and --namespace says another", Hint: "leave --namespace out, or correct metadata.namespace"}
	case b.Namespace == "":
		return b, &Problem{Msg: "the file does not say its namespace, which it is to be sealed for",
			Hint: "write metadata.namespace; or, if something else sets it (kustomize), say which with --namespace; --scope keyring seals for any"}
	case !sealedsecret.ValidNamespace(b.Namespace):
		return b, &Problem{Msg: "the namespace is not a name that Kubernetes allows", Hint: "lower case letters, digits and -, at most 63"}
	case b.Scope == Namespace:
		b.Name = ""
	}
	return b, nil
}
