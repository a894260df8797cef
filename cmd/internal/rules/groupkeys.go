package rules

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// word reads an item of a group that is one string.
func (d *decoder) word(n *yaml.Node, what, kind string) ([]Key, error) {
	var s string
	if err := d.text(&s, what)(n); err != nil {
		return nil, err
	}
	if s = strings.TrimSpace(s); s == "" || strings.Contains(s, ",") {
		return nil, d.fail(n, "%s: an item must be one key", what)
	}
	key, err := d.key(n, what, kind, s)
	return []Key{key}, err
}

// named reads an item of a group that is a map with one key.
func (d *decoder) named(n *yaml.Node, what, kind, name string) ([]Key, error) {
	var s string
	if err := d.object(n, what, map[string]setter{name: d.text(&s, what+": "+name)}); err != nil {
		return nil, err
	}
	if s = strings.ReplaceAll(s, " ", ""); s == "" {
		return nil, d.fail(n, "%s: %s is missing", what, name)
	}
	return []Key{{Type: kind, Value: s}}, nil
}

func (d *decoder) kms(n *yaml.Node, what string) ([]Key, error) {
	var arn, role, profile string
	context := map[string]string{}
	err := d.object(n, what, map[string]setter{
		"arn":         d.text(&arn, what+": arn"),
		"role":        d.text(&role, what+": role"),
		"aws_profile": d.text(&profile, what+": aws_profile"),
		"context":     func(n *yaml.Node) error { return d.context(n, what+": context", context) },
	})
	if err != nil {
		return nil, err
	}
	if arn == "" {
		return nil, d.fail(n, "%s: arn is missing", what)
	}
	key := Key{Type: "kms", Value: arn}
	key.set("role", role)
	key.set("aws_profile", profile)
	if len(context) > 0 {
		key.Context = context
	}
	return []Key{key}, nil
}

// context reads a map of strings.
func (d *decoder) context(n *yaml.Node, what string, into map[string]string) error {
	items, err := d.fields(n, what)
	if err != nil {
		return err
	}
	for _, item := range items {
		key, err := d.follow(item.key)
		if err != nil {
			return err
		}
		var value string
		if err := d.text(&value, what)(item.value); err != nil {
			return err
		}
		into[key.Value] = value
	}
	return nil
}

func (d *decoder) azure(n *yaml.Node, what string) ([]Key, error) {
	var url, name, version string
	err := d.object(n, what, map[string]setter{
		"vaultUrl": d.text(&url, what+": vaultUrl"),
		"key":      d.text(&name, what+": key"),
		"version":  d.text(&version, what+": version"),
	})
	if err != nil {
		return nil, err
	}
	if url == "" || name == "" {
		return nil, d.fail(n, "%s: vaultUrl and key are both needed", what)
	}
	s := strings.TrimSuffix(url, "/") + "/keys/" + name
	if version != "" {
		s += "/" + version
	}
	return []Key{{Type: "azure_keyvault", Value: s}}, nil
}
