package main

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// model is what a file should hold: entries by name, which say what kind of entry
// they are with their first two bytes.
//
// It knows no order: of keys there is none, and lists are sets here.
type model map[string]string

// The kinds of entries, with a path of keys joined by dots.
const (
	// valueEntry: the value at a path, with its tag.
	valueEntry = "v:"
	// listEntry: a path, listSeparator and one item of the list there.
	listEntry = "l:"
	// commentEntry: the comment above the key at a path, if it must be there.
	commentEntry = "c:"
	// readerEntry: an age recipient.
	readerEntry = "r:"

	listSeparator = "\x00"
)

// lists returns the paths of the lists in which entries differ.
func (m model) changedLists(since model) map[string]bool {
	out := map[string]bool{}
	for name := range union(m, since) {
		if path, ok := strings.CutPrefix(name, listEntry); ok && m[name] != since[name] {
			out[listOf(path)] = true
		}
	}
	return out
}

func listOf(path string) string {
	list, _, _ := strings.Cut(path, listSeparator)
	return list
}

func union(all ...model) map[string]bool {
	out := map[string]bool{}
	for _, m := range all {
		for name := range m {
			out[name] = true
		}
	}
	return out
}

// names returns the entries of a kind, without what says the kind, sorted.
func (m model) names(kind string) []string {
	var out []string
	for name := range m {
		if path, ok := strings.CutPrefix(name, kind); ok {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// expectation is what a merge should come to.
type expectation struct {
	// merged is the result, with our side in every conflict.
	merged model
	// same are the paths of values that both sides have changed, and differently;
	// lists are those that both sides have changed.
	same, lists map[string]bool
}

// expect merges models entry by entry.
func expect(base, ours, theirs model) expectation {
	e := expectation{merged: model{}, same: map[string]bool{}, lists: map[string]bool{}}
	for name := range union(base, ours, theirs) {
		b, o, t := base[name], ours[name], theirs[name]
		value := o
		if o == b {
			value = t
		}
		if value != "" {
			e.merged[name] = value
		}
		if path, ok := strings.CutPrefix(name, valueEntry); ok && o != b && t != b && o != t {
			e.same[path] = true
		}
	}
	inOurs := ours.changedLists(base)
	for list := range theirs.changedLists(base) {
		e.lists[list] = inOurs[list]
	}
	maps.DeleteFunc(e.lists, func(_ string, both bool) bool { return !both })
	// A comment goes with its key, and gives way with its value; of two both stay.
	for _, path := range e.merged.names(commentEntry) {
		c := commentEntry + path
		twice := ours[c] != base[c] && theirs[c] != base[c]
		if e.merged[valueEntry+path] == "" || e.same[path] || twice {
			delete(e.merged, c)
		}
	}
	return e
}

// readModel reads the plain file of one document. Comments have no key in it: all
// their lines are in the second result.
func readModel(plain []byte) (model, map[string]bool, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(plain, &doc); err != nil {
		return nil, nil, err
	}
	m, comments := model{}, map[string]bool{}
	for line := range bytes.Lines(plain) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "#"); ok {
			comments[strings.TrimSpace(text)] = true
		}
	}
	if len(doc.Content) != 1 {
		return nil, nil, fmt.Errorf("%d nodes in place of a document", len(doc.Content))
	}
	return m, comments, m.read("", doc.Content[0])
}

func (m model) read(path string, n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			if err := m.read(join(path, n.Content[i].Value), n.Content[i+1]); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			name := listEntry + path + listSeparator + item.Value
			if m[name] != "" {
				return fmt.Errorf("%s: an item is there twice", path)
			}
			m[name] = item.Tag
		}
	case yaml.ScalarNode:
		name := valueEntry + path
		if m[name] != "" {
			return fmt.Errorf("%s is there twice", path)
		}
		m[name] = n.Tag + " " + n.Value
	default:
		return fmt.Errorf("%s: unexpected kind of node", path)
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// differences lists the entries in which a file differs from the model, comments
// last: those only if they must be there and are not.
func (m model) differences(got model, comments map[string]bool) []string {
	var out []string
	for name := range union(m, got) {
		known := strings.HasPrefix(name, valueEntry) || strings.HasPrefix(name, listEntry)
		if known && m[name] != got[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	for _, path := range m.names(commentEntry) {
		if !comments[m[commentEntry+path]] {
			out = append(out, commentEntry+path)
		}
	}
	return out
}

// The shape of the generated file: maps, each with so many keys of a pool that is
// small enough for two people to add the same one.
const (
	keyPool     = 24
	keysAtFirst = 8
	itemsLeast  = 3
)

func mapPaths() []string {
	return []string{"app", "app.database", "app.database.replica", "cache", "mail"}
}

func listPaths() []string { return []string{"hosts", "app.users"} }

// firstModel returns what the history begins with.
func firstModel(r *rand.Rand, owner string) model {
	m := model{readerEntry + owner: "1"}
	for _, path := range mapPaths() {
		for _, key := range r.Perm(keyPool)[:keysAtFirst] {
			m[valueEntry+join(path, keyName(key))] = randomValue(r)
		}
	}
	for _, path := range listPaths() {
		for range 2 * itemsLeast {
			m[listEntry+path+listSeparator+randomItem(r)] = "!!str"
		}
	}
	return m
}

func keyName(i int) string { return fmt.Sprintf("key_%02d", i) }

func randomItem(r *rand.Rand) string { return fmt.Sprintf("item-%012x", r.Uint64()>>16) }

// randomValue returns a value with its tag.
func randomValue(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return fmt.Sprint("!!int ", r.IntN(1_000_000_000))
	case 1:
		return fmt.Sprintf("!!str first line %x\nsecond line %x\n", r.Uint64(), r.Uint64())
	case 2:
		return fmt.Sprintf("!!str with: signs, \"quotes\" & %x", r.Uint64())
	}
	return fmt.Sprintf("!!str value-%016x", r.Uint64())
}
