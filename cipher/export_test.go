package cipher

import (
	"encoding/base64"

	"github.com/gitseal/gitseal/formats"
)

// What the tests of this package need to see of it.

// ParseValue parses a sealed value and writes it again.
func ParseValue(text string) (again string, ok bool) {
	v, ok := parseValue(text)
	return valuePrefix + v.data + ivMark + v.iv + tagMark + v.tag + typeMark + v.typ + valueSuffix, ok
}

// OpenValue opens one sealed value under the data key and additional data that
// [SealValue] uses.
func OpenValue(text string) (formats.Scalar, Reason, bool) {
	v, ok := parseValue(text)
	if !ok {
		return formats.Scalar{}, ReasonMalformedValue, false
	}
	s, reason := newValueOpener(dataKey{}).open(v, []byte("a:"))
	return s, reason, reason == ""
}

// SealValue seals one value under a data key of zeros.
func SealValue(s formats.Scalar) string {
	return string(newValueSealer(dataKey{}).append(nil, s, []byte("a:")))
}

// Canonical is canonical.
func Canonical(s formats.Scalar) bool { return canonical(s) }

// AAD returns the additional data of the value at p in both ways in which it is
// made.
func AAD(p *formats.Path) (alone, among string) {
	var e aadEncoder
	e.of(p)
	return string(appendAAD(nil, p)), string(e.of(p))
}

// MACs returns both MACs of a plain document under a data key of zeros.
func MACs(d *formats.Document, s Selector, onlySelected bool, meta *formats.Meta) (sops, seal, comments string) {
	c := content{doc: d, selected: s.Select(d), onlySelected: onlySelected}
	for _, l := range d.Leaves {
		c.scalars = append(c.scalars, l.Scalar)
	}
	key := dataKey{}.derive("mac")
	return c.sopsMAC(), c.sealMAC(key, meta), c.commentsMAC(key)
}

// SpellingText is a spelling entry of [SealSpelling].
type SpellingText struct {
	Tag  [tagSize]byte
	Path *formats.Path // nil: not an alias
	Text string
}

// SealSpelling seals a spelling entry under a data key of zeros.
func SealSpelling(flags uint64, entries []SpellingText) string {
	s := &spelling{flags: flags}
	for _, e := range entries {
		if e.Path == nil {
			s.texts = append(s.texts, spelledText{tag: e.Tag, text: e.Text})
			continue
		}
		s.aliases = append(s.aliases, spelledAlias{tag: e.Tag, path: e.Path, text: e.Text})
	}
	return s.seal(dataKey{})
}

// OpenSpelling is the inverse of SealSpelling; texts come before aliases.
func OpenSpelling(text string) (flags uint64, entries []SpellingText, ok bool) {
	s, ok := openSpelling(text, dataKey{})
	if !ok {
		return 0, nil, false
	}
	for _, t := range s.texts {
		entries = append(entries, SpellingText{Tag: t.tag, Text: t.text})
	}
	for _, a := range s.aliases {
		entries = append(entries, SpellingText{Tag: a.tag, Path: a.path, Text: a.text})
	}
	return s.flags, entries, true
}

// SealSpellingBytes seals bytes that need not be a spelling entry.
func SealSpellingBytes(b []byte) string {
	nonce := make([]byte, spellingNonce)
	out := aead(dataKey{}.derive("spelling"), spellingNonce).Seal(nonce, nonce, b, spellingAAD)
	return base64.StdEncoding.EncodeToString(out)
}

// ReadPath decodes a path as the spelling entry holds it, and encodes it again.
func ReadPath(b []byte) (again []byte, ok bool) {
	d := decoder{b: b}
	p := d.path()
	return encodePath(p), !d.bad && len(d.b) == 0
}

// EncodePath is encodePath.
func EncodePath(p *formats.Path) []byte { return encodePath(p) }

// InParallel is inParallel, with enough parts to use several goroutines.
func InParallel(work func(from, to int) error) []error { return inParallel(parallelFrom, work) }

// Later is later.
func Later(work func() int) func() int { return later(work) }
