package age

import (
	"bufio"
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

// Identity is an age private key. It never prints as one.
type Identity struct {
	key       age.Identity
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

// ParseIdentity parses one AGE-SECRET-KEY-1… or AGE-SECRET-KEY-PQ-1… line.
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
		return Identity{}, fmt.Errorf("%w: plugin identities", ErrUnsupported)
	case strings.HasPrefix(line, "-----BEGIN"):
		return Identity{}, fmt.Errorf("%w: encrypted identity files and ssh keys", ErrUnsupported)
	}
	return Identity{}, errors.New("not an age identity (AGE-SECRET-KEY-1…)")
}

// maxIdentities bounds the size in bytes of a list of identities.
const maxIdentities = 1 << 20

// ParseIdentities reads identities, one a line; blank lines and lines that begin
// with # are skipped. It returns those that it could read, and an error that
// names the number, and nothing else, of each line that it could not.
func ParseIdentities(r io.Reader) ([]Identity, error) {
	var ids []Identity
	var errs []error
	sc := bufio.NewScanner(io.LimitReader(r, maxIdentities))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, err := ParseIdentity(line)
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		ids = append(ids, id)
	}
	if sc.Err() != nil {
		errs = append(errs, errors.New("a line is too long or cannot be read"))
	}
	return ids, errors.Join(errs...)
}

// Recipient returns the public side of i.
func (i Identity) Recipient() Recipient { return i.recipient }

// String returns "age identity of" and the recipient; never the private key.
func (i Identity) String() string { return "age identity of " + shorten(i.recipient.text) }

// GoString is String, so that no verb of fmt prints the key.
func (i Identity) GoString() string { return i.String() }

// SecretText returns the private key in its text form, for writing a key file.
func (i Identity) SecretText() string { return i.secret() }

// Unwrap decrypts the data key in s. A stanza that names another recipient is
// tried all the same: the name is not part of what age authenticates.
func (i Identity) Unwrap(_ context.Context, s keysources.Stanza) ([]byte, error) {
	if s.Type != keysources.TypeAge {
		return nil, keysources.ErrNotForMe
	}
	return open(s, i.key)
}

// maxDataKey bounds what is read from a stanza: a data key has 32 bytes, a share
// of one 33.
const maxDataKey = 33

func open(s keysources.Stanza, keys ...age.Identity) ([]byte, error) {
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(s.Get("enc"))), keys...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, keysources.ErrNotForMe
	}
	if err != nil {
		// age's parse errors quote the input. It is ciphertext, but a damaged file
		// may hold anything in its place.
		return nil, fmt.Errorf("damaged age stanza for %s", shorten(s.Reader()))
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, maxDataKey+1)); err != nil || b.Len() > maxDataKey {
		return nil, fmt.Errorf("damaged age stanza for %s", shorten(s.Reader()))
	}
	return b.Bytes(), nil
}

// shorten abbreviates post-quantum recipients, which have 1,960 characters.
func shorten(r string) string {
	if len(r) > 80 {
		return r[:24] + "…" + r[len(r)-8:]
	}
	return r
}
