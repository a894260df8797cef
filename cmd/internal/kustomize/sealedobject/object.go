package sealedobject

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/json"
)

const (
	kindSecret   = "Secret"
	kindManifest = "SealedManifest"
	group        = "gitseal.dev/"
	metaKey      = "sops"
)

// ours are the prefixes of annotations with which kustomize and Helm keep track of
// objects while they work on them; no file was sealed with these.
func ours() []string {
	return []string{"internal.config.kubernetes.io/", "kustomize.config.k8s.io/", "config.kubernetes.io/", "config.k8s.io/", "postrenderer.helm.sh/"}
}

// MayBeSealed reports whether a text may hold a sealed object; most hold none, and need
// not be read.
func MayBeSealed(src []byte) bool {
	return bytes.Contains(src, []byte(cipher.SealedPrefix)) || bytes.Contains(src, []byte(kindManifest))
}

// IsSealed reports whether an object is sealed, or a SealedManifest, or a list with such
// objects. Those that are for an operator to open are not meant.
func IsSealed(n *formats.Node) bool {
	if isManifest(n) || Get(n, metaKey, "mac") != nil {
		return !isOperators(n)
	}
	return slices.ContainsFunc(itemsOf(n), func(item formats.Node) bool { return IsSealed(&item) })
}

// IsManifest reports whether an object is a SealedManifest.
func IsManifest(n *formats.Node) bool { return isManifest(n) }

func isManifest(n *formats.Node) bool {
	return Text(n, "kind") == kindManifest && strings.HasPrefix(Text(n, "apiVersion"), group)
}

// isOperators reports whether an object is one that another operator opens in its
// cluster (isindir/sops-secrets-operator, craftypath/sops-operator).
func isOperators(n *formats.Node) bool { return Text(n, "kind") == "SopsSecret" }

// Object opens an object that [IsSealed] is true of. With Passthrough, and of others, it
// gives the object back.
func (o *Opener) Object(ctx context.Context, n *formats.Node) (*Opened, error) {
	if o.Mode == Passthrough || !IsSealed(n) {
		return &Opened{Objects: []formats.Node{*n}}, nil
	}
	if items := itemsOf(n); items != nil && Get(n, metaKey) == nil {
		return o.list(ctx, n, items)
	}
	out, err := o.object(ctx, n)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Object != "" {
			return nil, err
		}
		return nil, &Error{Object: NameOf(n), Hint: hintOf(err), Err: err}
	}
	for i := range out.Warnings {
		out.Warnings[i] = NameOf(n) + ": " + out.Warnings[i]
	}
	return out, nil
}

// hintOf knows what the tools that carry objects do to them.
func hintOf(err error) string {
	var own *Error
	var tampered *cipher.TamperedError
	switch {
	case errors.As(err, &own):
		return own.Hint
	case errors.As(err, &tampered) && slices.Contains([]cipher.Reason{cipher.ReasonMAC, cipher.ReasonSealMAC}, tampered.Reason):
		return "if a tool added labels or the like: seal it with mac_only_encrypted (a SealedManifest is), or have a generator read the file (gitseal kustomize --help)"
	case errors.As(err, &tampered):
		return "nothing was written; git log -p on the file that the object is from shows who changed it: restore it"
	}
	return ""
}

func (o *Opener) object(ctx context.Context, n *formats.Node) (*Opened, error) {
	if Get(n, metaKey) == nil {
		return o.document(ctx, n)
	}
	if isManifest(n) && Get(n, "spec", "document") != nil {
		return nil, &Error{Msg: "it has both sops and spec.document", Hint: "a SealedManifest has one of the two"}
	}
	text, err := withoutTracks(n).JSON()
	if err != nil {
		return nil, err
	}
	c, err := o.reveal(ctx, json.Format{}, text, true)
	if err != nil {
		return nil, err
	}
	out := merged(n, &c.Documents[0])
	drop(&out, metaKey)
	if err := o.bind(&out, c.Context, placesOf(n)); err != nil {
		return nil, err
	}
	return &Opened{Objects: []formats.Node{secretOf(&out)}, Warnings: c.Warnings}, nil
}

// withoutTracks is an object without the annotations of tools.
func withoutTracks(n *formats.Node) *formats.Node {
	annotations := Get(n, "metadata", "annotations")
	if annotations == nil || annotations.Kind != formats.MapNode {
		return n
	}
	var kept []formats.Node
	for _, a := range annotations.Items {
		if !slices.ContainsFunc(ours(), func(p string) bool { return strings.HasPrefix(a.Key, p) }) {
			kept = append(kept, a)
		}
	}
	if len(kept) == len(annotations.Items) {
		return n
	}
	out := *n
	out.Items = slices.Clone(n.Items)
	meta := Get(&out, "metadata")
	meta.Items = slices.Clone(meta.Items)
	if len(kept) == 0 {
		drop(meta, "annotations")
		return &out
	}
	*Get(meta, "annotations") = Map("annotations", kept...)
	return &out
}

func drop(n *formats.Node, key string) {
	n.Items = slices.DeleteFunc(slices.Clone(n.Items), func(item formats.Node) bool { return item.Key == key })
}

// merged is the object with what was revealed in place of what was sealed.
func merged(n, revealed *formats.Node) formats.Node {
	out := *n
	if n.Kind == formats.ScalarNode {
		return *revealed
	}
	out.Items = slices.Clone(n.Items)
	for i := range out.Items {
		var below *formats.Node
		if n.Kind == formats.MapNode {
			below = Get(revealed, out.Items[i].Key)
		} else if i < len(revealed.Items) {
			below = &revealed.Items[i]
		}
		if below != nil && below.Kind == out.Items[i].Kind {
			out.Items[i] = merged(&n.Items[i], below)
		}
	}
	return out
}

// secretOf makes the Secret of an opened SealedManifest; other objects stay.
func secretOf(n *formats.Node) formats.Node {
	if !isManifest(n) {
		return *n
	}
	out := Map(n.Key, String("apiVersion", "v1"), String("kind", kindSecret))
	for _, key := range []string{"metadata", "type", "immutable", "data", "stringData"} {
		if item := Get(n, key); item != nil {
			out.Items = append(out.Items, *item)
		}
	}
	rename(&out)
	return out
}

// rename has kustomize believe that a Secret was one before, too: by that it finds out
// which references are to follow its name.
func rename(n *formats.Node) {
	const key = "internal.config.kubernetes.io/previousKinds"
	kinds := Text(n, "metadata", "annotations", key)
	if kinds == "" {
		return
	}
	list := strings.Split(kinds, ",")
	for i := range list {
		if list[i] == kindManifest {
			list[i] = kindSecret
		}
	}
	Set(n, strings.Join(list, ","), "metadata", "annotations", key)
}

// document opens spec.document.
func (o *Opener) document(ctx context.Context, n *formats.Node) (*Opened, error) {
	spec := Get(n, "spec")
	text := Text(spec, "document")
	if text == "" {
		return nil, &Error{Msg: "it is not sealed: it has neither sops nor spec.document", Hint: "gitseal seal seals it"}
	}
	name := Text(spec, "format")
	if name == "" {
		name = "yaml"
	}
	f, ok := all.ByName(name)
	if !ok {
		return nil, &Error{Msg: "spec.format names no format", Hint: "the formats are " + strings.Join(all.Names(), ", ")}
	}
	c, err := o.reveal(ctx, f, []byte(text), false)
	if err != nil {
		return nil, &Error{Msg: "spec.document", Err: err, Hint: hintOf(err)}
	}
	holder := *n
	if err := o.bind(&holder, c.Context, placesOf(n)); err != nil {
		return nil, err
	}
	out := &Opened{Warnings: c.Warnings}
	if target := Get(spec, "target"); target != nil || name == "dotenv" {
		secret, err := targetSecret(&holder, target, name, c)
		out.Objects = []formats.Node{secret}
		return out, err
	}
	if name != "yaml" && name != "json" {
		return nil, &Error{Msg: "a document in the format " + name + " is no object", Hint: "spec.target.key makes it a key of a Secret"}
	}
	for i := range c.Documents {
		object := c.Documents[i]
		if len(object.Items) == 0 {
			continue
		}
		if err := settle(&object, &holder); err != nil {
			return nil, err
		}
		out.Objects = append(out.Objects, object)
	}
	if len(out.Objects) == 0 {
		return nil, &Error{Msg: "spec.document", Err: ErrNoObject, Hint: "spec.target.key makes it a key of a Secret"}
	}
	return out, nil
}

// settle checks an object of a document, and puts it where its holder is.
func settle(object, holder *formats.Node) error {
	if Text(object, "apiVersion") == "" || Text(object, "kind") == "" || Text(object, "metadata", "name") == "" {
		return &Error{Msg: "spec.document", Err: ErrNoObject, Hint: "spec.target.key makes it a key of a Secret"}
	}
	own, ns := Text(object, "metadata", "namespace"), Text(holder, "metadata", "namespace")
	if own != "" && own != ns {
		return &Error{Msg: NameOf(object) + " in spec.document is in another namespace than its SealedManifest", Hint: "put the SealedManifest into that namespace"}
	}
	if ns != "" {
		Set(object, ns, "metadata", "namespace")
	}
	return nil
}

// targetSecret makes one Secret of a document.
func targetSecret(holder, target *formats.Node, format string, c *Content) (formats.Node, error) {
	data := formats.Node{}
	key := Text(target, "key")
	switch {
	case key != "":
		data = DataOf(Entry{Key: key, Value: c.PlaintextBytes()})
	case format == "dotenv":
		entries, err := Variables(c)
		if err != nil {
			return data, err
		}
		data = DataOf(entries...)
	default:
		return data, &Error{Msg: "spec.target has no key", Hint: "only a dotenv document needs none"}
	}
	name := Text(target, "name")
	if name == "" {
		name = Text(holder, "metadata", "name")
	}
	meta := Map("metadata", String("name", name))
	for _, field := range []string{"namespace", "labels", "annotations"} {
		if item := Get(holder, "metadata", field); item != nil {
			meta.Items = append(meta.Items, *item)
		}
	}
	typ := Text(target, "type")
	if typ == "" {
		typ = "Opaque"
	}
	out := Map(holder.Key, String("apiVersion", "v1"), String("kind", kindSecret), meta, String("type", typ), data)
	rename(&out)
	return out, nil
}
