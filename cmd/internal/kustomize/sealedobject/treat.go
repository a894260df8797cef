package sealedobject

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// itemsOf returns the objects in a List, or in a SecretList or the like.
func itemsOf(n *formats.Node) []formats.Node {
	items := Get(n, "items")
	if items == nil || items.Kind != formats.ListNode || !strings.HasSuffix(Text(n, "kind"), "List") {
		return nil
	}
	return items.Items
}

// Treat opens an object that a tool has read and perhaps changed where its MAC allows
// it. It returns nil if the object is to stay as it is: with Passthrough, and if it is
// not sealed. In the mode Plain no sealed value stays. stream is what the object stands
// in.
func (o *Opener) Treat(ctx context.Context, n *formats.Node, stream []byte) (*Opened, error) {
	if o.Mode == Passthrough {
		return nil, nil
	}
	if IsSealed(n) {
		out, err := o.Object(ctx, n)
		return out, together(err, n, stream)
	}
	return nil, o.leftover(n)
}

// leftover is an error if a value would be deployed sealed.
func (o *Opener) leftover(n *formats.Node) error {
	if o.Mode != Plain || isOperators(n) {
		return nil
	}
	at := SealedAt(n)
	if at == "" {
		return nil
	}
	return &Error{Object: NameOf(n), Msg: at + " is sealed, and the object has no sops entry by which to open it",
		Hint: "take the sealed file as it is; the mode passthrough leaves all that is sealed"}
}

// SealedAt returns the path of the first sealed value of an object, "" if there is none.
func SealedAt(n *formats.Node) string {
	if n.Kind == formats.ScalarNode {
		if n.Scalar.Kind != formats.String || !strings.HasPrefix(n.Scalar.Text, cipher.SealedPrefix) {
			return ""
		}
		return cmp.Or(n.Key, "an item")
	}
	for i := range n.Items {
		at := SealedAt(&n.Items[i])
		if at != "" && n.Key != "" {
			return n.Key + "." + at
		}
		if at != "" {
			return at
		}
	}
	return ""
}

// together finds out whether an object was sealed with others as one file: they have the
// same MAC then.
func together(err error, n *formats.Node, stream []byte) error {
	var tampered *cipher.TamperedError
	mac := Text(n, metaKey, "mac")
	if !errors.As(err, &tampered) || mac == "" || bytes.Count(stream, []byte(mac)) < 2 {
		return err
	}
	return &Error{Object: NameOf(n), Msg: "several documents were sealed as one file, and cannot be opened one by one", Err: tampered,
		Hint: "seal one object per file, or have a generator read the file (gitseal kustomize --help)"}
}

// list opens the sealed objects among the items of a list.
func (o *Opener) list(ctx context.Context, n *formats.Node, items []formats.Node) (*Opened, error) {
	out := &Opened{}
	opened := formats.Node{Key: "items", Kind: formats.ListNode}
	for i := range items {
		if !IsSealed(&items[i]) {
			if err := o.leftover(&items[i]); err != nil {
				return nil, err
			}
			opened.Items = append(opened.Items, items[i])
			continue
		}
		one, err := o.Object(ctx, &items[i])
		if err != nil {
			return nil, err
		}
		opened.Items = append(opened.Items, one.Objects...)
		out.Warnings = append(out.Warnings, one.Warnings...)
	}
	list := *n
	list.Items = slices.Clone(n.Items)
	*Get(&list, "items") = opened
	out.Objects = []formats.Node{list}
	return out, nil
}
