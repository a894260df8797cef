package gcpkms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/internal/retry"
)

// maxAnswer bounds what is read of an answer. :: bytes
const maxAnswer = 1 << 20

// parallel is how many calls may be under way without new connections for each.
const parallel = 64

// client calls the encrypt and decrypt methods of Cloud KMS.
type client struct {
	env  func(string) string
	http *http.Client
	cred *credentials
}

func newClient(env func(string) string) client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = parallel
	return client{
		env: env,
		http: &http.Client{
			Transport: transport,
			// The service never redirects. Whoever does would get the token.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		cred: &credentials{env: env},
	}
}

// The bodies of requests and answers. Checksums are CRC-32C, as decimal text.
type (
	encryptRequest struct {
		Plaintext       []byte `json:"plaintext"`
		PlaintextCRC32C int64  `json:"plaintextCrc32c,string"`
	}
	encryptResponse struct {
		Ciphertext              []byte `json:"ciphertext"`
		CiphertextCRC32C        int64  `json:"ciphertextCrc32c,string"`
		VerifiedPlaintextCRC32C bool   `json:"verifiedPlaintextCrc32c"`
	}
	decryptRequest struct {
		Ciphertext       []byte `json:"ciphertext"`
		CiphertextCRC32C int64  `json:"ciphertextCrc32c,string"`
	}
	decryptResponse struct {
		Plaintext       []byte `json:"plaintext"`
		PlaintextCRC32C int64  `json:"plaintextCrc32c,string"`
	}
)

func checksum(b []byte) int64 {
	return int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func (c *client) encrypt(ctx context.Context, id string, plaintext []byte) ([]byte, error) {
	var out encryptResponse
	err := c.call(ctx, request{id: id, verb: "encrypt", in: encryptRequest{plaintext, checksum(plaintext)}, rejected: keysources.Malformed}, &out)
	if err != nil {
		return nil, err
	}
	if !out.VerifiedPlaintextCRC32C || len(out.Ciphertext) == 0 || out.CiphertextCRC32C != checksum(out.Ciphertext) {
		return nil, &keysources.Error{Reader: id, Reason: keysources.Unreachable, Detail: "the checksums of the answer are wrong"}
	}
	return out.Ciphertext, nil
}

func (c *client) decrypt(ctx context.Context, id string, ciphertext []byte) ([]byte, error) {
	var out decryptResponse
	err := c.call(ctx, request{id: id, verb: "decrypt", in: decryptRequest{ciphertext, checksum(ciphertext)}, rejected: keysources.Damaged}, &out)
	if err != nil {
		return nil, err
	}
	if out.PlaintextCRC32C != checksum(out.Plaintext) {
		return nil, &keysources.Error{Reader: id, Reason: keysources.Unreachable, Detail: "the checksums of the answer are wrong"}
	}
	return out.Plaintext, nil
}

// request is one method of one key.
type request struct {
	id, verb string
	in       any
	// rejected is what it means that the service calls the input invalid.
	rejected keysources.Reason
}

// call posts r and reads the answer into out. It tries again what may work the
// next time, within ctx.
func (c *client) call(ctx context.Context, r request, out any) error {
	base, err := endpoint(c.env)
	if err != nil {
		return &keysources.Error{Reader: r.id, Reason: keysources.Malformed, Detail: err.Error()}
	}
	body, err := json.Marshal(r.in)
	if err != nil {
		return &keysources.Error{Reader: r.id, Reason: keysources.Malformed}
	}
	target := base + "/v1/" + r.id + ":" + r.verb
	var last *failure
	for attempt := 0; ; attempt++ {
		f := c.once(ctx, target, body, out)
		if f == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return givenUp(r, err, last)
		}
		if !f.again || !retry.Pause(ctx, attempt, f.after) {
			return givenUp(r, ctx.Err(), f)
		}
		last = f
	}
}

// once makes one attempt.
func (c *client) once(ctx context.Context, target string, body []byte, out any) *failure {
	token, fail := c.cred.token(ctx)
	if fail != nil {
		return fail
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return &failure{reason: keysources.Malformed, detail: "address"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token.access)
	if token.quotaProject != "" {
		req.Header.Set("X-Goog-User-Project", token.quotaProject)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return transportFailure(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return transportFailure(err)
	}
	if res.StatusCode != http.StatusOK {
		return serviceFailure(res, data)
	}
	if json.Unmarshal(data, out) != nil {
		return &failure{reason: keysources.Unreachable, detail: "the answer is not one of Cloud KMS"}
	}
	return nil
}

var domainName = regexp.MustCompile(`^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$`)

// endpoint returns the scheme and host that requests go to. sops takes an address
// with or without a scheme.
func endpoint(env func(string) string) (string, error) {
	text := strings.TrimSpace(env("SOPS_GCP_KMS_ENDPOINT"))
	if text == "" {
		domain := universe(env)
		if !domainName.MatchString(domain) {
			return "", errors.New("SOPS_GCP_KMS_UNIVERSE_DOMAIN is not a domain")
		}
		return "https://cloudkms." + domain, nil
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("SOPS_GCP_KMS_ENDPOINT is not HOST[:PORT] or https://HOST[:PORT]")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return "", errors.New("SOPS_GCP_KMS_ENDPOINT has to be https")
	}
	return u.Scheme + "://" + u.Host, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
