package main

import (
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

func identityFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "identity", Usage: "`FILE` of age identities, besides those of SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD and the default file"}
}

// identities is what opens files in this call, and what files without a rule
// are sealed for.
type identities struct {
	ring *age.Keyring
	std  std
	ui   *ui
	// own is what ownRecipients returned before.
	own []keysources.Recipient
}

func newIdentities(c *cli.Context, s std, u *ui) *identities {
	return &identities{ring: age.NewKeyring(s.getenv, c.StringSlice("identity")...), std: s, ui: u}
}

// list is what cipher.Open wants.
func (k *identities) list() []keysources.Identity { return []keysources.Identity{k.ring} }

// ownRecipients returns the recipients of the user's own identities. If there
// are none at all, it makes one, and says where and what to do about it.
func (k *identities) ownRecipients(postQuantum bool) ([]keysources.Recipient, error) {
	if len(k.own) > 0 {
		return k.own, nil
	}
	var err error
	k.own, err = k.findOrCreate(postQuantum)
	return k.own, err
}

func (k *identities) findOrCreate(postQuantum bool) ([]keysources.Recipient, error) {
	ids, err := k.ring.Identities()
	if len(ids) == 0 && err != nil {
		return nil, fmt.Errorf("looking for an identity: %w", err)
	}
	var out []keysources.Recipient
	for _, id := range ids {
		out = append(out, id.Recipient())
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

// parseRecipients reads the values of --age, each a recipient or several,
// separated by commas.
func parseRecipients(values []string) ([]keysources.Recipient, error) {
	var out []keysources.Recipient
	for _, v := range values {
		for _, text := range splitCommas(v) {
			r, err := age.ParseRecipient(text)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
	}
	return out, nil
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
