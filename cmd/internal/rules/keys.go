package rules

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Key names one master key: somebody, or some service, that can open the files.
type Key struct {
	// Type is the kind of key, by the name that it has in a key group: age, pgp,
	// kms, gcp_kms, hckms, azure_keyvault or hc_vault.
	Type string
	// Value is the recipient, fingerprint, ARN, resource, key id, or the URL
	// VAULT/keys/NAME/VERSION (azure_keyvault, whose version may be missing) or
	// ADDRESS/v1/ENGINE/keys/NAME (hc_vault).
	Value string
	// Fields are what else is said about a kms key: role and aws_profile.
	Fields map[string]string
	// Context is a kms key's encryption context.
	Context map[string]string
}

func (k *Key) set(name, value string) {
	if value == "" {
		return
	}
	if k.Fields == nil {
		k.Fields = map[string]string{}
	}
	k.Fields[name] = value
}

// id is the same for keys that are the same.
func (k *Key) id() string {
	return fmt.Sprintf("%q %q %s %s", k.Type, k.Value, sorted(k.Fields), sorted(k.Context))
}

func sorted(m map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%q=%q,", name, m[name])
	}
	return b.String()
}

// deduplicate keeps the first of equal keys.
func deduplicate(keys []Key) []Key {
	seen := map[string]bool{}
	return slices.DeleteFunc(keys, func(k Key) bool {
		id := k.id()
		was := seen[id]
		seen[id] = true
		return was
	})
}

// flatField is a key of a rule that lists master keys outside of groups.
type flatField struct {
	key, kind string
	// listOnly: sops takes no comma-separated string there.
	listOnly bool
}

// flatFields are in the order in which sops lists the keys.
var flatFields = []flatField{
	{"age", "age", false}, {"pgp", "pgp", false}, {"kms", "kms", false}, {"gcp_kms", "gcp_kms", false},
	{"hckms", "hckms", true}, {"azure_keyvault", "azure_keyvault", false}, {"hc_vault_transit_uri", "hc_vault", false},
}

// flatKeys reads a comma-separated string, or a list of such, into keys.
func (r *ruleReader) flatKeys(f flatField, keys map[string][]Key) setter {
	return func(n *yaml.Node) error {
		v, err := r.follow(n)
		if err != nil || isNull(v) {
			return err
		}
		items := []*yaml.Node{n}
		if v.Kind == yaml.SequenceNode || f.listOnly {
			if items, err = r.list(n, r.what+": "+f.key); err != nil {
				return err
			}
		}
		for _, item := range items {
			got, err := r.split(item, r.what+": "+f.key, f.kind)
			if err != nil {
				return err
			}
			if len(got) == 0 && v.Kind == yaml.SequenceNode {
				return r.fail(item, "%s: an item is empty", r.what+": "+f.key)
			}
			keys[f.key] = append(keys[f.key], got...)
		}
		return nil
	}
}

// split reads the keys of one comma-separated string.
func (d *decoder) split(n *yaml.Node, what, kind string) ([]Key, error) {
	v, err := d.follow(n)
	if err != nil {
		return nil, err
	}
	if v.Kind != yaml.ScalarNode || v.ShortTag() != "!!str" {
		return nil, d.fail(n, "%s must be a string or a list of strings; numbers need quotes", what)
	}
	var keys []Key
	for part := range strings.SplitSeq(v.Value, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		key, err := d.key(n, what, kind, part)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// key makes a key of one word, as sops normalizes it.
func (d *decoder) key(n *yaml.Node, what, kind, s string) (Key, error) {
	key := Key{Type: kind, Value: s}
	switch kind {
	case "age":
		if strings.HasPrefix(strings.ToUpper(s), "AGE-SECRET-KEY-") || strings.HasPrefix(strings.ToUpper(s), "AGE-PLUGIN-") {
			return Key{}, d.fail(n, "%s holds a secret key where a recipient belongs", what)
		}
		if strings.HasPrefix(s, "age1") && strings.ContainsAny(s, " \t\r\n") {
			return Key{}, d.fail(n, "%s: recipients must be separated by commas", what)
		}
	case "pgp", "gcp_kms":
		key.Value = strings.ReplaceAll(s, " ", "")
	case "kms":
		s = strings.ReplaceAll(s, " ", "")
		key.Value = s
		if i := strings.Index(s, "+arn:"); i > 0 {
			key.Value = s[:i]
			key.set("role", s[i+1:])
		}
	}
	return key, nil
}

// keyGroups reads the groups of a rule.
func (r *ruleReader) keyGroups(n *yaml.Node) error {
	items, err := r.list(n, r.what+": key_groups")
	if err != nil {
		return err
	}
	for i, item := range items {
		what := r.what + ": key group " + strconv.Itoa(i+1)
		group, err := r.group(item, what, maxMerges)
		if err != nil {
			return err
		}
		if len(group) == 0 {
			return r.fail(item, "%s has no keys: its share would be lost", what)
		}
		r.rule.Groups = append(r.rule.Groups, deduplicate(group))
	}
	return nil
}

// group reads a key group; those that it merges come first, as in sops.
func (d *decoder) group(n *yaml.Node, what string, depth int) ([]Key, error) {
	if depth == 0 {
		return nil, d.fail(n, "%s: groups are merged too deeply", what)
	}
	keys := map[string][]Key{}
	add := func(kind string, read func(n *yaml.Node, what string) ([]Key, error)) setter {
		return func(n *yaml.Node) error {
			items, err := d.list(n, what+": "+kind)
			if err != nil {
				return err
			}
			for _, item := range items {
				got, err := read(item, what+": "+kind)
				if err != nil {
					return err
				}
				keys[kind] = append(keys[kind], got...)
			}
			return nil
		}
	}
	err := d.object(n, what, map[string]setter{
		"merge": add("merge", func(n *yaml.Node, _ string) ([]Key, error) { return d.group(n, what, depth-1) }),
		"age":   add("age", func(n *yaml.Node, what string) ([]Key, error) { return d.split(n, what, "age") }),
		"pgp":   add("pgp", func(n *yaml.Node, what string) ([]Key, error) { return d.word(n, what, "pgp") }),
		"kms":   add("kms", d.kms),
		"gcp_kms": add("gcp_kms", func(n *yaml.Node, what string) ([]Key, error) {
			return d.named(n, what, "gcp_kms", "resource_id")
		}),
		"hckms": add("hckms", func(n *yaml.Node, what string) ([]Key, error) {
			return d.named(n, what, "hckms", "key_id")
		}),
		"azure_keyvault": add("azure_keyvault", d.azure),
		"hc_vault":       add("hc_vault", func(n *yaml.Node, what string) ([]Key, error) { return d.word(n, what, "hc_vault") }),
	})
	if err != nil {
		return nil, err
	}
	var all []Key
	for _, kind := range []string{"merge", "age", "pgp", "kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault"} {
		all = append(all, keys[kind]...)
	}
	return all, nil
}
