package keysources

import (
	"context"
	"fmt"
	"strings"
)

// Use is something outside the file that using a stanza would involve: an address
// to send a token to, a role to assume, a profile of the user's to take, a program
// to run. Whoever can change the file chooses it.
type Use struct {
	// Kind is one of the Use constants, Value what the file names.
	Kind, Value string
}

// The kinds of uses, as they are written in an allowlist.
const (
	UseVault      = "hc_vault"    // :: address of a Vault or OpenBao server
	UseAzure      = "azure_kv"    // :: address of a key vault outside Azure's own domains
	UseKMSRole    = "kms.role"    // :: ARN of a role to assume
	UseKMSProfile = "kms.profile" // :: name of a profile in the user's AWS configuration
	UseKMSRegion  = "kms.region"  // :: a region that is not one of AWS's names
	UseAgePlugin  = "age.plugin"  // :: name of a plugin, of the program age-plugin-NAME
)

// String returns kind=value, the form of an allowlist entry.
func (u Use) String() string { return u.Kind + "=" + u.Value }

// Policy lists the uses that the user, not the file, has agreed to. The zero
// Policy allows none. It is a value; methods return changed copies.
type Policy struct{ entries []Use }

// ParsePolicy reads entries of the form kind=value, separated by white space or
// commas; lines that begin with # are skipped. A value may end in *, which stands
// for anything; any other * stands for itself.
func ParsePolicy(text string) (Policy, error) {
	var p Policy
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }) {
			kind, value, ok := strings.Cut(word, "=")
			if !ok || value == "" || !isUseKind(kind) {
				return Policy{}, fmt.Errorf("%q is not of the form KIND=VALUE with one of the kinds %s", kind, strings.Join(useKinds(), ", "))
			}
			p.entries = append(p.entries, Use{Kind: kind, Value: value})
		}
	}
	return p, nil
}

func useKinds() []string {
	return []string{UseVault, UseAzure, UseKMSRole, UseKMSProfile, UseKMSRegion, UseAgePlugin}
}

func isUseKind(s string) bool {
	for _, k := range useKinds() {
		if s == k {
			return true
		}
	}
	return false
}

// With returns a policy that allows these uses, too.
func (p Policy) With(uses ...Use) Policy {
	return Policy{entries: append(p.entries[:len(p.entries):len(p.entries)], uses...)}
}

// Allows reports whether a use is allowed.
func (p Policy) Allows(u Use) bool {
	for _, e := range p.entries {
		if e.Kind != u.Kind {
			continue
		}
		prefix, open := strings.CutSuffix(e.Value, "*")
		if same(u, e.Value, u.Value) || open && strings.HasPrefix(u.Value, prefix) {
			return true
		}
	}
	return false
}

// same compares two values; a slash at the end of an address does not count.
func same(u Use, a, b string) bool {
	if u.Kind == UseVault || u.Kind == UseAzure {
		return strings.TrimRight(a, "/") == strings.TrimRight(b, "/")
	}
	return a == b
}

// Check returns an [Error] with the reason Refused if s names a use that the policy
// does not allow.
func (p Policy) Check(s Stanza) error {
	for _, u := range Uses(s) {
		if !p.Allows(u) {
			return &Error{Reader: s.Reader(), Reason: Refused, Use: u, Detail: u.String()}
		}
	}
	return nil
}

// Guard returns a source that acts on a stanza or key only if the policy allows
// what it names.
func (p Policy) Guard(s Source) Source { return guarded{Source: s, policy: p} }

type guarded struct {
	Source
	policy Policy
}

func (g guarded) Remote() bool { return IsRemote(g.Source) }

func (g guarded) Unwrap(ctx context.Context, s Stanza) ([]byte, error) {
	if err := g.policy.Check(s); err != nil {
		return nil, err
	}
	return g.Source.Unwrap(ctx, s)
}

func (g guarded) Recipient(key Stanza) (Recipient, error) {
	if err := g.policy.Check(key); err != nil {
		return nil, err
	}
	r, err := g.Source.Recipient(key)
	if err != nil {
		return nil, err
	}
	return WithKey(r, key), nil
}

// keyed is a recipient that remembers its key.
type keyed struct {
	Recipient
	key Stanza
}

func (k keyed) Key() Stanza { return k.key }

func (k keyed) PostQuantum() bool {
	pq, ok := k.Recipient.(PostQuantum)
	return ok && pq.PostQuantum()
}

// Entries returns what the policy lists.
func (p Policy) Entries() []Use { return append([]Use(nil), p.entries...) }

// WithKey returns r, able to tell that it was made of key.
func WithKey(r Recipient, key Stanza) Recipient { return keyed{Recipient: r, key: key} }
