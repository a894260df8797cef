// Package age wraps data keys with age (https://age-encryption.org/v1).
//
// A stanza holds the recipient and, under "enc", an armored age file with
// exactly one recipient whose plaintext is the data key: the form that sops
// writes. Supported are X25519 (age1…) and the hybrid post-quantum
// ML-KEM-768 + X25519 (age1pq1…) recipients.
package age

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/gitseal/gitseal/keysources"
)

// ErrUnsupported is wrapped by errors about kinds of age keys that this package
// does not know.
var ErrUnsupported = errors.New("unsupported kind of age key")

// Recipient is an age public key.
type Recipient struct {
	text string
	key  age.Recipient
	pq   bool
}

var (
	_ keysources.Recipient   = Recipient{}
	_ keysources.PostQuantum = Recipient{}
)

// ParseRecipient parses an age1… or age1pq1… recipient.
func ParseRecipient(s string) (Recipient, error) {
	s = strings.TrimSpace(s)
	switch {
	case strings.HasPrefix(s, "AGE-SECRET-KEY-"):
		// The text must not be repeated: it is a private key.
		return Recipient{}, errors.New("this is a private key (AGE-SECRET-KEY-…), not a recipient")
	case strings.HasPrefix(s, "ssh-"):
		return Recipient{}, fmt.Errorf("%w: ssh recipients", ErrUnsupported)
	case strings.HasPrefix(s, "age1pq1"):
		key, err := age.ParseHybridRecipient(s)
		if err != nil {
			return Recipient{}, errors.New("malformed age1pq1… recipient")
		}
		return Recipient{text: s, key: key, pq: true}, nil
	case strings.HasPrefix(s, "age1") && strings.LastIndexByte(s, '1') > 3:
		return Recipient{}, fmt.Errorf("%w: plugin recipients", ErrUnsupported)
	}
	key, err := age.ParseX25519Recipient(s)
	if err != nil {
		return Recipient{}, errors.New("malformed age recipient")
	}
	return Recipient{text: s, key: key}, nil
}

// String returns the recipient as parsed.
func (r Recipient) String() string { return r.text }

// PostQuantum reports whether r is a hybrid recipient.
func (r Recipient) PostQuantum() bool { return r.pq }

// Wrap encrypts dataKey to r.
func (r Recipient) Wrap(_ context.Context, dataKey []byte) (keysources.Stanza, error) {
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	w, err := age.Encrypt(a, r.key)
	if err != nil {
		return keysources.Stanza{}, fmt.Errorf("encrypting to %s: %w", r, err)
	}
	if _, err := w.Write(dataKey); err != nil {
		return keysources.Stanza{}, fmt.Errorf("encrypting to %s: %w", r, err)
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		return keysources.Stanza{}, fmt.Errorf("encrypting to %s: %w", r, err)
	}
	return keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{
		{Name: "enc", Value: b.String()}, {Name: "recipient", Value: r.text},
	}}, nil
}
