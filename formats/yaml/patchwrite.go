package yaml

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// nodeWriter spells trees that are new in a file.
type nodeWriter struct {
	newline           string
	mapStep, listStep int
	// oneLine: no block scalars; flow: no block collections either.
	oneLine, flow bool
	// quotes: keys and strings are in double quotes, as in JSON; tight: and no space
	// follows their colons and commas.
	quotes, tight bool
}

// value returns what follows the colon of a key, or the dash of an item, of the
// block collection at column col, without the last line break.
func (w nodeWriter) value(n *formats.Node, col int, item bool) string {
	if n.Kind == formats.ScalarNode || len(n.Items) == 0 || w.flow {
		return " " + w.inline(n, col)
	}
	inner := col + w.mapStep
	switch {
	case item:
		const dash = 2
		return " " + strings.TrimLeft(w.items(n, col+dash), "\r\n ")
	case n.Kind == formats.ListNode:
		inner = col + w.listStep
	}
	return w.items(n, inner)
}

// items returns the lines of the block collection n at column col, each after a
// line break.
func (w nodeWriter) items(n *formats.Node, col int) string {
	var b strings.Builder
	for i := range n.Items {
		b.WriteString(w.newline + strings.Repeat(" ", col) + w.entry(n.Kind, &n.Items[i], col))
	}
	return b.String()
}

// entry returns an item of a block collection at column col.
func (w nodeWriter) entry(kind formats.NodeKind, n *formats.Node, col int) string {
	if kind == formats.ListNode {
		return "-" + w.value(n, col, true)
	}
	return keyText(n.Key) + ":" + w.value(n, col, false)
}

// inline returns a scalar or flow collection below a block collection at col.
func (w nodeWriter) inline(n *formats.Node, col int) string {
	if n.Kind != formats.ScalarNode {
		return w.flowNode(n)
	}
	return w.scalar(n, spot{style: uint32(col+1) << styleIndent, newline: w.newline, free: !w.oneLine && !w.flow})
}

func (w nodeWriter) scalar(n *formats.Node, at spot) string {
	if text := number(n); text != "" {
		return text
	}
	if w.quotes && n.Scalar.Kind == formats.String {
		at.style |= uint32(formDouble)
	}
	return at.spell(n.Leaf())
}

// number returns the spelling that a number has already, if YAML reads it so.
func number(n *formats.Node) string {
	if text := n.Literal(); text != "" && resolvePlain(text) == n.Leaf() {
		return text
	}
	return ""
}

// flowNode returns n in flow style.
func (w nodeWriter) flowNode(n *formats.Node) string {
	brackets := "[]"
	switch n.Kind {
	case formats.ScalarNode:
		return w.scalar(n, spot{style: styleFlow, newline: w.newline})
	case formats.MapNode:
		brackets = "{}"
	}
	var parts []string
	for i := range n.Items {
		parts = append(parts, w.flowEntry(n.Kind, &n.Items[i]))
	}
	return brackets[:1] + strings.Join(parts, w.comma()) + brackets[1:]
}

func (w nodeWriter) comma() string {
	if w.tight {
		return ","
	}
	return ", "
}

// flowEntry returns an item of a flow collection.
func (w nodeWriter) flowEntry(kind formats.NodeKind, n *formats.Node) string {
	text := w.flowNode(n)
	if kind == formats.ListNode {
		return text
	}
	key := quoteDouble(n.Key)
	if !w.quotes && plainSafe(n.Key, true) && keyText(n.Key) == n.Key {
		key = n.Key
	}
	if w.tight {
		return key + ":" + text
	}
	return key + ": " + text
}
