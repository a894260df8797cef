package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/keysources"
)

// readerFlag is a flag that names readers of one type, as sops's does.
type readerFlag struct{ name, typ, env, what string }

func readerFlagList() []readerFlag {
	return []readerFlag{
		{"age", keysources.TypeAge, "SOPS_AGE_RECIPIENTS", "age or ssh `RECIPIENT`"},
		{"pgp", keysources.TypePGP, "SOPS_PGP_FP", "OpenPGP `FINGERPRINT`"},
		{"kms", keysources.TypeKMS, "SOPS_KMS_ARN", "`ARN` of an AWS KMS key, with +ROLE if one is to be assumed"},
		{"gcp-kms", keysources.TypeGCP, "SOPS_GCP_KMS_IDS", "resource `ID` of a Google Cloud KMS key"},
		{"azure-kv", keysources.TypeAzure, "SOPS_AZURE_KEYVAULT_URLS", "`URL` of a key in Azure Key Vault"},
		{"hc-vault-transit", keysources.TypeVault, "SOPS_VAULT_URIS", "`URL` of a transit key in Vault or OpenBao"},
		{"hckms", keysources.TypeHCKMS, "SOPS_HUAWEICLOUD_KMS_IDS", "`REGION:ID` of a Huawei Cloud KMS key"},
	}
}

// readerFlags are the flags that name readers. verb says what is done with them.
func readerFlags(verb string, useEnv bool) []cli.Flag {
	var out []cli.Flag
	for _, f := range readerFlagList() {
		flag := &cli.StringSliceFlag{Name: f.name, Usage: verb + " " + f.what + " (repeatable)"}
		if useEnv {
			flag.EnvVars = []string{f.env}
		}
		out = append(out, flag)
	}
	return append(out,
		&cli.StringFlag{Name: "aws-profile", Usage: "`PROFILE` of the AWS configuration that goes with --kms"},
		&cli.StringSliceFlag{Name: "encryption-context", Usage: "encryption context that goes with --kms: `KEY:VALUE`, several separated by commas"})
}

// readersFromFlags returns the keys that flags name.
func readersFromFlags(c *cli.Context) ([]keysources.Stanza, error) {
	context, err := encryptionContext(c)
	if err != nil {
		return nil, err
	}
	var out []keysources.Stanza
	for _, f := range readerFlagList() {
		for _, v := range c.StringSlice(f.name) {
			for _, text := range splitReaders(f.typ, v) {
				key, err := readers.ParseAs(f.typ, text)
				if err != nil {
					return nil, usageError("--"+f.name+": "+err.Error(), readerHint(f.typ))
				}
				if f.typ == keysources.TypeKMS {
					key.Context = context
					if p := c.String("aws-profile"); p != "" {
						key.Fields = append(key.Fields, keysources.Field{Name: "aws_profile", Value: p})
					}
				}
				out = append(out, key)
			}
		}
	}
	return out, nil
}

func readerHint(typ string) string {
	if typ == keysources.TypeAge {
		return "an age recipient begins with age1 or ssh-; gitseal init makes an identity and shows its recipient"
	}
	return "see gitseal seal --help for the form"
}

// splitReaders separates readers at commas and, as none of these holds any, at
// line ends; recipients of ssh hold spaces.
func splitReaders(typ, s string) []string {
	if typ == keysources.TypeAge && strings.Contains(s, "ssh-") {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '\n' })
	}
	return splitCommas(s)
}

func encryptionContext(c *cli.Context) ([]keysources.Field, error) {
	var out []keysources.Field
	for _, v := range c.StringSlice("encryption-context") {
		for pair := range strings.SplitSeq(v, ",") {
			name, value, ok := strings.Cut(strings.TrimSpace(pair), ":")
			if !ok || name == "" {
				return nil, usageError("--encryption-context: not of the form KEY:VALUE", "--encryption-context app:web,stage:prod")
			}
			out = append(out, keysources.Field{Name: name, Value: value})
		}
	}
	return out, nil
}
