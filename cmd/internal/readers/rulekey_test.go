package readers_test

import (
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

// TestToRuleReadsBack: what is written into a rule is read as the same key.
func TestToRuleReadsBack(t *testing.T) {
	kms := stanza("kms", "arn", arn, "role", role, "aws_profile", "p")
	kms.Context = []keysources.Field{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}}
	for _, want := range []keysources.Stanza{
		stanza("age", "recipient", "age1x"), stanza("pgp", "fp", finger), stanza("kms", "arn", arn), stanza("kms", "arn", arn, "role", role), kms,
		stanza("gcp_kms", "resource_id", project), stanza("hckms", "key_id", "eu-west-101:"+uuid),
		stanza("azure_kv", "vault_url", "https://n.vault.azure.net", "name", "k", "version", "v"),
		stanza("azure_kv", "vault_url", "https://n.vault.azure.net", "name", "k", "version", ""),
		stanza("hc_vault", "vault_address", "https://v.example/base", "engine_path", "a/b", "key_name", "k"),
	} {
		got, err := readers.OfRule(&rules.Rule{Number: 1, Groups: [][]rules.Key{{readers.ToRule(want)}}})
		if err != nil || !keysources.SameKey(got[0][0], want) {
			t.Errorf("%s: got %+v, %v", want, got, err)
		}
	}
}
