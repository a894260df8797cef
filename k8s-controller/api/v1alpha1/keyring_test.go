package v1alpha1_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

func copyOf(object map[string]any) map[string]any { return runtime.DeepCopyJSON(object) }

func TestKeyringIsChecked(t *testing.T) {
	s := newServer(t)
	keyring := fromYAML(t, `
apiVersion: gitseal.dev/v1alpha1
kind: SealKeyring
metadata:
  name: prod
spec:
  namespaceSelector: {matchLabels: {env: prod}}
  identities:
  - {name: age, age: {secretName: key-1}}
  - {name: wrapped, sealedAge: {secretName: key-2, key: sealed.age, keys: ["arn:aws:kms:eu-central-1:111122223333:key/x"]}}
  - {name: kms, kms: {keys: ["https://vault.example.com/v1/transit/keys/k"]}}
  recovery: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
  policy:
    integrity: Warn
    context: Require
    allowedKinds: [{apiVersion: v1, kind: ConfigMap}, {apiVersion: cert-manager.io/v1, kind: Issuer}]
    allowedSecretTypes: [Opaque, kubernetes.io/tls]
    conflictPolicies: [Merge, Adopt]
  renewal: {every: 720h}
`)
	identity := func(fields map[string]any) changes {
		return changes{"spec.identities": []any{fields}}
	}
	secret := map[string]any{"secretName": "s"}
	const oneSource = "exactly one of age, sealedAge and kms is needed"
	const noPrivate = "recovery holds a private key"
	const noPublic = "every entry has to be a public key"
	const bothWarn = "integrity and context are both Warn"
	const oneHour = "every has to be one hour at least"
	tests := []struct {
		name    string
		changes changes
		refused string
	}{
		{"full", nil, ""},
		{"empty", changes{"spec": map[string]any{}}, ""},
		{"every kind of recovery key", changes{"spec.recovery": []any{
			"age1pq1" + strings.Repeat("q", 1950), "ssh-ed25519 AAAA me@host", "ssh-rsa AAAA", "arn:aws:kms:x", "projects/p/locations/l",
			"https://kv.vault.azure.net/keys/k/v", "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4",
			"http://127.0.0.1:8200/v1/transit/keys/k", "eu-de:0b4ecc2b-4c4a-4a5e-9d5d-1c1b3a4f5e6d",
		}}, ""},
		{"an hour", changes{"spec.renewal.every": "60m"}, ""},
		{"hours and minutes", changes{"spec.renewal.every": "1h30m"}, ""},

		{"no source", identity(map[string]any{"name": "x"}), oneSource},
		{"two sources", identity(map[string]any{"name": "x", "age": secret, "kms": map[string]any{"keys": []any{"k"}}}), oneSource},
		{"no name", identity(map[string]any{"age": secret}), "name: Required value"},
		{"name", identity(map[string]any{"name": "A", "age": secret}), "name in body should match"},
		{"same name twice", changes{"spec.identities": []any{map[string]any{"name": "x", "age": secret}, map[string]any{"name": "x", "age": secret}}}, "Duplicate value"},
		{"secretName", identity(map[string]any{"name": "x", "age": map[string]any{"secretName": "../x"}}), "secretName in body should match"},
		{"no secretName", identity(map[string]any{"name": "x", "age": map[string]any{"key": "y"}}), "secretName: Required value"},
		{"sealedAge without keys", identity(map[string]any{"name": "x", "sealedAge": secret}), "keys: Required value"},
		{"no keys", identity(map[string]any{"name": "x", "kms": map[string]any{"keys": []any{}}}), "should have at least 1 items"},
		{"empty key", identity(map[string]any{"name": "x", "kms": map[string]any{"keys": []any{""}}}), "should be at least 1 chars long"},
		{"private key as recovery", changes{"spec.recovery": []any{"AGE-SECRET-KEY-1CANARYcanary"}}, noPrivate},
		{"hybrid private key as recovery", changes{"spec.recovery": []any{"AGE-SECRET-KEY-PQ-1canary"}}, noPrivate},
		{"PEM private key as recovery", changes{"spec.recovery": []any{"-----BEGIN OPENSSH PRIVATE KEY-----\ncanary"}}, noPrivate},
		{"no key as recovery", changes{"spec.recovery": []any{"canary"}}, noPublic},
		{"long recovery key", changes{"spec.recovery": []any{"age1" + strings.Repeat("q", 4096)}}, "may not be more than 4096 bytes"},
		{"half an hour", changes{"spec.renewal.every": "30m"}, oneHour},
		{"days", changes{"spec.renewal.every": "30d"}, oneHour},
		{"never", changes{"spec.renewal.every": "0"}, oneHour},
		{"negative", changes{"spec.renewal.every": "-2h"}, oneHour},
		{"renewal without every", changes{"spec.renewal": map[string]any{"classic": true}}, "every: Required value"},
		{"integrity", changes{"spec.policy.integrity": "Ignore"}, unsupported},
		{"context", changes{"spec.policy.context": "Ignore"}, unsupported},
		{"integrity and context, of some namespaces", changes{"spec.policy.context": "Warn"}, ""},
		{"integrity and context, of all", changes{"spec.policy.context": "Warn", "spec.namespaceSelector": nil}, bothWarn},
		{"integrity and context, of all that is selected", changes{"spec.policy.context": "Warn", "spec.namespaceSelector": map[string]any{}}, bothWarn},
		{"integrity and context, by nothing", changes{"spec.policy.context": "Warn", "spec.namespaceSelector": map[string]any{"matchExpressions": []any{}, "matchLabels": map[string]any{}}}, bothWarn},
		{"integrity and context, by an expression", changes{"spec.policy.context": "Warn", "spec.namespaceSelector": map[string]any{"matchExpressions": []any{map[string]any{"key": "old", "operator": "Exists"}}}}, ""},
		{"integrity of all", changes{"spec.namespaceSelector": nil}, ""},
		{"context of all", changes{"spec.policy": map[string]any{"context": "Warn"}, "spec.namespaceSelector": nil}, ""},
		{"no conflict policy", changes{"spec.policy.conflictPolicies": []any{}}, ""},
		{"conflict policy", changes{"spec.policy.conflictPolicies": []any{"Force"}}, unsupported},
		{"conflict policy of all", changes{"spec.policy.conflictPolicies": []any{"Fail"}}, "Fail is always allowed"},
		{"conflict policy twice", changes{"spec.policy.conflictPolicies": []any{"Adopt", "Adopt"}}, "Duplicate value"},
		{"token type", changes{"spec.policy.allowedSecretTypes": []any{"kubernetes.io/service-account-token"}}, noTokens},
		{"bootstrap type", changes{"spec.policy.allowedSecretTypes": []any{"Opaque", "bootstrap.kubernetes.io/token"}}, noTokens},
		{"own kind", changes{"spec.policy.allowedKinds": []any{map[string]any{"apiVersion": "gitseal.dev/v1alpha1", "kind": "SealKeyring"}}}, "objects of gitseal.dev cannot come out"},
		{"kind", changes{"spec.policy.allowedKinds": []any{map[string]any{"apiVersion": "v1", "kind": "*"}}}, "kind in body should match"},
		{"apiVersion", changes{"spec.policy.allowedKinds": []any{map[string]any{"apiVersion": "apps/*", "kind": "Deployment"}}}, "apiVersion in body should match"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdict(t, s.try(t, changed(t, keyring, tt.changes)), tt.refused)
		})
	}
}
