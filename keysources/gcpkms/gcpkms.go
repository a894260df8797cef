// Package gcpkms wraps data keys with Google Cloud KMS.
//
// A stanza holds the resource id of a symmetric key and, under "enc", the
// service's ciphertext in base64: what sops writes. The package speaks the REST
// form of the API itself; credentials come from golang.org/x/oauth2/google.
package gcpkms

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

// callTime is how long a call may take if the caller's context sets no earlier
// deadline. Retries count.
const callTime = 60 * time.Second

// Cloud KMS refuses longer plaintexts and, with that, makes no longer ciphertexts.
const (
	maxPlaintext  = 64 << 10
	maxCiphertext = maxPlaintext + 4<<10
)

// Resource ids become part of a URL: what is not in these patterns does not get
// there. No segment can be "." or "..", or hold a slash or the colon that
// separates the verb.
var (
	keyID     = regexp.MustCompile(`^projects/[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,99}/locations/[A-Za-z0-9-]{1,63}/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}$`)
	versionID = regexp.MustCompile(`/cryptoKeyVersions/[0-9]{1,10}$`)
)

// Source is Google Cloud KMS with the credentials of an environment.
type Source struct {
	client client
	now    func() time.Time
}

var (
	_ keysources.Source = (*Source)(nil)
	_ keysources.Remote = (*Source)(nil)
)

// New returns the source for an environment (os.Getenv, usually). Nothing is read
// or asked until the first call. The variables are sops's:
//
//   - GOOGLE_CREDENTIALS: credentials as JSON, or a file of them
//   - GOOGLE_OAUTH_ACCESS_TOKEN: an access token
//   - SOPS_GCP_KMS_ENDPOINT: the service's address
//   - SOPS_GCP_KMS_UNIVERSE_DOMAIN: the domain of a sovereign cloud
//   - GOOGLE_CLOUD_QUOTA_PROJECT: the project that calls are counted for
//
// Without credentials among them, Google's application default credentials are
// used. Those are found by Google's library, which looks at the environment of
// the process itself.
func New(env func(string) string) *Source {
	return &Source{client: newClient(env), now: time.Now}
}

// String says what the source is.
func (s *Source) String() string { return "GCP KMS" }

// Format keeps fmt from looking inside, where tokens are.
func (s *Source) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// Remote returns true.
func (s *Source) Remote() bool { return true }

// Recipient returns the recipient for the key with a resource id
// projects/P/locations/L/keyRings/R/cryptoKeys/K. A version is refused: sops
// opens no such stanza, and Cloud KMS records the version in the ciphertext.
func (s *Source) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	id := key.Get("resource_id")
	if key.Type != keysources.TypeGCP {
		return nil, keysources.ErrNotForMe
	}
	if versionID.MatchString(id) {
		return nil, &keysources.Error{Reader: id, Reason: keysources.Malformed, Detail: "name the key without /cryptoKeyVersions/…, the service chooses the version"}
	}
	if !keyID.MatchString(id) {
		return nil, malformedID(id)
	}
	return recipient{source: s, id: id}, nil
}

func malformedID(id string) error {
	return &keysources.Error{Reader: printable(id), Reason: keysources.Malformed, Detail: "want projects/P/locations/L/keyRings/R/cryptoKeys/K"}
}

// printable keeps what a file holds in place of a resource id from being more
// than one short line of an error.
func printable(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	if q := fmt.Sprintf("%q", s); q != `"`+s+`"` {
		return q
	}
	return s
}

// Unwrap asks the service to decrypt the data key in st.
func (s *Source) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if st.Type != keysources.TypeGCP {
		return nil, keysources.ErrNotForMe
	}
	// The service takes the key and finds the version itself.
	id := versionID.ReplaceAllString(st.Get("resource_id"), "")
	if !keyID.MatchString(id) {
		return nil, malformedID(st.Get("resource_id"))
	}
	enc, err := base64.StdEncoding.Strict().DecodeString(st.Get("enc"))
	if err != nil || len(enc) == 0 || len(enc) > maxCiphertext {
		return nil, &keysources.Error{Reader: id, Reason: keysources.Malformed, Detail: "enc is not the base64 form of a ciphertext"}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.client.decrypt(ctx, id, enc)
}

// recipient wraps for one key.
type recipient struct {
	source *Source
	id     string
}

var _ keysources.Recipient = recipient{}

func (r recipient) String() string { return r.id }

// Format prints the reader only.
func (r recipient) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.id) }

func (r recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	if len(dataKey) == 0 || len(dataKey) > maxPlaintext {
		return keysources.Stanza{}, &keysources.Error{Reader: r.id, Reason: keysources.Malformed, Detail: "the service does not encrypt a data key of this size"}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	enc, err := r.source.client.encrypt(ctx, r.id, dataKey)
	if err != nil {
		return keysources.Stanza{}, err
	}
	return keysources.Stanza{Type: keysources.TypeGCP, Fields: []keysources.Field{
		{Name: "created_at", Value: r.source.now().UTC().Format(time.RFC3339)},
		{Name: "enc", Value: base64.StdEncoding.EncodeToString(enc)},
		{Name: "resource_id", Value: r.id},
	}}, nil
}
