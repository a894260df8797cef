// Package all is the list of all key sources that live in this process. It links
// the libraries of every cloud: programs that must start fast use package remote.
package all

import (
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/awskms"
	"github.com/gitseal/gitseal/keysources/azurekv"
	"github.com/gitseal/gitseal/keysources/gcpkms"
	"github.com/gitseal/gitseal/keysources/hckms"
	"github.com/gitseal/gitseal/keysources/pgp"
	"github.com/gitseal/gitseal/keysources/vault"
)

// Sources returns the key sources by the type of their stanzas. They take their
// identities and credentials from an environment (os.Getenv, usually), when they
// are first needed. The libraries of AWS, Azure and Huawei look at the process's own
// environment, whatever env says.
func Sources(env func(string) string) map[string]keysources.Source {
	return map[string]keysources.Source{
		keysources.TypeAge:   age.NewKeyring(env),
		keysources.TypeKMS:   awskms.New(env),
		keysources.TypeAzure: azurekv.New(azurekv.Options{}),
		keysources.TypeGCP:   gcpkms.New(env),
		keysources.TypeHCKMS: hckms.New(hckms.Options{}),
		keysources.TypePGP:   pgp.New(env),
		keysources.TypeVault: vault.New(env),
	}
}
