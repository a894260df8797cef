package cipher

import (
	"bytes"
	"context"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// chooseKey sets the data key and returns its stanzas: those of the previous
// version if every one of its readers stays, with new ones for who has joined;
// a new key for everybody otherwise. A reader who has gone knows the old key.
func (s *sealing) chooseKey(ctx context.Context) ([]keysources.Stanza, error) {
	recipients := unique(s.opts.Recipients)
	if len(recipients) == 0 {
		return nil, ErrNoRecipients
	}
	if p := s.opts.Previous; p != nil && len(p.Metadata.Groups) == 1 {
		old := map[string]keysources.Stanza{}
		for _, st := range p.Metadata.Groups[0] {
			old[st.Reader()] = st
		}
		var kept []keysources.Stanza
		var joined []keysources.Recipient
		for _, r := range recipients {
			if st, ok := old[r.String()]; ok {
				kept = append(kept, st)
				continue
			}
			joined = append(joined, r)
		}
		if len(kept) == len(p.Metadata.Groups[0]) {
			s.key = p.key
			added, err := wrapKey(ctx, s.key, joined)
			return append(kept, added...), err
		}
	}
	s.key, s.result.NewKey = newDataKey(), true
	return wrapKey(ctx, s.key, recipients)
}

// unique drops recipients that are named twice.
func unique(in []keysources.Recipient) []keysources.Recipient {
	var out []keysources.Recipient
	seen := map[string]bool{}
	for _, r := range in {
		if !seen[r.String()] {
			seen[r.String()] = true
			out = append(out, r)
		}
	}
	return out
}

// samePrevious reports whether the previous sealed file is what sealing would
// give, times and nonces apart.
func (s *sealing) samePrevious(group []keysources.Stanza) bool {
	p := s.opts.Previous
	if p == nil || s.result.NewKey || len(group) != len(p.Metadata.Groups[0]) {
		return false
	}
	m := p.Metadata
	return m.Seal != nil && m.Seal.Context == s.opts.Context && m.MACOnlyEncrypted == s.opts.MACOnlyEncrypted &&
		m.Selector.Kind == s.opts.Selector.Kind && m.Selector.Pattern == s.opts.Selector.Pattern &&
		bytes.Equal(p.plain, s.src)
}

// reuse takes over the ciphertext of values that have not changed: of the value
// at the same place first, then of equal ones whose ciphertext may stand there
// too (other items of the same list). Each is used at most once, so that equal
// values do not come to look equal, and in the order of the file: equal comments
// of one container stand at the same place.
func (s *sealing) reuse() {
	p := s.opts.Previous
	exact := map[string][]int{} // :: place and value → leaves of p
	moved := map[string][]int{} // :: additional data and value → leaves of p
	for i, v := range p.values {
		if v != "" {
			path := p.content.doc.Leaves[i].Path
			k := reuseKey(encodePath(path), p.content.scalars[i])
			exact[k] = append(exact[k], i)
			k = reuseKey(appendAAD(nil, path), p.content.scalars[i])
			moved[k] = append(moved[k], i)
		}
	}
	used := make([]bool, len(p.values))
	s.reuseFrom(exact, used, encodePath)
	s.reuseFrom(moved, used, func(path *formats.Path) []byte { return appendAAD(nil, path) })
}

// reuseFrom gives values that have no ciphertext yet one that stood for the same
// value at the same place, as far as there are any.
func (s *sealing) reuseFrom(old map[string][]int, used []bool, place func(*formats.Path) []byte) {
	for i := range s.values {
		if !s.seals(i) || s.values[i] != "" {
			continue
		}
		l := &s.content.doc.Leaves[i]
		k := reuseKey(place(l.Path), l.Scalar)
		for len(old[k]) > 0 && s.values[i] == "" {
			j := old[k][0]
			old[k] = old[k][1:]
			if !used[j] {
				used[j] = true
				s.take(i, s.opts.Previous.values[j])
			}
		}
	}
}

func (s *sealing) take(i int, value string) {
	s.values[i] = value
	s.result.Reused += count(s.content.doc.Leaves[i].Kind != formats.Comment)
}

// reuseKey names a value at a place or under some additional data.
func reuseKey(place []byte, v formats.Scalar) string {
	var e encoder
	e.bytes(place)
	e.b = append(e.b, byte(v.Kind))
	e.b = append(e.b, v.Text...)
	return string(e.b)
}
