package cipher_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/formats"
)

// node is a part of a document under construction: a map, a list, a value or a
// comment. The tests build documents of it, and change sealed ones.
type node struct {
	key   string
	kind  formats.Kind
	text  string
	items []*node
}

// The kinds of nodes that formats.Kind has no name for.
const (
	mapNode  formats.Kind = 100
	listNode formats.Kind = 101
)

func str(key, text string) *node           { return &node{key: key, kind: formats.String, text: text} }
func value(k formats.Kind, t string) *node { return &node{kind: k, text: t} }
func comment(text string) *node            { return &node{kind: formats.Comment, text: text} }

func mapOf(key string, items ...*node) *node { return &node{key: key, kind: mapNode, items: items} }

func listOf(key string, items ...*node) *node { return &node{key: key, kind: listNode, items: items} }

func (n *node) named(key string) *node {
	c := *n
	c.key = key
	return &c
}

func (n *node) clone() *node {
	c := *n
	c.items = nil
	for _, it := range n.items {
		c.items = append(c.items, it.clone())
	}
	return &c
}

// at returns the node at a path of keys, nil if there is none.
func (n *node) at(keys ...string) *node {
	for _, k := range keys {
		i := slices.IndexFunc(n.items, func(it *node) bool { return it.kind != formats.Comment && it.key == k })
		if i < 0 {
			return nil
		}
		n = n.items[i]
	}
	return n
}

// remove takes the item with a key out of a map and returns it.
func (n *node) remove(key string) *node {
	it := n.at(key)
	n.items = slices.DeleteFunc(n.items, func(c *node) bool { return c == it })
	return it
}

func (n *node) add(items ...*node) { n.items = append(n.items, items...) }

// fromDocument rebuilds the documents of a file from its leaves.
func fromDocument(d *formats.Document) []*node {
	docs := make([]*node, max(1, d.Documents))
	for i := range docs {
		docs[i] = mapOf("")
	}
	for _, l := range d.Leaves {
		if l.Kind == formats.Comment {
			place(docs, l.Path).add(comment(l.Text))
			continue
		}
		n := place(docs, l.Path)
		n.kind, n.text = l.Kind, l.Text
	}
	return docs
}

// place returns the node at p, made if need be as a map or a list.
func place(docs []*node, p *formats.Path) *node {
	if p.Parent == nil {
		return docs[p.Index]
	}
	parent := place(docs, p.Parent)
	if p.Index == formats.InMap {
		parent.kind = mapNode
		if n := parent.at(p.Key); n != nil {
			return n
		}
		parent.add(mapOf(p.Key))
		return parent.items[len(parent.items)-1]
	}
	parent.kind = listNode
	values := 0
	for _, it := range parent.items {
		if it.kind == formats.Comment {
			continue
		}
		if values == p.Index {
			return it
		}
		values++
	}
	parent.add(mapOf(""))
	return parent.items[len(parent.items)-1]
}

// emit writes documents in a format, without a metadata block.
func emit(name string, docs []*node) []byte {
	var b bytes.Buffer
	switch name {
	case "yaml":
		for i, d := range docs {
			if i > 0 {
				b.WriteString("---\n")
			}
			if len(d.items) == 0 {
				b.WriteString("{}\n")
			}
			emitYAML(&b, d, "")
		}
	case "json", "binary":
		emitJSON(&b, docs[0], "")
		b.WriteByte('\n')
	case "dotenv":
		emitDotenv(&b, docs[0])
	case "ini":
		emitINI(&b, docs[0])
	default:
		panic("no such format: " + name)
	}
	return b.Bytes()
}

// quoted writes a string in double quotes, in a way that JSON and YAML share.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

// scalarText spells a value as JSON and YAML do.
func scalarText(n *node) string {
	switch n.kind {
	case formats.Null:
		return "null"
	case formats.EmptyMap:
		return "{}"
	case formats.EmptyList:
		return "[]"
	case formats.String:
		return quoted(n.text)
	case formats.Bool:
		return strings.ToLower(n.text)
	case mapNode:
		return "{}"
	case listNode:
		return "[]"
	}
	return n.text
}

func (n *node) nested() bool { return (n.kind == mapNode || n.kind == listNode) && len(n.items) > 0 }

func emitYAML(b *bytes.Buffer, n *node, indent string) {
	for _, it := range n.items {
		switch {
		case it.kind == formats.Comment:
			fmt.Fprintf(b, "%s#%s\n", indent, it.text)
			continue
		case n.kind == mapNode:
			fmt.Fprintf(b, "%s%s:", indent, quoted(it.key))
		default:
			b.WriteString(indent + "-")
		}
		if !it.nested() {
			b.WriteString(" " + scalarText(it) + "\n")
			continue
		}
		b.WriteByte('\n')
		emitYAML(b, it, indent+"  ")
	}
}

func emitJSON(b *bytes.Buffer, n *node, indent string) {
	if !n.nested() {
		b.WriteString(scalarText(n))
		return
	}
	brackets := "{}"
	if n.kind == listNode {
		brackets = "[]"
	}
	b.WriteByte(brackets[0])
	sep := "\n"
	for _, it := range n.items {
		if it.kind == formats.Comment {
			continue
		}
		b.WriteString(sep + indent + "\t")
		if n.kind == mapNode {
			b.WriteString(quoted(it.key) + ": ")
		}
		emitJSON(b, it, indent+"\t")
		sep = ",\n"
	}
	b.WriteString("\n" + indent + brackets[1:])
}

func emitDotenv(b *bytes.Buffer, n *node) {
	for _, it := range n.items {
		text := strings.ReplaceAll(it.text, "\n", `\n`)
		if it.kind == formats.Comment {
			b.WriteString("#" + text + "\n")
			continue
		}
		b.WriteString(it.key + "=" + text + "\n")
	}
}

func emitINI(b *bytes.Buffer, n *node) {
	for _, it := range n.items {
		switch it.kind {
		case formats.Comment:
			b.WriteString(";" + it.text + "\n")
		case mapNode:
			b.WriteString("[" + it.key + "]\n")
			emitINI(b, it)
		default:
			b.WriteString(it.key + " = " + iniText(it.text) + "\n")
		}
	}
}

var iniPlain = regexp.MustCompile(`^[A-Za-z0-9_+/=,:.\[\]-]*$`)

func iniText(s string) string {
	if iniPlain.MatchString(s) {
		return s
	}
	return "`" + s + "`"
}

func TestTreesReadBack(t *testing.T) {
	doc := mapOf("",
		comment(" head"), str("A", "x"), mapOf("b", comment(" of c"), str("c d", "1: \"y\"\n#"), value(formats.Int, "5").named("i")),
		listOf("l", comment(" in l"), value(formats.Bool, "True"), listOf("", str("", "z")), mapOf("", str("k", "v"))),
		value(formats.Null, "").named("n"), value(formats.EmptyList, "").named("e"))
	for _, name := range []string{"yaml", "json"} {
		d := parse(t, name, emit(name, []*node{doc}))
		if again := emit(name, fromDocument(d)); !bytes.Equal(again, emit(name, []*node{doc})) {
			t.Errorf("%s: got\n%s", name, again)
		}
	}
}
