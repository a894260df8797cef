// Package keyservicetest has a key source for tests of what carries keys from one
// process to another.
package keyservicetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/gitseal/gitseal/keysources"
)

// Source is a key source of any type whose wrapped keys are age files. Readers
// are age recipients: for the type age, sops can be the other side.
type Source struct {
	// Type is the type of its stanzas.
	Type string
	// Before, if not nil, is called at the begin of each call with the reader. The
	// call waits for it, and fails if it returns an error.
	Before func(ctx context.Context, reader string) error

	keys []age.Identity
}

var _ keysources.Source = (*Source)(nil)

// New returns a source that opens what is wrapped for an AGE-SECRET-KEY-1….
func New(typ string, identities ...string) (*Source, error) {
	s := &Source{Type: typ}
	for _, text := range identities {
		id, err := age.ParseX25519Identity(text)
		if err != nil {
			return nil, errors.New("not an identity")
		}
		s.keys = append(s.keys, id)
	}
	return s, nil
}

// KeyOf returns the key of a reader, as [keysources.Source] takes it.
func KeyOf(typ, reader string) keysources.Stanza {
	return keysources.Stanza{Type: typ, Fields: []keysources.Field{{Name: nameField(typ), Value: reader}}}
}

func nameField(typ string) string {
	switch typ {
	case keysources.TypeAge:
		return "recipient"
	case keysources.TypeKMS:
		return "arn"
	case keysources.TypeGCP:
		return "resource_id"
	}
	panic("keyservicetest: no name for the reader of type " + typ)
}

// String returns the type.
func (s *Source) String() string { return "test source of " + s.Type }

func (s *Source) before(ctx context.Context, reader string) error {
	if s.Before == nil {
		return ctx.Err()
	}
	return s.Before(ctx, reader)
}

// Unwrap opens an age file.
func (s *Source) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if st.Type != s.Type {
		return nil, keysources.ErrNotForMe
	}
	if err := s.before(ctx, st.Reader()); err != nil {
		return nil, err
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(st.Get("enc"))), s.keys...)
	var noMatch *age.NoIdentityMatchError
	if errors.As(err, &noMatch) {
		return nil, fmt.Errorf("%s: %w", st.Reader(), keysources.ErrNotForMe)
	}
	damaged := &keysources.Error{Reader: st.Reader(), Reason: keysources.Damaged}
	if err != nil {
		return nil, damaged
	}
	key, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err != nil {
		return nil, damaged
	}
	return key, nil
}

// Recipient returns the recipient of a key.
func (s *Source) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	r, err := age.ParseX25519Recipient(key.Reader())
	if err != nil || key.Type != s.Type {
		return nil, &keysources.Error{Reader: key.Reader(), Reason: keysources.Malformed}
	}
	return recipient{source: s, to: r}, nil
}

type recipient struct {
	source *Source
	to     *age.X25519Recipient
}

// String returns the age recipient.
func (r recipient) String() string { return r.to.String() }

// Wrap makes an age file.
func (r recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	if err := r.source.before(ctx, r.String()); err != nil {
		return keysources.Stanza{}, err
	}
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	w, err := age.Encrypt(a, r.to)
	if err != nil {
		return keysources.Stanza{}, err
	}
	if _, err := w.Write(dataKey); err != nil {
		return keysources.Stanza{}, err
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		return keysources.Stanza{}, err
	}
	st := KeyOf(r.source.Type, r.String())
	st.Fields = append([]keysources.Field{{Name: "enc", Value: b.String()}}, st.Fields...)
	return st, nil
}
