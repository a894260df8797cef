package cipher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/getsops/sops/v3/shamir"

	"github.com/gitseal/gitseal/keysources"
)

// ErrKeyGroups: the key groups or their threshold make no sense.
var ErrKeyGroups = errors.New("bad key groups")

const (
	// maxGroups is the largest number of key groups: a share's number is one byte.
	maxGroups = 255
	// callTimeout bounds one call to a key source, unless the options say otherwise.
	callTimeout = 30 * time.Second
)

// keyGroups are the readers of a file: one of each of threshold groups is needed.
// With a single group, which has no threshold, one reader is enough.
type keyGroups struct {
	groups    [][]keysources.Recipient
	threshold int
}

// keyGroups returns the recipients that the options name, each at most once in a
// group.
func (o *SealOptions) keyGroups() (keyGroups, error) {
	in := o.Groups
	if in == nil {
		in = [][]keysources.Recipient{o.Recipients}
	}
	g := keyGroups{threshold: o.Threshold}
	for _, group := range in {
		if group = unique(group); len(group) == 0 {
			return g, ErrNoRecipients
		}
		g.groups = append(g.groups, group)
	}
	readers := 0
	for _, group := range g.groups {
		readers += len(group)
	}
	switch n := len(g.groups); {
	case readers > MaxReaders:
		return g, fmt.Errorf("%w: more than %d readers", ErrKeyGroups, MaxReaders)
	case n == 0:
		return g, ErrNoRecipients
	case n == 1:
		g.threshold = 0
	case n > maxGroups:
		return g, fmt.Errorf("%w: more than %d", ErrKeyGroups, maxGroups)
	case g.threshold == 0:
		g.threshold = n
	case g.threshold < 2 || g.threshold > n:
		return g, fmt.Errorf("%w: the threshold of %d groups must be between 2 and %d", ErrKeyGroups, n, n)
	}
	return g, nil
}

// unique drops recipients that are named twice.
func unique(in []keysources.Recipient) []keysources.Recipient {
	var out []keysources.Recipient
	for _, r := range in {
		if !containsRecipient(out, r) {
			out = append(out, r)
		}
	}
	return out
}

func containsRecipient(list []keysources.Recipient, r keysources.Recipient) bool {
	for _, known := range list {
		if known.String() != r.String() {
			continue
		}
		a, ok := keysources.KeyOf(known)
		b, too := keysources.KeyOf(r)
		if !ok || !too || keysources.SameKey(a, b) {
			return true
		}
	}
	return false
}

// shares returns what each group gets: the data key itself if there is a single
// one, and else a share of 33 bytes: 32 bytes and the group's number from 1
// (Shamir's scheme over GF(2^8), as in sops and Vault).
func (g keyGroups) shares(k dataKey) ([][]byte, error) {
	if len(g.groups) == 1 {
		return [][]byte{k.b[:]}, nil
	}
	return shamir.Split(k.b[:], len(g.groups), g.threshold)
}

// wrap wraps a data key for all readers, all at the same time.
func (g keyGroups) wrap(ctx context.Context, k dataKey, timeout time.Duration) ([][]keysources.Stanza, error) {
	shares, err := g.shares(k)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyGroups, err)
	}
	out := make([][]keysources.Stanza, len(g.groups))
	errs := make([][]error, len(g.groups))
	var wg sync.WaitGroup
	for i, group := range g.groups {
		out[i], errs[i] = make([]keysources.Stanza, len(group)), make([]error, len(group))
		for j, r := range group {
			wg.Go(func() { out[i][j], errs[i][j] = wrapFor(ctx, r, shares[i], timeout) })
		}
	}
	wg.Wait()
	if len(g.groups) > 1 {
		for _, s := range shares {
			clear(s)
		}
	}
	var all []error
	for _, e := range errs {
		all = append(all, e...)
	}
	return out, errors.Join(all...)
}

func wrapFor(ctx context.Context, r keysources.Recipient, share []byte, timeout time.Duration) (keysources.Stanza, error) {
	ctx, cancel := withTimeout(ctx, timeout)
	defer cancel()
	s, err := r.Wrap(ctx, share)
	if err == nil && s.Get("enc") == "" {
		// sops stores such a stanza, and then nobody can open the file.
		err = &keysources.Error{Reader: r.String(), Reason: keysources.Damaged, Detail: "wrapping gave nothing"}
	}
	if err != nil {
		return s, fmt.Errorf("wrapping the data key for %w", namedError(r.String(), err))
	}
	return s, nil
}

// namedError makes sure that an error names its reader, and that running out of
// time is told as what it is.
func namedError(reader string, err error) error {
	var e *keysources.Error
	if errors.As(err, &e) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &keysources.Error{Reader: reader, Reason: keysources.Timeout}
	}
	return fmt.Errorf("%s: %w", reader, err)
}

func withTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		timeout = callTimeout
	}
	return context.WithTimeout(ctx, timeout)
}
