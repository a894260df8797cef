package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// editorEnv, if set, makes this program an editor: it names a file of steps, which
// are taken in the plain file that is the last argument. Both tools call the same
// editor, so that the same edits happen to both. gitseal hides variables with its own
// name from editors.
const editorEnv = "BENCH_EDITOR_STEPS"

// step changes one entry. Text is its new value, empty if the entry goes.
type step struct {
	Entry, Text string
	// At chooses the place of a new key or item.
	At uint
}

// edits are the random changes that one person makes to a file: steps for the
// editor, and a reader who joins or leaves, if any.
type edits struct {
	steps []step
	// reader is a recipient; joins says whether they are new.
	reader string
	joins  bool
	after  model
}

// randomEdits makes changes to a file. A reader joins or leaves once in a while.
func randomEdits(r *rand.Rand, before model, strangers []string) edits {
	e := edits{after: maps.Clone(before)}
	for n := 1 + r.IntN(3); n > 0 || maps.Equal(e.after, before); n-- {
		e.randomStep(r)
	}
	const oneIn = 16
	if len(strangers) == 0 || r.IntN(oneIn) > 0 {
		return e
	}
	e.reader = strangers[r.IntN(len(strangers))]
	e.joins = e.after[readerEntry+e.reader] == ""
	if e.joins {
		e.after[readerEntry+e.reader] = "1"
	} else {
		delete(e.after, readerEntry+e.reader)
	}
	return e
}

// hotValues is how many values are changed more often than the others.
const hotValues = 6

func (e *edits) randomStep(r *rand.Rand) {
	values := e.after.names(valueEntry)
	path := values[r.IntN(len(values))]
	if r.IntN(4) == 0 {
		// Some values are changed by everybody.
		path = values[r.IntN(min(hotValues, len(values)))]
	}
	switch kind := r.IntN(20); {
	case kind < 8:
		e.take(r, valueEntry+path, randomValue(r))
	case kind < 12:
		parents := mapPaths()
		if added := join(parents[r.IntN(len(parents))], keyName(r.IntN(keyPool))); e.after[valueEntry+added] == "" {
			e.take(r, valueEntry+added, randomValue(r))
			return
		}
		e.take(r, valueEntry+path, randomValue(r))
	case kind < 13:
		// A new map, with one value.
		e.take(r, valueEntry+join("extra", fmt.Sprintf("part_%d.", r.IntN(keyPool))+keyName(r.IntN(keyPool))), randomValue(r))
	case kind < 15 && len(values) > 2*keysAtFirst:
		e.take(r, valueEntry+path, "")
	case kind < 16:
		e.take(r, commentEntry+path, fmt.Sprintf("comment %x", r.Uint64()))
	default:
		e.randomItem(r)
	}
}

// randomItem adds, replaces or removes an item of a list.
func (e *edits) randomItem(r *rand.Rand) {
	lists := listPaths()
	prefix := lists[r.IntN(len(lists))] + listSeparator
	items := slices.DeleteFunc(e.after.names(listEntry), func(path string) bool { return !strings.HasPrefix(path, prefix) })
	kind := r.IntN(3)
	if kind > 0 && len(items) > itemsLeast {
		e.take(r, listEntry+items[r.IntN(len(items))], "")
	}
	if kind < 2 {
		e.take(r, listEntry+prefix+randomItem(r), "!!str")
	}
}

// take notes a step down.
func (e *edits) take(r *rand.Rand, entry, text string) {
	e.steps = append(e.steps, step{Entry: entry, Text: text, At: uint(r.Uint32())})
	e.after[entry] = text
	if text == "" {
		delete(e.after, entry)
		if path, ok := strings.CutPrefix(entry, valueEntry); ok {
			delete(e.after, commentEntry+path)
		}
	}
}

// stepsTo returns the steps that lead from what a file holds to what it should.
func (m model) stepsTo(got model, comments map[string]bool) []step {
	var out []step
	for _, name := range m.differences(got, comments) {
		out = append(out, step{Entry: name, Text: m[name]})
	}
	return out
}

// editorMain is the editor.
func editorMain(stepsFile string, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no file to edit")
	}
	name := args[len(args)-1]
	plain, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	list, err := os.ReadFile(stepsFile)
	if err != nil {
		return err
	}
	var steps []step
	if err := json.Unmarshal(list, &steps); err != nil {
		return err
	}
	after, err := applySteps(plain, steps)
	if err != nil {
		return err
	}
	return os.WriteFile(name, after, 0o600)
}

// applySteps changes a plain file, and spells it as sops does.
func applySteps(plain []byte, steps []step) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(plain, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 {
		return nil, fmt.Errorf("%d nodes in place of a document", len(doc.Content))
	}
	for _, s := range steps {
		if err := s.apply(doc.Content[0]); err != nil {
			return nil, fmt.Errorf("%q: %w", s.Entry, err)
		}
	}
	return encode(&doc)
}

// encode spells a document with sops's indentation, so that the two tools differ
// in what they do to a file, and not in its layout.
func encode(doc *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(4)
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

func (s step) apply(root *yaml.Node) error {
	kind, path := s.Entry[:len(valueEntry)], s.Entry[len(valueEntry):]
	keys := strings.Split(listOf(path), ".")
	parent := root
	for _, key := range keys[:len(keys)-1] {
		parent = s.descend(parent, key)
	}
	last := keys[len(keys)-1]
	i := keyIndex(parent, last)
	switch {
	case kind == listEntry:
		_, item, _ := strings.Cut(path, listSeparator)
		if i < 0 {
			i = s.insert(parent, last, &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"})
		}
		return s.applyItem(parent.Content[i+1], item)
	case kind == commentEntry:
		if i < 0 {
			return fmt.Errorf("no such key")
		}
		parent.Content[i].HeadComment = "# " + s.Text
	case s.Text == "":
		if i < 0 {
			return fmt.Errorf("no such key")
		}
		parent.Content = slices.Delete(parent.Content, i, i+2)
	default:
		tag, text, _ := strings.Cut(s.Text, " ")
		value := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
		if strings.Contains(text, "\n") {
			value.Style = yaml.LiteralStyle
		}
		if i < 0 {
			s.insert(parent, last, value)
		} else {
			parent.Content[i+1] = value
		}
	}
	return nil
}

func keyIndex(parent *yaml.Node, key string) int {
	for i := 0; i < len(parent.Content); i += 2 {
		if parent.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// descend returns the map at a key, which it makes if it is not there.
func (s step) descend(parent *yaml.Node, key string) *yaml.Node {
	if i := keyIndex(parent, key); i >= 0 {
		return parent.Content[i+1]
	}
	child := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	s.insert(parent, key, child)
	return child
}

// insert adds a key at the step's place, and returns its index.
func (s step) insert(parent *yaml.Node, key string, value *yaml.Node) int {
	at := 2 * int(s.At%uint(len(parent.Content)/2+1))
	parent.Style = 0 // an empty map was written as {}
	parent.Content = slices.Insert(parent.Content, at, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
	return at
}

func (s step) applyItem(list *yaml.Node, item string) error {
	i := slices.IndexFunc(list.Content, func(n *yaml.Node) bool { return n.Value == item })
	switch {
	case s.Text != "" && i < 0:
		at := int(s.At % uint(len(list.Content)+1))
		list.Style = 0
		list.Content = slices.Insert(list.Content, at, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: item})
	case s.Text == "" && i >= 0:
		list.Content = slices.Delete(list.Content, i, i+1)
	default:
		return fmt.Errorf("an item is there already, or is not there")
	}
	return nil
}
