// Package mask replaces secret values in a program's output by asterisks.
//
// It finds a value as it is, and in the forms in which programs print values:
// base64, hexadecimal, percent-encoded, escaped for JSON, XML, Go, Python and
// shells, and the single lines of values that have several. Matching is exact:
// what was compressed, encrypted, hashed, reversed, cut in pieces or has other
// characters put in between (a hex dump) is not found.
package mask

import (
	"encoding/binary"
	"errors"
	"slices"
	"sort"
	"strings"
)

const (
	// MinLength is the length in bytes of the shortest value that is masked.
	// Shorter ones are as likely to be a part of a word as a secret.
	MinLength = 4
	// headLength is how much of a pattern has to be seen before it is taken for
	// the value. It bounds what is held back.
	headLength = 32
	// maxPatterns bounds the memory that the patterns take.
	maxPatterns = 1 << 18
	// Stars is what stands in the place of a value.
	Stars = "*****"
)

// ErrTooMany means that there are more values than can be looked for.
var ErrTooMany = errors.New("too many values to mask")

// Masker knows what to look for. It does not change and may be used from several
// goroutines. It holds secrets: it prints redacted.
type Masker struct {
	// entries are sorted by their heads.
	entries []entry
	// index finds the entries by the first four bytes of their heads, and filter
	// tells quickly that there are none.
	index  map[uint32]span
	filter *filter
}

// entry is a pattern in two parts. Whoever has seen the head, of at most
// headLength bytes, has seen the value; the rest is masked as far as it follows.
type entry struct{ head, rest string }

// span is entries[lo:hi].
type span struct{ lo, hi int }

// New prepares for masking values. Space around a value does not count; values
// shorter than MinLength are left out.
func New(values []string) (*Masker, error) {
	seen := map[string]bool{}
	m := &Masker{index: map[uint32]span{}, filter: &filter{}}
	add := func(form string) {
		if len(form) < MinLength || seen[form] {
			return
		}
		seen[form] = true
		n := min(len(form), headLength)
		m.entries = append(m.entries, entry{head: form[:n], rest: form[n:]})
	}
	for _, v := range values {
		forms(v, add)
		if len(m.entries) > maxPatterns {
			return nil, ErrTooMany
		}
	}
	slices.SortFunc(m.entries, func(a, b entry) int { return strings.Compare(a.head, b.head) })
	for i, e := range m.entries {
		key := binary.LittleEndian.Uint32([]byte(e.head[:MinLength]))
		s, ok := m.index[key]
		if !ok {
			s.lo = i
		}
		s.hi = i + 1
		m.index[key] = s
		m.filter.add(key)
	}
	return m, nil
}

// String says nothing of the values.
func (m *Masker) String() string { return "<masker>" }

// GoString is String.
func (m *Masker) GoString() string { return m.String() }

// Empty reports whether there is nothing to look for.
func (m *Masker) Empty() bool { return len(m.entries) == 0 }

// found is what stands at the beginning of some bytes.
type found struct {
	// n is the length of the longest pattern, or head of one, that was found.
	n int
	// more: the bytes end before it is clear what they are.
	more bool
	// long are the entries whose heads were found and have a rest.
	long span
}

// at looks for a pattern at the beginning of b.
func (m *Masker) at(b []byte) found {
	if len(b) < MinLength {
		return found{more: m.begins(b)}
	}
	key := binary.LittleEndian.Uint32(b)
	if !m.filter.has(key) {
		return found{}
	}
	s, ok := m.index[key]
	if !ok {
		return found{}
	}
	var f found
	for depth := MinLength; ; depth++ {
		start := s.lo
		for s.lo < s.hi && len(m.entries[s.lo].head) == depth {
			s.lo++
		}
		if s.lo > start {
			f.n = depth
			if depth == headLength {
				f.long = span{start, s.lo}
			}
		}
		if s.lo == s.hi {
			return f
		}
		if depth == len(b) {
			f.more = true
			return f
		}
		if s = m.narrow(s, depth, b[depth]); s.lo == s.hi {
			return f
		}
	}
}

// narrow returns those entries of s whose heads have the byte c at depth. All of
// them are longer than that and equal up to there.
func (m *Masker) narrow(s span, depth int, c byte) span {
	if s.hi-s.lo == 1 {
		if m.entries[s.lo].head[depth] != c {
			s.lo = s.hi
		}
		return s
	}
	part := m.entries[s.lo:s.hi]
	lo := sort.Search(len(part), func(i int) bool { return part[i].head[depth] >= c })
	hi := sort.Search(len(part), func(i int) bool { return part[i].head[depth] > c })
	return span{s.lo + lo, s.lo + hi}
}

// begins reports whether a pattern begins with b, which is shorter than all.
func (m *Masker) begins(b []byte) bool {
	i := sort.Search(len(m.entries), func(i int) bool { return m.entries[i].head >= string(b) })
	return i < len(m.entries) && strings.HasPrefix(m.entries[i].head, string(b))
}

// filter is a set of hashes of the first bytes of patterns: small enough for the
// processor's cache, and almost always right.
type filter [1 << 13]uint64

func (f *filter) at(key uint32) (word, bit uint32) {
	// Knuth's multiplicative hash.
	h := key * 2654435761 >> 13
	return h >> 6, h & 63
}

func (f *filter) add(key uint32) {
	word, bit := f.at(key)
	f[word] |= 1 << bit
}

func (f *filter) has(key uint32) bool {
	word, bit := f.at(key)
	return f[word]>>bit&1 != 0
}
