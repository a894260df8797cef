package cipher

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	"github.com/getsops/sops/v3/shamir"

	"github.com/gitseal/gitseal/formats"
)

// How many sets of shares are tried if they do not all fit together: all of them if
// they are few, and else sets at random. A set without a wrong share is soon among
// these, unless nearly half of the shares are wrong.
const (
	maxEnumerated  = 256
	triesForAShare = 64
	triesInTheEnd  = 4096
	// searchTime bounds the search in the end, and that for a lowered threshold.
	searchTime = 5 * time.Second
)

// usedShare is a share of the set that gave the data key.
type usedShare struct {
	group int
	foundShare
}

// combine looks for a set of shares with the newest one of a group that gives the
// data key. Each set has as many shares as are needed: with more, one wrong share
// would spoil the right ones.
func (u *unwrapping) combine(ctx context.Context, newest int) (dataKey, bool) {
	shares := u.groups[newest].shares
	first := usedShare{newest, shares[len(shares)-1]}
	if len(u.meta.Groups) == 1 {
		return u.check([]usedShare{first}, first.bytes)
	}
	others := u.openedBut(newest)
	if len(others) < u.needed-1 {
		return dataKey{}, false
	}
	if u.setsOf(others) <= maxEnumerated {
		return u.enumerate(ctx, []usedShare{first}, others)
	}
	return u.sample(ctx, &first, others, triesForAShare)
}

// search tries sets of all shares that there are, some at random if they are many.
func (u *unwrapping) search(ctx context.Context) (dataKey, bool) {
	if len(u.meta.Groups) == 1 || u.opened() < u.needed || u.setsOf(u.openedBut(-1)) <= maxEnumerated {
		return dataKey{}, false // all were tried
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	return u.sample(ctx, nil, u.openedBut(-1), triesInTheEnd)
}

// openedBut lists the groups of which there is a share, but for one.
func (u *unwrapping) openedBut(not int) []int {
	var out []int
	for g := range u.groups {
		if g != not && len(u.groups[g].shares) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// setsOf returns at least how many sets can be made of some groups' shares, or any
// number above maxEnumerated.
func (u *unwrapping) setsOf(groups []int) int {
	sets := 1
	for i := range min(u.needed, len(groups)) {
		sets = sets * (len(groups) - i) / (i + 1)
		if sets > maxEnumerated {
			return sets
		}
	}
	for _, g := range groups {
		if sets *= len(u.groups[g].shares); sets > maxEnumerated {
			return sets
		}
	}
	return sets
}

// enumerate adds shares of the groups to the set until it is complete, in all ways.
func (u *unwrapping) enumerate(ctx context.Context, set []usedShare, groups []int) (dataKey, bool) {
	if len(set) == u.needed {
		return u.try(set)
	}
	for i, g := range groups {
		for _, s := range u.groups[g].shares {
			if ctx.Err() != nil {
				return dataKey{}, false
			}
			if key, ok := u.enumerate(ctx, append(set[:len(set):len(set)], usedShare{g, s}), groups[i+1:]); ok {
				return key, true
			}
		}
	}
	return dataKey{}, false
}

// sample tries sets at random, each with the first share if there is one.
func (u *unwrapping) sample(ctx context.Context, first *usedShare, groups []int, tries int) (dataKey, bool) {
	for range tries {
		if ctx.Err() != nil {
			return dataKey{}, false
		}
		var set []usedShare
		if first != nil {
			set = append(set, *first)
		}
		for _, i := range rand.Perm(len(groups))[:u.needed-len(set)] {
			shares := u.groups[groups[i]].shares
			set = append(set, usedShare{groups[i], shares[rand.IntN(len(shares))]})
		}
		if key, ok := u.try(set); ok {
			return key, true
		}
	}
	return dataKey{}, false
}

// try combines a set.
func (u *unwrapping) try(set []usedShare) (dataKey, bool) {
	key, err := combineShares(set)
	if err != nil {
		return dataKey{}, false
	}
	defer clear(key)
	return u.check(set, key)
}

func combineShares(set []usedShare) ([]byte, error) {
	var shares [][]byte
	for _, s := range set {
		shares = append(shares, s.bytes)
	}
	return shamir.Combine(shares)
}

// fitTogether reports whether more shares than are asked for make a key.
func (u *unwrapping) fitTogether(ctx context.Context) bool {
	if len(u.groups) == 1 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	const triesForAThreshold = 4
	probe := &unwrapping{meta: u.meta, opens: u.opens, groups: u.groups}
	for probe.needed = u.needed + 1; probe.needed <= u.opened(); probe.needed++ {
		if _, ok := probe.sample(ctx, nil, u.openedBut(-1), triesForAThreshold); ok {
			return true
		}
	}
	return false
}

// check reports whether b, made of a set, is the right key.
func (u *unwrapping) check(set []usedShare, b []byte) (dataKey, bool) {
	key, ok := dataKeyFrom(b)
	if !ok {
		return key, false
	}
	if u.opens(key) {
		u.used = set
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

// fits reports whether a share is one of those that make up the key: whether it can
// take the place of one that was used.
func (u *unwrapping) fits(group int, s foundShare, key dataKey) bool {
	if len(u.meta.Groups) == 1 {
		return bytes.Equal(s.bytes, key.b[:])
	}
	set := append([]usedShare(nil), u.used...)
	at := len(set) - 1
	for i := range set {
		if set[i].group == group {
			at = i
		}
	}
	if set[at].group == group && bytes.Equal(set[at].bytes, s.bytes) {
		return true
	}
	set[at] = usedShare{group, s}
	got, err := combineShares(set)
	defer clear(got)
	return err == nil && bytes.Equal(got, key.b[:])
}
