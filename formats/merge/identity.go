package merge

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// identities are the fields by which people tell items of a list apart, those that
// are surely no more than names first. A Kubernetes object goes by more than one
// field, see [objectID].
var identities = []string{"name", "id", "path_regex", "host", "hostname", "user", "username", "email", "path", "key"}

// identify returns for each item of each list a text that no other item of that list
// has, and that it keeps when it is changed or moved; false if the items have none.
func identify(lists ...[]formats.Node) ([][]string, bool) {
	if ids, ok := idsBy(objectID, lists); ok {
		return ids, true
	}
	for _, field := range identities {
		by := func(n *formats.Node) (string, bool) { return fieldID(n, field) }
		if ids, ok := idsBy(by, lists); ok {
			return ids, true
		}
	}
	return nil, false
}

// identifyObjects is identify for documents: only Kubernetes objects have what tells
// them apart.
func identifyObjects(lists ...[]formats.Node) ([][]string, bool) { return idsBy(objectID, lists) }

// idsBy returns what a function finds in all items; false if one has nothing, or two
// items of a list have the same.
func idsBy(id func(*formats.Node) (string, bool), lists [][]formats.Node) ([][]string, bool) {
	all := make([][]string, len(lists))
	any := false
	for n, list := range lists {
		seen := make(map[string]bool, len(list))
		for i := range list {
			text, ok := id(&list[i])
			if !ok || seen[text] {
				return nil, false
			}
			seen[text], any = true, true
			all[n] = append(all[n], text)
		}
	}
	return all, any
}

// field returns an item of a map, nil if there is none.
func field(n *formats.Node, key string) *formats.Node {
	if n == nil || n.Kind != formats.MapNode {
		return nil
	}
	for i := range n.Items {
		if n.Items[i].Key == key {
			return &n.Items[i]
		}
	}
	return nil
}

// fieldID returns a field if it can be an identity: a scalar that is not empty.
func fieldID(n *formats.Node, key string) (string, bool) {
	f := field(n, key)
	if f == nil || f.Kind != formats.ScalarNode || f.Scalar.Text == "" {
		return "", false
	}
	var b strings.Builder
	write(&b, f)
	return b.String(), true
}

// objectID returns what tells a Kubernetes object from others in a cluster.
func objectID(n *formats.Node) (string, bool) {
	metadata := field(n, "metadata")
	kind, ok := fieldID(n, "kind")
	name, named := fieldID(metadata, "name")
	if !ok || !named {
		return "", false
	}
	version, _ := fieldID(n, "apiVersion")
	namespace, _ := fieldID(metadata, "namespace")
	return strings.Join([]string{version, kind, namespace, name}, "\n"), true
}

// sameIdentity reports whether b has every identity that a has.
func sameIdentity(a, b *formats.Node) bool {
	if id, ok := objectID(a); ok {
		if other, _ := objectID(b); other != id {
			return false
		}
	}
	for _, key := range identities {
		if id, ok := fieldID(a, key); ok {
			if other, _ := fieldID(b, key); other != id {
				return false
			}
		}
	}
	return true
}
