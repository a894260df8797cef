package keyring

import (
	"fmt"
	"strings"

	"github.com/gitseal/gitseal/keysources"
)

// Rule is how what is for a keyring is to be sealed.
type Rule struct {
	Keyring    string
	Recipients []string
}

// Rules returns a .sops.yaml with a creation rule for each keyring. gitseal and sops
// read it. Which files are for which keyring is for people to say: the rules are told
// apart by folders named like the keyrings if there are several.
func Rules(rules []Rule) string {
	var b strings.Builder
	b.WriteString("creation_rules:\n")
	for _, r := range rules {
		pattern := `\.sealed\.ya?ml$`
		if len(rules) > 1 {
			pattern = `(^|/)` + strings.ReplaceAll(r.Keyring, ".", `\.`) + `/.*` + pattern
		}
		fmt.Fprintf(&b, "    # manifests for the SealKeyring %s; adapt path_regex to where yours are\n", r.Keyring)
		fmt.Fprintf(&b, "    - path_regex: '%s'\n", pattern)
		b.WriteString("      encrypted_regex: ^(data|stringData)$\n      mac_only_encrypted: true\n")
		for _, typ := range keysources.Types() {
			writeReaders(&b, typ, r.Recipients)
		}
	}
	return b.String()
}

// writeReaders writes the recipients of one type as one folded string and not as a
// list: versions of sops before 3.10 want that. Huawei's has to be a list.
func writeReaders(b *strings.Builder, typ string, recipients []string) {
	var names []string
	for _, r := range recipients {
		if typeOf(r) == typ {
			names = append(names, r)
		}
	}
	if len(names) == 0 {
		return
	}
	field := map[string]string{keysources.TypeAzure: "azure_keyvault", keysources.TypeVault: "hc_vault_transit_uri"}[typ]
	if field == "" {
		field = typ
	}
	if typ == keysources.TypeHCKMS {
		fmt.Fprintf(b, "      %s:\n          - %s\n", field, strings.Join(names, "\n          - "))
		return
	}
	fmt.Fprintf(b, "      %s: >-\n          %s\n", field, strings.Join(names, ",\n          "))
}

// typeOf tells the type of a recipient's stanzas by its form.
func typeOf(recipient string) string {
	if key, err := ParseKey(recipient); err == nil {
		return key.Type
	}
	if strings.HasPrefix(recipient, "age1") || strings.HasPrefix(recipient, "ssh-") {
		return keysources.TypeAge
	}
	return keysources.TypePGP
}
