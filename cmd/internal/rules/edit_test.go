package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/rules"
)

func age(name string) rules.Key { return rules.Key{Type: "age", Value: name} }

func in(group int, keys ...rules.Key) []rules.GroupKey {
	var out []rules.GroupKey
	for _, k := range keys {
		out = append(out, rules.GroupKey{Group: group, Key: k})
	}
	return out
}

const (
	arn = "arn:aws:kms:eu-west-1:111111111111:key/k"
	fp  = "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4"
)

var edits = []struct {
	name, src string
	edit      rules.Edit
	want      string
}{
	{"add to a string", "creation_rules:\n    - age: age1a # team\n      path_regex: x\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1b"))},
		"creation_rules:\n    - age: age1a,age1b # team\n      path_regex: x\n"},
	{"add to a string as the others are separated", "creation_rules:\n    - age: 'age1a, age1b'\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1c"))},
		"creation_rules:\n    - age: 'age1a, age1b, age1c'\n"},
	{"add to a folded string", "creation_rules:\n  - path_regex: x\n    age: >- # all, of us\n        age1a,\n        age1b\n  # the second\n  - age: age1z\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1c"))},
		"creation_rules:\n  - path_regex: x\n    age: >- # all, of us\n        age1a,\n        age1b,\n        age1c\n  # the second\n  - age: age1z\n"},
	{"add to a folded string of one", "creation_rules:\n    - age: >-\n          age1a\n      # end\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1b"))},
		"creation_rules:\n    - age: >-\n          age1a,\n          age1b\n      # end\n"},
	{"add to a folded string with a comment", "creation_rules:\n    - age: >- # the team\n          age1a\n      # end\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1b"))},
		"creation_rules:\n    - age: >- # the team\n          age1a,\n          age1b\n      # end\n"},
	{"add to a literal string", "creation_rules:\n    - age: |\n          age1a,\n          age1b,\n      path_regex: x\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1c"))},
		"creation_rules:\n    - age: |\n          age1a,\n          age1b,\n          age1c,\n      path_regex: x\n"},
	{"add to a list", "creation_rules:\n    - age:\n          - age1a # alice\n          # and bob\n          - age1b\n\n    - age: age1z\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1c"))},
		"creation_rules:\n    - age:\n          - age1a # alice\n          # and bob\n          - age1b\n          - age1c\n\n    - age: age1z\n"},
	{"add to a list in brackets", "creation_rules: [{age: [age1a, \"age1b\"]}]\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1c"))},
		"creation_rules: [{age: [age1a, \"age1b\", age1c]}]\n"},
	{"add to a string in braces", "creation_rules:\n    - {age: age1a, path_regex: x} # one\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1b"))},
		"creation_rules:\n    - {age: 'age1a,age1b', path_regex: x} # one\n"},
	{"add what is there", "creation_rules:\n    - age: age1a\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1a"))}, "creation_rules:\n    - age: age1a\n"},
	{"add another type", "creation_rules:\n    - age: age1a\n    - age: age1z\n",
		rules.Edit{Rule: 1, Add: in(0, rules.Key{Type: "kms", Value: arn, Fields: map[string]string{"role": "arn:aws:iam::1:role/r"}})},
		"creation_rules:\n    - age: age1a\n      kms: " + arn + "+arn:aws:iam::1:role/r\n    - age: age1z\n"},
	{"add a profile, too", "creation_rules:\n    - age: age1a\n",
		rules.Edit{Rule: 1, Add: in(0, rules.Key{Type: "kms", Value: arn, Fields: map[string]string{"aws_profile": "p"}})},
		"creation_rules:\n    - age: age1a\n      kms: " + arn + "\n      aws_profile: p\n"},
	{"add what has to be a list", "creation_rules:\n    - age: age1a\n",
		rules.Edit{Rule: 1, Add: in(0, rules.Key{Type: "hckms", Value: "r:k"})},
		"creation_rules:\n    - age: age1a\n      hckms:\n          - r:k\n"},
	{"add a server", "creation_rules:\n    - age: age1a\n",
		rules.Edit{Rule: 1, Add: in(0, rules.Key{Type: "hc_vault", Value: "https://v:8200/v1/transit/keys/k"})},
		"creation_rules:\n    - age: age1a\n      hc_vault_transit_uri: https://v:8200/v1/transit/keys/k\n"},
	{"remove from a string", "creation_rules:\n    - age: age1a,age1b, age1c # team\n",
		rules.Edit{Rule: 1, Remove: in(0, age("age1b"))}, "creation_rules:\n    - age: age1a, age1c # team\n"},
	{"remove the first of a folded string", "creation_rules:\n    - age: >-\n          age1a,\n          age1b\n",
		rules.Edit{Rule: 1, Remove: in(0, age("age1a"))}, "creation_rules:\n    - age: >-\n          age1b\n"},
	{"remove the last of a folded string", "creation_rules:\n    - age: >-\n          age1a,\n          age1b\n",
		rules.Edit{Rule: 1, Remove: in(0, age("age1b"))}, "creation_rules:\n    - age: >-\n          age1a\n"},
	{"remove from a list", "creation_rules:\n    - age:\n          # alice\n          - age1a\n          # bob\n          - age1b # bob\n          - age1c\n",
		rules.Edit{Rule: 1, Remove: in(0, age("age1b"))},
		"creation_rules:\n    - age:\n          # alice\n          - age1a\n          # bob\n          - age1c\n"},
	{"remove from a string in a list", "creation_rules:\n    - age:\n          - age1a,age1b\n          - age1c\n",
		rules.Edit{Rule: 1, Remove: in(0, age("age1a"))}, "creation_rules:\n    - age:\n          - age1b\n          - age1c\n"},
	{"remove all of a type", "creation_rules:\n    - age: age1a\n      pgp: " + fp + "\n      path_regex: x\n",
		rules.Edit{Rule: 1, Remove: in(0, rules.Key{Type: "pgp", Value: fp})}, "creation_rules:\n    - age: age1a\n      path_regex: x\n"},
	{"remove what is named twice", "creation_rules:\n    - age: [age1a, age1b, age1a]\n",
		rules.Edit{Rule: 1, Remove: in(0, age("age1a"))}, "creation_rules:\n    - age: [age1b]\n"},
	{"remove a fingerprint with spaces", "creation_rules:\n    - age: age1a\n      pgp: 'FBC7 B9E2 A4F9 289A C0C1  D484 3D16 CEE4 A273 81B4,B1B1'\n",
		rules.Edit{Rule: 1, Remove: in(0, rules.Key{Type: "pgp", Value: fp})}, "creation_rules:\n    - age: age1a\n      pgp: 'B1B1'\n"},
	{"remove a key with the rule's profile", "creation_rules:\n    - age: age1a\n      kms: " + arn + ",arn:aws:kms:eu-west-1:1:key/2\n      aws_profile: p\n",
		rules.Edit{Rule: 1, Remove: in(0, rules.Key{Type: "kms", Value: arn, Fields: map[string]string{"aws_profile": "p"}})},
		"creation_rules:\n    - age: age1a\n      kms: arn:aws:kms:eu-west-1:1:key/2\n      aws_profile: p\n"},
	{"remove an alias, not what it stands for", "keys:\n    - &a age1a\n    - &b age1b\ncreation_rules:\n    - age: [*a, *b]\n    - age: [*b]\n",
		rules.Edit{Rule: 1, Remove: in(0, age("age1b"))},
		"keys:\n    - &a age1a\n    - &b age1b\ncreation_rules:\n    - age: [*a]\n    - age: [*b]\n"},
	{"add beside aliases", "keys:\n    - &a age1a\ncreation_rules:\n    - key_groups:\n          - age:\n                - *a\n",
		rules.Edit{Rule: 1, Add: in(0, age("age1b"))},
		"keys:\n    - &a age1a\ncreation_rules:\n    - key_groups:\n          - age:\n                - *a\n                - age1b\n"},
	{"a rule further down", "# rules\ncreation_rules:\n    - path_regex: a\n      age: age1a\n    - path_regex: b\n      age: age1a\n",
		rules.Edit{Rule: 2, Add: in(0, age("age1b"))},
		"# rules\ncreation_rules:\n    - path_regex: a\n      age: age1a\n    - path_regex: b\n      age: age1a,age1b\n"},
	{"add to a group", "creation_rules:\n    - shamir_threshold: 2\n      key_groups:\n          - age: [age1a]\n          - age:\n                - age1b # bob\n            pgp:\n                - " + fp + "\n",
		rules.Edit{Rule: 1, Add: in(1, age("age1c"), rules.Key{Type: "kms", Value: arn, Context: map[string]string{"app": "web"}})},
		"creation_rules:\n    - shamir_threshold: 2\n      key_groups:\n          - age: [age1a]\n          - age:\n                - age1b # bob\n                - age1c\n            pgp:\n                - " + fp + "\n" +
			"            kms:\n                - arn: " + arn + "\n                  context:\n                    app: web\n"},
	{"remove from a group", "creation_rules:\n    - key_groups:\n          - age: [age1a, age1b]\n          - age: [age1b, age1c]\n",
		rules.Edit{Rule: 1, Remove: in(1, age("age1b"))}, "creation_rules:\n    - key_groups:\n          - age: [age1a, age1b]\n          - age: [age1c]\n"},
	{"remove a map from a group", "creation_rules:\n    - key_groups:\n          - kms:\n                - arn: " + arn + "\n                  context: {app: web}\n                - arn: " + arn + "\n",
		rules.Edit{Rule: 1, Remove: in(0, rules.Key{Type: "kms", Value: arn, Context: map[string]string{"app": "web"}})},
		"creation_rules:\n    - key_groups:\n          - kms:\n                - arn: " + arn + "\n"},
	{"remove an azure key", "creation_rules:\n    - key_groups:\n          - age: [age1a]\n            azure_keyvault:\n                - vaultUrl: https://v.vault.azure.net/\n                  key: k\n",
		rules.Edit{Rule: 1, Remove: in(0, rules.Key{Type: "azure_keyvault", Value: "https://v.vault.azure.net/keys/k"})},
		"creation_rules:\n    - key_groups:\n          - age: [age1a]\n"},
	{"a further group", "creation_rules:\n    - key_groups:\n          - age: [age1a]\n          - age: [age1b]\n      shamir_threshold: 2 # two\n",
		rules.Edit{Rule: 1, NewGroup: []rules.Key{age("age1c"), {Type: "azure_keyvault", Value: "https://v.vault.azure.net/keys/k/1"}}, Threshold: 3},
		"creation_rules:\n    - key_groups:\n          - age: [age1a]\n          - age: [age1b]\n          - age:\n                - age1c\n            azure_keyvault:\n                - vaultUrl: https://v.vault.azure.net\n                  key: k\n                  version: \"1\"\n      shamir_threshold: 3 # two\n"},
	{"a second group", "creation_rules:\n    - path_regex: x\n      age: age1a,age1b\n      pgp: " + fp + "\n",
		rules.Edit{Rule: 1, NewGroup: []rules.Key{age("age1c")}},
		"creation_rules:\n    - path_regex: x\n      key_groups:\n          - age:\n                - age1a\n                - age1b\n            pgp:\n                - " + fp + "\n          - age:\n                - age1c\n"},
	{"a group less", "creation_rules:\n    - key_groups:\n          - age: [age1a]\n          # bob's\n          - age: [age1b]\n          - age: [age1c]\n      shamir_threshold: 2\n",
		rules.Edit{Rule: 1, DropGroup: true, DropAt: 0},
		"creation_rules:\n    - key_groups:\n          # bob's\n          - age: [age1b]\n          - age: [age1c]\n      shamir_threshold: 2\n"},
	{"all groups but one", "creation_rules:\n    - key_groups:\n          - age: [age1a]\n          - age: [age1b]\n      shamir_threshold: 2\n",
		rules.Edit{Rule: 1, DropGroup: true, DropAt: 1}, "creation_rules:\n    - key_groups:\n          - age: [age1a]\n"},
	{"a threshold", "creation_rules:\n    - key_groups:\n          - age: [age1a]\n          - age: [age1b]\n          - age: [age1c]\n",
		rules.Edit{Rule: 1, Threshold: 2},
		"creation_rules:\n    - key_groups:\n          - age: [age1a]\n          - age: [age1b]\n          - age: [age1c]\n      shamir_threshold: 2\n"},
}

func TestEditChangesOneRule(t *testing.T) {
	for _, tt := range edits {
		t.Run(tt.name, func(t *testing.T) {
			c, err := rules.Parse("x/.sops.yaml", []byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Edit([]byte(tt.src), tt.edit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEditRefuses: what cannot be changed without changing something else is left.
func TestEditRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		edit      rules.Edit
	}{
		{"readers behind an alias", "keys: &team [age1a]\ncreation_rules:\n    - age: *team\n    - age: *team\n", rules.Edit{Rule: 1, Add: in(0, age("age1b"))}},
		{"a list that others repeat", "creation_rules:\n    - age: &team [age1a, age1b]\n    - age: *team\n", rules.Edit{Rule: 1, Remove: in(0, age("age1b"))}},
		{"a string that others repeat", "creation_rules:\n    - age: &team age1a,age1b\n    - age: *team\n", rules.Edit{Rule: 1, Add: in(0, age("age1c"))}},
		{"readers merged in", "x-base: &base {age: age1a}\ncreation_rules:\n    - <<: *base\n      path_regex: x\n", rules.Edit{Rule: 1, Add: in(0, age("age1b"))}},
		{"a merged group", "creation_rules:\n    - key_groups:\n          - merge:\n                - age: [age1a]\n            age: [age1b]\n", rules.Edit{Rule: 1, Remove: in(0, age("age1a"))}},
		{"an escape", "creation_rules:\n    - age: \"age1a\\x2cage1b\"\n", rules.Edit{Rule: 1, Remove: in(0, age("age1a"))}},
		{"a context outside of groups", "creation_rules:\n    - age: age1a\n", rules.Edit{Rule: 1, Add: in(0, rules.Key{Type: "kms", Value: arn, Context: map[string]string{"a": "b"}})}},
		{"another profile", "creation_rules:\n    - kms: " + arn + "\n      aws_profile: p\n",
			rules.Edit{Rule: 1, Add: in(0, rules.Key{Type: "kms", Value: "arn:aws:kms:eu-west-1:1:key/2", Fields: map[string]string{"aws_profile": "q"}})}},
		{"nobody left", "creation_rules:\n    - age: age1a\n", rules.Edit{Rule: 1, Remove: in(0, age("age1a"))}},
		{"a threshold without groups", "creation_rules:\n    - key_groups: [{age: [age1a]}, {age: [age1b]}]\n", rules.Edit{Rule: 1, Threshold: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := rules.Parse("x/.sops.yaml", []byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Edit([]byte(tt.src), tt.edit)
			if !errors.Is(err, rules.ErrByHand) {
				t.Fatalf("got %q, %v", got, err)
			}
			if !strings.HasPrefix(err.Error(), "x/.sops.yaml:") {
				t.Errorf("the error does not name the file: %v", err)
			}
		})
	}
}

// FuzzEdit: whatever a configuration looks like, an edit changes the readers of one
// rule or nothing, and can be undone.
func FuzzEdit(f *testing.F) {
	for _, tt := range edits {
		f.Add([]byte(tt.src), uint8(tt.edit.Rule))
	}
	f.Fuzz(func(t *testing.T, src []byte, number uint8) {
		before, err := rules.Parse(".sops.yaml", src)
		if err != nil || number == 0 || int(number) > len(before.Rules) {
			return
		}
		n := int(number)
		added, err := before.Edit(src, rules.Edit{Rule: n, Add: in(0, age("age1fuzz"))})
		if errors.Is(err, rules.ErrByHand) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		between, err := rules.Parse(".sops.yaml", added)
		if err != nil || len(between.Rules) != len(before.Rules) {
			t.Fatalf("%q: %v", added, err)
		}
		for i := range between.Rules {
			if grown := len(between.Rules[i].Groups[0]) - len(before.Rules[i].Groups[0]); i != n-1 && grown != 0 || grown < 0 || grown > 1 {
				t.Fatalf("rule %d has %d readers more:\n%s\n%s", i+1, grown, src, added)
			}
		}
		if len(before.Rules[n-1].Groups[0]) == len(between.Rules[n-1].Groups[0]) {
			return // it was there
		}
		removed, err := between.Edit(added, rules.Edit{Rule: n, Remove: in(0, age("age1fuzz"))})
		if err != nil {
			t.Fatalf("%v: %q", err, added)
		}
		if after, err := rules.Parse(".sops.yaml", removed); err != nil || len(after.Rules[n-1].Groups[0]) != len(before.Rules[n-1].Groups[0]) {
			t.Fatalf("%q: %v", removed, err)
		}
	})
}
