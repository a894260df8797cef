package merge

import "github.com/gitseal/gitseal/formats"

// pathSet is a set of paths. A nil one is empty.
type pathSet struct {
	here bool
	next map[step]*pathSet
}

type step struct {
	key   string
	index int
}

func setOf(paths []*formats.Path) *pathSet {
	var s *pathSet
	for _, p := range paths {
		s = s.add(p)
	}
	return s
}

// add adds p. It returns the set.
func (s *pathSet) add(p *formats.Path) *pathSet {
	if s == nil {
		s = &pathSet{}
	}
	s.reach(p).here = true
	return s
}

func (s *pathSet) reach(p *formats.Path) *pathSet {
	if p == nil {
		return s
	}
	up := s.reach(p.Parent)
	at := step{p.Key, p.Index}
	if up.next == nil {
		up.next = map[step]*pathSet{}
	}
	if up.next[at] == nil {
		up.next[at] = &pathSet{}
	}
	return up.next[at]
}

// at returns the part of the set below the last step of p.
func (s *pathSet) at(p *formats.Path) *pathSet {
	if s == nil || p == nil {
		return nil
	}
	return s.next[step{p.Key, p.Index}]
}

// matcher says which paths are at or below one of a set.
type matcher struct {
	set   *pathSet
	known map[*formats.Path]matched
}

type matched struct {
	below bool
	set   *pathSet
}

func newMatcher(s *pathSet) *matcher { return &matcher{set: s, known: map[*formats.Path]matched{}} }

// has reports whether p is at or below a path of the set.
func (m *matcher) has(p *formats.Path) bool {
	return m.set != nil && m.find(p).below
}

func (m *matcher) find(p *formats.Path) matched {
	if p == nil {
		return matched{set: m.set, below: m.set.here}
	}
	if got, ok := m.known[p]; ok {
		return got
	}
	up := m.find(p.Parent)
	got := matched{below: up.below, set: up.set.at(p)}
	if got.set != nil && got.set.here {
		got.below = true
	}
	m.known[p] = got
	return got
}
