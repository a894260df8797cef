package cipher

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gitseal/gitseal/formats"
)

// A sealed value, as sops writes it:
//
//	ENC[AES256_GCM,data:<b64>,iv:<b64>,tag:<b64>,type:<type>]
//
// in padded standard base64. The nonce ("iv") has 32 bytes, the tag 16. The
// additional data is the map keys on the way to the value, each followed by a
// colon; list indexes and the document's number are not part of it.
const (
	valuePrefix = "ENC[AES256_GCM,data:"
	ivMark      = ",iv:"
	tagMark     = ",tag:"
	typeMark    = ",type:"
	valueSuffix = "]"

	nonceSize = 32
	// oldNonceSize is what versions of sops before 2.0 wrote.
	oldNonceSize = 12
	tagSize      = 16
)

// SealedPrefix is what every sealed value begins with, and no plain value may.
const SealedPrefix = "ENC[AES256_GCM,"

// looksSealed reports whether a text begins as a sealed value does.
func looksSealed(text string) bool { return strings.HasPrefix(text, SealedPrefix) }

// typeOf returns the name of a kind in sealed values.
func typeOf(k formats.Kind) string {
	switch k {
	case formats.Int:
		return "int"
	case formats.Float:
		return "float"
	case formats.Bool:
		return "bool"
	case formats.Time:
		return "time"
	case formats.Comment:
		return "comment"
	}
	return "str"
}

// kindOf is the inverse of typeOf. sops also knows "bytes", which it cannot read
// back; it is refused.
func kindOf(t string) (formats.Kind, bool) {
	switch t {
	case "str":
		return formats.String, true
	case "int":
		return formats.Int, true
	case "float":
		return formats.Float, true
	case "bool":
		return formats.Bool, true
	case "time":
		return formats.Time, true
	case "comment":
		return formats.Comment, true
	}
	return 0, false
}

// valueSealer encrypts values under one data key. It is not safe for concurrent
// use.
type valueSealer struct {
	gcm cipher.AEAD
	// random is a stock of random bytes; reading it in bulk is what makes many
	// small values fast.
	random []byte
	left   []byte
	buf    []byte
}

func newValueSealer(k dataKey) *valueSealer {
	return &valueSealer{gcm: aead(k.b[:], nonceSize), random: make([]byte, 64*nonceSize)}
}

func (s *valueSealer) nonce() []byte {
	if len(s.left) == 0 {
		rand.Read(s.random) // never fails
		s.left = s.random
	}
	n := s.left[:nonceSize]
	s.left = s.left[nonceSize:]
	return n
}

// append appends the sealed form of v to dst.
func (s *valueSealer) append(dst []byte, v formats.Scalar, aad []byte) []byte {
	iv := s.nonce()
	s.buf = append(s.buf[:0], v.Text...)
	s.buf = s.gcm.Seal(s.buf[:0], iv, s.buf, aad)
	data, tag := s.buf[:len(s.buf)-tagSize], s.buf[len(s.buf)-tagSize:]
	b64 := base64.StdEncoding
	dst = append(dst, valuePrefix...)
	dst = b64.AppendEncode(dst, data)
	dst = append(dst, ivMark...)
	dst = b64.AppendEncode(dst, iv)
	dst = append(dst, tagMark...)
	dst = b64.AppendEncode(dst, tag)
	dst = append(dst, typeMark...)
	dst = append(dst, typeOf(v.Kind)...)
	return append(dst, valueSuffix...)
}

// sealedValue is a parsed ENC[…]; its fields are parts of the text, still in
// base64.
type sealedValue struct{ data, iv, tag, typ string }

// parseValue takes a sealed value apart. It accepts exactly what append writes
// and what released versions of sops wrote: nothing before, after or between.
// A single line feed at the end is dropped, for sealed block scalars.
func parseValue(text string) (sealedValue, bool) {
	var v sealedValue
	text = strings.TrimSuffix(text, "\n")
	rest, ok := strings.CutPrefix(text, valuePrefix)
	if !ok {
		return v, false
	}
	rest, ok = strings.CutSuffix(rest, valueSuffix)
	if !ok {
		return v, false
	}
	var ok1, ok2, ok3 bool
	v.data, rest, ok1 = strings.Cut(rest, ivMark)
	v.iv, rest, ok2 = strings.Cut(rest, tagMark)
	v.tag, v.typ, ok3 = strings.Cut(rest, typeMark)
	return v, ok1 && ok2 && ok3 && !strings.ContainsAny(v.typ, ",:[]")
}

// valueOpener decrypts values under one data key. It is not safe for concurrent
// use.
type valueOpener struct {
	gcm, oldGCM cipher.AEAD
	buf, iv     []byte
}

func newValueOpener(k dataKey) *valueOpener {
	return &valueOpener{gcm: aead(k.b[:], nonceSize), oldGCM: aead(k.b[:], oldNonceSize)}
}

// open decrypts a parsed value and checks that its text is canonical for its
// type. The reason is "" on success.
func (o *valueOpener) open(v sealedValue, aad []byte) (formats.Scalar, Reason) {
	text, reason := o.openBytes(v, aad)
	if reason != "" {
		return formats.Scalar{}, reason
	}
	kind, ok := kindOf(v.typ)
	s := formats.Scalar{Kind: kind, Text: string(text)}
	if !ok || !canonical(s) {
		return formats.Scalar{}, ReasonType
	}
	return s, ""
}

// openBytes decrypts into a buffer that the next call overwrites.
func (o *valueOpener) openBytes(v sealedValue, aad []byte) ([]byte, Reason) {
	var ok1, ok2, ok3 bool
	o.iv, ok1 = appendBase64(o.iv[:0], v.iv)
	o.buf, ok2 = appendBase64(o.buf[:0], v.data)
	n := len(o.buf)
	o.buf, ok3 = appendBase64(o.buf, v.tag)
	if !ok1 || !ok2 || !ok3 || n == 0 || len(o.buf)-n != tagSize {
		return nil, ReasonMalformedValue
	}
	gcm := o.gcm
	switch len(o.iv) {
	case nonceSize:
	case oldNonceSize:
		gcm = o.oldGCM
	default:
		return nil, ReasonMalformedValue
	}
	text, err := gcm.Open(o.buf[:0], o.iv, o.buf, aad)
	if err != nil {
		return nil, ReasonValue
	}
	return text, ""
}

// appendBase64 decodes strictly: padded, no line breaks, no stray bits.
func appendBase64(dst []byte, s string) ([]byte, bool) {
	n := len(dst)
	dst = append(dst, s...)
	m, err := base64.StdEncoding.Strict().Decode(dst[n:], dst[n:])
	// The decoder skips line breaks; then it gives less than the length promises.
	padding := len(s) - len(strings.TrimRight(s, "="))
	return dst[:n+m], err == nil && len(s)%4 == 0 && m == len(s)/4*3-padding
}

// canonical reports whether a scalar's text is what sealing writes for its kind.
// sops would read other texts of the same meaning, but its MAC would not match.
func canonical(s formats.Scalar) bool {
	switch s.Kind {
	case formats.Int:
		n, err := strconv.ParseInt(s.Text, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == s.Text
	case formats.Float:
		f, err := strconv.ParseFloat(s.Text, 64)
		return (err == nil || math.IsInf(f, 0)) && strconv.FormatFloat(f, 'f', -1, 64) == s.Text
	case formats.Bool:
		return s.Text == "True" || s.Text == "False"
	case formats.Time:
		var t time.Time
		if t.UnmarshalText([]byte(s.Text)) != nil {
			return false
		}
		b, err := t.MarshalText()
		return err == nil && string(b) == s.Text
	}
	return true
}

// appendAAD appends the additional data for values under the path: its keys, a
// colon after each. The keys of a container are followed by the colon that sops
// puts after the joined path, so that the root's own additional data is ":".
func appendAAD(dst []byte, p *formats.Path) []byte {
	keys := p.Keys()
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, k...)
	}
	return append(dst, ':')
}

// aadEncoder gives the additional data of values one after another; siblings
// share the work for their parent.
type aadEncoder struct {
	parent *formats.Path
	b      []byte
}

// of returns the additional data of the value at p, valid until the next call.
func (e *aadEncoder) of(p *formats.Path) []byte {
	if p.Parent == nil || p.Index != formats.InMap {
		e.parent = nil
		e.b = appendAAD(e.b[:0], p)
		return e.b
	}
	if p.Parent != e.parent {
		e.parent = p.Parent
		e.b = e.b[:0]
		if p.Parent.Parent != nil { // the root adds nothing in front of a key
			e.b = appendAAD(e.b, p.Parent)
		}
	}
	n := len(e.b)
	full := append(append(e.b, p.Key...), ':')
	e.b = full[:n]
	return full
}
