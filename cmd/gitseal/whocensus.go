package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

// How a reader of a file compares with the file's rule.
const (
	stateCurrent = "current"
	stateStale   = "stale"
	stateMissing = "missing"
)

// census collects the readers of many files.
type census struct {
	book  *ruleBook
	files []*whoFile
	// readers are in the order in which they were met; index finds one by its key,
	// however that is spelled.
	readers []*whoReader
	index   readerIndex
	// names, named and ruled hold what was read out of the configurations.
	names map[*rules.Config][]readers.Named
	named map[*rules.Config]nameIndex
	ruled map[*rules.Rule][][]keysources.Stanza
}

// whoReader is somebody who can read files.
type whoReader struct {
	key  keysources.Stanza
	name string // "" for none
}

// whoFile is a sealed file and its readers.
type whoFile struct {
	name string
	// rule is where the file's rule stands, "" if it has none.
	rule string
	// groups is the number of key groups, of which so many are needed.
	groups, needed int
	entries        []whoEntry
	// differences say what else is not as the rule says.
	differences []string
}

// whoEntry is a reader of a file, or one whom only its rule names.
type whoEntry struct {
	reader *whoReader
	// group is the number of the reader's key group, from 1.
	group int
	state string
}

func newCensus(book *ruleBook) *census {
	return &census{
		book: book, index: newReaderIndex(), names: map[*rules.Config][]readers.Named{}, named: map[*rules.Config]nameIndex{},
		ruled: map[*rules.Rule][][]keysources.Stanza{},
	}
}

// addAll takes in files until ctx ends.
func (c *census) addAll(ctx context.Context, found []foundFile) error {
	for _, f := range found {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.add(f); err != nil {
			return &fileError{name: f.in.name, err: err}
		}
	}
	return nil
}

// add takes in a file.
func (c *census) add(found foundFile) error {
	config, err := c.book.config(found.in.rulePath)
	if err != nil {
		return err
	}
	if _, err := c.namesOf(config); err != nil {
		return err
	}
	names := c.named[config]
	f := &whoFile{name: found.in.name, groups: len(found.meta.Groups), needed: needed(len(found.meta.Groups), found.meta.Threshold)}
	for i, group := range found.meta.Groups {
		for _, s := range group {
			f.entries = append(f.entries, whoEntry{reader: c.reader(s, names), group: i + 1, state: stateCurrent})
		}
	}
	c.files = append(c.files, f)
	if config == nil {
		return nil
	}
	rule, err := config.RuleFor(found.in.rulePath)
	if isNoRule(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.compare(f, config, rule, names)
}

// namesOf returns the names that a configuration gives; config may be nil.
func (c *census) namesOf(config *rules.Config) ([]readers.Named, error) {
	if config == nil {
		return nil, nil
	}
	names, known := c.names[config]
	if known {
		return names, nil
	}
	names, err := readers.NamesOf(config)
	c.names[config], c.named[config] = names, newNameIndex(names)
	return names, err
}

// reader returns the one reader that a stanza is for, however it is spelled.
func (c *census) reader(s keysources.Stanza, names nameIndex) *whoReader {
	key := readers.Canonical(s)
	id := idOf(key)
	r := c.index.find(id)
	if r == nil {
		r = &whoReader{key: key}
		c.readers = append(c.readers, r)
		c.index.add(id, r)
	}
	if r.name == "" {
		r.name = names.nameOf(key)
	}
	return r
}

// compare marks where a file is not as its rule says.
func (c *census) compare(f *whoFile, config *rules.Config, rule *rules.Rule, names nameIndex) error {
	f.rule = fmt.Sprintf("%s:%d", config.Path, rule.Line)
	keys, known := c.ruled[rule]
	if !known {
		var err error
		if keys, err = readers.OfRule(rule); err != nil {
			return fmt.Errorf("%s: %w", f.rule, err)
		}
		c.ruled[rule] = keys
	}
	if len(keys) != f.groups {
		f.differences = append(f.differences, fmt.Sprintf("it has %s, its rule %d", counted(f.groups, "key group"), len(keys)))
	} else if n := needed(len(keys), rule.Threshold); n != f.needed {
		f.differences = append(f.differences, fmt.Sprintf("%d of its key groups open it, its rule says %d", f.needed, n))
	}
	var want []whoEntry
	for i, group := range keys {
		for _, key := range group {
			want = append(want, whoEntry{reader: c.reader(key, names), group: i + 1, state: stateMissing})
		}
	}
	f.mark(want, len(keys) == f.groups)
	return nil
}

// mark compares the file's readers with those that it should have, by key groups
// or, if there is not the same number of them, in all.
func (f *whoFile) mark(want []whoEntry, byGroup bool) {
	type place struct {
		reader *whoReader
		group  int // 0: in any
	}
	placeOf := func(e whoEntry) place {
		if byGroup {
			return place{e.reader, e.group}
		}
		return place{reader: e.reader}
	}
	has, wants := map[place]bool{}, map[place]bool{}
	for _, e := range f.entries {
		has[placeOf(e)] = true
	}
	for _, e := range want {
		wants[placeOf(e)] = true
	}
	for i := range f.entries {
		if !wants[placeOf(f.entries[i])] {
			f.entries[i].state = stateStale
		}
	}
	for _, e := range want {
		if !has[placeOf(e)] {
			f.entries = append(f.entries, e)
		}
	}
}

// drifted reports whether the file is not as its rule says.
func (f *whoFile) drifted() bool {
	return len(f.differences) > 0 || slices.ContainsFunc(f.entries, func(e whoEntry) bool { return e.state != stateCurrent })
}

// text returns the reader with its name in front.
func (r *whoReader) text() string {
	text := shortReader(readers.RuleText(r.key))
	if r.key.Type == keysources.TypePGP {
		text = "pgp " + text
	}
	for _, f := range r.key.Context {
		text += " " + f.Name + ":" + f.Value
	}
	if p := r.key.Get("aws_profile"); p != "" {
		text += " (profile " + p + ")"
	}
	if r.name != "" {
		text = r.name + "  " + text
	}
	return text
}

// inOrder returns the readers: those with names first.
func (c *census) inOrder() []*whoReader {
	return slices.SortedStableFunc(slices.Values(c.readers), func(a, b *whoReader) int {
		if (a.name == "") != (b.name == "") {
			return map[bool]int{true: 1, false: -1}[a.name == ""]
		}
		return strings.Compare(a.name+"\x00"+a.key.String(), b.name+"\x00"+b.key.String())
	})
}
