// Package awskms wraps data keys with AWS KMS (https://docs.aws.amazon.com/kms/).
//
// A stanza names a key by its ARN, that of the key itself or of an alias, and
// perhaps a role to assume and a profile to take credentials from; under "enc" it
// holds the ciphertext blob in base64. The fields and what they mean are sops's.
//
// The region is that of the ARN. Everything else comes from where the AWS SDK
// finds it: credentials from the environment, the shared configuration (keys,
// roles, SSO, processes), web identity tokens, containers and instances; endpoints
// from AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL or a profile's endpoint_url; and so
// on. The SDK reads the environment of the process itself, whatever [New] is given.
package awskms

import (
	"context"
	"encoding/base64"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/gitseal/gitseal/keysources"
)

// maxBlob is the size in bytes of the longest ciphertext that KMS takes.
const maxBlob = 6144

// Source wraps and unwraps data keys with AWS KMS. It may be used from several
// goroutines. Clients and credentials are made when they are first needed and kept.
type Source struct {
	env func(string) string

	mu sync.Mutex // guards clients
	// clients holds one client for each way to reach keys.
	clients map[place]*client
}

// place is where and as whom a key is used.
type place struct{ region, role, profile string }

var (
	_ keysources.Source = (*Source)(nil)
	_ keysources.Remote = (*Source)(nil)
)

// New returns a source. Of the environment (os.Getenv, usually) it reads only
// AWS_METADATA_SERVICE_TIMEOUT, the number of seconds that an instance's metadata
// service may take to answer, 1 if it is not set: for all else, the AWS SDK looks at
// the process's own.
func New(env func(string) string) *Source {
	return &Source{env: env, clients: map[place]*client{}}
}

// String says what the source is.
func (s *Source) String() string { return "AWS KMS" }

// GoString is String.
func (s *Source) GoString() string { return s.String() }

// Remote reports that KMS is another machine.
func (s *Source) Remote() bool { return true }

// Recipient returns the recipient for a key with the field "arn", and perhaps
// "role", "aws_profile" and an encryption context.
func (s *Source) Recipient(k keysources.Stanza) (keysources.Recipient, error) {
	if k.Type != keysources.TypeKMS {
		return nil, keysources.ErrNotForMe
	}
	parsed, err := parseKey(k)
	if err != nil {
		return nil, err
	}
	return Recipient{source: s, key: parsed}, nil
}

// Unwrap asks KMS to decrypt the data key in st. The key that st names must be the
// one that it was wrapped with, and the encryption context the same.
func (s *Source) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if st.Type != keysources.TypeKMS {
		return nil, keysources.ErrNotForMe
	}
	k, err := parseKey(st)
	if err != nil {
		return nil, err
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(st.Get("enc"))
	if err != nil || len(blob) == 0 || len(blob) > maxBlob {
		return nil, k.malformed("enc is not the base64 of a ciphertext")
	}
	c, err := s.client(ctx, k)
	if err != nil {
		return nil, err
	}
	// KMS could tell the key from the ciphertext. Naming it makes sure that nobody
	// swaps in a ciphertext of another key that these credentials open as well.
	out, err := c.kms.Decrypt(ctx, &kms.DecryptInput{
		KeyId: aws.String(k.arn), CiphertextBlob: blob, EncryptionContext: k.contextMap(),
	})
	if err != nil {
		return nil, explain(ctx, k, err)
	}
	return out.Plaintext, nil
}

// client returns the client for a key, with credentials that are valid.
func (s *Source) client(ctx context.Context, k key) (*client, error) {
	// A call that was given up already must not start to look for credentials.
	if err := ctx.Err(); err != nil {
		return nil, explain(ctx, k, err)
	}
	s.mu.Lock()
	c, ok := s.clients[k.place]
	if !ok {
		c = &client{place: k.place, metadataTimeout: metadataTimeout(s.env)}
		s.clients[k.place] = c
	}
	s.mu.Unlock()
	if err := c.connect(ctx); err != nil {
		return nil, explain(ctx, k, err)
	}
	return c, nil
}

// Recipient is a key in KMS.
type Recipient struct {
	source *Source
	key    key
}

var _ keysources.Recipient = Recipient{}

// String returns the key's ARN.
func (r Recipient) String() string { return r.key.arn }

// Key returns the key that the recipient was made of.
func (r Recipient) Key() keysources.Stanza { return r.key.stanza("", "") }

// Wrap asks KMS to encrypt dataKey.
func (r Recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	c, err := r.source.client(ctx, r.key)
	if err != nil {
		return keysources.Stanza{}, err
	}
	out, err := c.kms.Encrypt(ctx, &kms.EncryptInput{
		KeyId: aws.String(r.key.arn), Plaintext: slices.Clone(dataKey), EncryptionContext: r.key.contextMap(),
	})
	if err != nil {
		return keysources.Stanza{}, explain(ctx, r.key, err)
	}
	enc := base64.StdEncoding.EncodeToString(out.CiphertextBlob)
	return r.key.stanza(enc, time.Now().UTC().Format(time.RFC3339)), nil
}
