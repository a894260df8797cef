package rules

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/formats"
)

// add writes a key into a group.
func (e *editor) add(grouped bool, k GroupKey) error {
	if grouped {
		list := e.rule.At("key_groups").Item(k.Group).At(k.Key.Type)
		n, _ := e.node(list)
		return e.set(list.Item(len(n.Items)), keyNode(k.Key))
	}
	f := fieldFor(k.Key.Type)
	path, text := e.rule.At(f.key), flatText(k.Key)
	n, ok := e.node(path)
	switch {
	case ok && n.Kind == formats.ListNode:
		return e.set(path.Item(len(n.Items)), textNode(text))
	case ok && n.Scalar.Text != "":
		return e.appendText(path, text)
	case f.listOnly:
		return e.set(path, formats.Node{Kind: formats.ListNode, Items: []formats.Node{textNode(text)}})
	}
	if err := e.set(path, textNode(text)); err != nil {
		return err
	}
	if profile := k.Key.Fields["aws_profile"]; profile != "" {
		return e.set(e.rule.At("aws_profile"), textNode(profile))
	}
	return nil
}

// remove takes a key out of a group, wherever it stands there.
func (e *editor) remove(grouped bool, k GroupKey) error {
	path, want := e.rule.At(fieldFor(k.Key.Type).key), k.Key
	if grouped {
		path = e.rule.At("key_groups").Item(k.Group).At(want.Type)
	} else {
		// There it is the rule that has the profile.
		want.Fields = maps.Clone(want.Fields)
		delete(want.Fields, "aws_profile")
		if len(want.Fields) == 0 {
			want.Fields = nil
		}
	}
	for {
		n, ok := e.node(path)
		if !ok {
			return nil
		}
		at, found := find(n, path, want)
		if !found {
			return nil
		}
		if err := e.removeAt(n, path, at, want); err != nil {
			return err
		}
	}
}

// find returns the place of the scalar or map that holds a key.
func find(n formats.Node, path *formats.Path, want Key) (*formats.Path, bool) {
	holds := func(n formats.Node) bool {
		return slices.ContainsFunc(keysOf(n, want.Type), func(k Key) bool { return k.id() == want.id() })
	}
	if n.Kind != formats.ListNode {
		return path, holds(n)
	}
	i := slices.IndexFunc(n.Items, holds)
	return path.Item(max(i, 0)), i >= 0
}

// removeAt removes a key at a place in the value n at path: as little as leaves no
// empty list or string.
func (e *editor) removeAt(n formats.Node, path, at *formats.Path, want Key) error {
	item := n
	if n.Kind == formats.ListNode {
		item = n.Items[at.Index]
	}
	switch {
	case len(keysOf(item, want.Type)) > 1:
		return e.removeText(at, want)
	case n.Kind == formats.ListNode && len(n.Items) > 1:
		return e.change(formats.Change{Path: at, Remove: true})
	}
	return e.change(formats.Change{Path: path, Remove: true})
}

// part is where one key of a comma-separated string stands in the source.
type part struct{ start, end int }

// parts finds the keys of the string at a path.
func (e *editor) parts(path *formats.Path) ([]part, error) {
	doc, err := e.document()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(doc.Leaves, func(l formats.Leaf) bool { return l.Path.Equal(path) && l.Kind != formats.Comment })
	if i < 0 {
		return nil, errors.New("the keys are not where they are used")
	}
	l := &doc.Leaves[i]
	start, end, ok := body(e.src, l.Start, l.End)
	if !ok {
		return nil, errors.New("the keys stand in an odd kind of string")
	}
	var out []part
	for from := start; from <= end; {
		to := end
		if n := bytes.IndexByte(e.src[from:end], ','); n >= 0 {
			to = from + n
		}
		text := e.src[from:to]
		begin := from + len(text) - len(bytes.TrimLeft(text, " \t\r\n"))
		if word := bytes.TrimSpace(text); len(word) > 0 {
			out = append(out, part{begin, begin + len(word)})
		}
		from = to + 1
	}
	if len(out) == 0 {
		return nil, errors.New("there are no keys in the string")
	}
	return out, nil
}

// body bounds the text of a string, without quotes and a block's header.
func body(src []byte, start, end int) (from, to int, ok bool) {
	text := src[start:end]
	switch {
	case len(text) == 0 || bytes.IndexByte([]byte("&!*"), text[0]) >= 0:
		return 0, 0, false
	case text[0] == '|' || text[0] == '>':
		n := bytes.IndexByte(text, '\n')
		return start + n + 1, end, n >= 0
	case text[0] == '"':
		return start + 1, end - 1, bytes.IndexByte(text, '\\') < 0
	case text[0] == '\'':
		return start + 1, end - 1, true
	}
	return start, end, true
}

// appendText adds a key to a string, laid out like those before it. A plain string in
// a map in braces cannot hold a comma: it gets quotes.
func (e *editor) appendText(path *formats.Path, text string) error {
	before := e.src
	old, _ := e.node(path)
	if err := e.spliceBehind(path, text); err != nil {
		return err
	}
	got, _ := e.node(path)
	want := append(words(old.Scalar.Text), text)
	if slices.Equal(words(got.Scalar.Text), want) {
		return nil
	}
	e.src = before
	return e.set(path, textNode(strings.Join(want, ",")))
}

// words returns the keys of a comma-separated string.
func words(text string) []string {
	var out []string
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}

func (e *editor) spliceBehind(path *formats.Path, text string) error {
	parts, err := e.parts(path)
	if err != nil {
		return err
	}
	last := parts[len(parts)-1]
	between := ","
	if len(parts) > 1 {
		between = string(e.src[parts[len(parts)-2].end:last.start])
	} else if indent := e.src[bytes.LastIndexByte(e.src[:last.start], '\n')+1 : last.start]; len(bytes.TrimSpace(indent)) == 0 {
		between = ",\n" + string(indent) // it stands on a line of its own
	}
	e.splice(last.end, last.end, between+text)
	return nil
}

// removeText takes a key out of a string that holds others, too.
func (e *editor) removeText(path *formats.Path, want Key) error {
	parts, err := e.parts(path)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(parts, func(p part) bool {
		k, ok := wordKey(want.Type, string(e.src[p.start:p.end]))
		return ok && k.id() == want.id()
	})
	switch {
	case i < 0:
		return errors.New("the key is spelled in an odd way")
	case i == 0:
		e.splice(parts[0].start, parts[1].start, "")
	default:
		e.splice(parts[i-1].end, parts[i].end, "")
	}
	return nil
}

func (e *editor) splice(start, end int, text string) {
	e.src = slices.Concat(e.src[:start], []byte(text), e.src[end:])
}

func fieldFor(kind string) flatField {
	return flatFields[slices.IndexFunc(flatFields, func(f flatField) bool { return f.kind == kind })]
}

// flatText is how a key is written outside of groups.
func flatText(k Key) string {
	if role := k.Fields["role"]; role != "" {
		return k.Value + "+" + role
	}
	return k.Value
}

// keysOf returns the keys that a scalar, or a map in a key group, names.
func keysOf(n formats.Node, kind string) []Key {
	if n.Kind == formats.MapNode {
		return []Key{keyOfMap(n, kind)}
	}
	var out []Key
	for _, word := range words(n.Scalar.Text) {
		if k, ok := wordKey(kind, word); ok {
			out = append(out, k)
		}
	}
	return out
}

// wordKey reads one key as decoder.key does.
func wordKey(kind, word string) (Key, bool) {
	k, err := (&decoder{}).key(new(yaml.Node), "", kind, word)
	return k, err == nil
}

func keyOfMap(n formats.Node, kind string) Key {
	text := map[string]string{}
	k := Key{Type: kind}
	for _, item := range n.Items {
		text[item.Key] = item.Scalar.Text
		if item.Key == "context" && len(item.Items) > 0 {
			k.Context = map[string]string{}
			for _, c := range item.Items {
				k.Context[c.Key] = c.Scalar.Text
			}
		}
	}
	switch kind {
	case "kms":
		k.Value = text["arn"]
		k.set("role", text["role"])
		k.set("aws_profile", text["aws_profile"])
	case "gcp_kms":
		k.Value = strings.ReplaceAll(text["resource_id"], " ", "")
	case "hckms":
		k.Value = strings.ReplaceAll(text["key_id"], " ", "")
	case "azure_keyvault":
		k.Value = strings.TrimSuffix(text["vaultUrl"], "/") + "/keys/" + text["key"]
		if text["version"] != "" {
			k.Value += "/" + text["version"]
		}
	}
	return k
}

// groupNode writes a key group.
func groupNode(keys []Key) formats.Node {
	group := formats.Node{Kind: formats.MapNode}
	for _, f := range flatFields {
		list := formats.Node{Key: f.kind, Kind: formats.ListNode}
		for _, k := range keys {
			if k.Type == f.kind {
				list.Items = append(list.Items, keyNode(k))
			}
		}
		if len(list.Items) > 0 {
			group.Items = append(group.Items, list)
		}
	}
	return group
}

// keyNode writes a key as an item of a key group.
func keyNode(k Key) formats.Node {
	switch k.Type {
	case "kms":
		n := mapNode("arn", k.Value, "role", k.Fields["role"], "aws_profile", k.Fields["aws_profile"])
		if len(k.Context) > 0 {
			var pairs []string
			for _, name := range slices.Sorted(maps.Keys(k.Context)) {
				pairs = append(pairs, name, k.Context[name])
			}
			c := mapNode(pairs...)
			c.Key = "context"
			n.Items = append(n.Items, c)
		}
		return n
	case "gcp_kms":
		return mapNode("resource_id", k.Value)
	case "hckms":
		return mapNode("key_id", k.Value)
	case "azure_keyvault":
		at := strings.LastIndex(k.Value, "/keys/")
		name, version, _ := strings.Cut(k.Value[at+len("/keys/"):], "/")
		return mapNode("vaultUrl", k.Value[:at], "key", name, "version", version)
	}
	return textNode(k.Value)
}

// mapNode makes a map of pairs; those without a value are left out.
func mapNode(pairs ...string) formats.Node {
	n := formats.Node{Kind: formats.MapNode}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		item := textNode(pairs[i+1])
		item.Key = pairs[i]
		n.Items = append(n.Items, item)
	}
	return n
}

func textNode(text string) formats.Node {
	return formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: text}}
}
