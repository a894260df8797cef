package vault

import (
	"strings"

	"github.com/gitseal/gitseal/keysources"
)

// allowlistEnv is sops's list of the addresses that may be contacted.
const allowlistEnv = "SOPS_HC_VAULT_ALLOWLIST"

// allowlist is the value of allowlistEnv: "all", "none", or addresses with commas
// in between, each of which stands for all that begin with it and a slash.
type allowlist struct {
	all      bool
	prefixes []string // each with a slash at its end
	valid    bool
}

func parseAllowlist(text string) allowlist {
	switch text {
	case "", "all":
		return allowlist{all: true, valid: true}
	case "none":
		return allowlist{valid: true}
	}
	list := allowlist{valid: true}
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.Trim(entry, " ")
		if entry == "" {
			return allowlist{}
		}
		list.prefixes = append(list.prefixes, withSlash(entry))
	}
	return list
}

func withSlash(s string) string {
	if strings.HasSuffix(s, "/") {
		return s
	}
	return s + "/"
}

func (l allowlist) allows(address string) bool {
	for _, p := range l.prefixes {
		if strings.HasPrefix(withSlash(address), p) {
			return true
		}
	}
	return l.all
}

// checkAllowlist returns an error with the reason Refused if there is a list and
// the server is not on it.
func checkAllowlist(env func(string) string, t target) error {
	list := parseAllowlist(env(allowlistEnv))
	if list.allows(t.address) {
		return nil
	}
	detail := allowlistEnv + " does not hold it"
	if !list.valid {
		detail = allowlistEnv + " has an empty entry"
	}
	use := keysources.Use{Kind: keysources.UseVault, Value: t.address}
	return &keysources.Error{Reader: t.reader, Reason: keysources.Refused, Detail: detail, Use: use}
}
