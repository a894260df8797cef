package sealedobject

import (
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
)

// place is where an object says that it is.
type place struct{ namespace, name string }

// placesOf lists the places of an object: the one it is at, and those that it was at
// before kustomize gave it a prefix or another namespace.
func placesOf(n *formats.Node) []place {
	now := place{Text(n, "metadata", "namespace"), Text(n, "metadata", "name")}
	const prefix = "internal.config.kubernetes.io/"
	names := strings.Split(Text(n, "metadata", "annotations", prefix+"previousNames"), ",")
	namespaces := strings.Split(Text(n, "metadata", "annotations", prefix+"previousNamespaces"), ",")
	out := []place{now}
	for i := range min(len(names), len(namespaces)) {
		if names[i] == "" {
			continue
		}
		ns := namespaces[i]
		if ns == "default" {
			ns = "" // it writes that where there is none, too
			out = append(out, place{"default", names[i]})
		}
		out = append(out, place{ns, names[i]})
	}
	return out
}

// bind checks that an object was sealed for one of the places it is at. An object that
// names no namespace gets that which it was sealed for.
func (o *Opener) bind(n *formats.Node, context string, at []place) error {
	if err := o.bound(n, context); err != nil {
		return err
	}
	b, ok := manifest.ParseContext(context)
	if !ok && (strings.HasPrefix(context, "k8s:") || o.Namespace != "") {
		return &Error{Msg: "it is not sealed for namespace " + o.Namespace, Err: cipher.ErrContext, Hint: contextHint}
	}
	if !ok {
		return nil // any place
	}
	if b.Scope == manifest.Keyring {
		return nil
	}
	for _, p := range at {
		ns := p.namespace
		if o.Namespace != "" {
			ns = o.Namespace
		}
		if ns != "" && ns != b.Namespace || b.Scope == manifest.Strict && p.name != b.Name {
			continue
		}
		if Text(n, "metadata", "namespace") == "" {
			Set(n, b.Namespace, "metadata", "namespace")
		}
		return nil
	}
	return &Error{Msg: "it is sealed for " + strings.TrimPrefix(context, "k8s:"), Err: cipher.ErrContext, Hint: contextHint}
}

// bound refuses a SealedManifest that is sealed for no place: each is made for one, and
// without the entry that says so it could be moved to where its values are printed.
func (o *Opener) bound(n *formats.Node, context string) error {
	if _, ok := manifest.ParseContext(context); ok || o.AllowUnbound || !isManifest(n) {
		return nil
	}
	return &Error{Msg: "it is sealed for no namespace: sops.seal was removed from it, or gitseal seal --manifest did not make it", Err: cipher.ErrContext,
		Hint: "restore the file; if you know that nobody else has changed it, --allow-unbound opens it, and gitseal seal --manifest --rebind seals it for its place"}
}

const contextHint = "have whoever can open it seal it for this place"

// Bind checks the context of a text against the one place that a Secret made of it will
// be at, and returns the Secret's namespace: its own, or what the text is sealed for.
func (o *Opener) Bind(context, namespace, name string) (string, error) {
	n := Map("", Map("metadata"))
	if namespace != "" {
		Set(&n, namespace, "metadata", "namespace")
	}
	err := o.bind(&n, context, []place{{namespace, name}})
	return Text(&n, "metadata", "namespace"), err
}
