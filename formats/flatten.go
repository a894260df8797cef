package formats

import (
	"slices"
	"strconv"
	"strings"
)

// The separators with which sops writes a path into a single key.
const (
	mapSeparator  = "__map_"
	listSeparator = "__list_"
)

// Pair is one scalar of a flattened metadata block.
type Pair struct{ Key, Text string }

// Flatten returns the scalars of the map m under the keys that sops gives them in
// formats without nesting: the item enc of the first item of the list age is
// age__list_0__map_enc. Nulls and empty maps and lists are left out, as sops
// does. A key that could not be told from a path wraps [ErrMetadata].
func Flatten(m *Meta) ([]Pair, error) {
	if m.Kind != MetaMap {
		return nil, metaError("the metadata block is not a map")
	}
	var f flattener
	for i := range m.Items {
		if err := f.mapItem("", &m.Items[i], 1); err != nil {
			return nil, err
		}
	}
	return f.pairs, nil
}

type flattener struct{ pairs []Pair }

func (f *flattener) mapItem(prefix string, m *Meta, depth int) error {
	if !plainKey(m.Key) {
		return metaError("a key cannot be flattened")
	}
	return f.node(prefix+m.Key, m, depth)
}

func (f *flattener) node(key string, m *Meta, depth int) error {
	if depth > MaxDepth {
		return &Error{Cause: ErrLimit, Msg: "metadata nested too deep"}
	}
	switch m.Kind {
	case MetaNull:
		return nil
	case MetaMap:
		for i := range m.Items {
			if err := f.mapItem(key+mapSeparator, &m.Items[i], depth+1); err != nil {
				return err
			}
		}
		return nil
	case MetaList:
		n := 0
		for i := range m.Items {
			before := len(f.pairs)
			if err := f.node(key+listSeparator+strconv.Itoa(n), &m.Items[i], depth+1); err != nil {
				return err
			}
			// An item that left nothing behind must not leave a gap either.
			if len(f.pairs) > before {
				n++
			}
		}
		return nil
	default:
		f.pairs = append(f.pairs, Pair{Key: key, Text: m.Text})
		return nil
	}
}

// plainKey reports whether the first separator after k is found where k ends,
// whatever follows.
func plainKey(k string) bool {
	for _, follow := range []string{mapSeparator, listSeparator} {
		if at, _ := nextSeparator(k + follow); at != len(k) {
			return false
		}
	}
	return k != ""
}

// nextSeparator returns where in s the first separator stands and which it is, or
// the length of s.
func nextSeparator(s string) (int, string) {
	at, sep := len(s), ""
	for _, x := range []string{mapSeparator, listSeparator} {
		if i := strings.Index(s[:at], x); i >= 0 {
			at, sep = i, x
		}
	}
	return at, sep
}

// Unflatten is the inverse of [Flatten]. Items keep the order in which the pairs
// name them first; list items come in the order of their indexes. All scalars are
// [MetaString]. Where sops would guess (a path that is a scalar and a map, a
// missing index, a key that stands twice), the error wraps [ErrMetadata].
func Unflatten(pairs []Pair) (*Meta, error) {
	root := &flatNode{kind: MetaMap}
	for _, p := range pairs {
		if err := root.place(p, len(pairs)); err != nil {
			return nil, err
		}
	}
	return root.meta("")
}

// flatNode is a node of the tree under construction.
type flatNode struct {
	kind  MetaKind
	text  string
	keys  []string
	items []*flatNode
	byKey map[string]*flatNode
}

// place adds the scalar p below the root n. No list can have as many items as
// there are scalars, or more.
func (n *flatNode) place(p Pair, most int) error {
	rest, step := p.Key, mapSeparator
	for depth := 0; ; depth++ {
		if depth > MaxDepth {
			return &Error{Cause: ErrLimit, Msg: "metadata nested too deep"}
		}
		at, sep := nextSeparator(rest)
		key := rest[:at]
		if step == listSeparator && !isIndex(key, most) || step == mapSeparator && !plainKey(key) {
			return metaError("a flattened key is malformed")
		}
		kind := MetaString
		switch sep {
		case mapSeparator:
			kind = MetaMap
		case listSeparator:
			kind = MetaList
		}
		next, isNew := n.child(key, kind)
		if next.kind != kind {
			return metaError("a flattened key is both a value and a collection, or a map and a list")
		}
		n = next
		if sep == "" {
			if !isNew {
				return &Error{Cause: ErrDuplicate, Msg: "a flattened key stands twice"}
			}
			n.text = p.Text
			return nil
		}
		rest, step = rest[at+len(sep):], sep
	}
}

func (n *flatNode) child(key string, kind MetaKind) (c *flatNode, isNew bool) {
	if c := n.byKey[key]; c != nil {
		return c, false
	}
	c = &flatNode{kind: kind}
	if n.byKey == nil {
		n.byKey = map[string]*flatNode{}
	}
	n.byKey[key] = c
	n.keys, n.items = append(n.keys, key), append(n.items, c)
	return c, true
}

// isIndex reports whether s is a canonical list index below most.
func isIndex(s string, most int) bool {
	i, err := strconv.Atoi(s)
	return err == nil && i >= 0 && i < most && strconv.Itoa(i) == s
}

// meta converts the tree. Its depth is bounded by place.
func (n *flatNode) meta(key string) (*Meta, error) {
	m := &Meta{Key: key, Kind: n.kind, Text: n.text}
	if n.kind == MetaString {
		return m, nil
	}
	m.Items = make([]Meta, len(n.items))
	filled := make([]bool, len(n.items))
	for i, item := range n.items {
		at, itemKey := i, n.keys[i]
		if n.kind == MetaList {
			at, _ = strconv.Atoi(itemKey)
			itemKey = ""
		}
		if at >= len(m.Items) {
			return nil, metaError("a flattened list has a gap")
		}
		c, err := item.meta(itemKey)
		if err != nil {
			return nil, err
		}
		m.Items[at], filled[at] = *c, true
	}
	if slices.Contains(filled, false) {
		return nil, metaError("a flattened list has a gap")
	}
	return m, nil
}

func metaError(msg string) *Error { return &Error{Cause: ErrMetadata, Msg: msg} }
