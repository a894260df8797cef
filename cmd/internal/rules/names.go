package rules

import (
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Name is what people call a reader: gitseal.names gives readers names that
// commands show and understand. It changes nothing about who can read what.
type Name struct {
	Name string
	// Reader is the reader as the file spells it: an age recipient, a fingerprint,
	// an ARN, … What it means is not checked here.
	Reader string
	// Line is where the reader stands.
	Line int
}

// names reads a map from names to a reader or a list of readers each.
func (d *decoder) names(n *yaml.Node, c *Config) error {
	const what = "gitseal.names"
	items, err := d.fields(n, what)
	if err != nil {
		return err
	}
	for _, item := range items {
		key, err := d.follow(item.key)
		if err != nil {
			return err
		}
		if !isName(key.Value) {
			return d.fail(item.key, "%s: a name has 1 to 64 printable characters, none of them a comma, and does not begin with - or a space", what)
		}
		values := []*yaml.Node{item.value}
		if v, err := d.follow(item.value); err != nil {
			return err
		} else if v.Kind == yaml.SequenceNode {
			values = v.Content
		}
		if len(values) == 0 {
			return d.fail(item.value, "%s: %s names nobody", what, quote(key.Value))
		}
		for _, value := range values {
			reader, err := d.reader(value, what+": "+quote(key.Value))
			if err != nil {
				return err
			}
			c.Names = append(c.Names, Name{Name: key.Value, Reader: reader, Line: value.Line})
		}
	}
	return nil
}

// reader reads one reader that has a name.
func (d *decoder) reader(n *yaml.Node, what string) (string, error) {
	v, err := d.follow(n)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(v.Value)
	switch upper := strings.ToUpper(text); {
	case v.Kind != yaml.ScalarNode || v.ShortTag() != "!!str" || text == "":
		return "", d.fail(n, "%s must be a reader or a list of readers; numbers need quotes", what)
	case strings.HasPrefix(upper, "AGE-SECRET-KEY-"), strings.HasPrefix(upper, "AGE-PLUGIN-"), strings.Contains(upper, "PRIVATE KEY"):
		return "", d.fail(n, "%s holds a secret key where a recipient belongs", what)
	}
	return text, nil
}

// isName reports whether people can use s as a name.
func isName(s string) bool {
	const longest = 64
	if s == "" || len(s) > longest || s[0] == '-' || strings.TrimSpace(s) != s {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r == ',' || !unicode.IsPrint(r) })
}
