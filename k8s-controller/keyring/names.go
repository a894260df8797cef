package keyring

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/vault"
)

// ErrKeyName is returned (wrapped) for a text that names no key of a service.
var ErrKeyName = errors.New("not the name of a service's key")

// ParseKey reads the name of a service's key, whose type it tells from its form:
//
//	arn:…:kms:… or arn:…+arn:…:role/…                kms
//	projects/P/locations/L/keyRings/R/cryptoKeys/K   gcp_kms
//	https://VAULT/keys/NAME[/VERSION]                azure_kv
//	https://HOST/v1/ENGINE/keys/NAME                 hc_vault
//	REGION:UUID                                      hckms
//
// Errors wrap ErrKeyName and do not repeat the text.
func ParseKey(text string) (keysources.Stanza, error) {
	text = strings.TrimSpace(text)
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
	case strings.HasPrefix(text, "arn:"):
		arn, role, hasRole := strings.Cut(text, "+")
		if keysources.RegionOf(arn) == "" || hasRole && !strings.HasPrefix(role, "arn:") {
			break
		}
		if hasRole {
			return stanza(keysources.TypeKMS, "arn", arn, "role", role), nil
		}
		return stanza(keysources.TypeKMS, "arn", arn), nil
	case strings.HasPrefix(text, "projects/"):
		return stanza(keysources.TypeGCP, "resource_id", text), nil
	case strings.HasPrefix(text, "https://"), strings.HasPrefix(text, "http://"):
		return parseURL(text)
	case huaweiForm().MatchString(text):
		return stanza(keysources.TypeHCKMS, "key_id", text), nil
	}
	return keysources.Stanza{}, ErrKeyName
}

var huaweiForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9-]+:[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}$`)
})

// parseURL reads the URL of a key of Azure's or Vault's.
func parseURL(text string) (keysources.Stanza, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return keysources.Stanza{}, ErrKeyName
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if parts[0] != "keys" {
		s, err := vault.ParseURI(text)
		if err != nil {
			return keysources.Stanza{}, ErrKeyName
		}
		return s, nil
	}
	const unversioned, versioned = 2, 3
	if len(parts) < unversioned || len(parts) > versioned || slices.Contains(parts, "") {
		return keysources.Stanza{}, ErrKeyName
	}
	version := ""
	if len(parts) == versioned {
		version = parts[2]
	}
	return stanza(keysources.TypeAzure, "vault_url", u.Scheme+"://"+u.Host, "name", parts[1], "version", version), nil
}

// publicName is how people write a key: what ParseKey reads, but for a role.
func publicName(key keysources.Stanza) string {
	return strings.TrimRight(key.Reader(), "/")
}

func stanza(typ string, nameValue ...string) keysources.Stanza {
	s := keysources.Stanza{Type: typ}
	for i := 0; i < len(nameValue); i += 2 {
		s.Fields = append(s.Fields, keysources.Field{Name: nameValue[i], Value: nameValue[i+1]})
	}
	return s
}

// isRecipient reports whether a text names a reader, and can stand in a list with
// commas between: a recipient of age's, the key of a service, an OpenPGP fingerprint.
func isRecipient(text string) bool {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == ',' }) {
		return false
	}
	_, notAge := age.ParseRecipient(text)
	_, notKey := ParseKey(text)
	return notAge == nil || notKey == nil || fingerprintForm().MatchString(text)
}

var fingerprintForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9A-Fa-f]{40,64}$`)
})
