package age

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"github.com/gitseal/gitseal/keysources"
)

// bundle is what a place holds.
type bundle struct {
	ids    []Identity
	locked []*locked
}

func (b *bundle) add(other bundle) {
	b.ids = append(b.ids, other.ids...)
	b.locked = append(b.locked, other.locked...)
}

// native returns the identities that ask nobody.
func (b *bundle) native() several {
	var out several
	for _, id := range b.ids {
		if id.plugin == "" {
			out = append(out, id.key)
		}
	}
	return out
}

// plugins returns the identities of plugins, those of the named plugin first.
func (b *bundle) plugins(c *call, first string) several {
	var same, others several
	for _, id := range b.ids {
		switch id.plugin {
		case "":
		case first:
			same = append(same, id.bind(c))
		default:
			others = append(others, id.bind(c))
		}
	}
	return append(same, others...)
}

// locked is private keys under a passphrase, which is asked for at most once,
// right or wrong.
type locked struct {
	// where names it in messages.
	where string
	// public is the key's public side, nil for a file of identities.
	public    ssh.PublicKey
	recipient Recipient
	// instead says what to set if nobody can be asked.
	instead string
	unlock  func(passphrase string) ([]Identity, error)

	// open guards what follows; it is held while the passphrase is asked for.
	open gate
	done bool
	ids  []Identity
	err  error
}

// String does not tell the content.
func (l *locked) String() string { return l.where }

// GoString is String.
func (l *locked) GoString() string { return l.where }

// identities asks for the passphrase, unless somebody did before.
func (l *locked) identities(c *call) ([]Identity, error) {
	if err := l.open.enter(c.ctx); err != nil {
		return nil, err
	}
	defer l.open.leave()
	if l.done {
		return l.ids, l.err
	}
	if c.ui.Ask == nil {
		return nil, trouble{keysources.Unauthenticated,
			l.where + " is protected by a passphrase, and there is no terminal to ask for it: set " + l.instead + " to a file that is not"}
	}
	passphrase, err := ask(c.ctx, c.session, func() (string, error) {
		return c.ui.Ask(c.ctx, "passphrase of "+printable(l.where), true)
	})
	if c.ctx.Err() != nil {
		return nil, c.ctx.Err() // a call that was given up says nothing about the next one
	}
	l.done = true
	if err != nil {
		l.err = trouble{keysources.Unauthenticated, l.where + " is protected by a passphrase, which was not given"}
		return nil, l.err
	}
	l.ids, l.err = l.unlock(passphrase)
	return l.ids, l.err
}

// bind returns what unwraps in one call.
func (l *locked) bind(c *call) age.Identity {
	return attempt{call: c, what: l.where, unwrap: func(stanzas []*age.Stanza) ([]byte, error) {
		if !l.mayOpen(stanzas) {
			return nil, age.ErrIncorrectIdentity
		}
		ids, err := l.identities(c)
		if err != nil {
			return nil, err
		}
		b := bundle{ids: ids}
		return append(b.native(), b.plugins(c, "")...).Unwrap(stanzas)
	}}
}

// mayOpen reports whether one of the stanzas is for this key, by the short
// fingerprint that age gives them.
func (l *locked) mayOpen(stanzas []*age.Stanza) bool {
	if l.public == nil {
		return true
	}
	sum := sha256.Sum256(l.public.Marshal())
	tag := base64.RawStdEncoding.EncodeToString(sum[:4])
	for _, s := range stanzas {
		if s.Type == l.public.Type() && len(s.Args) > 0 && s.Args[0] == tag {
			return true
		}
	}
	return false
}

// parseFile parses what stands in a file, or what a command prints: identities in
// lines, a file of identities that age encrypted with a passphrase, armored or
// not, or an ssh private key. publicKey returns the content of the ssh key's .pub
// file, if there is one.
func parseFile(where string, data []byte, publicKey func() []byte) (bundle, error) {
	text := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case bytes.HasPrefix(text, []byte("age-encryption.org/")):
		return bundle{locked: []*locked{lockedIdentities(where, text)}}, nil
	case bytes.HasPrefix(text, []byte(armor.Header)):
		var binary bytes.Buffer
		if _, err := binary.ReadFrom(armor.NewReader(bytes.NewReader(text))); err != nil {
			return bundle{}, fmt.Errorf("%s: malformed armored age file", where)
		}
		return bundle{locked: []*locked{lockedIdentities(where, binary.Bytes())}}, nil
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		return parseSSHKey(where, data, publicKey)
	}
	ids, err := parseLines(string(data))
	if err != nil {
		err = fmt.Errorf("%s: %w", where, err)
	}
	return bundle{ids: ids}, err
}

func lockedIdentities(where string, file []byte) *locked {
	l := &locked{where: where, open: newGate(), instead: "SOPS_AGE_KEY_FILE"}
	l.unlock = func(passphrase string) ([]Identity, error) {
		ids, err := decryptIdentities(file, passphrase)
		if err != nil {
			return nil, trouble{keysources.Unauthenticated, where + ": " + err.Error()}
		}
		return ids, nil
	}
	return l
}

func decryptIdentities(file []byte, passphrase string) ([]Identity, error) {
	key, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, errors.New("an empty passphrase is none")
	}
	r, err := age.Decrypt(bytes.NewReader(file), key)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		if len(none.StanzaTypes) != 1 || none.StanzaTypes[0] != "scrypt" {
			return nil, errors.New("it is not encrypted with a passphrase")
		}
		return nil, errors.New("wrong passphrase")
	}
	if err != nil {
		return nil, errors.New("malformed age file, or one that takes too long to open")
	}
	ids, err := ParseIdentities(r)
	if len(ids) == 0 && err != nil {
		return nil, err
	}
	return ids, nil
}

// parseSSHKey parses an ssh private key in OpenSSH's form or as PEM.
func parseSSHKey(where string, data []byte, publicKey func() []byte) (bundle, error) {
	raw, err := ssh.ParseRawPrivateKey(data)
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) {
		l, err := lockedSSHKey(where, data, missing.PublicKey, publicKey)
		if err != nil {
			return bundle{}, fmt.Errorf("%s: %w", where, err)
		}
		return bundle{locked: []*locked{l}}, nil
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----")) {
		return bundle{}, fmt.Errorf("%s: %w: encrypted PKCS #8; ssh-keygen -p writes it in OpenSSH's form", where, ErrUnsupported)
	}
	if err != nil {
		return bundle{}, fmt.Errorf("%s: malformed ssh private key", where)
	}
	id, err := sshIdentity(raw, data)
	if err != nil {
		return bundle{}, fmt.Errorf("%s: %w", where, err)
	}
	return bundle{ids: []Identity{id}}, nil
}

// lockedSSHKey is a key whose public side stands beside it: in the file itself,
// which only OpenSSH's form has, or in the .pub file.
func lockedSSHKey(where string, data []byte, public ssh.PublicKey, publicKey func() []byte) (*locked, error) {
	if public == nil {
		var err error
		if public, _, _, _, err = ssh.ParseAuthorizedKey(publicKey()); err != nil {
			return nil, errors.New("this ssh key is protected by a passphrase and does not tell its public side, nor is there a .pub file beside it")
		}
	}
	recipient, err := ParseRecipient(authorized(public))
	if err != nil {
		return nil, err
	}
	l := &locked{where: where, public: public, recipient: recipient, open: newGate(), instead: "SOPS_AGE_SSH_PRIVATE_KEY_FILE"}
	l.unlock = func(passphrase string) ([]Identity, error) {
		raw, err := ssh.ParseRawPrivateKeyWithPassphrase(data, []byte(passphrase))
		if errors.Is(err, x509.IncorrectPasswordError) {
			return nil, trouble{keysources.Unauthenticated, where + ": wrong passphrase"}
		}
		if err != nil {
			return nil, trouble{keysources.Unauthenticated, where + ": wrong passphrase, or encrypted in a way that is not supported: ssh-keygen -p -Z aes256-ctr changes it"}
		}
		id, err := sshIdentity(raw, data)
		if err != nil || id.recipient.text != recipient.text {
			return nil, trouble{keysources.Malformed, where + ": the private key is not that of the public one"}
		}
		return []Identity{id}, nil
	}
	return l, nil
}

// sshIdentity returns the identity of a private key as [ssh.ParseRawPrivateKey]
// gives it. file is the text that it was parsed from.
func sshIdentity(raw any, file []byte) (Identity, error) {
	if p, ok := raw.(*ed25519.PrivateKey); ok {
		raw = *p
	}
	var key age.Identity
	var err error
	switch k := raw.(type) {
	case ed25519.PrivateKey:
		key, err = agessh.NewEd25519Identity(k)
	case *rsa.PrivateKey:
		key, err = agessh.NewRSAIdentity(k)
	default:
		return Identity{}, fmt.Errorf("%w: age knows ssh-ed25519 and ssh-rsa alone of ssh keys", ErrUnsupported)
	}
	if err != nil {
		return Identity{}, errors.New("malformed ssh private key")
	}
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return Identity{}, errors.New("malformed ssh private key")
	}
	recipient, err := ParseRecipient(authorized(signer.PublicKey()))
	if err != nil {
		return Identity{}, err
	}
	return Identity{key: key, recipient: recipient, secret: func() string { return string(file) }}, nil
}

// authorized returns a public key as it is written down, without a comment.
func authorized(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
