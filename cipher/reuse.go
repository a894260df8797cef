package cipher

import (
	"bytes"
	"context"
	"slices"

	"github.com/gitseal/gitseal/keysources"
)

// chooseKey sets the data key and returns its stanzas: those of the previous
// version if every one of its readers stays where they were, with new ones for who
// has joined; a new key for everybody otherwise. A reader who has gone knows the
// old key, and a threshold that is raised means nothing to who has the old shares.
func (s *sealing) chooseKey(ctx context.Context) ([][]keysources.Stanza, error) {
	want, err := s.opts.keyGroups()
	if err != nil {
		return nil, err
	}
	s.threshold = want.threshold
	if p := s.opts.Previous; p != nil && !s.opts.NewKey {
		kept, joined, ok := want.compare(p.Metadata)
		switch {
		case ok && joined == 0:
			s.key = p.key
			return kept, nil
		case ok && len(kept) == 1:
			s.key = p.key
			return s.wrapJoined(ctx, want, kept[0])
		case ok:
			// The shares of an old split cannot be made again; those of a new one can.
			s.key = p.key
			return want.wrap(ctx, s.key, s.opts.Timeout)
		}
	}
	s.key, s.result.NewKey = newDataKey(), true
	return want.wrap(ctx, s.key, s.opts.Timeout)
}

// compare returns the stanzas that can stay, and how many readers have none yet.
// ok is false if a reader or group has gone, or the threshold is another one.
func (g keyGroups) compare(m *Metadata) (kept [][]keysources.Stanza, joined int, ok bool) {
	if len(g.groups) != len(m.Groups) || len(g.groups) > 1 && g.threshold != m.needed() {
		return nil, 0, false
	}
	for i, group := range g.groups {
		var stay []keysources.Stanza
		for _, old := range m.Groups[i] {
			if slices.ContainsFunc(group, func(r keysources.Recipient) bool { return keysources.IsFor(r, old) }) {
				stay = append(stay, old)
			}
		}
		if len(stay) < len(m.Groups[i]) {
			return nil, 0, false
		}
		kept = append(kept, stay)
		for _, r := range group {
			joined += count(!hasStanza(stay, r))
		}
	}
	return kept, joined, true
}

func hasStanza(list []keysources.Stanza, r keysources.Recipient) bool {
	return slices.ContainsFunc(list, func(s keysources.Stanza) bool { return keysources.IsFor(r, s) })
}

// wrapJoined wraps the data key for who is new in the only group.
func (s *sealing) wrapJoined(ctx context.Context, want keyGroups, kept []keysources.Stanza) ([][]keysources.Stanza, error) {
	var joined []keysources.Recipient
	for _, r := range want.groups[0] {
		if !hasStanza(kept, r) {
			joined = append(joined, r)
		}
	}
	kept, joined = s.takeStanzas(slices.Clone(kept), joined)
	if len(joined) == 0 {
		return [][]keysources.Stanza{kept}, nil
	}
	added, err := keyGroups{groups: [][]keysources.Recipient{joined}}.wrap(ctx, s.key, s.opts.Timeout)
	if err != nil {
		return nil, err
	}
	return [][]keysources.Stanza{append(kept, added[0]...)}, nil
}

// takeStanzas takes over what other versions have wrapped of the same data key, and
// returns the readers for whom none has.
func (s *sealing) takeStanzas(kept []keysources.Stanza, joined []keysources.Recipient) ([]keysources.Stanza, []keysources.Recipient) {
	var rest []keysources.Recipient
	for _, r := range joined {
		stanza, ok := s.wrappedElsewhere(r)
		if !ok {
			rest = append(rest, r)
			continue
		}
		kept = append(kept, stanza)
	}
	return kept, rest
}

func (s *sealing) wrappedElsewhere(r keysources.Recipient) (keysources.Stanza, bool) {
	for _, o := range s.opts.Also {
		// The shares of several groups belong to one split of the key each.
		if o.key != s.key || len(o.Metadata.Groups) != 1 {
			continue
		}
		group := o.Metadata.Groups[0]
		if i := slices.IndexFunc(group, func(st keysources.Stanza) bool { return keysources.IsFor(r, st) }); i >= 0 {
			return group[i], true
		}
	}
	return keysources.Stanza{}, false
}

// samePrevious reports whether the previous sealed file is what sealing would
// give, times and nonces apart.
func (s *sealing) samePrevious(groups [][]keysources.Stanza) bool {
	p := s.opts.Previous
	if p == nil || s.result.NewKey || !sameStanzas(groups, p.Metadata.Groups) {
		return false
	}
	m := p.Metadata
	return m.Seal != nil && m.Seal.Context == s.opts.Context && m.MACOnlyEncrypted == s.opts.MACOnlyEncrypted &&
		m.Selector.Kind == s.opts.Selector.Kind && m.Selector.Pattern == s.opts.Selector.Pattern &&
		bytes.Equal(p.plain, s.src)
}

func sameStanzas(a, b [][]keysources.Stanza) bool {
	return slices.EqualFunc(a, b, func(a, b []keysources.Stanza) bool {
		return slices.EqualFunc(a, b, func(a, b keysources.Stanza) bool {
			return slices.Equal(a.Fields, b.Fields) && keysources.SameKey(a, b)
		})
	})
}
