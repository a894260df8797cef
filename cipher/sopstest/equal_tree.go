package sopstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds nesting; an anchor that holds itself has no end.
const maxDepth = 1000

// readYAML reads all documents of a stream into a list.
func readYAML(src []byte) (node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	docs := node{kind: kindList}
	r := yamlReader{left: maxNodes}
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return node{}, err
		}
		n, err := r.read(&doc, 0)
		if err != nil {
			return node{}, err
		}
		if n.kind == kindNull {
			// sops has only maps at the top, and writes an empty one for this.
			n = node{kind: kindMap}
		}
		docs.items = append(docs.items, n)
	}
}

// yamlReader turns YAML nodes into data and counts them.
type yamlReader struct{ left int }

func (r *yamlReader) read(y *yaml.Node, depth int) (node, error) {
	if r.left--; r.left < 0 || depth > maxDepth {
		return node{}, errTooMany
	}
	switch y.Kind {
	case yaml.DocumentNode:
		return r.read(y.Content[0], depth+1)
	case yaml.AliasNode:
		return r.read(y.Alias, depth+1)
	case yaml.MappingNode:
		return r.readMap(y, depth)
	case yaml.SequenceNode:
		n := node{kind: kindList}
		for _, c := range y.Content {
			item, err := r.read(c, depth+1)
			if err != nil {
				return node{}, err
			}
			n.items = append(n.items, item)
		}
		return n, nil
	case yaml.ScalarNode:
		return readScalar(y)
	default:
		return node{kind: kindNull}, nil
	}
}

func (r *yamlReader) readMap(y *yaml.Node, depth int) (node, error) {
	n := node{kind: kindMap}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, err := r.read(y.Content[i], depth+1)
		if err != nil {
			return node{}, err
		}
		item, err := r.read(y.Content[i+1], depth+1)
		if err != nil {
			return node{}, err
		}
		n.keys, n.items = append(n.keys, key), append(n.items, item)
	}
	return n, nil
}

func readScalar(y *yaml.Node) (node, error) {
	if y.ShortTag() == "!!merge" {
		return stringNode(y.Value), nil
	}
	var v any
	if err := y.Decode(&v); err != nil {
		return node{}, fmt.Errorf("line %d: a scalar does not fit its tag", y.Line)
	}
	switch v := v.(type) {
	case nil:
		return node{kind: kindNull}, nil
	case bool:
		return node{kind: kindBool, text: strconv.FormatBool(v)}, nil
	case int:
		return node{kind: kindNumber, text: strconv.Itoa(v)}, nil
	case int64:
		return node{kind: kindNumber, text: strconv.FormatInt(v, 10)}, nil
	case uint64:
		return node{kind: kindNumber, text: strconv.FormatUint(v, 10)}, nil
	case float64:
		return floatNode(v), nil
	case time.Time:
		return node{kind: kindTime, text: v.Format(time.RFC3339Nano)}, nil
	case string:
		return stringNode(v), nil
	default:
		return node{}, fmt.Errorf("line %d: unexpected type %T", y.Line, v)
	}
}

// floatNode spells a number the way integers are spelled, if it is one.
func floatNode(f float64) node {
	if f == 0 {
		f = math.Abs(f)
	}
	return node{kind: kindNumber, text: strconv.FormatFloat(f, 'f', -1, 64)}
}

func readJSON(src []byte) (node, error) {
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	n, err := readJSONValue(dec, 0)
	if err != nil {
		return node{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("something follows the value")
	}
	return n, nil
}

func readJSONValue(dec *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errTooMany
	}
	token, err := dec.Token()
	if err != nil {
		return node{}, err
	}
	switch v := token.(type) {
	case json.Delim:
		return readJSONItems(dec, v == '{', depth)
	case string:
		return stringNode(v), nil
	case bool:
		return node{kind: kindBool, text: strconv.FormatBool(v)}, nil
	case json.Number:
		return readNumber(v.String())
	default:
		return node{kind: kindNull}, nil
	}
}

// readJSONItems reads what follows a bracket, the closing one included.
func readJSONItems(dec *json.Decoder, isMap bool, depth int) (node, error) {
	n := node{kind: kindList}
	if isMap {
		n.kind = kindMap
	}
	for dec.More() {
		if isMap {
			key, err := readJSONValue(dec, depth+1)
			if err != nil {
				return node{}, err
			}
			n.keys = append(n.keys, key)
		}
		item, err := readJSONValue(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	_, err := dec.Token()
	return n, err
}

func readNumber(s string) (node, error) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return node{kind: kindNumber, text: strconv.FormatInt(i, 10)}, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return node{}, errors.New("a number is out of range")
	}
	return floatNode(f), nil
}
