package opening

import (
	"context"
	"crypto/sha256"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
)

// identities returns those of the keyring that a file was sealed for. Those of
// services remember what they have unwrapped.
func (o *Opener) identities(keys *keyring.Set, m *cipher.Metadata) []keysources.Identity {
	found := keys.For(stanzas(m))
	out := make([]keysources.Identity, len(found))
	for i, id := range found {
		out[i] = id.Identity
		if keysources.IsRemote(id.Identity) {
			out[i] = &remembering{keyring: keys.Name(), id: id, keys: o.keys}
		}
	}
	return out
}

func stanzas(m *cipher.Metadata) []keysources.Stanza {
	var out []keysources.Stanza
	for _, g := range m.Groups {
		out = append(out, g...)
	}
	return out
}

// uses names the keys of the keyring that opened a file.
func uses(keys *keyring.Set, plain *cipher.Opened) []v1alpha1.KeyUse {
	var out []v1alpha1.KeyUse
	for _, reader := range plain.OpenedBy {
		for _, s := range stanzas(plain.Metadata) {
			if s.Reader() != reader {
				continue
			}
			use := v1alpha1.KeyUse{ID: reader, Type: s.Type}
			if ids := keys.For([]keysources.Stanza{s}); len(ids) > 0 {
				use.ID = ids[0].ID
			}
			use.ID = v1alpha1.KeyID(use.ID)
			out = append(out, use)
			break
		}
	}
	return out
}

// remembering is an identity of a service, whose answers are kept for a while.
type remembering struct {
	keyring string
	id      keyring.Identity
	keys    *keyCache
}

var _ keysources.Remote = (*remembering)(nil)

// Remote implements keysources.Remote.
func (*remembering) Remote() bool { return true }

// String names the key.
func (r *remembering) String() string { return r.id.String() }

// GoString is String.
func (r *remembering) GoString() string { return r.id.String() }

// Unwrap implements keysources.Identity.
func (r *remembering) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	return r.keys.get(ctx, r.name(s), func(ctx context.Context) ([]byte, error) {
		return r.id.Identity.Unwrap(ctx, s)
	})
}

// name is a digest of the wrapped key and of who may unwrap it: what one keyring has
// unwrapped is no other's.
func (r *remembering) name(s keysources.Stanza) keyName {
	var b []byte
	for _, t := range []string{r.keyring, r.id.Type, r.id.ID, s.Type} {
		b = appendText(b, t)
	}
	for _, fields := range [][]keysources.Field{s.Fields, s.Context} {
		b = appendNumber(b, len(fields))
		for _, f := range fields {
			b = appendText(appendText(b, f.Name), f.Value)
		}
	}
	return sha256.Sum256(b)
}
