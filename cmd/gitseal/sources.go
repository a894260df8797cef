package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/allow"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/pgp"
	"github.com/gitseal/gitseal/keysources/remote"
)

// keyFlags are the flags of every command that opens or wraps data keys.
func keyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "identity", Usage: "`FILE` of age identities, besides those of SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD and the default file"},
		&cli.StringSliceFlag{Name: "keyservice", Usage: "ask the sops key service at `URL` (unix:///PATH, tcp://HOST:PORT), too", EnvVars: []string{"SOPS_KEYSERVICE"}},
		&cli.BoolFlag{Name: "enable-local-keyservice", Usage: "use the keys that this machine can reach itself; =false leaves everything to --keyservice", Value: true, EnvVars: []string{"SOPS_ENABLE_LOCAL_KEYSERVICE"}},
		&cli.StringSliceFlag{Name: "allow", Usage: "use what only a file names: `KIND=VALUE`, as the error message that refuses it says (also GITSEAL_ALLOW)"},
		&cli.DurationFlag{Name: "timeout", Usage: "wait at most `TIME` for each answer of a key service", Value: defaultTimeout, EnvVars: []string{"GITSEAL_TIMEOUT"}},
	}
}

const defaultTimeout = 30 * time.Second

// sources is where data keys are wrapped and unwrapped.
type sources struct {
	ring   *age.Keyring
	policy keysources.Policy
	// service is the process that holds the libraries of the cloud providers; it is
	// started when it is first needed.
	service *remote.Service
	// byType are the sources by the type of their stanzas; what only a file names is
	// refused. bare are the same without that guard.
	byType, bare map[string]keysources.Source
	// services are the sops key services that were named.
	services []keysources.Source
	// local: the machine's own sources are used.
	local bool
	// identities open files: each asks once for each wrapped key.
	identities []keysources.Identity
	timeout    time.Duration
}

// newSources makes the sources of a call. Nothing is started or read yet.
func newSources(c *cli.Context, s std, u *ui) (*sources, error) {
	policy, err := allow.Policy(s.getenv, c.StringSlice("allow")...)
	if asError(err, new(*fs.PathError)) {
		return nil, failure("what you allow cannot be read: "+err.Error(), "check the file's permissions")
	}
	if err != nil {
		return nil, usageError(err.Error(), "an entry is KIND=VALUE, such as hc_vault=https://vault.example.com:8200")
	}
	k := &sources{
		ring: newKeyring(c, s, u), policy: policy, service: remote.New(s.getenv, remote.Options{}),
		byType: map[string]keysources.Source{}, local: c.Bool("enable-local-keyservice"), timeout: c.Duration("timeout"),
	}
	k.bare = map[string]keysources.Source{keysources.TypeAge: k.ring, keysources.TypePGP: pgp.New(s.getenv)}
	for _, typ := range []string{keysources.TypeKMS, keysources.TypeGCP, keysources.TypeAzure, keysources.TypeVault, keysources.TypeHCKMS} {
		k.bare[typ] = k.service.Source(typ)
	}
	k.agree(nil)
	if k.local {
		// A plugin runs for an identity only if one of the user's own files names it,
		// whatever the sealed file says, so the keyring needs no guard.
		k.identities = []keysources.Identity{keysources.Once(k.ring), keysources.Once(own{k, false}), keysources.Once(own{k, true})}
	}
	for _, url := range c.StringSlice("keyservice") {
		src := k.service.Source("keyservice:" + url)
		k.services = append(k.services, src)
		k.identities = append(k.identities, keysources.Once(src))
	}
	if len(k.identities) == 0 {
		return nil, usageError("--enable-local-keyservice=false leaves nothing that could open a file", "name a key service with --keyservice URL")
	}
	return k, nil
}

// own unwraps with the sources by type, either those that ask another machine or
// those that do not. The keyring is not among the latter.
type own struct {
	*sources
	remote bool
}

func (o own) Remote() bool { return o.remote }

func (o own) String() string {
	if o.remote {
		return "key management services"
	}
	return "gpg"
}

func (o own) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	src := o.byType[s.Type]
	if src == nil || s.Type == keysources.TypeAge || keysources.IsRemote(src) != o.remote {
		return nil, keysources.ErrNotForMe
	}
	return src.Unwrap(ctx, s)
}

// recipient returns the recipient for a key.
func (k *sources) recipient(key keysources.Stanza) (keysources.Recipient, error) {
	if !k.local {
		return k.services[0].Recipient(key)
	}
	src := k.byType[key.Type]
	if src == nil {
		return nil, &keysources.Error{Reader: key.Reader(), Reason: keysources.Malformed, Detail: "there is no type of key " + key.Type}
	}
	return src.Recipient(key)
}

// named is recipient for keys that the user has named in this call, who thereby
// agrees to what they involve.
func (k *sources) named(key keysources.Stanza) (keysources.Recipient, error) {
	src := k.bare[key.Type]
	if src == nil || !k.local {
		return k.recipient(key)
	}
	return k.policy.With(keysources.Uses(key)...).Guard(src).Recipient(key)
}

// agree lets all that follows in this call use what these keys involve: the user has
// named them.
func (k *sources) agree(keys []keysources.Stanza) {
	for _, key := range keys {
		k.policy = k.policy.With(keysources.Uses(key)...)
	}
	for typ, src := range k.bare {
		k.byType[typ] = k.policy.Guard(src)
	}
}

// standing returns a recipient for a stanza that a file has already. What it
// involves is looked at only if it has to be wrapped for again.
func (k *sources) standing(s keysources.Stanza) keysources.Recipient {
	return standing{key: s.Key(), sources: k}
}

type standing struct {
	key     keysources.Stanza
	sources *sources
}

func (s standing) String() string         { return s.key.Reader() }
func (s standing) Key() keysources.Stanza { return s.key }

func (s standing) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	r, err := s.sources.recipient(s.key)
	if err != nil {
		return keysources.Stanza{}, err
	}
	return r.Wrap(ctx, dataKey)
}

func (s standing) PostQuantum() bool {
	r, err := s.sources.recipient(s.key)
	if err != nil {
		return false
	}
	pq, ok := r.(keysources.PostQuantum)
	return ok && pq.PostQuantum()
}

// openOptions are the options with which this call opens files.
func (k *identities) openOptions() cipher.OpenOptions {
	return cipher.OpenOptions{Identities: k.list(), Timeout: k.sources.timeout}
}

// refusals returns what was refused because only a file names it.
func refusals(err error) []keysources.Use {
	var out []keysources.Use
	var none *cipher.NoIdentityError
	if !errors.As(err, &none) {
		var e *keysources.Error
		if errors.As(err, &e) && e.Reason == keysources.Refused {
			out = append(out, e.Use)
		}
		return out
	}
	for _, cause := range none.Causes {
		var e *keysources.Error
		if errors.As(cause, &e) && e.Reason == keysources.Refused {
			out = append(out, e.Use)
		}
	}
	return out
}
