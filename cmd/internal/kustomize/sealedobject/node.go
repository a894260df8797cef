package sealedobject

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// ParseYAML reads one YAML document as a tree. Comments are left out. Its error holds
// nothing of the text.
func ParseYAML(src []byte) (formats.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return formats.Node{}, &formats.Error{Cause: formats.ErrSyntax, Msg: "not YAML"}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return formats.Node{}, &formats.Error{Cause: formats.ErrSyntax, Msg: "empty"}
	}
	w := jsonWriter{}
	if err := w.write(doc.Content[0], 0); err != nil {
		return formats.Node{}, err
	}
	return formats.NodeFromJSON(w.Bytes())
}

// jsonWriter writes YAML nodes as JSON, with what aliases stand for in their place.
type jsonWriter struct{ bytes.Buffer }

func cannot(n *yaml.Node, cause error, msg string) error {
	return &formats.Error{Cause: cause, Line: n.Line, Column: n.Column, Msg: msg}
}

func (w *jsonWriter) write(n *yaml.Node, depth int) error {
	if depth > formats.MaxDepth {
		return cannot(n, formats.ErrLimit, "nested too deeply")
	}
	switch n.Kind {
	case yaml.AliasNode:
		err := w.write(n.Alias, depth+1)
		if err == nil && w.Len() > formats.MaxSealed {
			return cannot(n, formats.ErrLimit, "aliases repeat too much")
		}
		return err
	case yaml.ScalarNode:
		return writeScalar(&w.Buffer, n)
	case yaml.SequenceNode:
		return w.list(n, depth)
	}
	return w.fields(n, depth)
}

func (w *jsonWriter) list(n *yaml.Node, depth int) error {
	w.WriteByte('[')
	for i, c := range n.Content {
		if i > 0 {
			w.WriteByte(',')
		}
		if err := w.write(c, depth+1); err != nil {
			return err
		}
	}
	w.WriteByte(']')
	return nil
}

func (w *jsonWriter) fields(n *yaml.Node, depth int) error {
	w.WriteByte('{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			return cannot(n.Content[i], formats.ErrNotSealable, "a key that is no string")
		}
		if i > 0 {
			w.WriteByte(',')
		}
		writeString(&w.Buffer, key.Value)
		w.WriteByte(':')
		if err := w.write(n.Content[i+1], depth+1); err != nil {
			return err
		}
	}
	w.WriteByte('}')
	return nil
}

func writeScalar(b *bytes.Buffer, n *yaml.Node) error {
	switch n.ShortTag() {
	case "!!null":
		b.WriteString("null")
	case "!!bool", "!!int", "!!float":
		var v any
		if err := n.Decode(&v); err != nil {
			return &formats.Error{Cause: formats.ErrSyntax, Line: n.Line, Column: n.Column, Msg: "not the number or boolean that its tag says"}
		}
		f, isFloat := v.(float64)
		if isFloat && (math.IsInf(f, 0) || math.IsNaN(f)) {
			return &formats.Error{Cause: formats.ErrNotSealable, Line: n.Line, Column: n.Column, Msg: "a number that JSON cannot hold"}
		}
		text, err := json.Marshal(v)
		if err != nil {
			return &formats.Error{Cause: formats.ErrNotSealable, Line: n.Line, Column: n.Column, Msg: "a number that JSON cannot hold"}
		}
		b.Write(text)
	default:
		writeString(b, n.Value)
	}
	return nil
}

func writeString(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string and a buffer: it cannot fail
	b.Truncate(b.Len() - 1)
}

// YAML returns a tree as YAML in block style, every string spelled so that readers of
// YAML 1.1 take it for one, too.
func YAML(n formats.Node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(yamlNode(&n)), e.Close()); err != nil {
		return nil, errors.New("writing an object as YAML") // what yaml says could hold a value
	}
	return b.Bytes(), nil
}

func yamlNode(n *formats.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.ScalarNode}
	switch n.Kind {
	case formats.MapNode, formats.ListNode:
		out.Kind = yaml.MappingNode
		if n.Kind == formats.ListNode {
			out.Kind = yaml.SequenceNode
		}
		for i := range n.Items {
			if n.Kind == formats.MapNode {
				out.Content = append(out.Content, stringNode(n.Items[i].Key))
			}
			out.Content = append(out.Content, yamlNode(&n.Items[i]))
		}
		return out
	}
	switch n.Scalar.Kind {
	case formats.Null:
		out.Tag, out.Value = "!!null", "null"
	case formats.Bool:
		out.Tag, out.Value = "!!bool", strings.ToLower(n.Scalar.Text)
	case formats.Int:
		out.Tag, out.Value = "!!int", n.Scalar.Text
	case formats.Float:
		out.Tag, out.Value = "!!float", n.Scalar.Text
		if text := n.Literal(); text != "" {
			out.Value = text
		}
	default:
		return stringNode(n.Scalar.Text)
	}
	return out
}

func stringNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if !isPlain(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// isPlain reports whether every reader of YAML takes s for a string without quotes.
func isPlain(s string) bool {
	const reserved = " y n yes no on off true false null "
	if s == "" || strings.Contains(reserved, " "+strings.ToLower(s)+" ") || s[len(s)-1] == ' ' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9') && !strings.ContainsRune("+-_./=", rune(c))) {
			return false
		}
	}
	return true
}

// Get returns the node at the end of the keys, nil if there is none.
func Get(n *formats.Node, keys ...string) *formats.Node {
	for _, key := range keys {
		if n == nil || n.Kind != formats.MapNode {
			return nil
		}
		var next *formats.Node
		for i := range n.Items {
			if n.Items[i].Key == key {
				next = &n.Items[i]
				break
			}
		}
		n = next
	}
	return n
}

// Text returns the string at the end of the keys, "" if there is none.
func Text(n *formats.Node, keys ...string) string {
	n = Get(n, keys...)
	if n == nil || n.Kind != formats.ScalarNode || n.Scalar.Kind != formats.String {
		return ""
	}
	return n.Scalar.Text
}

// Set puts a string at the end of the keys; maps that are missing are made.
func Set(n *formats.Node, text string, keys ...string) {
	for _, key := range keys {
		next := Get(n, key)
		if next == nil {
			n.Kind = formats.MapNode
			n.Items = append(n.Items, formats.Node{Key: key, Kind: formats.MapNode})
			next = &n.Items[len(n.Items)-1]
		}
		n = next
	}
	*n = String(n.Key, text)
}

// String returns a node that is a string.
func String(key, text string) formats.Node {
	return formats.Node{Key: key, Scalar: formats.Scalar{Kind: formats.String, Text: text}}
}

// Map returns a node that is a map.
func Map(key string, items ...formats.Node) formats.Node {
	return formats.Node{Key: key, Kind: formats.MapNode, Items: items}
}

// NameOf names an object for messages: Kind namespace/name.
func NameOf(n *formats.Node) string {
	name := Text(n, "metadata", "name")
	if ns := Text(n, "metadata", "namespace"); ns != "" && !strings.HasPrefix(ns, cipher.SealedPrefix) {
		name = ns + "/" + name
	}
	kind := Text(n, "kind")
	if strings.HasPrefix(kind, cipher.SealedPrefix) {
		kind = "an object whose kind is sealed"
	}
	if strings.HasPrefix(name, cipher.SealedPrefix) {
		name = ""
	}
	if len(kind) > maxShown || len(name) > maxShown {
		return "an object"
	}
	return strings.TrimSpace(kind + " " + name)
}

// maxShown bounds names in messages: kinds and names may be anything, sealed ones too.
const maxShown = 2*253 + 1

// Bool reads a boolean at the end of the keys, nil if there is none.
func Bool(n *formats.Node, keys ...string) *bool {
	n = Get(n, keys...)
	if n == nil || n.Kind != formats.ScalarNode || n.Scalar.Kind != formats.Bool {
		return nil
	}
	b, err := strconv.ParseBool(strings.ToLower(n.Scalar.Text))
	if err != nil {
		return nil
	}
	return &b
}
