// Package readers turns the names of readers, as people write them on command
// lines and in rules, into keys: stanzas without what wrapping adds.
package readers

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

// Error says that a text names no reader. It never repeats what could be a private
// key.
type Error struct {
	// Text is what was given, "" if it must not be shown.
	Text string
	Msg  string
}

// Error returns "text: message".
func (e *Error) Error() string {
	if e.Text == "" {
		return e.Msg
	}
	return e.Text + ": " + e.Msg
}

// Parse reads the name of a reader of any type, which it tells from its form:
//
//	age1…, ssh-ed25519 …, ssh-rsa …                 age
//	40 hexadecimal digits (spaces do not count)      pgp
//	arn:…:kms:… or arn:…+arn:…:role/…                kms
//	projects/P/locations/L/keyRings/R/cryptoKeys/K   gcp_kms
//	https://VAULT/keys/NAME[/VERSION]                azure_kv
//	https://HOST/v1/ENGINE/keys/NAME                 hc_vault
//	REGION:UUID                                      hckms
func Parse(text string) (keysources.Stanza, error) {
	text = strings.TrimSpace(text)
	for _, typ := range keysources.Types() {
		if forms()[typ].MatchString(text) {
			return ParseAs(typ, text)
		}
	}
	if isSecret(text) {
		return keysources.Stanza{}, &Error{Msg: "this is a private key, not a recipient"}
	}
	return keysources.Stanza{}, &Error{Text: short(text), Msg: "not the name of a reader: neither an age recipient, an OpenPGP fingerprint, a KMS key, a key vault's or Vault's URL"}
}

// forms tells the types apart: they exclude each other. They are compiled when the
// first is needed, because most calls need none.
var forms = sync.OnceValue(func() map[string]*regexp.Regexp {
	out := map[string]*regexp.Regexp{}
	for typ, expr := range map[string]string{
		keysources.TypeAge:   `^(age1|ssh-)`,
		keysources.TypePGP:   `^(0x)?[0-9A-Fa-f]{4}( *[0-9A-Fa-f]){12,60}$`,
		keysources.TypeKMS:   `^arn:`,
		keysources.TypeGCP:   `^projects/`,
		keysources.TypeAzure: `^https?://[^/]+/keys/`,
		keysources.TypeVault: `^https?://[^/]+/(.*/)?v1/.+/keys/`,
		keysources.TypeHCKMS: `^[a-z0-9-]+:[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}$`,
	} {
		out[typ] = regexp.MustCompile(expr)
	}
	return out
})

// isSecret reports whether a text is, or holds, a private key.
func isSecret(text string) bool {
	upper := strings.ToUpper(text)
	for _, mark := range []string{"AGE-SECRET-KEY", "AGE-PLUGIN-", "PRIVATE KEY"} {
		if strings.Contains(upper, mark) {
			return true
		}
	}
	return false
}

// ParseAs reads the name of a reader of a known type.
func ParseAs(typ, text string) (keysources.Stanza, error) {
	text = strings.TrimSpace(text)
	if isSecret(text) {
		return keysources.Stanza{}, &Error{Msg: "this is a private key, not a recipient"}
	}
	s, msg := parseAs(typ, text)
	if msg != "" {
		return keysources.Stanza{}, &Error{Text: short(text), Msg: msg}
	}
	return s, nil
}

func parseAs(typ, text string) (keysources.Stanza, string) {
	noSpaces := strings.ReplaceAll(text, " ", "")
	switch typ {
	case keysources.TypeAge:
		return key(typ, "recipient", text), ""
	case keysources.TypePGP:
		fp := strings.ToUpper(strings.TrimPrefix(noSpaces, "0x"))
		if !forms()[typ].MatchString(fp) {
			return keysources.Stanza{}, "not an OpenPGP fingerprint (40 hexadecimal digits)"
		}
		return key(typ, "fp", fp), ""
	case keysources.TypeKMS:
		return parseKMS(noSpaces)
	case keysources.TypeGCP:
		return key(typ, "resource_id", noSpaces), ""
	case keysources.TypeAzure:
		return parseAzure(text)
	case keysources.TypeVault:
		return parseVault(text)
	case keysources.TypeHCKMS:
		return key(typ, "key_id", noSpaces), ""
	}
	return keysources.Stanza{}, "there is no type of reader " + typ
}

func key(typ string, nameValue ...string) keysources.Stanza {
	s := keysources.Stanza{Type: typ}
	for i := 0; i < len(nameValue); i += 2 {
		s.Fields = append(s.Fields, keysources.Field{Name: nameValue[i], Value: nameValue[i+1]})
	}
	return s
}

// parseKMS reads ARN or ARN+ROLE, sops's notation.
func parseKMS(text string) (keysources.Stanza, string) {
	arn, role, _ := strings.Cut(text, "+")
	if keysources.RegionOf(arn) == "" {
		return keysources.Stanza{}, "not the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID)"
	}
	s := key(keysources.TypeKMS, "arn", arn)
	if role != "" {
		s.Fields = append(s.Fields, keysources.Field{Name: "role", Value: role})
	}
	return s, ""
}

// parseAzure reads https://VAULT/keys/NAME[/VERSION].
func parseAzure(text string) (keysources.Stanza, string) {
	const bad = "not a key's URL (https://VAULT.vault.azure.net/keys/NAME/VERSION)"
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return keysources.Stanza{}, bad
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	const withVersion = 3
	if len(parts) < 2 || len(parts) > withVersion || parts[0] != "keys" || slices.Contains(parts, "") {
		return keysources.Stanza{}, bad
	}
	version := ""
	if len(parts) == withVersion {
		version = parts[2]
	}
	return key(keysources.TypeAzure, "vault_url", u.Scheme+"://"+u.Host, "name", parts[1], "version", version), ""
}

// parseVault reads ADDRESS/v1/ENGINE/keys/NAME.
func parseVault(text string) (keysources.Stanza, string) {
	const bad = "not a transit key's URL (https://HOST:8200/v1/ENGINE/keys/NAME)"
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return keysources.Stanza{}, bad
	}
	address, path, ok := strings.Cut(u.Path, "/v1/")
	keys := strings.LastIndex(path, "/keys/")
	if !ok || keys <= 0 || strings.Contains(path[keys+len("/keys/"):], "/") || path[keys+len("/keys/"):] == "" {
		return keysources.Stanza{}, bad
	}
	return key(keysources.TypeVault, "vault_address", u.Scheme+"://"+u.Host+address,
		"engine_path", path[:keys], "key_name", path[keys+len("/keys/"):]), ""
}

// ruleTypes are the stanza types of the kinds of keys in rules.
var ruleTypes = map[string]string{
	"age": keysources.TypeAge, "pgp": keysources.TypePGP, "kms": keysources.TypeKMS, "gcp_kms": keysources.TypeGCP,
	"hckms": keysources.TypeHCKMS, "azure_keyvault": keysources.TypeAzure, "hc_vault": keysources.TypeVault,
}

// OfRule returns the key groups that a rule names.
func OfRule(r *rules.Rule) ([][]keysources.Stanza, error) {
	var groups [][]keysources.Stanza
	for _, g := range r.Groups {
		var group []keysources.Stanza
		for _, k := range g {
			s, err := ofRuleKey(k)
			if err != nil {
				return nil, fmt.Errorf("rule %d: %s: %w", r.Number, k.Type, err)
			}
			group = append(group, s)
		}
		groups = append(groups, group)
	}
	return groups, nil
}

func ofRuleKey(k rules.Key) (keysources.Stanza, error) {
	s, err := ParseAs(ruleTypes[k.Type], k.Value)
	if err != nil {
		return s, err
	}
	for _, name := range []string{"role", "aws_profile"} {
		if v := k.Fields[name]; v != "" && s.Get(name) == "" {
			s.Fields = append(s.Fields, keysources.Field{Name: name, Value: v})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.Context)) {
		s.Context = append(s.Context, keysources.Field{Name: name, Value: k.Context[name]})
	}
	return s, nil
}

// RuleKey returns the key under which a rule lists readers of a type outside of key
// groups.
func RuleKey(typ string) string {
	switch typ {
	case keysources.TypeAzure:
		return "azure_keyvault"
	case keysources.TypeVault:
		return "hc_vault_transit_uri"
	}
	return typ
}

// RuleText returns how a reader is written there, and on command lines: what Parse
// reads. It leaves out a profile and an encryption context.
func RuleText(s keysources.Stanza) string {
	switch s.Type {
	case keysources.TypeKMS:
		if role := s.Get("role"); role != "" {
			return s.Get("arn") + "+" + role
		}
	case keysources.TypeAzure:
		return strings.TrimRight(s.Reader(), "/")
	}
	return s.Reader()
}

// short abbreviates long recipients.
func short(s string) string {
	if len(s) > 100 {
		return s[:24] + "…" + s[len(s)-8:]
	}
	return s
}
