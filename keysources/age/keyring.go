package age

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"filippo.io/age"

	"github.com/gitseal/gitseal/keysources"
)

// Keyring is all age identities that the environment names. It reads them when
// the first stanza has to be opened, once, from the places that sops uses, all of
// which count:
//
//   - SOPS_AGE_SSH_PRIVATE_KEY_FILE: an ssh private key
//   - SOPS_AGE_KEY: identities, separated by white space or lines
//   - SOPS_AGE_KEY_FILE: a file of identities
//   - sops/age/keys.txt in the user's configuration folder, see [DefaultFile]
//   - ~/.ssh/id_ed25519 and ~/.ssh/id_rsa, read for stanzas of ssh keys only
//   - SOPS_AGE_KEY_CMD: a command that prints identities
//   - SOPS_AGE_SSH_PRIVATE_KEY_CMD: a command that prints an ssh private key
//
// Identities are lines of AGE-SECRET-KEY-… and AGE-PLUGIN-…; every file, and the
// output of every command, may also be a file of those that age encrypted with a
// passphrase, or an ssh private key with or without one.
//
// What needs nobody is tried first; then the commands, each run without a shell,
// with SOPS_AGE_RECIPIENT set, once, and for another recipient again only if what
// it printed before does not open the stanza (but no more when it prints the same
// again); then the ssh keys whose passphrase is not known yet, if the stanza is
// for them; then plugins; then encrypted files. A passphrase is asked for once,
// through UI. Unlike sops we do not ask gpg-agent for it.
//
// A place that cannot be read does not hide the others: its error is part of the
// message if nothing opens the stanza.
type Keyring struct {
	// UI reaches the user. It must not be changed once the keyring is in use.
	UI UI

	env func(string) string
	// files are read besides those of the environment.
	files []string

	// What follows is set by load.
	once       sync.Once
	session    *session
	named      bundle
	errs       []error
	keyCommand *command
	sshCommand *command

	// What follows is set by loadSSH; sshRead says that it was.
	sshOnce sync.Once
	sshRead atomic.Bool
	ssh     bundle
	sshErrs []error
}

var _ keysources.Source = (*Keyring)(nil)

// NewKeyring returns the keyring of an environment (os.Getenv, usually) and
// additional files of identities.
func NewKeyring(env func(string) string, files ...string) *Keyring {
	return &Keyring{env: env, files: slices.Clone(files)}
}

// Identities returns those of the identities that the user has named (not those
// in ~/.ssh) whose recipient is known and that need no command and no passphrase,
// and what went wrong in reading them. A plugin's identity is among them if the
// comment above it names its recipient.
func (k *Keyring) Identities() ([]Identity, error) {
	k.once.Do(k.load)
	var ids []Identity
	errs := slices.Clone(k.errs)
	for _, id := range k.named.ids {
		if id.recipient.text != "" {
			ids = append(ids, k.reached(id))
			continue
		}
		errs = append(errs, fmt.Errorf("the recipient of an identity of %s is not known: put it above the identity as a comment, # public key: age1…", program(id.plugin)))
	}
	return ids, errors.Join(errs...)
}

// reached gives the recipient of an identity the keyring's user.
func (k *Keyring) reached(id Identity) Identity {
	id.recipient.session = k.session
	return id
}

// Recipients returns the recipients of the identities that the user has named,
// without those in ~/.ssh, which were not made for this. It asks for passphrases
// only if there would be none otherwise. The error says what went wrong in reading
// some, and may come with others' recipients.
func (k *Keyring) Recipients(ctx context.Context) ([]Recipient, error) {
	ids, err := k.Identities()
	var out []Recipient
	for _, id := range ids {
		out = append(out, id.recipient)
	}
	for _, l := range k.named.locked {
		if l.public != nil {
			out = append(out, l.recipient)
		}
	}
	if len(out) > 0 {
		return out, err
	}
	errs := []error{err}
	c := k.session.call(ctx, "own identities")
	for _, l := range k.named.locked {
		opened, lockErr := l.identities(c)
		if lockErr != nil {
			c.failed(lockErr)
			continue
		}
		for _, id := range opened {
			if id.recipient.text != "" {
				out = append(out, k.reached(id).recipient)
			}
		}
	}
	if failed := c.outcome(); !errors.Is(failed, keysources.ErrNotForMe) {
		errs = append(errs, failed)
	}
	return out, errors.Join(errs...)
}

// Recipient returns the recipient for a key, with the keyring's user to answer
// what a plugin may ask.
func (k *Keyring) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	k.once.Do(k.load)
	text := key.Get("recipient")
	malformed := &keysources.Error{Reader: "age", Reason: keysources.Malformed}
	switch {
	case key.Type != keysources.TypeAge:
		malformed.Detail = "not a key for age"
		return nil, malformed
	case text != strings.TrimSpace(text):
		// What a policy looked at must be what is used.
		malformed.Detail = "white space around the recipient"
		return nil, malformed
	}
	r, err := ParseRecipient(text)
	if err != nil {
		malformed.Detail = err.Error()
		return nil, malformed
	}
	if r.plugin != "" && len(keysources.Uses(key)) == 0 {
		malformed.Detail = "recipients of " + program(r.plugin) + " are not supported"
		return nil, malformed
	}
	r.session = k.session
	return r, nil
}

// String says what the keyring is.
func (k *Keyring) String() string { return "age identities" }

// GoString is String, so that no verb of fmt prints a key.
func (k *Keyring) GoString() string { return k.String() }

// Unwrap tries all identities, in the order that [Keyring] describes.
func (k *Keyring) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	if s.Type != keysources.TypeAge {
		return nil, keysources.ErrNotForMe
	}
	k.once.Do(k.load)
	c := k.session.call(ctx, s.Reader())
	var lie error
	// Each step looks at what the earlier ones have brought.
	for _, step := range []func(*call) []age.Identity{k.silent, k.locked, k.plugins} {
		for _, id := range step(c) {
			key, err := open(s, id)
			switch {
			case err == nil:
				return key, nil
			case errors.Is(err, keysources.ErrNotForMe):
			case isPlugin(id):
				lie = err // or the stanza is damaged
			default:
				return nil, err
			}
			if ctx.Err() != nil {
				return nil, k.failure(c, lie)
			}
		}
	}
	return nil, k.failure(c, lie)
}

// isPlugin reports whether what id says cannot be relied on.
func isPlugin(id age.Identity) bool {
	a, ok := id.(attempt)
	return ok && a.foreign
}

// silent are the identities that ask nobody, and the commands.
func (k *Keyring) silent(c *call) []age.Identity {
	return []age.Identity{k.named.native(), sshKeys{k}, k.keyCommand.bind(c), k.sshCommand.bind(c)}
}

// all returns everything that is known so far.
func (k *Keyring) all(c *call) bundle {
	var b bundle
	b.add(k.named)
	if k.sshRead.Load() {
		b.add(k.ssh)
	}
	b.add(k.keyCommand.found(c))
	b.add(k.sshCommand.found(c))
	return b
}

// locked are the ssh keys under a passphrase; none asks for it if the stanza is
// not for it.
func (k *Keyring) locked(c *call) []age.Identity {
	var out []age.Identity
	for _, l := range k.all(c).locked {
		if l.public != nil {
			out = append(out, l.bind(c))
		}
	}
	return out
}

// plugins are the plugins, and after them the encrypted files.
func (k *Keyring) plugins(c *call) []age.Identity {
	b := k.all(c)
	recipient, _ := ParseRecipient(c.reader)
	out := []age.Identity(b.plugins(c, recipient.plugin))
	for _, l := range b.locked {
		if l.public == nil {
			out = append(out, l.bind(c))
		}
	}
	return out
}

// failure is the error of a call in which nothing opened the stanza.
func (k *Keyring) failure(c *call, lie error) error {
	err := c.outcome()
	if lie != nil && errors.Is(err, keysources.ErrNotForMe) {
		return lie
	}
	errs := []error{err, lie}
	errs = append(errs, k.errs...)
	if k.sshRead.Load() {
		errs = append(errs, k.sshErrs...)
	}
	return errors.Join(errs...)
}
