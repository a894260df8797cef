package cipher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

// unwrapping is one search for the data key of a file.
type unwrapping struct {
	meta    *Metadata
	ids     []keysources.Identity
	timeout time.Duration
	// opens reports whether a key is the right one.
	opens func(dataKey) bool
	// groups is what was found, parallel to meta.Groups.
	groups []foundShares
	// fallback is a key of the right size that is not the right one. If there is no
	// other, what it should open may be what is wrong.
	fallback   *dataKey
	candidates int
	// needed is how many groups have to be opened.
	needed int
	// used is the set of shares that gave the data key.
	used []usedShare
}

// foundShares is what was unwrapped of one key group: the data key if there is a
// single group, and else its share.
type foundShares struct {
	shares []foundShare
	causes []error
}

type foundShare struct {
	reader string
	bytes  []byte
}

// unwrapKey finds the data key. Identities on this machine are tried first, in
// their order; then all others at the same time, and the first usable answer wins.
// A reader or group whose answer is wrong does no harm as long as enough others are
// right; the warnings name it. opens tells the right key.
func unwrapKey(ctx context.Context, m *Metadata, opts OpenOptions, opens func(dataKey) bool) (unwrapped, error) {
	if err := m.checkGroups(); err != nil {
		return unwrapped{}, err
	}
	u := &unwrapping{meta: m, timeout: opts.Timeout, opens: opens, groups: make([]foundShares, len(m.Groups)), needed: m.needed()}
	var remote []keysources.Identity
	for _, id := range opts.Identities {
		if keysources.IsRemote(id) {
			remote = append(remote, id)
			continue
		}
		u.ids = append(u.ids, id)
	}
	key, ok := u.locally(ctx)
	if !ok && len(remote) > 0 && ctx.Err() == nil {
		key, ok = u.remotely(ctx, remote)
	}
	if !ok {
		key, ok = u.search(ctx)
	}
	if ok {
		return unwrapped{key: key, readers: u.readers(), warnings: u.blame(key)}, nil
	}
	if ctx.Err() != nil {
		return unwrapped{}, ctx.Err()
	}
	if u.fitTogether(ctx) {
		// With more shares than the file asks for there is a key: somebody has lowered
		// the threshold.
		return unwrapped{}, &TamperedError{Reason: ReasonMetadata, Field: "shamir_threshold"}
	}
	if u.candidates == 1 || u.fallback != nil && len(m.Groups) == 1 {
		return unwrapped{key: *u.fallback}, nil
	}
	return unwrapped{}, u.failure()
}

// unwrapped is a data key, and how it was come by.
type unwrapped struct {
	key dataKey
	// readers are those whose stanzas gave the key; nil if it is not sure to be the
	// right one.
	readers  []string
	warnings []Warning
}

// readers names whose stanzas gave the data key.
func (u *unwrapping) readers() []string {
	var out []string
	for _, s := range u.used {
		out = append(out, s.reader)
	}
	return out
}

// checkGroups refuses a threshold that the groups cannot meet.
func (m *Metadata) checkGroups() error {
	n := len(m.Groups)
	if n > maxGroups || n > 1 && (m.Threshold == 1 || m.Threshold > n) {
		return &TamperedError{Reason: ReasonMetadata, Field: "shamir_threshold"}
	}
	return nil
}

// needed is the number of groups that have to be opened.
func (m *Metadata) needed() int {
	switch {
	case len(m.Groups) == 1:
		return 1
	case m.Threshold > 0:
		return m.Threshold
	}
	return len(m.Groups)
}

// locally asks the identities of this machine: in a first round for one share of
// each group, and if these do not fit together for all others, too.
func (u *unwrapping) locally(ctx context.Context) (dataKey, bool) {
	type pair struct {
		group, stanza int
		id            keysources.Identity
	}
	var rest []pair
	for g, group := range u.meta.Groups {
		for i := range group {
			for _, id := range u.ids {
				if ctx.Err() != nil {
					return dataKey{}, false
				}
				if len(u.groups[g].shares) > 0 {
					rest = append(rest, pair{g, i, id})
					continue
				}
				if key, ok := u.ask(ctx, g, group[i], id); ok {
					return key, true
				}
			}
		}
	}
	if u.opened() < u.needed {
		return dataKey{}, false
	}
	for _, p := range rest {
		if ctx.Err() != nil {
			return dataKey{}, false
		}
		if key, ok := u.ask(ctx, p.group, u.meta.Groups[p.group][p.stanza], p.id); ok {
			return key, true
		}
	}
	return dataKey{}, false
}

// ask tries one identity on one stanza and what it gives with what there is.
func (u *unwrapping) ask(ctx context.Context, group int, s keysources.Stanza, id keysources.Identity) (dataKey, bool) {
	// Without a deadline: somebody may have to type a passphrase.
	share, err := id.Unwrap(ctx, s)
	return u.take(ctx, answer{group: group, reader: s.Reader(), share: share, err: err})
}

// answer is what asking one identity about one stanza gave.
type answer struct {
	group  int
	reader string
	share  []byte
	err    error
}

// take adds an answer and returns the data key if it is complete now.
func (u *unwrapping) take(ctx context.Context, a answer) (dataKey, bool) {
	g := &u.groups[a.group]
	if a.err != nil {
		if cause := otherThanNotForMe(a.err); cause != nil {
			g.causes = append(g.causes, namedError(a.reader, cause))
		}
		return dataKey{}, false
	}
	if len(a.share) != u.shareSize() {
		g.causes = append(g.causes, &keysources.Error{Reader: a.reader, Reason: keysources.Damaged, Detail: "it does not hold a data key"})
		return dataKey{}, false
	}
	g.shares = append(g.shares, foundShare{reader: a.reader, bytes: a.share})
	return u.combine(ctx, a.group)
}

func (u *unwrapping) shareSize() int {
	if len(u.meta.Groups) == 1 {
		return keySize
	}
	return keySize + 1
}

func unwrapRemotely(ctx context.Context, s keysources.Stanza, id keysources.Identity, timeout time.Duration) ([]byte, error) {
	ctx, cancel := withTimeout(ctx, timeout)
	defer cancel()
	return id.Unwrap(ctx, s)
}

// remotely asks all identities that are not on this machine about all stanzas of
// the groups that are still closed, at the same time. If these do not do, nothing
// does.
func (u *unwrapping) remotely(ctx context.Context, ids []keysources.Identity) (dataKey, bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers, calls := make(chan answer), 0
	for g, group := range u.meta.Groups {
		if len(u.groups[g].shares) > 0 && u.opened() < u.needed {
			continue // what is missing is another group
		}
		for _, s := range group {
			for _, id := range ids {
				calls++
				go func() {
					share, err := unwrapRemotely(ctx, s, id, u.timeout)
					select {
					case answers <- answer{group: g, reader: s.Reader(), share: share, err: err}:
					case <-ctx.Done():
					}
				}()
			}
		}
	}
	for range calls {
		select {
		case a := <-answers:
			if key, ok := u.take(ctx, a); ok {
				return key, true
			}
		case <-ctx.Done():
			return dataKey{}, false
		}
	}
	return dataKey{}, false
}

// opened counts the groups of which there is a share.
func (u *unwrapping) opened() int {
	n := 0
	for i := range u.groups {
		n += count(len(u.groups[i].shares) > 0)
	}
	return n
}

// failure says what was missing.
func (u *unwrapping) failure() error {
	none := &NoIdentityError{Readers: u.meta.Readers()}
	for i := range u.groups {
		none.Causes = append(none.Causes, u.groups[i].causes...)
	}
	if len(u.groups) > 1 {
		none.Groups, none.Needed, none.Opened = len(u.groups), u.meta.needed(), u.opened()
	}
	return none
}

// otherThanNotForMe returns what an error says besides ErrNotForMe, nil if that
// is all: a keyring reports with it which of its files it could not read.
func otherThanNotForMe(err error) error {
	if !errors.Is(err, keysources.ErrNotForMe) {
		return err
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var rest []error
	for _, e := range joined.Unwrap() {
		if !errors.Is(e, keysources.ErrNotForMe) {
			rest = append(rest, e)
		}
	}
	return errors.Join(rest...)
}

// blame names who gave something else than what fits the key that was found.
func (u *unwrapping) blame(key dataKey) []Warning {
	var out []Warning
	for g := range u.groups {
		for _, s := range u.groups[g].shares {
			if u.fits(g, s, key) {
				continue
			}
			text := fmt.Sprintf("the data key that is wrapped for %s is wrong", s.reader)
			if len(u.groups) > 1 {
				text = fmt.Sprintf("the share of key group %d that is wrapped for %s is wrong", g+1, s.reader)
			}
			out = append(out, Warning{Text: text + "; the others opened the file"})
		}
		if len(u.groups) > 1 {
			for _, cause := range u.groups[g].causes {
				out = append(out, Warning{Text: fmt.Sprintf("key group %d: %v", g+1, cause)})
			}
		}
	}
	return out
}
