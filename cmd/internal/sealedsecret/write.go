package sealedsecret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// ErrWrite: a manifest would not read back as it was meant. It is a defect of this
// program or of the YAML library, and the text must not be used.
var ErrWrite = errors.New("the manifest cannot be written so that it reads back")

// indent is the indentation of manifests: that of kubectl.
const indent = 2

// PlaintextYAML returns the manifests of some Secrets, plain: it is up to the
// caller to seal them. The text is read back before it is returned.
func PlaintextYAML(secrets []*Secret) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(indent)
	for _, s := range secrets {
		if err := e.Encode(s.node()); err != nil {
			return nil, ErrWrite
		}
	}
	if err := e.Close(); err != nil {
		return nil, ErrWrite
	}
	return b.Bytes(), readsBack(b.Bytes(), secrets)
}

// PlaintextJSON returns the manifest of a Secret as JSON, plain.
func PlaintextJSON(s *Secret) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", strings.Repeat(" ", indent))
	if err := e.Encode(s.wire()); err != nil {
		return nil, ErrWrite
	}
	return b.Bytes(), readsBack(b.Bytes(), []*Secret{s})
}

// wireSecret is a Secret in Kubernetes's JSON.
type wireSecret struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   wireMetadata      `json:"metadata"`
	Type       string            `json:"type,omitempty"`
	Immutable  *bool             `json:"immutable,omitempty"`
	Data       map[string][]byte `json:"data,omitempty"`
	StringData map[string]string `json:"stringData,omitempty"`
}

type wireMetadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Finalizers  []string          `json:"finalizers,omitempty"`
}

func (s *Secret) wire() wireSecret {
	return wireSecret{
		APIVersion: "v1", Kind: "Secret", Type: s.Type, Immutable: s.Immutable, Data: s.Data, StringData: s.StringData,
		Metadata: wireMetadata{Name: s.Name, Namespace: s.Namespace, Labels: s.Labels, Annotations: s.Annotations, Finalizers: s.Finalizers},
	}
}

// node builds the YAML tree of a Secret, fields in the order of kubectl.
func (s *Secret) node() *yaml.Node {
	meta := mapping("name", text(s.Name))
	if s.Namespace != "" {
		add(meta, "namespace", text(s.Namespace))
	}
	addTexts(meta, "labels", s.Labels)
	addTexts(meta, "annotations", s.Annotations)
	if len(s.Finalizers) > 0 {
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, f := range s.Finalizers {
			list.Content = append(list.Content, text(f))
		}
		add(meta, "finalizers", list)
	}
	root := mapping("apiVersion", text("v1"))
	add(root, "kind", text("Secret"))
	add(root, "metadata", meta)
	if s.Type != "" {
		add(root, "type", text(s.Type))
	}
	if s.Immutable != nil {
		add(root, "immutable", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(*s.Immutable)})
	}
	if len(s.Data) > 0 || len(s.StringData) == 0 {
		add(root, "data", s.dataNode())
	}
	addTexts(root, "stringData", s.StringData)
	return root
}

func (s *Secret) dataNode() *yaml.Node {
	data := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		// Base64 may look like a number; the library quotes it then.
		add(data, key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: base64.StdEncoding.EncodeToString(s.Data[key])})
	}
	if len(data.Content) == 0 {
		data.Style = yaml.FlowStyle
	}
	return data
}

func addTexts(to *yaml.Node, key string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		v := text(values[k])
		if isNameLike(values[k]) {
			// A label or password that looks like a word of YAML 1.1 must stay a string.
			v.Style = yaml.DoubleQuotedStyle
		}
		add(m, k, v)
	}
	add(to, key, m)
}

func mapping(key string, value *yaml.Node) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	add(m, key, value)
	return m
}

func add(m *yaml.Node, key string, value *yaml.Node) { m.Content = append(m.Content, text(key), value) }

// text returns a string, spelled so that every reader of YAML takes it for one.
func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
	switch {
	case isNameLike(s) && !isOldWord(s):
		n.Style = 0
	case isClean(s):
		n.Style = yaml.LiteralStyle
	}
	return n
}

// isNameLike reports whether s is a word of letters, digits and - _ . / that
// begins with a letter.
func isNameLike(s string) bool {
	for i, c := range s {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-_./", c)) {
			return false
		}
	}
	return s != ""
}

// isOldWord reports whether YAML 1.1 takes a word for a truth value or null.
func isOldWord(s string) bool {
	return slices.Contains([]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}, strings.ToLower(s))
}

// isClean reports whether s is text of several lines that a block can hold without
// any escapes.
func isClean(s string) bool {
	if !strings.Contains(s, "\n") || strings.TrimSpace(s) == "" || strings.HasSuffix(s, "\n\n") || !utf8.ValidString(s) {
		return false
	}
	for line := range strings.Lines(s) {
		if l := strings.TrimSuffix(line, "\n"); strings.TrimRight(l, " \t") != l {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) &&
		!strings.HasPrefix(s, " ") && !strings.HasPrefix(s, "\n") && !strings.HasPrefix(s, "#")
}

// readsBack reports whether text holds the Secrets.
func readsBack(text []byte, secrets []*Secret) error {
	trees, err := readTrees(text)
	if err != nil || len(trees) != len(secrets) {
		return ErrWrite
	}
	for i, s := range secrets {
		fields, _ := trees[i].(map[string]any)
		got := &Secret{Data: map[string][]byte{}}
		if err := got.readValues(object{fields: fields}); err != nil {
			return ErrWrite
		}
		if !maps.EqualFunc(got.Data, s.Data, bytes.Equal) || !maps.Equal(got.StringData, s.StringData) {
			return ErrWrite
		}
		meta, err := object{fields: fields}.object("metadata")
		if err != nil || !sameMetadata(meta, s) {
			return ErrWrite
		}
	}
	return nil
}

func sameMetadata(meta object, s *Secret) bool {
	name, err := meta.text("name")
	labels, err2 := meta.texts("labels")
	annotations, err3 := meta.texts("annotations")
	return errors.Join(err, err2, err3) == nil && name == s.Name && maps.Equal(labels, s.Labels) && maps.Equal(annotations, s.Annotations)
}

// PlaintextMapYAML returns n strings under their keys as one plain YAML map, in
// the order in which pair returns them.
func PlaintextMapYAML(n int, pair func(i int) (key, value string)) ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	want := make(map[string]string, n)
	for i := range n {
		key, value := pair(i)
		v := text(value)
		if isNameLike(value) {
			v.Style = yaml.DoubleQuotedStyle
		}
		add(root, key, v)
		want[key] = value
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(indent)
	if err := errors.Join(e.Encode(root), e.Close()); err != nil {
		return nil, ErrWrite
	}
	trees, err := readTrees(b.Bytes())
	if err != nil || len(trees) != 1 {
		return nil, ErrWrite
	}
	got, err := object{fields: map[string]any{"root": trees[0]}}.texts("root")
	if err != nil || !maps.Equal(got, want) {
		return nil, ErrWrite
	}
	return b.Bytes(), nil
}
