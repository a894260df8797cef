// Package age wraps data keys with age (https://age-encryption.org/v1).
//
// A stanza holds the recipient and, under "enc", an armored age file with
// exactly one recipient whose plaintext is the data key: the form that sops
// writes. Recipients are X25519 (age1…), the hybrid post-quantum ML-KEM-768 +
// X25519 (age1pq1…), ssh keys (ssh-ed25519 …, ssh-rsa …), and those of plugins
// (age1NAME1…), for which the program age-plugin-NAME is run.
package age

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"github.com/gitseal/gitseal/keysources"
)

// ErrUnsupported is wrapped by errors about kinds of age keys that this package
// does not know.
var ErrUnsupported = errors.New("unsupported kind of age key")

// Recipient is an age public key.
type Recipient struct {
	text string
	// key wraps; nil for plugins.
	key age.Recipient
	// plugin is the name of the plugin that wraps.
	plugin string
	pq     bool
	// session reaches the user for plugins; nil if nobody does.
	session *session
}

var (
	_ keysources.Recipient   = Recipient{}
	_ keysources.PostQuantum = Recipient{}
)

// maxRecipient bounds a recipient's length in bytes; the longest, an RSA key of
// 16,384 bits, has 2,800.
const maxRecipient = 8 << 10

// ParseRecipient parses a recipient: age1…, age1pq1…, age1NAME1…, or an ssh public
// key in one line, which keeps its comment.
func ParseRecipient(s string) (Recipient, error) {
	s = strings.TrimSpace(s)
	switch {
	case len(s) > maxRecipient:
		return Recipient{}, errors.New("malformed age recipient: it is too long")
	case hasPrefixFold(s, "AGE-SECRET-KEY-"), hasPrefixFold(s, "AGE-PLUGIN-"), strings.HasPrefix(s, "-----BEGIN"):
		// The text must not be repeated: it is a private key.
		return Recipient{}, errors.New("this is a private key, not a recipient")
	case strings.HasPrefix(s, "ssh-"), strings.HasPrefix(s, "ecdsa-"), strings.HasPrefix(s, "sk-"):
		return parseSSHRecipient(s)
	case strings.HasPrefix(s, "age1pq1"):
		key, err := age.ParseHybridRecipient(s)
		if err != nil {
			return Recipient{}, errors.New("malformed age1pq1… recipient")
		}
		return Recipient{text: s, key: key, pq: true}, nil
	case strings.HasPrefix(s, "age1") && strings.Count(s, "1") > 1:
		return parsePluginRecipient(s)
	}
	key, err := age.ParseX25519Recipient(s)
	if err != nil {
		return Recipient{}, errors.New("malformed age recipient")
	}
	return Recipient{text: s, key: key}, nil
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func parseSSHRecipient(s string) (Recipient, error) {
	kind, _, _ := strings.Cut(s, " ")
	if kind != ssh.KeyAlgoED25519 && kind != ssh.KeyAlgoRSA {
		return Recipient{}, fmt.Errorf("%w: age knows ssh-ed25519 and ssh-rsa alone of ssh keys", ErrUnsupported)
	}
	// Of several lines the library would take the first that it understands.
	if strings.ContainsAny(s, "\r\n\x00") {
		return Recipient{}, errors.New("malformed ssh recipient: it has several lines")
	}
	key, err := agessh.ParseRecipient(s)
	if err != nil {
		return Recipient{}, errors.New("malformed ssh recipient, or an RSA key of less than 2,048 bits")
	}
	return Recipient{text: s, key: key}, nil
}

func parsePluginRecipient(s string) (Recipient, error) {
	name, _, err := plugin.ParseRecipient(s)
	if err != nil {
		return Recipient{}, errors.New("malformed recipient of an age plugin")
	}
	return Recipient{text: s, plugin: name}, nil
}

// String returns the recipient as parsed.
func (r Recipient) String() string { return r.text }

// Key returns the key that [Keyring.Recipient] makes the recipient of.
func (r Recipient) Key() keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{{Name: "recipient", Value: r.text}}}
}

// PostQuantum reports whether r is a hybrid recipient.
func (r Recipient) PostQuantum() bool { return r.pq }

// Plugin returns the name of the plugin that Wrap runs, "" if it runs none.
func (r Recipient) Plugin() string { return r.plugin }

// Wrap encrypts dataKey to r. That runs the plugin if r is a plugin's; ctx ends
// the wait for it.
func (r Recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	wrap := r.key
	if r.plugin != "" {
		wrap = pluginRecipient{r, ctx}
	}
	if wrap == nil {
		return keysources.Stanza{}, errors.New("encrypting: the age recipient is not known")
	}
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	w, err := age.Encrypt(a, wrap)
	var failure *keysources.Error
	if errors.As(err, &failure) {
		return keysources.Stanza{}, failure
	}
	if err != nil {
		return keysources.Stanza{}, fmt.Errorf("encrypting to %s: %w", shorten(r.text), err)
	}
	if _, err := w.Write(dataKey); err != nil {
		return keysources.Stanza{}, fmt.Errorf("encrypting to %s: %w", shorten(r.text), err)
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		return keysources.Stanza{}, fmt.Errorf("encrypting to %s: %w", shorten(r.text), err)
	}
	return keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{
		{Name: "enc", Value: b.String()}, {Name: "recipient", Value: r.text},
	}}, nil
}

// pluginRecipient has a plugin wrap, in one call.
type pluginRecipient struct {
	Recipient
	ctx context.Context
}

func (p pluginRecipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	s := p.session
	if s == nil {
		s = newSession(UI{})
	}
	c := s.call(p.ctx, p.text)
	stanzas, err := await(p.ctx, func() ([]*age.Stanza, error) {
		return runPlugin(c, p.plugin, "", func(ui *plugin.ClientUI) ([]*age.Stanza, error) {
			r, err := plugin.NewRecipient(p.text, ui)
			if err != nil {
				return nil, err
			}
			return r.Wrap(fileKey)
		})
	})
	if err != nil {
		c.failed(timeout(p.ctx, program(p.plugin), err))
		return nil, c.outcome()
	}
	return stanzas, nil
}
