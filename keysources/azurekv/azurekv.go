// Package azurekv wraps data keys with RSA keys in Azure Key Vault.
//
// A stanza holds the vault's address, the key's name and version and, under "enc",
// an RSA-OAEP-256 ciphertext in unpadded base64url: what sops writes.
package azurekv

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/gitseal/gitseal/keysources"
)

// callTime is how long a call may take if the caller's context sets no earlier
// deadline. Retries count.
const callTime = 60 * time.Second

// maxCiphertext is far more than an RSA key makes. :: bytes
const maxCiphertext = 4 << 10

// The forms of key names and versions, which become part of a URL.
var (
	nameForm    = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)
	versionForm = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)
)

// Options are for whoever embeds the source; the zero value is right for programs.
type Options struct {
	// Credential signs in. Nil means azidentity's DefaultAzureCredential: what sops
	// uses, with all its environment variables.
	Credential azcore.TokenCredential
	// Transport makes the requests to vaults and, unless Credential is set, to what
	// signs in. Nil means one like http.DefaultTransport.
	Transport http.RoundTripper
}

// Source is Azure Key Vault with the credentials of the process's environment.
type Source struct {
	client *client
	now    func() time.Time
}

var (
	_ keysources.Source = (*Source)(nil)
	_ keysources.Remote = (*Source)(nil)
)

// New returns the source. Nothing is read or asked until the first call.
func New(o Options) *Source { return &Source{client: newClient(o), now: time.Now} }

// String says what the source is.
func (s *Source) String() string { return "Azure Key Vault" }

// Format keeps fmt from looking inside, where tokens are.
func (s *Source) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// Remote returns true.
func (s *Source) Remote() bool { return true }

// keyID is a key in a vault. The version may be empty.
type keyID struct{ vault, name, version string }

// String returns the reader's name, as the stanza gives it.
func (k keyID) String() string { return k.vault + "/keys/" + k.name + "/" + k.version }

// parseKey reads the fields that name a key.
func parseKey(st keysources.Stanza) (keyID, error) {
	k := keyID{vault: st.Get("vault_url"), name: st.Get("name"), version: st.Get("version")}
	detail := ""
	switch {
	case !isVaultURL(k.vault):
		detail = "vault_url has to be https://HOST"
	case !nameForm.MatchString(k.name):
		detail = "name is not that of a key"
	case k.version != "" && !versionForm.MatchString(k.version):
		detail = "version is not that of a key"
	default:
		return k, nil
	}
	return keyID{}, &keysources.Error{Reader: printable(k.String()), Reason: keysources.Malformed, Detail: detail}
}

// isVaultURL reports whether text is https with a host, and nothing else that
// would be part of a request.
func isVaultURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && strings.Trim(u.Path, "/") == "" &&
		!strings.ContainsAny(text, "?# \t\r\n") && printable(text) == text
}

// printable keeps what a file holds in place of a key from being more than one
// short line of an error.
func printable(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "…"
	}
	if q := fmt.Sprintf("%q", s); q != `"`+s+`"` {
		return q
	}
	return s
}

// Recipient returns the recipient for a key. If it has no version, each Wrap asks
// the vault for the newest one and puts it in the stanza; String has none.
func (s *Source) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	if key.Type != keysources.TypeAzure {
		return nil, keysources.ErrNotForMe
	}
	k, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	return recipient{source: s, key: k}, nil
}

// Unwrap asks the vault to decrypt the data key in st.
func (s *Source) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if st.Type != keysources.TypeAzure {
		return nil, keysources.ErrNotForMe
	}
	k, err := parseKey(st)
	if err != nil {
		return nil, err
	}
	enc, err := base64.RawURLEncoding.Strict().DecodeString(st.Get("enc"))
	if err != nil || len(enc) == 0 || len(enc) > maxCiphertext {
		return nil, &keysources.Error{Reader: k.String(), Reason: keysources.Malformed, Detail: "enc is not the base64url form of a ciphertext"}
	}
	var answer azkeys.DecryptResponse
	err = s.client.call(ctx, k, keysources.Damaged, func(ctx context.Context, c *azkeys.Client) (err error) {
		answer, err = c.Decrypt(ctx, k.name, k.version, parameters(enc), nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(answer.Result) == 0 {
		return nil, senseless(k)
	}
	return answer.Result, nil
}

func parameters(value []byte) azkeys.KeyOperationParameters {
	return azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: value}
}

func senseless(k keyID) error {
	return &keysources.Error{Reader: k.String(), Reason: keysources.Unreachable, Detail: noSense}
}

// recipient wraps for one key.
type recipient struct {
	source *Source
	key    keyID
}

var _ keysources.Recipient = recipient{}

func (r recipient) String() string { return r.key.String() }

// Format prints the reader only.
func (r recipient) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

func (r recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	// The SDK may still be sending when ctx has ended and the caller clears the key.
	value := append([]byte(nil), dataKey...)
	k, err := r.source.client.resolve(ctx, r.key)
	if err != nil {
		return keysources.Stanza{}, err
	}
	var answer azkeys.EncryptResponse
	err = r.source.client.call(ctx, k, keysources.Malformed, func(ctx context.Context, c *azkeys.Client) (err error) {
		answer, err = c.Encrypt(ctx, k.name, k.version, parameters(value), nil)
		return err
	})
	if err != nil {
		return keysources.Stanza{}, err
	}
	if len(answer.Result) == 0 || len(answer.Result) > maxCiphertext {
		return keysources.Stanza{}, senseless(k)
	}
	return keysources.Stanza{Type: keysources.TypeAzure, Fields: []keysources.Field{
		{Name: "created_at", Value: r.source.now().UTC().Format(time.RFC3339)},
		{Name: "enc", Value: base64.RawURLEncoding.EncodeToString(answer.Result)},
		{Name: "name", Value: k.name},
		{Name: "vault_url", Value: k.vault},
		{Name: "version", Value: k.version},
	}}, nil
}
