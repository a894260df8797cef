// Package keysources defines how a data key is wrapped for its readers.
//
// A [Recipient] wraps the key for one reader and needs no secret; an [Identity]
// unwraps it. What lies between them is a [Stanza], one entry of the metadata of
// a sealed file. Each key source is a package below this one; none of them ever
// sees a document.
package keysources

import (
	"context"
	"errors"
	"strings"
)

// ErrNotForMe is returned (wrapped) by [Identity.Unwrap] for a stanza that was
// made for somebody else.
var ErrNotForMe = errors.New("not for this identity")

// The types of stanzas, named as the lists in sops's metadata.
const (
	TypeAge   = "age"
	TypePGP   = "pgp"
	TypeKMS   = "kms"
	TypeGCP   = "gcp_kms"
	TypeAzure = "azure_kv"
	TypeVault = "hc_vault"
	TypeHCKMS = "hckms"
)

// Types lists the stanza types in the order in which they are written, which is
// sops's since 3.13 (alphabetical).
func Types() []string {
	return []string{TypeAge, TypeAzure, TypeGCP, TypeVault, TypeHCKMS, TypeKMS, TypePGP}
}

// Stanza is a data key, or a share of one, wrapped for one reader.
type Stanza struct {
	// Type is the name of the metadata list it stands in.
	Type string
	// Fields are the entry's scalars, in the order of the file, Enc among them
	// under the name "enc".
	Fields []Field
	// Context is the encryption context of a KMS stanza, nil for all others.
	Context []Field
}

// Field is a named value.
type Field struct{ Name, Value string }

// Get returns the value of a field, or "".
func (s Stanza) Get(name string) string {
	for _, f := range s.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Reader names whom the stanza was made for: an age recipient, an ARN, a
// fingerprint, … It is public.
func (s Stanza) Reader() string {
	switch s.Type {
	case TypeAge:
		return s.Get("recipient")
	case TypePGP:
		return s.Get("fp")
	case TypeKMS:
		return s.Get("arn")
	case TypeGCP:
		return s.Get("resource_id")
	case TypeAzure:
		return s.Get("vault_url") + "/keys/" + s.Get("name") + "/" + s.Get("version")
	case TypeVault:
		return s.Get("vault_address") + "/v1/" + s.Get("engine_path") + "/keys/" + s.Get("key_name")
	case TypeHCKMS:
		return s.Get("key_id")
	}
	return s.Type
}

// Key returns s without the fields that wrapping adds: what [Source.Recipient]
// takes.
func (s Stanza) Key() Stanza {
	k := Stanza{Type: s.Type, Context: s.Context}
	for _, f := range s.Fields {
		if f.Name != "enc" && f.Name != "created_at" {
			k.Fields = append(k.Fields, f)
		}
	}
	return k
}

// String returns the type and the reader.
func (s Stanza) String() string { return s.Type + " " + s.Reader() }

// Recipient wraps data keys for one reader. Implementations are values that may
// be used from several goroutines.
type Recipient interface {
	// Wrap returns the stanza that only the reader's identity can unwrap. The
	// result does not refer to dataKey.
	Wrap(ctx context.Context, dataKey []byte) (Stanza, error)
	// String returns the reader's public name, as Stanza.Reader gives it.
	String() string
}

// Identity unwraps data keys. Implementations may be used from several
// goroutines.
type Identity interface {
	// Unwrap returns the data key in s. The error wraps ErrNotForMe if s was made
	// for somebody else; any other error means that s is for this identity, or
	// may be, but could not be opened. No error holds key material.
	Unwrap(ctx context.Context, s Stanza) ([]byte, error)
	// String names the identity for messages without revealing it.
	String() string
}

// Source is one kind of key: it makes recipients, and unwraps what was made for
// them with whatever identities and credentials the environment offers.
type Source interface {
	Identity
	// Recipient returns the recipient for a key. A key is a stanza of the source's
	// type without what wrapping adds, "enc" and "created_at": the fields by which
	// the file names the reader. Nothing outside the process is asked until Wrap.
	Recipient(key Stanza) (Recipient, error)
}

// Remote is implemented by identities that ask another machine. They are asked
// after all others, and at the same time as each other.
type Remote interface{ Remote() bool }

// IsRemote reports whether id asks another machine.
func IsRemote(id Identity) bool {
	r, ok := id.(Remote)
	return ok && r.Remote()
}

// PostQuantum is implemented by recipients that say whether their wrapping
// withstands an attacker who records it now and has a quantum computer later.
// One recipient without it spoils it for the whole file.
type PostQuantum interface{ PostQuantum() bool }

// Keyed is implemented by recipients that can tell the key they were made of.
type Keyed interface{ Key() Stanza }

// KeyOf returns the key that a recipient was made of; ok is false if it cannot
// tell.
func KeyOf(r Recipient) (key Stanza, ok bool) {
	k, ok := r.(Keyed)
	if !ok {
		return Stanza{}, false
	}
	return k.Key(), true
}

// IsFor reports whether s was made for r, as far as r can tell: by its key, or
// else by its name.
func IsFor(r Recipient, s Stanza) bool {
	if key, ok := KeyOf(r); ok {
		return SameKey(key, s)
	}
	return r.String() == s.Reader()
}

// SameKey reports whether two stanzas or keys are for the same reader, reached in
// the same way: role, profile and encryption context count. An Azure key without
// a version is the same as any version of it.
func SameKey(a, b Stanza) bool {
	if a.Type != b.Type || !sameContext(a.Context, b.Context) {
		return false
	}
	switch a.Type {
	case TypeKMS:
		return a.Get("arn") == b.Get("arn") && a.Get("role") == b.Get("role") && a.Get("aws_profile") == b.Get("aws_profile")
	case TypeAzure:
		v, w := a.Get("version"), b.Get("version")
		return strings.TrimRight(a.Get("vault_url"), "/") == strings.TrimRight(b.Get("vault_url"), "/") &&
			a.Get("name") == b.Get("name") && (v == w || v == "" || w == "")
	case TypePGP:
		return strings.EqualFold(a.Get("fp"), b.Get("fp"))
	case TypeVault:
		return strings.TrimRight(a.Get("vault_address"), "/") == strings.TrimRight(b.Get("vault_address"), "/") &&
			a.Get("engine_path") == b.Get("engine_path") && a.Get("key_name") == b.Get("key_name")
	case TypeAge:
		return withoutComment(a.Get("recipient")) == withoutComment(b.Get("recipient"))
	}
	return a.Reader() == b.Reader()
}

// withoutComment drops what may follow the key in an ssh recipient.
func withoutComment(recipient string) string {
	const keyFields = 2
	if fields := strings.Fields(recipient); strings.HasPrefix(recipient, "ssh-") && len(fields) > keyFields {
		return strings.Join(fields[:keyFields], " ")
	}
	return recipient
}

// sameContext compares two encryption contexts, whose order means nothing.
func sameContext(a, b []Field) bool {
	if len(a) != len(b) {
		return false
	}
	values := map[string]string{}
	for _, f := range a {
		values[f.Name] = f.Value
	}
	for _, f := range b {
		if v, ok := values[f.Name]; !ok || v != f.Value {
			return false
		}
	}
	return true
}
