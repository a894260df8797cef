package formats

import (
	"strconv"
	"strings"
)

// Path leads from the root of a document to one of its nodes. Paths form a tree
// by their parents and are shared: two leaves of one map have the same Parent
// pointer.
type Path struct {
	// Parent is nil at a document's root.
	Parent *Path
	// Key is the map key of the last step, if Index is negative.
	Key string
	// Index is the list index of the last step, or InMap. At the root it is the
	// number of the document in its file, from 0.
	Index int
}

// InMap is the Index of a step into a map.
const InMap = -1

// Root returns the path of the root of the n-th document of a file.
func Root(n int) *Path { return &Path{Index: n} }

// At returns the path of the value under a key of the map at p.
func (p *Path) At(key string) *Path { return &Path{Parent: p, Key: key, Index: InMap} }

// Item returns the path of the i-th item of the list at p.
func (p *Path) Item(i int) *Path { return &Path{Parent: p, Index: i} }

// Document returns the number of the document that p lies in.
func (p *Path) Document() int {
	for p.Parent != nil {
		p = p.Parent
	}
	return p.Index
}

// Keys returns the map keys on the way from the root to p. List indexes and the
// document are not among them: sops leaves them out of what it authenticates and
// of what it matches selectors with.
func (p *Path) Keys() []string {
	n := 0
	for q := p; q.Parent != nil; q = q.Parent {
		if q.Index == InMap {
			n++
		}
	}
	keys := make([]string, n)
	for q := p; q.Parent != nil; q = q.Parent {
		if q.Index == InMap {
			n--
			keys[n] = q.Key
		}
	}
	return keys
}

// Equal reports whether p and q lead to the same place.
func (p *Path) Equal(q *Path) bool {
	for p != q {
		if p == nil || q == nil || p.Index != q.Index || p.Key != q.Key {
			return false
		}
		p, q = p.Parent, q.Parent
	}
	return true
}

// String returns the path as people write it: a.b[2]."odd key". The document is
// named in front (document 2: a.b) unless it is the first; the root is ".".
func (p *Path) String() string { return p.text(quoteKey) }

// text returns the path with its keys spelled by spell.
func (p *Path) text(spell func(key string) string) string {
	var steps []*Path
	q := p
	for ; q.Parent != nil; q = q.Parent {
		steps = append(steps, q)
	}
	var b strings.Builder
	if q.Index > 0 {
		b.WriteString("document " + strconv.Itoa(q.Index+1) + ": ")
	}
	if len(steps) == 0 {
		b.WriteByte('.')
	}
	for i := len(steps) - 1; i >= 0; i-- {
		switch s := steps[i]; {
		case s.Index != InMap:
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		default:
			if i < len(steps)-1 {
				b.WriteByte('.')
			}
			b.WriteString(spell(s.Key))
		}
	}
	return b.String()
}

// maxShownKey bounds what an error shows of a key: keys are not secret, but a
// damaged file can have anything in their place.
const maxShownKey = 64

func quoteKey(k string) string {
	if len(k) > maxShownKey {
		return strconv.Quote(k[:maxShownKey] + "…")
	}
	return fullKey(k)
}

// fullKey spells a key so that it reads back.
func fullKey(k string) string {
	for _, r := range k {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '/':
		default:
			return strconv.Quote(k)
		}
	}
	if k == "" {
		return `""`
	}
	return k
}
