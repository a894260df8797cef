package opening

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// Binding is what a sealed file says it is for: sops.seal.context.
type Binding struct {
	// Namespace and Name are where it may be opened; empty stands for any.
	Namespace, Name string
}

// ParseBinding reads a context:
//
//	k8s:NAMESPACE/NAME    one manifest
//	k8s:NAMESPACE/*       any manifest in a namespace
//	k8s:*/*               any manifest that the keyring opens
//
// Nothing else is one: ok is false for paths in a repository, and for names that no
// namespace or object can have.
func ParseBinding(context string) (b Binding, ok bool) {
	place, ok := strings.CutPrefix(context, "k8s:")
	if !ok {
		return Binding{}, false
	}
	namespace, name, ok := strings.Cut(place, "/")
	switch {
	case !ok:
		return Binding{}, false
	case namespace == "*" && name == "*":
		return Binding{}, true
	case len(validation.IsDNS1123Label(namespace)) > 0:
		return Binding{}, false
	case name == "*":
		return Binding{Namespace: namespace}, true
	}
	return Binding{namespace, name}, len(validation.IsDNS1123Subdomain(name)) == 0
}

// Covers reports whether a manifest may be opened at a place.
func (b Binding) Covers(namespace, name string) bool {
	return (b.Namespace == "" || b.Namespace == namespace) && (b.Name == "" || b.Name == name)
}

// Width returns how much the binding covers, as [v1alpha1.Integrity] names it.
func (b Binding) Width() string {
	switch {
	case b.Name != "":
		return ContextStrict
	case b.Namespace != "":
		return ContextNamespace
	}
	return ContextKeyring
}

// bind compares what the file is for with where the manifest really is.
func (a *admission) bind() error {
	m, context := a.manifest, ""
	if a.file.meta.Seal != nil {
		context = a.file.meta.Seal.Context
	}
	if context == "" {
		a.integrity.Context = ContextNone
		if a.requires(a.policy.Context) {
			return refuse(v1alpha1.ReasonUnbound,
				"the file does not say what it is for, as the keyring's policy requires: seal it for k8s:%s/%s", m.Namespace, m.Name)
		}
		a.warn("the file does not say what it is for: it could be copied to any other place")
		return nil
	}
	b, ok := ParseBinding(context)
	if !ok {
		return refuse(v1alpha1.ReasonContextMismatch, "the context that the file was sealed for is no place in a cluster: seal it for k8s:%s/%s", m.Namespace, m.Name)
	}
	if !b.Covers(m.Namespace, m.Name) {
		return refuse(v1alpha1.ReasonContextMismatch, "the file was sealed for %s, and this is k8s:%s/%s", context, m.Namespace, m.Name)
	}
	a.integrity.Context = b.Width()
	return nil
}
