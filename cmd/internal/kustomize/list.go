// Package kustomize is a KRM function: it reads a ResourceList, generates Secrets from
// sealed files or opens the sealed objects in the list, and writes the list back with
// every other item as it was, to the byte.
//
// See https://github.com/kubernetes-sigs/kustomize (api/krusty, functions spec).
package kustomize

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

// APIVersion and Kind are those of the list, which tools of this kind exchange.
const (
	APIVersion = "config.kubernetes.io/v1"
	Kind       = "ResourceList"
)

// List is a ResourceList as text. It prints redacted: items may be secrets.
type List struct {
	// Config is the function's configuration.
	Config formats.Node

	src []byte
	// items are where the items stand, from their dash up to the next; of JSON, the
	// values themselves.
	items []span
	json  bool
}

// span bounds a part of the text. column is that of the dash.
type span struct{ start, end, column int }

// String says nothing of the content.
func (l *List) String() string { return fmt.Sprintf("<list of %d items>", len(l.items)) }

// GoString is String.
func (l *List) GoString() string { return l.String() }

// ReadList reads a ResourceList: YAML as kustomize writes it, whose items are a list in
// block style, or JSON. It does not look into the items. Its error wraps
// [formats.ErrSyntax] and holds nothing of the text.
func ReadList(src []byte) (*List, error) {
	l := &List{src: src}
	if trimmed := bytes.TrimSpace(src); len(trimmed) > 0 && trimmed[0] == '{' {
		l.json = true
		return l, l.readJSON()
	}
	return l, l.readYAML()
}

func notList(msg string) error {
	return &formats.Error{Cause: formats.ErrSyntax, Msg: "not a " + Kind + ": " + msg}
}

// readJSON notes where the items stand.
func (l *List) readJSON() error {
	var doc struct {
		Kind           string            `json:"kind"`
		Items          []json.RawMessage `json:"items"`
		FunctionConfig json.RawMessage   `json:"functionConfig"`
	}
	if err := json.Unmarshal(l.src, &doc); err != nil {
		return notList("not JSON")
	}
	if doc.Kind != Kind {
		return notList("it is of another kind")
	}
	if len(doc.FunctionConfig) > 0 {
		var err error
		if l.Config, err = formats.NodeFromJSON(doc.FunctionConfig); err != nil {
			return fmt.Errorf("functionConfig: %w", err)
		}
	}
	return l.findJSON()
}

// findJSON finds the items again, with their places. The text is known to be JSON.
func (l *List) findJSON() error {
	d := json.NewDecoder(bytes.NewReader(l.src))
	if _, err := d.Token(); err != nil {
		return notList("not JSON")
	}
	seen := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return notList("not JSON")
		}
		if key != "items" {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return notList("not JSON")
			}
			continue
		}
		if seen {
			return notList("it has items twice")
		}
		seen = true
		if err := l.jsonItems(d); err != nil {
			return err
		}
	}
	return nil
}

func (l *List) jsonItems(d *json.Decoder) error {
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		if err == nil && open == nil {
			return nil
		}
		return notList("items is no list")
	}
	for d.More() {
		var item json.RawMessage
		if err := d.Decode(&item); err != nil {
			return notList("not JSON")
		}
		end := int(d.InputOffset())
		l.items = append(l.items, span{start: end - len(item), end: end})
	}
	_, err := d.Token()
	return err
}

// Len is how many items there are.
func (l *List) Len() int { return len(l.items) }

// MayBeSealed reports whether an item is worth reading.
func (l *List) MayBeSealed(i int) bool { return sealedobject.MayBeSealed(l.text(i)) }

func (l *List) text(i int) []byte { return l.src[l.items[i].start:l.items[i].end] }

// Item reads an item.
func (l *List) Item(i int) (formats.Node, error) {
	if l.json {
		return formats.NodeFromJSON(l.text(i))
	}
	// Without its dash an item is a document that is indented as a whole.
	text := bytes.Clone(l.text(i))
	text[l.items[i].column] = ' '
	return sealedobject.ParseYAML(text)
}

// Replaced returns the list with other objects in place of some items.
func (l *List) Replaced(by map[int][]formats.Node) ([]byte, error) {
	if len(by) == 0 {
		return l.src, nil
	}
	var b bytes.Buffer
	at := 0
	for i, s := range l.items {
		objects, ok := by[i]
		if !ok {
			continue
		}
		b.Write(l.src[at:s.start])
		if err := l.write(&b, objects, s.column); err != nil {
			return nil, err
		}
		at = s.end
	}
	b.Write(l.src[at:])
	return b.Bytes(), nil
}

func (l *List) write(b *bytes.Buffer, objects []formats.Node, column int) error {
	for i := range objects {
		if !l.json {
			if err := writeItem(b, objects[i], column); err != nil {
				return err
			}
			continue
		}
		text, err := objects[i].JSON()
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(text)
	}
	return nil
}

// writeItem writes an object as an item of a list whose dashes are in a column.
func writeItem(b *bytes.Buffer, n formats.Node, column int) error {
	text, err := sealedobject.YAML(n)
	if err != nil {
		return err
	}
	first := true
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) == 0 {
			b.Write(line)
			continue
		}
		b.Write(bytes.Repeat([]byte{' '}, column))
		b.WriteString(map[bool]string{true: "- ", false: "  "}[first])
		b.Write(line)
		first = false
	}
	return nil
}

// NewList returns a ResourceList of objects.
func NewList(objects []formats.Node) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("apiVersion: " + APIVersion + "\nkind: " + Kind + "\n")
	if len(objects) == 0 {
		b.WriteString("items: []\n")
		return b.Bytes(), nil
	}
	b.WriteString("items:\n")
	for i := range objects {
		if err := writeItem(&b, objects[i], 0); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// Failed returns a ResourceList without items that reports an error, for tools that
// read results. kustomize does not: a failure needs an exit code, too.
func Failed(text string, hints ...string) []byte {
	msg := text
	for _, h := range hints {
		msg += "; " + h
	}
	n := sealedobject.Map("", sealedobject.String("apiVersion", APIVersion), sealedobject.String("kind", Kind),
		formats.Node{Key: "items", Kind: formats.ListNode},
		formats.Node{Key: "results", Kind: formats.ListNode, Items: []formats.Node{
			sealedobject.Map("", sealedobject.String("message", msg), sealedobject.String("severity", "error")),
		}})
	out, err := sealedobject.YAML(n)
	if err != nil {
		return nil
	}
	return out
}
