package sealedsecret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/formats"
)

// The limits of a tree. Aliases are followed, so that nodes are counted each time
// that they are met.
const (
	maxNodes = 1 << 20
	maxDepth = 64
)

// other is a scalar that is neither text, truth value nor null.
type other struct{}

// readTrees reads the documents of a YAML or JSON file. A tree is made of
// map[string]any, []any, string, bool, nil and other. Documents without content
// are left out.
func readTrees(src []byte) ([]any, error) {
	if len(src) > formats.MaxSource {
		return nil, &Error{Cause: ErrManifest, Msg: fmt.Sprintf("larger than %d MiB", formats.MaxSource>>20)}
	}
	if !utf8.Valid(src) {
		return nil, &Error{Cause: ErrManifest, Msg: "not UTF-8"}
	}
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	r := &treeReader{}
	if text := bytes.TrimLeft(src, " \t\r\n"); len(text) > 0 && text[0] == '{' {
		trees, err := r.json(text)
		if err == nil || errors.Is(err, errTree) {
			return trees, err
		}
		// A YAML file may begin with a brace, too.
	}
	return (&treeReader{}).yaml(src)
}

// treeReader counts nodes.
type treeReader struct{ nodes int }

// errTree marks what is wrong in both languages alike.
var errTree = fmt.Errorf("%w: structure", ErrManifest)

func (r *treeReader) count(depth int) error {
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		return &Error{Cause: errTree, Msg: "too large or too deep"}
	}
	return nil
}

func errDuplicate(key string) error {
	return &Error{Cause: errTree, Msg: fmt.Sprintf("the key %q stands twice in one map", key)}
}

func (r *treeReader) json(src []byte) ([]any, error) {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	var trees []any
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return trees, nil
		}
		if err != nil {
			return nil, err
		}
		tree, err := r.jsonValue(d, t, 0)
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
	}
}

func (r *treeReader) jsonValue(d *json.Decoder, t json.Token, depth int) (any, error) {
	if err := r.count(depth); err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return r.jsonObject(d, depth)
		}
		return r.jsonArray(d, depth)
	case json.Number:
		return other{}, nil
	}
	return t, nil
}

func (r *treeReader) jsonObject(d *json.Decoder, depth int) (any, error) {
	out := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		if _, twice := out[key]; twice {
			return nil, errDuplicate(key)
		}
		if t, err = d.Token(); err != nil {
			return nil, err
		}
		if out[key], err = r.jsonValue(d, t, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return out, err
}

func (r *treeReader) jsonArray(d *json.Decoder, depth int) (any, error) {
	out := []any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := r.jsonValue(d, t, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := d.Token()
	return out, err
}

// yamlLine finds the place in a message of the YAML library, of which nothing else
// is passed on: it may quote the input.
var yamlLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^yaml: (line [0-9]+)`) })

func (r *treeReader) yaml(src []byte) ([]any, error) {
	d := yaml.NewDecoder(bytes.NewReader(src))
	var trees []any
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return trees, nil
		}
		if err != nil {
			msg := "not valid YAML or JSON"
			if m := yamlLine().FindStringSubmatch(err.Error()); m != nil {
				msg = m[1] + ": " + msg
			}
			return nil, &Error{Cause: ErrManifest, Msg: msg}
		}
		if len(n.Content) == 0 || isNull(n.Content[0]) {
			continue
		}
		tree, err := r.yamlValue(n.Content[0], 0)
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func (r *treeReader) yamlValue(n *yaml.Node, depth int) (any, error) {
	if err := r.count(depth); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.yamlValue(n.Alias, depth+1)
	case yaml.MappingNode:
		return r.yamlMap(n, depth)
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := r.yamlValue(c, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	}
	switch n.ShortTag() {
	case "!!str":
		return n.Value, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		return slices.Contains([]string{"true", "True", "TRUE"}, n.Value), nil
	}
	return other{}, nil
}

func (r *treeReader) yamlMap(n *yaml.Node, depth int) (any, error) {
	out := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			return nil, &Error{Cause: errTree, Msg: fmt.Sprintf("line %d: a key is not a string", key.Line)}
		}
		if _, twice := out[key.Value]; twice {
			return nil, errDuplicate(key.Value)
		}
		v, err := r.yamlValue(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		out[key.Value] = v
	}
	return out, nil
}
