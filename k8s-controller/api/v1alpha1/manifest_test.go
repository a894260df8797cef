package v1alpha1_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// changes are values by path, as set takes them.
type changes map[string]any

const (
	sealedText = "ENC[AES256_GCM,data:AAAA,iv:BBBB,tag:CCCC,type:str]"

	notSealed     = "every value has to be sealed"
	noSops        = "data without a sops block is not sealed: seal the file first"
	nothingToOpen = "a sops block without data and stringData has nothing to open"
	oneForm       = "exactly one form is needed"
	inlineOnly    = "type and immutable at the top level belong to the inline form"
	documentOnly  = "format and target belong to the document form"
	plainDocument = "spec.document holds no sealed value"
	needsKey      = "an ini or binary document needs spec.target.key"
	noTokens      = "tokens that give access to the cluster are never made"
	macPlain      = "sops.mac is not sealed"
	macOnly       = "sops.mac_only_encrypted has to be true"
	unsupported   = "Unsupported value"
)

func TestInlineFormIsChecked(t *testing.T) {
	s := newServer(t)
	sealed := sealedManifest(t)
	tests := []struct {
		name    string
		changes changes
		refused string
	}{
		{"as sealed", nil, ""},
		{"data only", changes{"stringData": nil}, ""},
		{"stringData only", changes{"data": nil}, ""},
		{"immutable", changes{"immutable": true}, ""},
		{"no type", changes{"type": nil}, ""},
		{"own type", changes{"type": "example.com/creds"}, ""},
		{"unknown sops field", changes{"sops.some_new_source": []any{map[string]any{"x": "y"}}}, ""},
		{"every policy", changes{"spec": map[string]any{
			"suspend": true, "deletionPolicy": "Orphan", "conflictPolicy": "Merge", "driftPolicy": "Warn",
			"immutablePolicy": "Recreate", "rollout": "Annotate", "keyring": "prod", "class": "blue", "serviceAccountName": "deployer",
		}}, ""},
		{"empty spec", changes{"spec": map[string]any{}}, ""},

		{"plain value", changes{"stringData.password": "canary"}, notSealed},
		{"plain value in data", changes{"data.blob": "Y2FuYXJ5"}, notSealed},
		{"plain value that looks sealed later", changes{"data.blob": "canary" + sealedText}, notSealed},
		{"no sops", changes{"sops": nil}, noSops},
		{"no data", changes{"data": nil, "stringData": nil}, nothingToOpen},
		{"empty data", changes{"data": map[string]any{}, "stringData": nil}, "should have at least 1 properties"},
		{"nothing", changes{"data": nil, "stringData": nil, "sops": nil}, oneForm},
		{"both forms", changes{"spec.document": sealedText}, oneForm},
		{"no mac", changes{"sops.mac": nil}, "sops.mac: Required value"},
		{"plain mac", changes{"sops.mac": "A3"}, macPlain},
		{"mac over all", changes{"sops.mac_only_encrypted": false}, macOnly},
		{"mac over all, not said", changes{"sops.mac_only_encrypted": nil}, macOnly},
		{"sops is no object", changes{"sops": "x"}, "must be of type object"},
		{"format", changes{"spec.format": "json"}, documentOnly},
		{"target", changes{"spec.target.name": "other"}, documentOnly},
		{"service account token", changes{"type": "kubernetes.io/service-account-token"}, noTokens},
		{"bootstrap token", changes{"type": "bootstrap.kubernetes.io/token"}, noTokens},
		{"deletionPolicy", changes{"spec.deletionPolicy": "Keep"}, unsupported},
		{"conflictPolicy", changes{"spec.conflictPolicy": "Force"}, unsupported},
		{"driftPolicy", changes{"spec.driftPolicy": "Ignore"}, unsupported},
		{"immutablePolicy", changes{"spec.immutablePolicy": "Rename"}, unsupported},
		{"rollout", changes{"spec.rollout": "Restart"}, unsupported},
		{"serviceAccountName", changes{"spec.serviceAccountName": "other:account"}, "spec.serviceAccountName in body should match"},
		{"keyring", changes{"spec.keyring": "Prod/x"}, "spec.keyring in body should match"},
		{"class", changes{"spec.class": "a b"}, "spec.class in body should match"},
		{"unknown field", changes{"spec.template": "x"}, `unknown field "spec.template"`},
		{"value that is no text", changes{"data.blob": int64(5)}, "must be of type string"},
		{"too many keys", changes{"data": many(2049)}, "must have at most 2048 items"},
		{"many keys", changes{"data": many(2048)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdict(t, s.try(t, changed(t, sealed, tt.changes)), tt.refused)
		})
	}
}

func TestDocumentFormIsChecked(t *testing.T) {
	s := newServer(t)
	document := fromYAML(t, `{apiVersion: gitseal.dev/v1alpha1, kind: SealedManifest, metadata: {name: doc}}`)
	set(t, document, "spec.document", "a: "+sealedText)
	tests := []struct {
		name    string
		changes changes
		refused string
	}{
		{"default format", nil, ""},
		{"json", changes{"spec.format": "json"}, ""},
		{"dotenv", changes{"spec.format": "dotenv"}, ""},
		{"target name and type", changes{"spec.target": map[string]any{"name": "a.b", "type": "x/y"}}, ""},
		{"yaml with key", changes{"spec.target.key": "config.yaml"}, ""},
		{"ini with key", changes{"spec.format": "ini", "spec.target.key": "my.ini"}, ""},
		{"binary with key", changes{"spec.format": "binary", "spec.target.key": "..data.bin"}, "key is no valid key of a Secret"},
		{"large", changes{"spec.document": sealedText + strings.Repeat("x", 1<<20-len(sealedText))}, ""},

		{"what the controller's cache has of a large one", changes{"spec.document": "sha256:" + strings.Repeat("0a", 32)}, plainDocument},
		{"empty", changes{"spec.document": ""}, "should be at least 1 chars long"},
		{"plain", changes{"spec.document": "password: canary\n"}, plainDocument},
		{"too large", changes{"spec.document": "canary" + sealedText + strings.Repeat("x", 1<<20)}, "may not be more than 1048576 bytes"},
		{"ini without key", changes{"spec.format": "ini"}, needsKey},
		{"ini with a name only", changes{"spec.format": "ini", "spec.target.name": "x"}, needsKey},
		{"binary without key", changes{"spec.format": "binary"}, needsKey},
		{"unknown format", changes{"spec.format": "toml"}, unsupported},
		{"top-level type", changes{"type": "Opaque"}, inlineOnly},
		{"top-level immutable", changes{"immutable": true}, inlineOnly},
		{"top-level data", changes{"data": map[string]any{"x": sealedText}}, noSops},
		{"top-level sops", changes{"sops": map[string]any{"mac": sealedText, "mac_only_encrypted": true}}, nothingToOpen},
		{"token", changes{"spec.target.type": "kubernetes.io/service-account-token"}, noTokens},
		{"bootstrap token", changes{"spec.target.type": "bootstrap.kubernetes.io/token"}, noTokens},
		{"key with a slash", changes{"spec.target.key": "a/b"}, "spec.target.key in body should match"},
		{"key .", changes{"spec.target.key": "."}, "key is no valid key of a Secret"},
		{"target name", changes{"spec.target.name": "Upper"}, "spec.target.name in body should match"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdict(t, s.try(t, changed(t, document, tt.changes)), tt.refused)
		})
	}
}

// changed returns a deep copy of an object with changes. What a change removes goes
// first, then outer fields come before inner ones.
func changed(t *testing.T, object map[string]any, c changes) map[string]any {
	t.Helper()
	out := copyOf(object)
	for _, path := range slices.Sorted(maps.Keys(c)) {
		set(t, out, path, c[path])
	}
	return out
}

func many(n int) map[string]any {
	m := map[string]any{}
	for i := range n {
		m["key-"+strconv.Itoa(i)] = sealedText
	}
	return m
}
