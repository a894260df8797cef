package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// NodeKind says whether a node is a scalar, a map or a list.
type NodeKind uint8

// The kinds of nodes.
const (
	ScalarNode NodeKind = iota
	MapNode
	ListNode
)

// Node is a value as a tree. It may be a secret: it prints redacted.
type Node struct {
	// Key is set if the node is an item of a map.
	Key  string
	Kind NodeKind
	// Scalar is that of a [ScalarNode]. Its kind is none of Comment, Sealed and the
	// empty collections. Unlike that of a leaf, an Int may have any number of digits.
	Scalar Scalar
	// Items are the children of a map or list, in their order.
	Items []Node
	// literal is how a Float was spelled, if it was so as JSON spells numbers.
	literal string
}

// String returns the kind in angle brackets and never the value.
func (n Node) String() string {
	switch n.Kind {
	case MapNode:
		return "<map>"
	case ListNode:
		return "<list>"
	}
	return n.Scalar.String()
}

// GoString is String: %#v must not print a secret either.
func (n Node) GoString() string { return n.String() }

// Literal returns how the scalar is to be spelled where JSON's numbers are: with
// all the digits it was given. It is empty if n is no number.
func (n *Node) Literal() string {
	switch {
	case n.Kind != ScalarNode:
		return ""
	case n.Scalar.Kind == Int:
		return n.Scalar.Text
	case n.Scalar.Kind == Float && n.literal != "":
		return n.literal
	}
	return ""
}

// Leaf returns what sops reads n as: an integer beyond 64 bits is a float to it,
// and empty collections have kinds of their own. It must not be asked of a
// collection with items.
func (n *Node) Leaf() Scalar {
	switch {
	case n.Kind == MapNode:
		return Scalar{Kind: EmptyMap}
	case n.Kind == ListNode:
		return Scalar{Kind: EmptyList}
	case n.Scalar.Kind == Int:
		if _, err := strconv.ParseInt(n.Scalar.Text, 10, 64); err == nil {
			return n.Scalar
		}
		f, _ := strconv.ParseFloat(n.Scalar.Text, 64)
		return floatScalar(f)
	}
	return n.Scalar
}

func floatScalar(f float64) Scalar {
	return Scalar{Kind: Float, Text: strconv.FormatFloat(f, 'f', -1, 64)}
}

// Equal reports whether n and m are the same tree, their own keys aside. Maps
// are equal in any order; integers are compared by all of their digits.
func (n *Node) Equal(m *Node) bool {
	if n.Kind != m.Kind || n.Scalar != m.Scalar || len(n.Items) != len(m.Items) {
		return false
	}
	byKey := map[string]*Node{}
	for i := range m.Items {
		byKey[m.Items[i].Key] = &m.Items[i]
	}
	for i := range n.Items {
		other := &m.Items[i]
		if n.Kind == MapNode {
			other = byKey[n.Items[i].Key]
		}
		if other == nil || !n.Items[i].Equal(other) {
			return false
		}
	}
	return true
}

// NodeFromJSON reads one JSON value of any kind. Integers keep all their digits.
// Errors wrap [ErrSyntax], [ErrDuplicate] for a key that stands twice in a map,
// [ErrLimit], or [ErrNotSealable] for a number that is too large, and hold nothing
// of the value.
func NodeFromJSON(text []byte) (Node, error) {
	r := nodeReader{src: text, dec: json.NewDecoder(bytes.NewReader(text))}
	r.dec.UseNumber()
	if !utf8.Valid(text) {
		return Node{}, &Error{Cause: ErrSyntax, Msg: "the value is not UTF-8"}
	}
	n, err := r.value(1)
	if err != nil {
		return Node{}, err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return Node{}, r.fail(ErrSyntax, "something follows the JSON value")
	}
	return n, nil
}

type nodeReader struct {
	src []byte
	dec *json.Decoder
}

func (r *nodeReader) fail(cause error, msg string) error {
	return ErrorAt(cause, r.src, int(r.dec.InputOffset()), nil, msg)
}

func (r *nodeReader) value(depth int) (Node, error) {
	if depth > MaxDepth {
		return Node{}, r.fail(ErrLimit, "nested too deep")
	}
	token, err := r.dec.Token()
	if err != nil {
		return Node{}, r.fail(ErrSyntax, "not a JSON value")
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return r.items(Node{Kind: MapNode}, depth)
		}
		return r.items(Node{Kind: ListNode}, depth)
	case json.Number:
		return r.number(t.String())
	case string:
		return Node{Scalar: Scalar{Kind: String, Text: t}}, nil
	case bool:
		return Node{Scalar: Scalar{Kind: Bool, Text: map[bool]string{true: "True", false: "False"}[t]}}, nil
	}
	return Node{}, nil
}

// items reads the children of the collection n, whose bracket was read.
func (r *nodeReader) items(n Node, depth int) (Node, error) {
	seen := map[string]bool{}
	for r.dec.More() {
		key := ""
		if n.Kind == MapNode {
			token, err := r.dec.Token()
			if err != nil {
				return n, r.fail(ErrSyntax, "not a JSON object")
			}
			key, _ = token.(string)
			if seen[key] {
				return n, r.fail(ErrDuplicate, "a key stands twice")
			}
			seen[key] = true
		}
		item, err := r.value(depth + 1)
		if err != nil {
			return n, err
		}
		item.Key = key
		n.Items = append(n.Items, item)
	}
	if _, err := r.dec.Token(); err != nil {
		return n, r.fail(ErrSyntax, "not a JSON value")
	}
	return n, nil
}

func (r *nodeReader) number(text string) (Node, error) {
	s, literal := numberScalar(text)
	if s.Kind == Null {
		return Node{}, r.fail(ErrNotSealable, "number too large")
	}
	return Node{Scalar: s, literal: literal}, nil
}

// numberScalar returns what a number spelled as in JSON means, with all its
// digits if it is an integer, and its spelling if it is not; Null if no float64
// is near it.
func numberScalar(text string) (s Scalar, literal string) {
	if strings.Trim(text, "-0123456789") == "" {
		if text == "-0" {
			text = "0"
		}
		if f, err := strconv.ParseFloat(text, 64); err != nil || math.IsInf(f, 0) {
			return Scalar{}, ""
		}
		return Scalar{Kind: Int, Text: text}, ""
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Scalar{}, ""
	}
	return floatScalar(f), text
}

// isJSONNumber reports whether text is a number as JSON spells it.
func isJSONNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text))
}

// JSON returns n as JSON on one line, numbers with all their digits, times as
// strings, HTML's characters unescaped. What JSON cannot hold (strings that are
// not UTF-8, infinity) wraps [ErrNotSealable].
func (n *Node) JSON() ([]byte, error) {
	var b bytes.Buffer
	if err := n.writeJSON(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (n *Node) writeJSON(b *bytes.Buffer) error {
	switch n.Kind {
	case MapNode, ListNode:
		brackets := "[]"
		if n.Kind == MapNode {
			brackets = "{}"
		}
		b.WriteByte(brackets[0])
		for i := range n.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			if n.Kind == MapNode {
				if err := writeJSONString(b, n.Items[i].Key); err != nil {
					return err
				}
				b.WriteByte(':')
			}
			if err := n.Items[i].writeJSON(b); err != nil {
				return err
			}
		}
		b.WriteByte(brackets[1])
		return nil
	}
	return n.writeScalar(b)
}

func (n *Node) writeScalar(b *bytes.Buffer) error {
	switch text := n.Scalar.Text; n.Scalar.Kind {
	case Null:
		b.WriteString("null")
	case Bool:
		b.WriteString(strings.ToLower(text))
	case Int:
		b.WriteString(text)
	case Float:
		switch {
		case n.literal != "":
			text = n.literal
		case !isJSONNumber(text):
			return &Error{Cause: ErrNotSealable, Msg: "JSON has no such number"}
		case !strings.Contains(text, "."):
			text += ".0"
		}
		b.WriteString(text)
	default:
		return writeJSONString(b, text)
	}
	return nil
}

func writeJSONString(b *bytes.Buffer, text string) error {
	if !utf8.ValidString(text) {
		return &Error{Cause: ErrNotSealable, Msg: "JSON cannot hold text that is not UTF-8"}
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return &Error{Cause: ErrNotSealable, Msg: "JSON cannot hold this text"}
	}
	b.Truncate(b.Len() - 1) // the encoder's line feed
	return nil
}

// Node returns the value at p, aliases written out, false if there is none.
// Comments are left out. A root is always there, if the document is.
func (d *Document) Node(p *Path) (Node, bool) {
	b := nodeBuilder{d: d, at: p, depth: pathDepth(p)}
	for i := range d.Leaves {
		if d.Leaves[i].Kind != Comment && isBelow(d.Leaves[i].Path, p) {
			b.add(i)
		}
	}
	if p.Parent == nil && !b.found {
		b.root.Kind = MapNode
		b.found = p.Index >= 0 && p.Index < max(d.Documents, 1)
	}
	return b.root, b.found
}

// nodeBuilder makes a tree of leaves, which come depth first.
type nodeBuilder struct {
	d     *Document
	at    *Path
	depth int
	root  Node
	found bool
}

// add adds leaf i.
func (b *nodeBuilder) add(i int) {
	b.found = true
	l := &b.d.Leaves[i]
	n := &b.root
	for _, step := range stepsOf(l.Path)[b.depth:] {
		n = n.child(step)
	}
	switch l.Kind {
	case EmptyMap:
		n.Kind = MapNode
	case EmptyList:
		n.Kind = ListNode
	default:
		n.Scalar, n.literal = b.d.number(i)
	}
}

// child returns the child of n at the last step of p: its last one, or a new one.
func (n *Node) child(p *Path) *Node {
	last := len(n.Items) - 1
	n.Kind = MapNode
	same := last >= 0 && n.Items[last].Key == p.Key
	if p.Index != InMap {
		n.Kind = ListNode
		same = p.Index == last
	}
	if !same {
		n.Items = append(n.Items, Node{Key: p.Key})
		last++
	}
	return &n.Items[last]
}

// number returns the scalar of leaf i. If it is a number that the leaf holds
// rounded, that is what the source has.
func (d *Document) number(i int) (Scalar, string) {
	s := d.Leaves[i].Scalar
	if s.Kind != Float {
		return s, ""
	}
	for _, a := range d.Aliases {
		if a.First <= i && i < a.Last {
			i = a.Target[i-a.First]
			break
		}
	}
	text := d.Text(i)
	if !isJSONNumber(text) {
		return s, ""
	}
	exact, literal := numberScalar(text)
	if exact.Kind == Null {
		return s, ""
	}
	return exact, literal
}
