// Package vault wraps data keys with the transit engine of HashiCorp Vault or
// OpenBao.
//
// A stanza holds the server's address, the path of the engine, the name of the
// key, and under "enc" the ciphertext as the server gives it (vault:v1:…). What
// the server encrypts is the data key in standard base64: the form that sops
// writes. Which version of the key was used stands in the ciphertext, so rotating
// the key on the server does no harm.
//
// A token that may create keys (the capability "create") makes the server create
// a key that does not exist when something is wrapped for it; a token with
// "update" only does not. That is the server's rule, and sops's.
package vault

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/gitseal/gitseal/keysources"
)

// maxEnc is the length of the longest ciphertext that is sent to a server; that of
// a data key has about 90 bytes.
const maxEnc = 8 << 10

// Source wraps and unwraps with the servers that stanzas name, as whoever the
// environment's token says. It must be made by [New]. Several goroutines may use
// it.
type Source struct {
	env func(string) string
	now func() time.Time

	mu      sync.Mutex // guards clients
	clients map[string]*client
}

var (
	_ keysources.Source = (*Source)(nil)
	_ keysources.Remote = (*Source)(nil)
	_ keysources.Keyed  = recipient{}
)

// New returns a source that reads these variables, each under the names VAULT_…
// and BAO_…, when it is first used with a server:
//
//   - TOKEN, or else the file .vault-token in the home folder (HOME, USERPROFILE)
//   - NAMESPACE
//   - CACERT, CACERT_BYTES, CAPATH, CLIENT_CERT, CLIENT_KEY, TLS_SERVER_NAME, SKIP_VERIFY
//   - AGENT_ADDR: where all requests go, whatever the stanza says
//   - PROXY_ADDR, HTTP_PROXY, CLIENT_TIMEOUT, MAX_RETRIES
//
// They mean what they mean to the two programs. Where both names are set, BAO_…
// wins, but not for a server that VAULT_ADDR names and BAO_ADDR does not.
// SOPS_HC_VAULT_ALLOWLIST, if it is set, says which addresses may be contacted.
func New(env func(string) string) *Source {
	return &Source{env: env, now: time.Now, clients: map[string]*client{}}
}

// String names the source. It knows no token's name.
func (s *Source) String() string { return "the tokens for Vault and OpenBao" }

// GoString returns what String returns: clients hold tokens.
func (s *Source) GoString() string { return s.String() }

// Remote returns true.
func (s *Source) Remote() bool { return true }

// Recipient returns the recipient for a key with the fields vault_address,
// engine_path and key_name. Errors are [keysources.Error] with the reason Malformed, or
// wrap [keysources.ErrNotForMe].
func (s *Source) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	t, err := targetOf(key)
	if err != nil {
		return nil, err
	}
	return recipient{source: s, target: t}, nil
}

// Unwrap asks the server to decrypt. The error wraps [keysources.ErrNotForMe] if s is of
// another type; else it is a [keysources.Error], or the context's if that was
// cancelled.
func (s *Source) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	t, err := targetOf(st)
	if err != nil {
		return nil, err
	}
	enc := st.Get("enc")
	if enc == "" || len(enc) > maxEnc {
		return nil, t.fail(keysources.Malformed, "enc")
	}
	text, err := s.ask(ctx, t, request{operation: "decrypt", field: "ciphertext", value: enc, answer: "plaintext"})
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) == 0 {
		// The decoder's message would quote the key.
		return nil, t.fail(keysources.Damaged, "what was wrapped is no data key")
	}
	return key, nil
}

// recipient is a transit key.
type recipient struct {
	source *Source
	target target
}

// String returns ADDRESS/v1/ENGINE/keys/NAME.
func (r recipient) String() string { return r.target.reader }

// Key returns the key with the fields engine_path, key_name and vault_address.
func (r recipient) Key() keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypeVault, Fields: []keysources.Field{
		{Name: "engine_path", Value: r.target.engine}, {Name: "key_name", Value: r.target.key}, {Name: "vault_address", Value: r.target.address},
	}}
}

// GoString keeps %#v from looking into the source, whose clients hold tokens.
func (r recipient) GoString() string { return r.target.reader }

// Wrap asks the server to encrypt.
func (r recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	plain := base64.StdEncoding.EncodeToString(dataKey)
	enc, err := r.source.ask(ctx, r.target, request{operation: "encrypt", field: "plaintext", value: plain, answer: "ciphertext"})
	if err != nil {
		return keysources.Stanza{}, err
	}
	if len(enc) > maxEnc || enc == plain {
		return keysources.Stanza{}, r.target.fail(keysources.Unreachable, "the answer is not a ciphertext")
	}
	return keysources.Stanza{Type: keysources.TypeVault, Fields: []keysources.Field{
		{Name: "created_at", Value: r.source.now().UTC().Format(time.RFC3339)},
		{Name: "enc", Value: enc},
		{Name: "engine_path", Value: r.target.engine},
		{Name: "key_name", Value: r.target.key},
		{Name: "vault_address", Value: r.target.address},
	}}, nil
}

// request is a call of the transit engine that takes one text and gives another.
type request struct{ operation, field, value, answer string }

func (s *Source) ask(ctx context.Context, t target, r request) (string, error) {
	c, err := s.clientFor(t)
	if err != nil {
		return "", err
	}
	path := t.engine + "/" + r.operation + "/" + t.key
	secret, err := c.api.Logical().WriteWithContext(ctx, path, map[string]any{r.field: r.value})
	if err != nil {
		return "", c.explain(ctx, t, err)
	}
	text, ok := answer(secret, r.answer)
	if !ok {
		// Other engines store what they are sent, and answer with nothing.
		return "", t.fail(keysources.NotFound, "no transit engine there")
	}
	return text, nil
}

func answer(s *api.Secret, field string) (string, bool) {
	if s == nil {
		return "", false
	}
	text, _ := s.Data[field].(string)
	return text, strings.TrimSpace(text) != ""
}

// clientFor returns the client for a server. Clients are made once and kept,
// because each holds connections; a failure is not kept.
func (s *Source) clientFor(t target) (*client, error) {
	if err := checkAllowlist(s.env, t); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[t.address]; c != nil {
		return c, nil
	}
	c, err := newClient(settings{env: s.env, address: t.address}, t)
	if err != nil {
		return nil, err
	}
	s.clients[t.address] = c
	return c, nil
}
