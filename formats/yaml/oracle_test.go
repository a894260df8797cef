package yaml_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/formats"
)

// seen is a value as a reader sees it.
type seen struct {
	Path string
	Kind formats.Kind
	Text string
}

// oracle returns the values that yaml.v3 sees in src, read as sops does it: each
// document as a node, the first one as a map too.
func oracle(src []byte) (values []seen, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	var m map[string]any
	if err := yamlv3.NewDecoder(bytes.NewReader(src)).Decode(&m); err != nil && err != io.EOF {
		return nil, err
	}
	dec := yamlv3.NewDecoder(bytes.NewReader(src))
	for n := 0; ; n++ {
		var node yamlv3.Node
		switch err := dec.Decode(&node); {
		case err == io.EOF:
			return values, nil
		case err != nil:
			return nil, err
		}
		// A null document is an empty one.
		if root := node.Content[0]; root.Kind == yamlv3.ScalarNode && root.ShortTag() == "!!null" {
			continue
		}
		if values, err = flatten(values, formats.Root(n), node.Content[0]); err != nil {
			return nil, err
		}
	}
}

func flatten(values []seen, path *formats.Path, n *yamlv3.Node) (_ []seen, err error) {
	switch {
	case deep(path):
		return nil, errors.New("a node that contains itself")
	case n.Kind == yamlv3.AliasNode:
		return flatten(values, path, n.Alias)
	case n.Kind == yamlv3.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, err
		}
		kind, text := plainText(v)
		return append(values, seen{path.String(), kind, text}), nil
	case len(n.Content) == 0 && path.Parent == nil:
		return values, nil
	case len(n.Content) == 0 && n.Kind == yamlv3.MappingNode:
		return append(values, seen{path.String(), formats.EmptyMap, ""}), nil
	case len(n.Content) == 0:
		return append(values, seen{path.String(), formats.EmptyList, ""}), nil
	case n.Kind == yamlv3.SequenceNode:
		for i, item := range n.Content {
			if values, err = flatten(values, path.Item(i), item); err != nil {
				return nil, err
			}
		}
		return values, nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		var key any
		if err := n.Content[i].Decode(&key); err != nil {
			return nil, err
		}
		text, ok := key.(string)
		if !ok {
			return nil, errors.New("key is not a string")
		}
		if path.Parent == nil && text == "sops" {
			continue
		}
		if values, err = flatten(values, path.At(text), n.Content[i+1]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// deep reports whether a path is too long to be of this world.
func deep(p *formats.Path) bool {
	n := 0
	for ; p != nil; p = p.Parent {
		n++
	}
	return n > 2*formats.MaxDepth
}

func plainText(v any) (formats.Kind, string) {
	switch v := v.(type) {
	case nil:
		return formats.Null, ""
	case string:
		return formats.String, v
	case int:
		return formats.Int, strconv.Itoa(v)
	case int64:
		return formats.Int, strconv.FormatInt(v, 10)
	case bool:
		return formats.Bool, strings.ToUpper(strconv.FormatBool(v)[:1]) + strconv.FormatBool(v)[1:]
	case time.Time:
		return formats.Time, v.Format(time.RFC3339Nano)
	case uint64:
		return formats.Float, strconv.FormatFloat(float64(v), 'f', -1, 64)
	case float64:
		if math.IsNaN(v) {
			return formats.Float, "NaN"
		}
		return formats.Float, strconv.FormatFloat(v, 'f', -1, 64)
	}
	return formats.Sealed, fmt.Sprintf("%T", v)
}

// valuesOf returns the values of d without comments.
func valuesOf(d *formats.Document) (values []seen) {
	for _, l := range d.Leaves {
		if l.Kind != formats.Comment {
			values = append(values, seen{l.Path.String(), l.Kind, l.Text})
		}
	}
	return values
}
