package cipher

import (
	"bytes"
	"time"

	"github.com/getsops/sops/v3/shamir"

	"github.com/gitseal/gitseal/formats"
)

// maxCombinations bounds how many combinations of shares are tried for a file. It
// is far beyond what any group with one wrong share needs.
const maxCombinations = 4096

// combine looks for a set of shares with the newest one of a group that gives the
// data key. Each set has as many shares as are needed: with more, one wrong share
// would spoil the right ones.
func (u *unwrapping) combine(newest int) (dataKey, bool) {
	shares := u.groups[newest].shares
	set := [][]byte{shares[len(shares)-1].bytes}
	if len(u.meta.Groups) == 1 {
		return u.check(set[0])
	}
	return u.extend(set, 0, newest)
}

// extend adds shares of the groups from the given one on until the set is
// complete, and tries it.
func (u *unwrapping) extend(set [][]byte, from, newest int) (dataKey, bool) {
	if len(set) == u.needed {
		key, err := shamir.Combine(set)
		if err != nil || u.tried >= maxCombinations {
			return dataKey{}, false
		}
		u.tried++
		defer clear(key)
		return u.check(key)
	}
	for g := from; g < len(u.groups); g++ {
		if g == newest {
			continue
		}
		for _, s := range u.groups[g].shares {
			if key, ok := u.extend(append(set[:len(set):len(set)], s.bytes), g+1, newest); ok {
				return key, true
			}
		}
	}
	return dataKey{}, false
}

// fitTogether reports whether more shares than are asked for make a key.
func (u *unwrapping) fitTogether() bool {
	probe := &unwrapping{meta: u.meta, opens: u.opens, groups: u.groups}
	for probe.needed = u.needed + 1; len(u.groups) > 1 && probe.needed <= u.opened(); probe.needed++ {
		for g := range u.groups {
			if len(u.groups[g].shares) == 0 {
				continue
			}
			if _, ok := probe.combine(g); ok {
				return true
			}
		}
	}
	return false
}

// check reports whether b is the right key.
func (u *unwrapping) check(b []byte) (dataKey, bool) {
	key, ok := dataKeyFrom(b)
	if !ok {
		return key, false
	}
	if u.opens(key) {
		return key, true
	}
	u.candidates++
	u.fallback = &key
	return key, false
}

// opensMAC reports whether sops's MAC of a file opens under a key: whether it is
// the file's key, unless the MAC itself was damaged.
func (m *Metadata) opensMAC(key dataKey) bool {
	v, ok := parseValue(m.mac)
	if !ok {
		return false
	}
	s, reason := newValueOpener(key).open(v, []byte(m.LastModified.Format(time.RFC3339)))
	return reason == "" && s.Kind == formats.String
}

// fits reports whether a share is one of those that make up the key.
func (u *unwrapping) fits(group int, s foundShare, key dataKey) bool {
	if len(u.meta.Groups) == 1 {
		return bytes.Equal(s.bytes, key.b[:])
	}
	probe := &unwrapping{meta: u.meta, opens: u.opens, groups: make([]foundShares, len(u.groups)), needed: u.needed}
	copy(probe.groups, u.groups)
	probe.groups[group] = foundShares{shares: []foundShare{s}}
	_, ok := probe.combine(group)
	return ok
}
