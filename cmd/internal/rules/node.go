package rules

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/cmd/internal/nearest"
)

const (
	// maxNodes bounds the work on aliases that repeat aliases.
	maxNodes = 1 << 19
	// maxMerges bounds how deep merged maps may merge others; an anchor can
	// contain itself.
	maxMerges = 64
)

// decoder reads values from YAML nodes. Its errors carry the line and never a
// value.
type decoder struct {
	path string
	// left is how many nodes may still be looked at.
	left int
}

// setter stores the value of one key.
type setter func(value *yaml.Node) error

func (d *decoder) fail(n *yaml.Node, format string, args ...any) error {
	return &ConfigError{Path: d.path, Line: n.Line, Msg: fmt.Sprintf(format, args...)}
}

// follow returns what an alias stands for, and other nodes as they are.
func (d *decoder) follow(n *yaml.Node) (*yaml.Node, error) {
	if d.left--; d.left < 0 {
		return nil, d.fail(n, "too much is repeated by aliases")
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n, nil
}

// field is an item of a map.
type field struct {
	key, value *yaml.Node
}

// fields returns the items of the map n, those merged in ("<<") behind its own;
// the first of a name counts. A null has none.
func (d *decoder) fields(n *yaml.Node, what string) ([]field, error) {
	seen := map[string]bool{}
	return d.merge(n, what, seen, maxMerges)
}

func (d *decoder) merge(n *yaml.Node, what string, seen map[string]bool, depth int) ([]field, error) {
	m, err := d.follow(n)
	if err != nil || isNull(m) {
		return nil, err
	}
	if m.Kind != yaml.MappingNode {
		return nil, d.fail(n, "%s must be a map", what)
	}
	if depth == 0 {
		return nil, d.fail(n, "maps are merged too deeply")
	}
	var own []field
	var sources []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, err := d.follow(m.Content[i])
		if err != nil {
			return nil, err
		}
		switch {
		case key.ShortTag() == "!!merge":
			sources = append(sources, m.Content[i+1])
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str":
			return nil, d.fail(m.Content[i], "a key of %s is not a string", what)
		case !seen[key.Value]:
			seen[key.Value] = true
			own = append(own, field{m.Content[i], m.Content[i+1]})
		}
	}
	for _, source := range sources {
		merged, err := d.mergeSource(source, what, seen, depth-1)
		if err != nil {
			return nil, err
		}
		own = append(own, merged...)
	}
	return own, nil
}

// mergeSource reads the value of a merge key: a map or a list of maps.
func (d *decoder) mergeSource(n *yaml.Node, what string, seen map[string]bool, depth int) ([]field, error) {
	m, err := d.follow(n)
	if err != nil {
		return nil, err
	}
	if m.Kind != yaml.SequenceNode {
		return d.merge(n, what, seen, depth)
	}
	var all []field
	for _, item := range m.Content {
		merged, err := d.merge(item, what, seen, depth)
		if err != nil {
			return nil, err
		}
		all = append(all, merged...)
	}
	return all, nil
}

// object reads the map n, of which all keys must be known.
func (d *decoder) object(n *yaml.Node, what string, known map[string]setter) error {
	items, err := d.fields(n, what)
	if err != nil {
		return err
	}
	for _, item := range items {
		key, err := d.follow(item.key)
		if err != nil {
			return err
		}
		set, ok := known[key.Value]
		if !ok {
			return d.unknown(item.key, key.Value, what, known)
		}
		if err := set(item.value); err != nil {
			return err
		}
	}
	return nil
}

// unknown is the error for a key that is not known. The hint is for the key that
// was probably meant.
func (d *decoder) unknown(at *yaml.Node, key, what string, known map[string]setter) error {
	hint := ""
	switch near := closest(key, known); {
	case key == "input_type" || key == "output_type":
		hint = "; formats are chosen by gitseal.formats"
	case near != "":
		hint = "; did you mean " + quote(near) + "?"
	}
	return d.fail(at, "unknown key %s in %s%s", quote(key), what, hint)
}

// list reads the items of a list; a null has none.
func (d *decoder) list(n *yaml.Node, what string) ([]*yaml.Node, error) {
	l, err := d.follow(n)
	if err != nil || isNull(l) {
		return nil, err
	}
	if l.Kind != yaml.SequenceNode {
		return nil, d.fail(n, "%s must be a list", what)
	}
	return l.Content, nil
}

// text reads a scalar of any type as it is spelled, as sops does; null is "".
func (d *decoder) text(dst *string, what string) setter {
	return func(n *yaml.Node) error {
		v, err := d.follow(n)
		if err != nil {
			return err
		}
		switch {
		case isNull(v):
		case v.Kind != yaml.ScalarNode || v.ShortTag() == "!!binary":
			return d.fail(n, "%s must be a string", what)
		default:
			*dst = v.Value
		}
		return nil
	}
}

// flag reads a boolean, in the spellings of YAML 1.1 too, as sops does.
func (d *decoder) flag(dst *bool, what string) setter {
	return func(n *yaml.Node) error {
		v, err := d.follow(n)
		if err != nil || isNull(v) {
			return err
		}
		switch s := v.Value; {
		case v.Kind != yaml.ScalarNode || v.ShortTag() != "!!bool" && v.ShortTag() != "!!str":
			return d.fail(n, "%s must be true or false", what)
		case slices.Contains([]string{"true", "y", "yes", "on"}, strings.ToLower(s)):
			*dst = true
		case slices.Contains([]string{"false", "n", "no", "off"}, strings.ToLower(s)):
			*dst = false
		default:
			return d.fail(n, "%s must be true or false", what)
		}
		return nil
	}
}

func (d *decoder) number(dst *int, what string) setter {
	return func(n *yaml.Node) error {
		v, err := d.follow(n)
		if err != nil || isNull(v) {
			return err
		}
		if v.Kind != yaml.ScalarNode || v.ShortTag() != "!!int" || v.Decode(dst) != nil {
			return d.fail(n, "%s must be a whole number", what)
		}
		return nil
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// refuseDuplicates looks at all maps of the file, also at those that nothing else
// reads.
func (d *decoder) refuseDuplicates(n *yaml.Node) error {
	seen := map[string]bool{}
	for i, child := range n.Content {
		if err := d.refuseDuplicates(child); err != nil {
			return err
		}
		if child.Kind == yaml.AliasNode {
			child = child.Alias
		}
		if n.Kind != yaml.MappingNode || i%2 == 1 || child.Kind != yaml.ScalarNode {
			continue
		}
		if seen[child.Value] {
			return d.fail(n.Content[i], "the key %s stands twice in one map", quote(child.Value))
		}
		seen[child.Value] = true
	}
	return nil
}

// closest returns the known key that a misspelled one is closest to, "" if none
// is close.
func closest(key string, known map[string]setter) string {
	best, least := "", 4
	if len(key) > 64 {
		return ""
	}
	for name := range known {
		n := nearest.Distance(strings.ToLower(key), name)
		if n < least && n <= len(name)/2 || n == least && name < best {
			best, least = name, n
		}
	}
	return best
}
