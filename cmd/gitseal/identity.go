package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// identities is what opens files in this call, and what files without a rule
// are sealed for.
type identities struct {
	*sources
	std std
	ui  *ui
	// own is what ownRecipients returned before.
	own []keysources.Recipient
}

func newIdentities(c *cli.Context, s std, u *ui) (*identities, error) {
	k, err := newSources(c, s, u)
	if err != nil {
		return nil, err
	}
	return &identities{sources: k, std: s, ui: u}, nil
}

func newKeyring(c *cli.Context, s std, u *ui) *age.Keyring {
	ring := age.NewKeyring(s.getenv, c.StringSlice("identity")...)
	ring.UI = u.ageUI()
	return ring
}

// list is what cipher.Open wants.
func (k *identities) list() []keysources.Identity { return k.sources.identities }

// ownRecipients returns the recipients of the user's own identities. If there
// are none at all, it makes one, and says where and what to do about it.
func (k *identities) ownRecipients(ctx context.Context, postQuantum bool) ([]keysources.Recipient, error) {
	if len(k.own) > 0 {
		return k.own, nil
	}
	var err error
	k.own, err = k.findOrCreate(ctx, postQuantum)
	return k.own, err
}

func (k *identities) findOrCreate(ctx context.Context, postQuantum bool) ([]keysources.Recipient, error) {
	found, err := k.ring.Recipients(ctx)
	if len(found) == 0 && err != nil {
		return nil, fmt.Errorf("looking for an identity: %w", err)
	}
	var out []keysources.Recipient
	for _, r := range found {
		out = append(out, withKey(r, keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{{Name: "recipient", Value: r.String()}}}))
	}
	if len(out) > 0 {
		return out, nil
	}
	if k.std.getenv("SOPS_AGE_KEY_CMD") != "" {
		return nil, failure("there is no rule, and the identities that SOPS_AGE_KEY_CMD prints cannot be listed",
			"name the recipients with --age, or in .sops.yaml (gitseal init --age …)")
	}
	id, err := k.create(postQuantum)
	if err != nil {
		return nil, err
	}
	return []keysources.Recipient{id.Recipient()}, nil
}

// create makes an identity in the default file, which sops reads too.
func (k *identities) create(postQuantum bool) (age.Identity, error) {
	name := age.DefaultFile(k.std.getenv)
	if name == "" {
		return age.Identity{}, failure("there is no identity, and no home folder to keep one in",
			"set HOME or XDG_CONFIG_HOME, or name recipients with --age")
	}
	id, err := age.Generate(postQuantum)
	if err != nil {
		return age.Identity{}, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return age.Identity{}, fmt.Errorf("making a folder for the identity: %w", err)
	}
	text := fmt.Sprintf("# created: %s by gitseal\n# public key: %s\n%s\n",
		time.Now().UTC().Format(time.RFC3339), id.Recipient(), id.SecretText())
	_, err = atomicfile.Write(name, []byte(text), atomicfile.Options{Expect: atomicfile.Absent(), Perm: 0o600})
	if errors.Is(err, atomicfile.ErrChanged) {
		return age.Identity{}, failure(name+" exists but holds no identity", "add one to it, or move the file away")
	}
	if err != nil {
		return age.Identity{}, err
	}
	k.ui.note("made a new identity: " + name)
	k.ui.note("its recipient (public) is " + shortReader(id.Recipient().String()))
	k.ui.warn("back that file up: without it nobody can open what is sealed for it")
	return id, nil
}

// mixesPostQuantum reports whether some recipients withstand quantum computers
// and others do not, so that the file as a whole does not.
func mixesPostQuantum(recipients []keysources.Recipient) bool {
	strong, weak := false, false
	for _, r := range recipients {
		pq, ok := r.(keysources.PostQuantum)
		if ok && pq.PostQuantum() {
			strong = true
			continue
		}
		weak = true
	}
	return strong && weak
}
