// Package pgp wraps data keys with OpenPGP, by running gpg.
//
// A stanza holds the fingerprint of the reader's key and, under "enc", an armored
// OpenPGP message to that key whose content is the data key: the form that sops
// writes. gpg brings the key rings, the agent with its passphrases and prompts, and smart
// cards; it is taken as it is configured, from the path or from where
// SOPS_GPG_EXEC says, with the home that GNUPGHOME says.
//
// sops first tries a library of its own on the key rings of before 2014,
// pubring.gpg and secring.gpg. Here gpg reads them: pubring.gpg as it is, and the secret
// keys of secring.gpg once, when it takes them over into its agent's folder.
// Secret keys therefore always go through the agent; keys that only
// the library could use (without an agent that can be started) do not open.
package pgp

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

// maxProcesses is how many gpg processes run at a time; more wait. They would wait
// anyway: the agent works on one key after the other, with little locked memory for
// all, and processes that want the same lock sleep in between. Two keep it busy.
const maxProcesses = 2

// Source wraps and unwraps with gpg's key rings. It must be made by [New]. Several
// goroutines may use it.
type Source struct {
	env   func(string) string
	now   func() time.Time
	slots chan struct{} // holds one element for each process that runs
}

var (
	_ keysources.Source = (*Source)(nil)
	_ keysources.Remote = (*Source)(nil)
	_ keysources.Keyed  = recipient{}
)

// New returns a source that runs gpg with the variables of env that it and its
// agent understand. Others, which may hold keys of other kinds, are kept from
// them: the agent goes on living.
func New(env func(string) string) *Source {
	return &Source{env: env, now: time.Now, slots: make(chan struct{}, maxProcesses)}
}

// String names the source.
func (s *Source) String() string { return "the PGP keys of gpg" }

// Remote returns false: gpg asks no other machine for what is done here.
func (s *Source) Remote() bool { return false }

// fingerprintForm is that of fingerprints (version 3 to 6) and long key IDs. An
// exclamation mark at the end asks for exactly that subkey. IDs of 8 digits can be made
// to fit, so that they name nobody.
var fingerprintForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(0x)?([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?$`)
})

// ParseFingerprint returns the key that a fingerprint names, as rules and sops's
// flag have it: blanks do not count.
func ParseFingerprint(text string) (keysources.Stanza, error) {
	fp := strings.ReplaceAll(text, " ", "")
	if !fingerprintForm().MatchString(fp) {
		return keysources.Stanza{}, &keysources.Error{Reader: text, Reason: keysources.Malformed, Detail: "want a PGP fingerprint of 40 hexadecimal digits"}
	}
	return keysources.Stanza{Type: keysources.TypePGP, Fields: []keysources.Field{{Name: "fp", Value: fp}}}, nil
}

// Recipient returns the recipient for a key with the field fp, which is read as
// [ParseFingerprint] does. Errors are [keysources.Error] with the reason Malformed, or
// wrap [keysources.ErrNotForMe].
func (s *Source) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	if key.Type != keysources.TypePGP {
		return nil, fmt.Errorf("%w: %s", keysources.ErrNotForMe, key.Type)
	}
	k, err := ParseFingerprint(key.Get("fp"))
	if err != nil {
		return nil, err
	}
	return recipient{source: s, fingerprint: k.Get("fp")}, nil
}

// recipient is a public key.
type recipient struct {
	source      *Source
	fingerprint string
}

// String returns the fingerprint.
func (r recipient) String() string { return r.fingerprint }

// Key returns the key with the field fp.
func (r recipient) Key() keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypePGP, Fields: []keysources.Field{{Name: "fp", Value: r.fingerprint}}}
}

// GoString returns the fingerprint.
func (r recipient) GoString() string { return r.fingerprint }

// Wrap encrypts dataKey to the key, whatever trust the user has in it: the
// fingerprint says all. Readers that gpg's configuration adds are not allowed.
func (r recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	listing, err := r.source.run(ctx, "", "--batch", "--no-tty", "--with-colons", "--list-keys", strings.TrimSuffix(r.fingerprint, "!"))
	if err != nil {
		return keysources.Stanza{}, r.stopped(err)
	}
	// That any trust will do must not mean that a key will do which the user has
	// disabled.
	if why := whyUnusable(string(listing.stdout)); why != "" {
		return keysources.Stanza{}, r.fail(keysources.Disabled, why)
	}
	out, err := r.source.run(ctx, string(dataKey), "--batch", "--no-tty", "--yes", "--trust-model", "always",
		"--no-default-recipient", "--no-encrypt-to", "--armor", "--encrypt", "--recipient", r.fingerprint)
	if err != nil {
		return keysources.Stanza{}, r.stopped(err)
	}
	if !out.ok() || !out.has("END_ENCRYPTION") {
		return keysources.Stanza{}, r.fail(whyNotEncrypted(out))
	}
	enc := strings.TrimSpace(string(out.stdout))
	m, err := parseMessage(enc)
	if err != nil {
		return keysources.Stanza{}, r.fail(keysources.Unavailable, "what gpg has written is no message")
	}
	if m.readers != 1 {
		return keysources.Stanza{}, r.fail(keysources.Malformed, "the configuration of gpg adds readers")
	}
	return keysources.Stanza{Type: keysources.TypePGP, Fields: []keysources.Field{
		{Name: "created_at", Value: r.source.now().UTC().Format(time.RFC3339)},
		{Name: "enc", Value: enc},
		{Name: "fp", Value: r.fingerprint},
	}}, nil
}

func (r recipient) fail(reason keysources.Reason, detail string) error {
	return &keysources.Error{Reader: r.fingerprint, Reason: reason, Detail: detail}
}

func (r recipient) stopped(err error) error { return explain(r.fingerprint, err) }

// Unwrap decrypts with whatever secret key the message asks for; the agent or gpg
// may ask the user for a passphrase if there is a terminal or a desktop. Keys that
// are revoked or have expired still open what was wrapped for them. The error
// wraps [keysources.ErrNotForMe] if st is of another type; else it is a [keysources.Error],
// or the context's if that was cancelled.
func (s *Source) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if st.Type != keysources.TypePGP {
		return nil, fmt.Errorf("%w: %s", keysources.ErrNotForMe, st.Type)
	}
	fail := func(reason keysources.Reason, detail string) ([]byte, error) {
		return nil, &keysources.Error{Reader: st.Reader(), Reason: reason, Detail: detail}
	}
	m, err := parseMessage(st.Get("enc"))
	if err != nil {
		return fail(reasonOf(err), "enc: "+err.Error())
	}
	out, err := s.run(ctx, m.armored, "--decrypt")
	if err != nil {
		return nil, explain(st.Reader(), err)
	}
	// gpg writes what it has decrypted before it knows whether it was changed.
	if !out.ok() || !out.has("DECRYPTION_OKAY") || !out.has("GOODMDC") || out.has("DECRYPTION_FAILED") {
		return fail(whyNotDecrypted(out))
	}
	if len(out.stdout) == 0 {
		return fail(keysources.Damaged, "nothing is in it")
	}
	return out.stdout, nil
}
