package cipher

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/gitseal/gitseal/formats"
)

// spelling is what a sealed file needs besides its values to give the plain file
// back byte for byte. It is kept encrypted in the entry sops.seal.spelling, in
// base64: a 12-byte nonce, then AES-256-GCM under the subkey "spelling" with the
// additional data "gitseal/spelling/v1" of (docs/FORMAT.md §5)
//
//	U(flags) U(n) (tag, S(text))×n U(m) (tag, path, S(text))×m
//
// A text belongs to the value whose ciphertext has that 16-byte tag; once the
// value is sealed anew its spelling no longer applies. The second list holds
// aliases that were written out: the tag is that of the first sealed value
// inside, the path is where the alias stood.
type spelling struct {
	flags   uint64
	texts   []spelledText
	aliases []spelledAlias
}

type valueTag [tagSize]byte

type spelledText struct {
	tag  valueTag
	text string
}

type spelledAlias struct {
	tag  valueTag
	path *formats.Path
	text string
}

// The flags.
const (
	// flagNoFinalNewline: the plain file did not end in a line feed, and one was
	// added before the metadata block.
	flagNoFinalNewline = 1 << iota
	// flagByteOrderMark: the plain file began with a UTF-8 byte order mark, which
	// sops cannot read in this format.
	flagByteOrderMark
)

const spellingNonce = 12

var spellingAAD = []byte("gitseal/spelling/v1")

func (s *spelling) empty() bool {
	return s.flags == 0 && len(s.texts) == 0 && len(s.aliases) == 0
}

func (s *spelling) equal(t *spelling) bool {
	sameAlias := func(a, b spelledAlias) bool {
		return a.tag == b.tag && a.text == b.text && a.path.Equal(b.path)
	}
	return s.flags == t.flags && slices.Equal(s.texts, t.texts) && slices.EqualFunc(s.aliases, t.aliases, sameAlias)
}

// seal returns the entry's text, "" if there is nothing to keep.
func (s *spelling) seal(k dataKey) string {
	if s.empty() {
		return ""
	}
	var e encoder
	e.b = binary.AppendUvarint(e.b, s.flags)
	e.number(len(s.texts))
	for _, t := range s.texts {
		e.raw(t.tag[:])
		e.text(t.text)
	}
	e.number(len(s.aliases))
	for _, a := range s.aliases {
		e.raw(a.tag[:])
		e.raw(encodePath(a.path))
		e.text(a.text)
	}
	nonce := make([]byte, spellingNonce)
	rand.Read(nonce) // never fails
	out := aead(k.derive("spelling"), spellingNonce).Seal(nonce, nonce, e.b, spellingAAD)
	return base64.StdEncoding.EncodeToString(out)
}

// openSpelling is the inverse of seal.
func openSpelling(text string, k dataKey) (*spelling, bool) {
	if text == "" {
		return &spelling{}, true
	}
	raw, ok := appendBase64(nil, text)
	if !ok || len(raw) < spellingNonce {
		return nil, false
	}
	b, err := aead(k.derive("spelling"), spellingNonce).Open(nil, raw[:spellingNonce], raw[spellingNonce:], spellingAAD)
	if err != nil {
		return nil, false
	}
	d := decoder{b: b}
	s := &spelling{flags: d.uvarint()}
	for range d.count(tagSize + 1) {
		s.texts = append(s.texts, spelledText{tag: d.tag(), text: d.text()})
	}
	for range d.count(tagSize + 3) {
		s.aliases = append(s.aliases, spelledAlias{tag: d.tag(), path: d.path(), text: d.text()})
	}
	return s, !d.bad && len(d.b) == 0
}

// decoder reads what encoder writes. After the first error it returns zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

// count reads the number of items of at least size bytes that follow.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) text() string { return string(d.take(d.uvarint())) }

func (d *decoder) tag() (t valueTag) {
	copy(t[:], d.take(tagSize))
	return t
}

func (d *decoder) path() *formats.Path {
	p := formats.Root(int(d.uvarint()))
	for range d.count(2) {
		switch kind := d.take(1); string(kind) {
		case "k":
			p = p.At(d.text())
		case "i":
			p = p.Item(int(d.uvarint()))
		default:
			d.bad = true
			return p
		}
	}
	return p
}

const byteOrderMark = "\ufeff"

// restoreEnds puts back what the flags tell of.
func (s *spelling) restoreEnds(plain []byte) []byte {
	if s.flags&flagNoFinalNewline != 0 {
		if n := len(plain); n > 0 && plain[n-1] == '\n' {
			plain = plain[:n-1]
			if n > 1 && plain[n-2] == '\r' {
				plain = plain[:n-2]
			}
		}
	}
	if s.flags&flagByteOrderMark != 0 && !bytes.HasPrefix(plain, []byte(byteOrderMark)) {
		plain = append([]byte(byteOrderMark), plain...)
	}
	return plain
}

// add takes over the texts and aliases of another version: each belongs to one
// ciphertext, so they do not get into each other's way.
func (s *spelling) add(t *spelling) {
	s.texts = append(s.texts, t.texts...)
	s.aliases = append(s.aliases, t.aliases...)
}
