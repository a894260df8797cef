package cipher

import "context"

// HasKey reports whether the data key of a file is at hand: its error is the
// [NoIdentityError] of [Open] if no identity opens it. It says nothing about the rest of
// the file, which may be half-merged or tampered with.
func HasKey(ctx context.Context, m *Metadata, opts OpenOptions) error {
	_, err := keyOf(ctx, m, opts, nil)
	return err
}
