package main

import (
	"context"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/changes"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// quietKeys opens files only with what is at hand without asking anybody, running
// anything or sending anything: the age identities of the environment, the default
// file and --identity that have no password and belong to no plugin.
type quietKeys struct {
	c    *cli.Context
	std  std
	once sync.Once
	ids  []keysources.Identity
}

func (k *quietKeys) identities() []keysources.Identity {
	k.once.Do(func() {
		if !k.c.Bool("enable-local-keyservice") {
			return
		}
		quiet := func(name string) string {
			if name == "SOPS_AGE_KEY_CMD" || name == "SOPS_AGE_SSH_PRIVATE_KEY_CMD" {
				return ""
			}
			return k.std.getenv(name)
		}
		// What cannot be read is no matter here: there is less to tell then.
		found, _ := age.NewKeyring(quiet, k.c.StringSlice("identity")...).Identities()
		for _, id := range found {
			if !strings.HasPrefix(id.SecretText(), "AGE-PLUGIN-") {
				k.ids = append(k.ids, keysources.Once(id))
			}
		}
	})
	return k.ids
}

// whatChanged opens both versions of a file and returns the paths of the values that
// are not the same, nil if that cannot be told.
func (k *quietKeys) whatChanged(ctx context.Context, d *fileDiff) map[string]bool {
	ids := k.identities()
	if len(ids) == 0 {
		return nil
	}
	var plain [2]*changes.Version
	for i, s := range []*diffSide{&d.old, &d.new} {
		opened, err := cipher.Open(ctx, s.in.format, s.in.data, cipher.OpenOptions{Identities: ids, PlainOnly: true})
		if err != nil {
			return nil
		}
		if plain[i], err = changes.Parse(s.in.format, opened.PlaintextBytes()); err != nil {
			return nil
		}
	}
	out := map[string]bool{}
	for _, c := range changes.Between(plain[0], plain[1]).Values {
		out[c.Path.Text()] = true
	}
	return out
}
