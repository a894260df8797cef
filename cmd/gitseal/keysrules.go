package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/cmd/internal/workset"
	"github.com/gitseal/gitseal/keysources"
)

// configChange is a configuration that gets other rules.
type configChange struct {
	config   *rules.Config
	old, new []byte
	// numbers are the rules that change.
	numbers []int
}

func (c configChange) job() atomicfile.Job {
	j := atomicfile.Job{Target: c.config.Path, Data: c.new}
	j.Expect, j.Root = atomicfile.Holding(c.old), repositoryOf(c.config.Path)
	return j
}

// changeRules makes the change in the rules of all files in memory: were it made in
// the files alone, they and their rules would contradict each other.
func (k *keysRun) changeRules() error {
	found := &foundReaders{}
	done := map[*rules.Rule]bool{}
	for _, in := range k.in {
		config, rule, err := k.ruleFor(in)
		if err == nil {
			// A file may have a reader whom its rule does not name; it will be refused
			// for that.
			err = k.lookInFile(in, found)
		}
		if err == nil && rule != nil && !done[rule] {
			done[rule] = true
			err = k.changeRule(config, rule, found)
		}
		if err != nil {
			return &fileError{name: in.name, err: err}
		}
	}
	if missing := found.missing(k.change.remove); missing != "" {
		return &commandError{code: exitWrongState, text: shortReader(missing) + " is not a reader of these files",
			hint: "gitseal keys list shows their readers, gitseal who --reader R what else somebody can read"}
	}
	if len(k.configs) > 0 {
		k.after = &planner{c: k.c, ids: k.ids, book: k.bookAfter()}
	}
	return nil
}

// ruleFor returns the rule that governs a file, nil if there is none.
func (k *keysRun) ruleFor(in input) (*rules.Config, *rules.Rule, error) {
	config, err := k.book.config(in.rulePath)
	if err != nil || config == nil {
		return nil, nil, err
	}
	rule, err := config.RuleFor(in.rulePath)
	if isNoRule(err) {
		return nil, nil, nil
	}
	return config, rule, err
}

// foundReaders are the readers to be removed that stand in a rule or file.
type foundReaders []keysources.Stanza

func (f *foundReaders) note(groups [][]keysources.Stanza, wanted []keysources.Stanza) {
	for _, key := range wanted {
		if slices.ContainsFunc(groups, func(g []keysources.Stanza) bool { return len(meant(g, key)) > 0 }) {
			*f = append(*f, key)
		}
	}
}

// missing returns the first of the readers that stands nowhere.
func (f foundReaders) missing(wanted []keysources.Stanza) string {
	for _, key := range wanted {
		if !slices.ContainsFunc(f, func(s keysources.Stanza) bool { return keysources.SameKey(s, key) }) {
			return key.Reader()
		}
	}
	return ""
}

// lookInFile looks for the readers to be removed in a file.
func (k *keysRun) lookInFile(in input, found *foundReaders) error {
	if len(k.change.remove) == 0 {
		return nil
	}
	doc, err := in.format.Parse(in.data)
	if err != nil {
		return err
	}
	m, err := cipher.ParseMetadata(doc)
	if err != nil {
		return err
	}
	found.note(keysOf(m), k.change.remove)
	return nil
}

// changeRule makes the change in one rule.
func (k *keysRun) changeRule(config *rules.Config, rule *rules.Rule, found *foundReaders) error {
	groups, err := readers.OfRule(rule)
	if err != nil {
		return err
	}
	found.note(groups, k.change.remove)
	edit, err := k.change.on(groups, needed(len(groups), rule.Threshold))
	if err != nil || edit.none() {
		return err
	}
	if err := k.book.onDisk(k.c.Context, config); err != nil {
		return err
	}
	at := slices.IndexFunc(k.configs, func(c configChange) bool { return c.config.Path == config.Path })
	if at < 0 {
		src, err := readFile(config.Path)
		if err != nil {
			return &fileError{name: config.Path, err: err}
		}
		at = len(k.configs)
		k.configs = append(k.configs, configChange{config: config, old: src, new: src})
	}
	c := &k.configs[at]
	before, err := rules.Parse(config.Path, c.new)
	if err != nil {
		return err
	}
	if len(before.Rules) < rule.Number || !slices.EqualFunc(before.Rules[rule.Number-1].Groups, rule.Groups, sameRuleKeys) {
		return fmt.Errorf("%s: %w", config.Path, atomicfile.ErrChanged)
	}
	if c.new, err = before.Edit(c.new, edit.inRule(rule, groups)); err != nil {
		return explainEdit(err)
	}
	c.numbers = append(c.numbers, rule.Number)
	return nil
}

func sameRuleKeys(a, b []rules.Key) bool {
	return slices.EqualFunc(a, b, func(a, b rules.Key) bool { return a.Type == b.Type && a.Value == b.Value })
}

func explainEdit(err error) error {
	if !errors.Is(err, rules.ErrByHand) {
		return err
	}
	return failure(err.Error(), "no file was changed; change the rule with an editor, then run gitseal keys sync")
}

// bookAfter is the rule book with the changed configurations.
func (k *keysRun) bookAfter() *ruleBook {
	k.book.mu.Lock()
	defer k.book.mu.Unlock()
	after := &ruleBook{explicit: k.book.explicit, byFolder: map[string]string{}, byPath: map[string]*rules.Config{}}
	for path, c := range k.book.byPath {
		after.byPath[path] = c
	}
	for _, c := range k.configs {
		// Edit has parsed it before.
		parsed, err := rules.Parse(c.config.Path, c.new)
		if err != nil {
			continue
		}
		if after.explicit != nil {
			after.explicit = parsed
		}
		after.byPath[c.config.Path] = parsed
	}
	return after
}

// left counts the sealed files below the configurations that were not named, follow
// one of the changed rules and are not sealed for its readers now.
func (k *keysRun) left(c configChange) (folder string, n int) {
	named := map[string]bool{}
	for _, in := range k.in {
		named[in.path] = true
	}
	folder = filepath.Dir(c.config.Path)
	follows := func(file string) bool {
		config, err := k.after.book.config(file)
		if err != nil || config == nil || config.Path != c.config.Path || named[file] {
			return false
		}
		rule, err := config.RuleFor(file)
		return err == nil && slices.Contains(c.numbers, rule.Number)
	}
	files, err := workset.Collect([]string{folder}, workset.Options{Match: follows})
	if err != nil {
		// That there is none is no error.
		return folder, 0
	}
	for _, f := range files {
		n += count(k.isStale(input{name: f.Path, path: f.Path, rulePath: f.Path}))
	}
	return folder, n
}

// isStale reports whether a file is sealed, and for others than its rule says.
func (k *keysRun) isStale(in input) bool {
	var err error
	if in.data, err = readFile(in.path); err != nil || !bytes.Contains(in.data, []byte(cipher.SealedPrefix)) {
		return false
	}
	if err := in.settleFormat("", k.after.book); err != nil {
		return false
	}
	in = in.inner()
	doc, err := in.format.Parse(in.data)
	if err != nil {
		return false
	}
	m, err := cipher.ParseMetadata(doc)
	if err != nil {
		return false
	}
	p, err := k.after.ruleOf(in)
	return err == nil && len(p.readers.differences(m)) > 0
}
