package readers

import (
	"fmt"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

// Named is a reader that has a name.
type Named struct {
	Name string
	Key  keysources.Stanza
}

// NamesOf returns the readers that a configuration names. A text that names no
// reader, a reader with two names, and a name that reads like a reader are errors
// of the type [*rules.ConfigError].
func NamesOf(c *rules.Config) ([]Named, error) {
	var out []Named
	for _, n := range c.Names {
		fail := func(format string, args ...any) error {
			return &rules.ConfigError{Path: c.Path, Line: n.Line, Msg: fmt.Sprintf("gitseal.names: "+format, args...)}
		}
		key, err := Parse(n.Reader)
		if err != nil {
			return nil, fail("%q: %v", n.Name, err)
		}
		if _, err := Parse(n.Name); err == nil {
			return nil, fail("the name %q is itself the name of a reader", n.Name)
		}
		for _, other := range out {
			if Same(other.Key, key) && other.Name != n.Name {
				return nil, fail("%s is called both %q and %q", short(n.Reader), other.Name, n.Name)
			}
		}
		out = append(out, Named{Name: n.Name, Key: key})
	}
	return out, nil
}

// Same reports whether two keys are the same reader, however they are spelled: it
// is [keysources.SameKey] for what [Canonical] returns.
func Same(a, b keysources.Stanza) bool { return keysources.SameKey(Canonical(a), Canonical(b)) }

// Canonical returns the key of a reader in the one spelling that all spellings of
// it have in common: the comment of an ssh key, a slash at the end of an address,
// and spaces in a fingerprint name nobody else. It is for comparing only: a file's
// stanzas stay as they are.
func Canonical(s keysources.Stanza) keysources.Stanza {
	k := s.Key()
	for i := range k.Fields {
		f := &k.Fields[i]
		switch f.Name {
		case "recipient":
			if words := strings.Fields(f.Value); strings.HasPrefix(f.Value, "ssh-") && len(words) > 2 {
				f.Value = words[0] + " " + words[1]
			}
		case "fp":
			f.Value = strings.ToUpper(strings.ReplaceAll(f.Value, " ", ""))
		case "vault_url", "vault_address":
			f.Value = strings.TrimRight(f.Value, "/")
		case "engine_path":
			f.Value = strings.Trim(f.Value, "/")
		}
	}
	return k
}
