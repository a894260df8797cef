// Package hckms wraps data keys with Huawei Cloud's key management service (DEW).
//
// A stanza holds "region:key-id" and, under "enc", the service's ciphertext as
// the service writes it: what sops writes since 3.12. Regions, credentials and
// signatures are those of huaweicloud-sdk-go-v3.
package hckms

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/kms/v2/model"

	"github.com/gitseal/gitseal/keysources"
)

// callTime is how long a call may take if the caller's context sets no earlier
// deadline. Retries count.
const callTime = 60 * time.Second

// The service encrypts at most 4 KiB; its ciphertexts are a little longer.
const (
	maxPlaintext  = 4 << 10
	maxCiphertext = 16 << 10
)

// The forms of what a file may hold. A region becomes part of the name of an
// environment variable.
var (
	regionForm     = regexp.MustCompile(`^[a-z]{2,8}(-[a-z0-9]{1,20}){1,3}$`)
	keyForm        = regexp.MustCompile(`^[0-9A-Za-z_/-]{1,255}$`)
	ciphertextForm = regexp.MustCompile(`^[0-9A-Za-z+/_-]+={0,2}$`)
)

// Options are for whoever embeds the source; the zero value is right for programs.
type Options struct {
	// Transport makes the requests to the key management and identity services. Nil
	// means one like http.DefaultTransport.
	Transport http.RoundTripper
}

// Source is Huawei Cloud KMS with the credentials of the process's environment.
type Source struct {
	client *client
	now    func() time.Time
}

var (
	_ keysources.Source = (*Source)(nil)
	_ keysources.Remote = (*Source)(nil)
)

// New returns the source. Nothing is read or asked until the first call. Then the
// SDK looks, as it does in sops, at
//
//   - HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK, HUAWEICLOUD_SDK_SECURITY_TOKEN,
//     HUAWEICLOUD_SDK_PROJECT_ID, HUAWEICLOUD_SDK_IDP_ID, HUAWEICLOUD_SDK_ID_TOKEN_FILE
//   - the file HUAWEICLOUD_SDK_CREDENTIALS_FILE, or ~/.huaweicloud/credentials
//   - the metadata server of a virtual machine, and a pod's identity
//   - for the service's address in a region, HUAWEICLOUD_SDK_REGION_KMS_REGION_NAME,
//     then HUAWEICLOUD_SDK_REGIONS_FILE or ~/.huaweicloud/regions.yaml, then the
//     SDK's own list
func New(o Options) *Source { return &Source{client: newClient(o.Transport), now: time.Now} }

// String says what the source is.
func (s *Source) String() string { return "Huawei Cloud KMS" }

// Format keeps fmt from looking inside, where credentials are.
func (s *Source) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// Remote returns true.
func (s *Source) Remote() bool { return true }

// keyID is "region:key" in its parts.
type keyID struct{ text, region, key string }

// parseKeyID reads a key id. White space around the parts is none of them, for
// sops as well.
func parseKeyID(text string) (keyID, error) {
	region, key, ok := strings.Cut(text, ":")
	id := keyID{text: text, region: strings.TrimSpace(region), key: strings.TrimSpace(key)}
	if !ok || !regionForm.MatchString(id.region) || !keyForm.MatchString(id.key) || strings.ContainsAny(text, "\r\n") {
		return keyID{}, &keysources.Error{Reader: printable(text), Reason: keysources.Malformed, Detail: "want REGION:KEY-ID"}
	}
	return id, nil
}

// printable keeps what a file holds in place of a key id from being more than one
// short line of an error.
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

// Recipient returns the recipient for a key "region:key-id".
func (s *Source) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	if key.Type != keysources.TypeHCKMS {
		return nil, keysources.ErrNotForMe
	}
	id, err := parseKeyID(key.Get("key_id"))
	if err != nil {
		return nil, err
	}
	return recipient{source: s, id: id}, nil
}

// Unwrap asks the service to decrypt the data key in st.
func (s *Source) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if st.Type != keysources.TypeHCKMS {
		return nil, keysources.ErrNotForMe
	}
	id, err := parseKeyID(st.Get("key_id"))
	if err != nil {
		return nil, err
	}
	enc := st.Get("enc")
	if len(enc) > maxCiphertext || !ciphertextForm.MatchString(enc) {
		return nil, &keysources.Error{Reader: id.text, Reason: keysources.Malformed, Detail: "enc is not a ciphertext of the service"}
	}
	algorithm := model.GetDecryptDataRequestBodyEncryptionAlgorithmEnum().SYMMETRIC_DEFAULT
	request := &model.DecryptDataRequest{Body: &model.DecryptDataRequestBody{CipherText: enc, EncryptionAlgorithm: &algorithm, KeyId: &id.key}}
	var answer *model.DecryptDataResponse
	err = s.client.call(ctx, id, keysources.Damaged, func(c kms) (err error) {
		answer, err = c.DecryptData(request)
		return err
	})
	if err != nil {
		return nil, err
	}
	if answer.PlainText == nil {
		return nil, senseless(id)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(*answer.PlainText)
	if err != nil {
		return nil, senseless(id)
	}
	return key, nil
}

func senseless(id keyID) error {
	return &keysources.Error{Reader: id.text, Reason: keysources.Unreachable, Detail: noSense}
}

// recipient wraps for one key.
type recipient struct {
	source *Source
	id     keyID
}

var _ keysources.Recipient = recipient{}

func (r recipient) String() string { return r.id.text }

// Format prints the reader only.
func (r recipient) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.id.text) }

func (r recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	if len(dataKey) == 0 || len(dataKey) > maxPlaintext {
		return keysources.Stanza{}, &keysources.Error{Reader: r.id.text, Reason: keysources.Malformed, Detail: "the service does not encrypt a data key of this size"}
	}
	algorithm := model.GetEncryptDataRequestBodyEncryptionAlgorithmEnum().SYMMETRIC_DEFAULT
	request := &model.EncryptDataRequest{Body: &model.EncryptDataRequestBody{
		KeyId: r.id.key, PlainText: base64.StdEncoding.EncodeToString(dataKey), EncryptionAlgorithm: &algorithm,
	}}
	var answer *model.EncryptDataResponse
	err := r.source.client.call(ctx, r.id, keysources.Malformed, func(c kms) (err error) {
		answer, err = c.EncryptData(request)
		return err
	})
	if err != nil {
		return keysources.Stanza{}, err
	}
	if answer.CipherText == nil || len(*answer.CipherText) > maxCiphertext || !ciphertextForm.MatchString(*answer.CipherText) {
		return keysources.Stanza{}, senseless(r.id)
	}
	return keysources.Stanza{Type: keysources.TypeHCKMS, Fields: []keysources.Field{
		{Name: "created_at", Value: r.source.now().UTC().Format(time.RFC3339)},
		{Name: "enc", Value: *answer.CipherText},
		{Name: "key_id", Value: r.id.text},
	}}, nil
}
