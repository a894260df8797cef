package readers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

func stanza(typ string, nameValue ...string) keysources.Stanza {
	s := keysources.Stanza{Type: typ}
	for i := 0; i < len(nameValue); i += 2 {
		s.Fields = append(s.Fields, keysources.Field{Name: nameValue[i], Value: nameValue[i+1]})
	}
	return s
}

const (
	arn     = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	role    = "arn:aws:iam::111122223333:role/deploy"
	uuid    = "1234abcd-12ab-34cd-56ef-1234567890ab"
	finger  = "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4"
	project = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
)

func TestParseTellsTheType(t *testing.T) {
	for text, want := range map[string]keysources.Stanza{
		"age1egrcukrsg4j6s8w8nkemavpedv9edr7396z4lgjgxn8vpk23gvfslzxqaw": stanza("age", "recipient", "age1egrcukrsg4j6s8w8nkemavpedv9edr7396z4lgjgxn8vpk23gvfslzxqaw"),
		"ssh-ed25519 AAAAC3Nz me@here":                                   stanza("age", "recipient", "ssh-ed25519 AAAAC3Nz me@here"),
		finger:                                                           stanza("pgp", "fp", finger),
		"0x" + strings.ToLower(finger):                                   stanza("pgp", "fp", finger),
		"FBC7 B9E2 A4F9 289A C0C1  D484 3D16 CEE4 A273 81B4":             stanza("pgp", "fp", finger),
		arn:                                    stanza("kms", "arn", arn),
		arn + "+" + role:                       stanza("kms", "arn", arn, "role", role),
		"arn:aws-cn:kms:cn-north-1:1:alias/x":  stanza("kms", "arn", "arn:aws-cn:kms:cn-north-1:1:alias/x"),
		project:                                stanza("gcp_kms", "resource_id", project),
		"https://n.vault.azure.net/keys/k/abc": stanza("azure_kv", "vault_url", "https://n.vault.azure.net", "name", "k", "version", "abc"),
		"https://n.vault.azure.net/keys/k":     stanza("azure_kv", "vault_url", "https://n.vault.azure.net", "name", "k", "version", ""),
		"https://v.example:8200/v1/transit/keys/k": stanza("hc_vault", "vault_address", "https://v.example:8200", "engine_path", "transit", "key_name", "k"),
		"https://v.example/base/v1/a/b/keys/k":     stanza("hc_vault", "vault_address", "https://v.example/base", "engine_path", "a/b", "key_name", "k"),
		"eu-west-101:" + uuid:                      stanza("hckms", "key_id", "eu-west-101:"+uuid),
	} {
		got, err := readers.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", "bob", "arn:aws:s3", "https://n.vault.azure.net/keys/", "https://n.vault.azure.net/keys/a/b/c", "https://v/v1/transit/keys/",
		"https://v/v1/keys/k", "https://user:pw@v/v1/transit/keys/k", "https://v/v1/transit/keys/k?x=y", "1234ABCD",
	} {
		if got, err := readers.Parse(text); err == nil {
			t.Errorf("%q: no error, but %v", text, got)
		}
	}
	for _, secret := range []string{"AGE-SECRET-KEY-1CANARY", "age-secret-key-pq-1canary", "AGE-PLUGIN-X-CANARY", "-----BEGIN OPENSSH PRIVATE KEY-----canary"} {
		_, err := readers.Parse(secret)
		if err == nil || strings.Contains(strings.ToLower(err.Error()), "canary") {
			t.Errorf("%v", err)
		}
	}
}

func TestOfRule(t *testing.T) {
	groups, err := readers.OfRule(&rules.Rule{Number: 1, Groups: [][]rules.Key{
		{{Type: "kms", Value: arn, Fields: map[string]string{"role": role, "aws_profile": "prod"}, Context: map[string]string{"b": "2", "a": "1"}}, {Type: "azure_keyvault", Value: "https://n.vault.azure.net/keys/k"}},
		{{Type: "hc_vault", Value: "https://v/v1/transit/keys/k"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	kms := stanza("kms", "arn", arn, "role", role, "aws_profile", "prod")
	kms.Context = []keysources.Field{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}
	want := [][]keysources.Stanza{
		{kms, stanza("azure_kv", "vault_url", "https://n.vault.azure.net", "name", "k", "version", "")},
		{stanza("hc_vault", "vault_address", "https://v", "engine_path", "transit", "key_name", "k")},
	}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Error(diff)
	}
	if _, err := readers.OfRule(&rules.Rule{Number: 2, Groups: [][]rules.Key{{{Type: "kms", Value: "nonsense"}}}}); err == nil || !strings.Contains(err.Error(), "rule 2: kms") {
		t.Errorf("got %v", err)
	}
}
