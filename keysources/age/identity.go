package age

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"

	"github.com/gitseal/gitseal/keysources"
)

// Identity is an age private key, an ssh key, or what a plugin needs to find one.
// It never prints as one.
type Identity struct {
	// key unwraps; nil for plugins.
	key age.Identity
	// plugin is the name of the plugin that unwraps.
	plugin string
	// recipient is the zero Recipient if it is not known, as for plugins.
	recipient Recipient
	secret    func() string
}

var _ keysources.Identity = Identity{}

// Generate makes a new identity: X25519, or hybrid if postQuantum is set.
func Generate(postQuantum bool) (Identity, error) {
	if postQuantum {
		k, err := age.GenerateHybridIdentity()
		if err != nil {
			return Identity{}, fmt.Errorf("generating an identity: %w", err)
		}
		return hybrid(k), nil
	}
	k, err := age.GenerateX25519Identity()
	if err != nil {
		return Identity{}, fmt.Errorf("generating an identity: %w", err)
	}
	return x25519(k), nil
}

func x25519(k *age.X25519Identity) Identity {
	r := k.Recipient()
	return Identity{key: k, recipient: Recipient{text: r.String(), key: r}, secret: k.String}
}

func hybrid(k *age.HybridIdentity) Identity {
	r := k.Recipient()
	return Identity{key: k, recipient: Recipient{text: r.String(), key: r, pq: true}, secret: k.String}
}

// ParseIdentity parses one AGE-SECRET-KEY-1…, AGE-SECRET-KEY-PQ-1…, or
// AGE-PLUGIN-NAME-1… line.
func ParseIdentity(line string) (Identity, error) {
	switch line = strings.TrimSpace(line); {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		k, err := age.ParseHybridIdentity(line)
		if err != nil {
			return Identity{}, errors.New("malformed AGE-SECRET-KEY-PQ-1… identity")
		}
		return hybrid(k), nil
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		k, err := age.ParseX25519Identity(line)
		if err != nil {
			return Identity{}, errors.New("malformed AGE-SECRET-KEY-1… identity")
		}
		return x25519(k), nil
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		name, _, err := plugin.ParseIdentity(line)
		if err != nil {
			return Identity{}, errors.New("malformed AGE-PLUGIN-… identity")
		}
		return Identity{plugin: name, secret: func() string { return line }}, nil
	case strings.HasPrefix(line, "-----BEGIN"):
		return Identity{}, fmt.Errorf("%w: encrypted identity files and ssh keys among other identities", ErrUnsupported)
	}
	return Identity{}, errors.New("not an age identity (AGE-SECRET-KEY-1…)")
}

// maxIdentities bounds the size in bytes of a list of identities.
const maxIdentities = 1 << 20

// ParseIdentities reads identities, one a line; blank lines and lines that begin
// with # are skipped, except that the recipient of a plugin's identity is taken
// from the comment above it. It returns those that it could read, and an error
// that names the number, and nothing else, of each line that it could not.
func ParseIdentities(r io.Reader) ([]Identity, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, err
	}
	return parseLines(string(data))
}

// readAll reads what may hold identities.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxIdentities+1))
	if err != nil {
		return nil, fmt.Errorf("the identities cannot be read: %w", err)
	}
	if len(data) > maxIdentities {
		return nil, fmt.Errorf("the identities cannot be read: there are more than %d bytes of them", maxIdentities)
	}
	return data, nil
}

func parseLines(text string) ([]Identity, error) {
	var ids []Identity
	var errs []error
	var comment Recipient
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			if r, ok := recipientIn(line); ok {
				comment = r
			}
			continue
		}
		if line == "" {
			continue
		}
		id, err := ParseIdentity(line)
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		if id.plugin != "" {
			id.recipient = comment
		}
		comment = Recipient{}
		ids = append(ids, id)
	}
	return ids, errors.Join(errs...)
}

// recipientIn returns the recipient that a comment names, in the ways in which
// plugins write it: "# public key: age1…", "#    Recipient: age1…".
func recipientIn(comment string) (Recipient, bool) {
	name, value, ok := strings.Cut(strings.TrimLeft(comment, "# \t"), ":")
	if !ok || !strings.EqualFold(name, "public key") && !strings.EqualFold(name, "recipient") {
		return Recipient{}, false
	}
	r, err := ParseRecipient(value)
	return r, err == nil
}

// Recipient returns the public side of i. It is the zero Recipient, whose String
// is "", if that is not known: a plugin's identity does not tell it.
func (i Identity) Recipient() Recipient { return i.recipient }

// String returns "age identity of" and the recipient; never the private key.
func (i Identity) String() string {
	if i.recipient.text == "" && i.plugin != "" {
		return "age identity of " + program(i.plugin)
	}
	return "age identity of " + shorten(i.recipient.text)
}

// GoString is String, so that no verb of fmt prints the key.
func (i Identity) GoString() string { return i.String() }

// SecretText returns the private key in its text form, for writing a key file.
func (i Identity) SecretText() string { return i.secret() }

// Unwrap decrypts the data key in s. A stanza that names another recipient is
// tried all the same: the name is not part of what age authenticates. A plugin's
// identity runs the plugin, which finds nobody to ask; use a [Keyring] for that.
func (i Identity) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	if s.Type != keysources.TypeAge {
		return nil, keysources.ErrNotForMe
	}
	c := newSession(UI{}).call(ctx, s.Reader())
	key, err := open(s, i.bind(c))
	if errors.Is(err, keysources.ErrNotForMe) {
		return nil, c.outcome()
	}
	return key, err
}

// bind returns what unwraps in one call.
func (i Identity) bind(c *call) age.Identity {
	if i.plugin == "" {
		return i.key
	}
	return attempt{call: c, what: program(i.plugin), foreign: true, unwrap: func(stanzas []*age.Stanza) ([]byte, error) {
		return runPlugin(c, i.plugin, i.secret(), func(ui *plugin.ClientUI) ([]byte, error) {
			id, err := plugin.NewIdentity(i.secret(), ui)
			if err != nil {
				return nil, err
			}
			return id.Unwrap(stanzas)
		})
	}}
}

// several tries identities in their order.
type several []age.Identity

func (s several) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, id := range s {
		key, err := id.Unwrap(stanzas)
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			return key, err
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// maxDataKey bounds what is read from a stanza: a data key has 32 bytes, a share
// of one 33.
const maxDataKey = 33

func open(s keysources.Stanza, key age.Identity) ([]byte, error) {
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(s.Get("enc"))), key)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, keysources.ErrNotForMe
	}
	// age's parse errors quote the input. It is ciphertext, but a damaged file may
	// hold anything in its place.
	damaged := &keysources.Error{Reader: s.Reader(), Reason: keysources.Damaged}
	if err != nil {
		return nil, damaged
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, maxDataKey+1)); err != nil || b.Len() > maxDataKey {
		return nil, damaged
	}
	return b.Bytes(), nil
}

// shorten abbreviates post-quantum recipients, which have 1,960 characters, and
// RSA keys.
func shorten(r string) string {
	if len(r) > 100 {
		return r[:24] + "…" + r[len(r)-8:]
	}
	return r
}
