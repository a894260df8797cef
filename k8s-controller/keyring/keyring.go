// Package keyring holds the identities with which a cluster opens what was sealed
// for it.
//
// A [Set] is one SealKeyring as it is at a moment: its identities, its policy, and
// the namespaces that it serves. A [Loader] makes Sets of Secrets and of the keys of
// services, and a [Store] holds those in use. The package asks no API server.
//
// Private keys are never printed, marshalled or named in an error.
package keyring

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// Identity is one key that opens manifests. It prints as its public side.
type Identity struct {
	// ID is public: an age recipient, an ARN, a key's URL.
	ID string
	// Type as in the sops block: age, kms, hc_vault, …
	Type string
	// Source is the name in spec.identities, or the Secret of a renewed identity.
	Source string
	// Created is when the identity was made, zero if that is not known.
	Created time.Time
	// Identity unwraps what was wrapped for ID, and nothing else.
	Identity keysources.Identity `json:"-"`

	// key is what the service calls the key; of no type for age.
	key keysources.Stanza
}

// Age returns the identity of an age private key. Source and Created are left to the
// caller. It must have a known recipient.
func Age(id age.Identity) Identity {
	recipient := id.Recipient().String()
	return Identity{ID: recipient, Type: keysources.TypeAge, Identity: ageOnly{recipient: recipient, Identity: id}}
}

// Service returns the identity of a key that key names as [ParseKey] does, asked
// through source. Of a stanza it takes only what was wrapped and the encryption
// context: which key is asked, where, and in which role, is what key says.
func Service(key keysources.Stanza, source keysources.Identity) Identity {
	return Identity{
		ID: publicName(key), Type: key.Type, key: key,
		Identity: &service{key: key, source: source},
	}
}

// String returns the type and the shortened public side.
func (i Identity) String() string { return i.Type + " " + Short(i.ID) }

// GoString is String, so that no verb of fmt looks inside.
func (i Identity) GoString() string { return i.String() }

// Format is String for every verb.
func (i Identity) Format(f fmt.State, _ rune) { fmt.Fprint(f, i.String()) }

// MarshalLog is what structured logs show.
func (i Identity) MarshalLog() any { return i.String() }

// slot returns what an identity is found by, "" if nothing can be.
func (i Identity) slot() string {
	if i.Type == keysources.TypeAge {
		return slot(keysources.TypeAge, i.ID)
	}
	return slotOf(i.key)
}

// ageOnly keeps an age identity from being tried on what names another recipient:
// a stranger could otherwise have thousands tried.
type ageOnly struct {
	recipient string
	age.Identity
}

// Unwrap implements keysources.Identity.
func (a ageOnly) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	if s.Type != keysources.TypeAge || s.Get("recipient") != a.recipient {
		return nil, keysources.ErrNotForMe
	}
	return a.Identity.Unwrap(ctx, s)
}

// service asks for one key only, whatever a stanza says.
type service struct {
	key    keysources.Stanza
	source keysources.Identity
}

// Remote implements keysources.Remote.
func (*service) Remote() bool { return true }

// String names the key.
func (s *service) String() string { return s.key.String() }

// GoString is String: sources hold credentials.
func (s *service) GoString() string { return s.String() }

// Unwrap implements keysources.Identity.
func (s *service) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if !sameKey(s.key, st) {
		return nil, keysources.ErrNotForMe
	}
	return s.source.Unwrap(ctx, asked(s.key, st))
}

// asked returns the stanza that is really asked about: the key as the keyring names
// it, with what was wrapped for it.
func asked(key, st keysources.Stanza) keysources.Stanza {
	out := keysources.Stanza{Type: key.Type, Context: st.Context}
	for _, f := range key.Fields {
		if f.Name == "version" && f.Value == "" {
			f.Value = st.Get("version")
		}
		out.Fields = append(out.Fields, f)
	}
	for _, f := range st.Fields {
		if f.Name == "enc" || f.Name == "created_at" {
			out.Fields = append(out.Fields, f)
		}
	}
	return out
}

// sameKey reports whether a stanza was made for a key of a service. Roles and
// profiles do not count: the keyring says how the key is reached.
func sameKey(key, st keysources.Stanza) bool {
	if slotOf(key) != slotOf(st) {
		return false
	}
	version := key.Get("version")
	return key.Type != keysources.TypeAzure || version == "" || version == st.Get("version")
}

// slotOf returns what the stanzas of one key have in common.
func slotOf(s keysources.Stanza) string {
	switch s.Type {
	case keysources.TypeAge:
		return slot(s.Type, s.Get("recipient"))
	case keysources.TypeVault:
		return slot(s.Type, strings.TrimRight(s.Get("vault_address"), "/"), s.Get("engine_path"), s.Get("key_name"))
	case keysources.TypeAzure:
		return slot(s.Type, strings.TrimRight(s.Get("vault_url"), "/"), s.Get("name"))
	case keysources.TypeKMS, keysources.TypeGCP, keysources.TypeHCKMS:
		return slot(s.Type, s.Reader())
	}
	return "" // no key that a cluster could have
}

// slot joins names injectively: none of them may hold a NUL.
func slot(names ...string) string {
	for _, n := range names {
		if strings.ContainsRune(n, 0) {
			return ""
		}
	}
	return strings.Join(names, "\x00")
}

// Short abbreviates long public keys for people: post-quantum recipients have 1,960
// characters.
func Short(id string) string {
	const longest, head, tail = 100, 24, 8
	if len(id) <= longest {
		return id
	}
	return id[:head] + "…" + id[len(id)-tail:]
}
