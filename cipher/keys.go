package cipher

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitseal/gitseal/keysources"
)

// wrapKey wraps the data key for each recipient, in their order.
func wrapKey(ctx context.Context, k dataKey, recipients []keysources.Recipient) ([]keysources.Stanza, error) {
	var out []keysources.Stanza
	for _, r := range recipients {
		s, err := r.Wrap(ctx, k.b[:])
		if err != nil {
			return nil, fmt.Errorf("wrapping the data key for %s: %w", r, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// unwrapKey tries the identities on the stanzas until one opens. Files with
// several key groups, of which a threshold has to be opened, are refused.
func unwrapKey(ctx context.Context, m *Metadata, ids []keysources.Identity) (dataKey, error) {
	if len(m.Groups) > 1 {
		return dataKey{}, fmt.Errorf("%w: several key groups (shamir_threshold)", ErrUnsupported)
	}
	none := &NoIdentityError{Readers: m.Readers()}
	for _, group := range m.Groups {
		for _, s := range group {
			k, err := unwrapStanza(ctx, s, ids)
			if err == nil {
				return k, nil
			}
			if !errors.Is(err, keysources.ErrNotForMe) {
				none.Causes = append(none.Causes, err)
			}
			if ctx.Err() != nil {
				return dataKey{}, ctx.Err()
			}
		}
	}
	return dataKey{}, none
}

func unwrapStanza(ctx context.Context, s keysources.Stanza, ids []keysources.Identity) (dataKey, error) {
	var causes []error
	for _, id := range ids {
		b, err := id.Unwrap(ctx, s)
		if err != nil {
			if cause := otherThanNotForMe(err); cause != nil {
				causes = append(causes, cause)
			}
			continue
		}
		k, ok := dataKeyFrom(b)
		clear(b)
		if !ok {
			causes = append(causes, fmt.Errorf("the stanza for %s does not hold a data key", s.Reader()))
			continue
		}
		return k, nil
	}
	if len(causes) == 0 {
		return dataKey{}, keysources.ErrNotForMe
	}
	return dataKey{}, errors.Join(causes...)
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
