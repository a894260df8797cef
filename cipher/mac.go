package cipher

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// content is what a document holds once its sealed values are open: what both
// MACs are computed over.
type content struct {
	doc *formats.Document
	// scalars are the plain values, parallel to doc.Leaves; nil if the document is
	// plain and its leaves hold them.
	scalars []formats.Scalar
	// selected says which leaves the selector wants sealed.
	selected []bool
	// onlySelected is mac_only_encrypted.
	onlySelected bool
}

// scalar returns the plain value of leaf i.
func (c *content) scalar(i int) *formats.Scalar {
	if c.scalars == nil {
		return &c.doc.Leaves[i].Scalar
	}
	return &c.scalars[i]
}

// macOnlyEncryptedPrefix is hashed first if mac_only_encrypted is set, so that
// the two settings never give the same MAC: the SHA-256 of "sops" (sops.go).
const macOnlyEncryptedPrefix = "8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69"

// sopsMAC returns sops's MAC: the SHA-512 of the values' bytes, one after
// another, in upper-case hexadecimal. Comments and empty values are left out.
func (c content) sopsMAC() string {
	h := sha512.New()
	if c.onlySelected {
		prefix, _ := hex.DecodeString(macOnlyEncryptedPrefix)
		h.Write(prefix)
	}
	buf := make([]byte, 0, 1<<14)
	for i := range c.doc.Leaves {
		s := c.scalar(i)
		if s.Kind == formats.Comment || s.Kind.Empty() || c.onlySelected && !c.selected[i] {
			continue
		}
		if len(buf)+len(s.Text) > cap(buf) {
			h.Write(buf)
			buf = buf[:0]
		}
		if len(s.Text) > cap(buf) {
			io.WriteString(h, s.Text)
			continue
		}
		buf = append(buf, s.Text...)
	}
	h.Write(buf)
	return strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
}

// The labels that begin what our MACs are computed over.
const (
	macLabel      = "gitseal/seal/v1"
	commentsLabel = "gitseal/comments/v1"
)

// sealMAC returns the MAC of the sops.seal entry, in base64: HMAC-SHA-256 over
// (docs/FORMAT.md §4)
//
//	S(label) metadata U(documents) U(records) record… tags
//
// where U is a number as an unsigned varint, S a byte string preceded by its
// length as U, and a record is path, kind (one byte) and S(text). Records are
// sorted by the bytes of their path, so that tools which sort keys do no harm.
func (c content) sealMAC(key []byte, meta *formats.Meta) string {
	h := hmac.New(sha256.New, key)
	var enc encoder
	enc.text(macLabel)
	enc.metadata(meta)
	enc.number(c.documents())
	arena, paths := c.sortedPaths()
	enc.number(len(paths))
	for _, p := range paths {
		s := c.scalar(int(p.leaf))
		enc.raw(p.in(arena))
		enc.b = append(enc.b, kindCode(s.Kind))
		enc.text(s.Text)
		enc.flush(h)
	}
	enc.tags(c)
	h.Write(enc.b)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func (c content) documents() int {
	return max(1, c.doc.Documents)
}

// kindCode is the byte that stands for a kind in the MAC. The codes are part of
// the format: they never change.
func kindCode(k formats.Kind) byte {
	switch k {
	case formats.Null:
		return 'z'
	case formats.EmptyMap:
		return 'm'
	case formats.EmptyList:
		return 'l'
	case formats.Int:
		return 'i'
	case formats.Float:
		return 'f'
	case formats.Bool:
		return 'b'
	case formats.Time:
		return 't'
	}
	return 's'
}

// encodedPath is the encoding of a leaf's path in a byte slice that all share:
// there are many of them.
type encodedPath struct {
	start      int
	size, leaf uint32
}

func (p encodedPath) in(arena []byte) []byte { return arena[p.start:][:p.size] }

func (c content) covered(i int) bool {
	return c.scalar(i).Kind != formats.Comment && (!c.onlySelected || c.selected[i])
}

// sortedPaths returns the encoded paths of all covered leaves in the order of
// their bytes.
func (c content) sortedPaths() (arena []byte, paths []encodedPath) {
	var e pathEncoder
	n, size := 0, 0
	for i := range c.doc.Leaves {
		if c.covered(i) {
			n, size = n+1, size+e.size(c.doc.Leaves[i].Path)
		}
	}
	arena, paths = make([]byte, 0, size), make([]encodedPath, 0, n)
	for i := range c.doc.Leaves {
		if c.covered(i) {
			start := len(arena)
			arena = e.append(arena, c.doc.Leaves[i].Path)
			paths = append(paths, encodedPath{start: start, size: uint32(len(arena) - start), leaf: uint32(i)})
		}
	}
	less := func(a, b encodedPath) int { return bytes.Compare(a.in(arena), b.in(arena)) }
	if !slices.IsSortedFunc(paths, less) {
		slices.SortFunc(paths, less)
	}
	return arena, paths
}

// commentsMAC returns the MAC of the comments, "" if there are none:
// HMAC-SHA-256 over
//
//	S(label) U(comments) (path of the container, S(path of the next value), S(text))…
//
// in the order of the file; the path of the next value is empty at the end. With
// mac_only_encrypted it covers the comments that are sealed.
func (c content) commentsMAC(key []byte) string {
	n := 0
	var body, enc encoder
	next := c.nextCovered()
	for i := range c.doc.Leaves {
		s := c.scalar(i)
		if s.Kind != formats.Comment || c.onlySelected && !c.selected[i] {
			continue
		}
		n++
		body.raw(encodePath(c.doc.Leaves[i].Path))
		body.bytes(next(i))
		body.text(s.Text)
	}
	if n == 0 {
		return ""
	}
	h := hmac.New(sha256.New, key)
	enc.text(commentsLabel)
	enc.number(n)
	h.Write(enc.b)
	h.Write(body.b)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// nextCovered returns a function that gives the encoded path of the first
// covered value after leaf i; it must be called with growing i.
func (c content) nextCovered() func(i int) []byte {
	at := -1
	var path []byte
	return func(i int) []byte {
		if at > i {
			return path
		}
		for at = i + 1; at < len(c.doc.Leaves); at++ {
			if c.covered(at) {
				path = encodePath(c.doc.Leaves[at].Path)
				return path
			}
		}
		path = nil
		return nil
	}
}

// encoder builds the unambiguous byte strings that our MACs are computed over.
type encoder struct{ b []byte }

func (e *encoder) number(n int)   { e.b = binary.AppendUvarint(e.b, uint64(n)) }
func (e *encoder) raw(b []byte)   { e.b = append(e.b, b...) }
func (e *encoder) text(s string)  { e.number(len(s)); e.b = append(e.b, s...) }
func (e *encoder) bytes(b []byte) { e.number(len(b)); e.b = append(e.b, b...) }

// flush hands what has gathered to h from time to time.
func (e *encoder) flush(h hash.Hash) {
	if len(e.b) > 1<<14 {
		h.Write(e.b)
		e.b = e.b[:0]
	}
}

// metadata encodes the metadata block: a map as 'm', the number of its items and
// S(key) and node for each in the order of the keys; a list as 'l', its length
// and its nodes; a scalar as 's' and S(text), whatever its type, as dotenv and
// INI have no types. Left out are the two MACs themselves and the fields that
// are reserved for what is added without the data key.
func (e *encoder) metadata(m *formats.Meta) {
	items := sortedItems(m, "mac")
	e.b = append(e.b, 'm')
	e.number(len(items))
	for _, it := range items {
		e.text(it.Key)
		if it.Key == "seal" {
			e.node(it, "mac", "sigs", "proposals")
			continue
		}
		e.node(it)
	}
}

// node encodes m, without the items named in skip if it is a map.
func (e *encoder) node(m *formats.Meta, skip ...string) {
	switch m.Kind {
	case formats.MetaMap:
		items := sortedItems(m, skip...)
		e.b = append(e.b, 'm')
		e.number(len(items))
		for _, it := range items {
			e.text(it.Key)
			e.node(it)
		}
	case formats.MetaList:
		e.b = append(e.b, 'l')
		e.number(len(m.Items))
		for i := range m.Items {
			e.node(&m.Items[i])
		}
	default:
		e.b = append(e.b, 's')
		e.text(m.Text)
	}
}

func sortedItems(m *formats.Meta, skip ...string) []*formats.Meta {
	items := make([]*formats.Meta, 0, len(m.Items))
	for i := range m.Items {
		if !slices.Contains(skip, m.Items[i].Key) {
			items = append(items, &m.Items[i])
		}
	}
	slices.SortFunc(items, func(a, b *formats.Meta) int { return strings.Compare(a.Key, b.Key) })
	return items
}

// pathEncoder encodes paths one after another; siblings share the work for their
// parent. An encoded path is U(document) U(steps) and, for each step, 'k' S(key)
// or 'i' U(index).
type pathEncoder struct {
	parent *formats.Path
	prefix []byte // the encoded path of a child of parent without its last step
	last   []byte
}

// enter sets prefix for p, which must not be a root.
func (e *pathEncoder) enter(p *formats.Path) {
	if p.Parent == e.parent {
		return
	}
	e.parent = p.Parent
	steps := 0
	for q := p; q.Parent != nil; q = q.Parent {
		steps++
	}
	e.prefix = binary.AppendUvarint(e.prefix[:0], uint64(p.Document()))
	e.prefix = binary.AppendUvarint(e.prefix, uint64(steps))
	e.prefix, _ = appendSteps(e.prefix, p.Parent)
}

// size returns the length of the encoding of p.
func (e *pathEncoder) size(p *formats.Path) int {
	if p.Parent == nil {
		return len(encodePath(p))
	}
	e.enter(p)
	e.last = appendStep(e.last[:0], p)
	return len(e.prefix) + len(e.last)
}

// append appends the encoding of p to dst.
func (e *pathEncoder) append(dst []byte, p *formats.Path) []byte {
	if p.Parent == nil {
		return append(dst, encodePath(p)...)
	}
	e.enter(p)
	return appendStep(append(dst, e.prefix...), p)
}

func encodePath(p *formats.Path) []byte {
	steps, n := appendSteps(nil, p)
	b := binary.AppendUvarint(nil, uint64(p.Document()))
	b = binary.AppendUvarint(b, uint64(n))
	return append(b, steps...)
}

func appendSteps(dst []byte, p *formats.Path) ([]byte, int) {
	if p.Parent == nil {
		return dst, 0
	}
	dst, n := appendSteps(dst, p.Parent)
	return appendStep(dst, p), n + 1
}

func appendStep(dst []byte, p *formats.Path) []byte {
	if p.Index == formats.InMap {
		dst = append(dst, 'k')
		dst = binary.AppendUvarint(dst, uint64(len(p.Key)))
		return append(dst, p.Key...)
	}
	dst = append(dst, 'i')
	return binary.AppendUvarint(dst, uint64(p.Index))
}
