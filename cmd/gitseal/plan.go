package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

// ruleBook finds and keeps the .sops.yaml files of a call.
type ruleBook struct {
	explicit *rules.Config

	mu sync.Mutex // guards what follows
	// byFolder remembers which configuration applies to a folder's files.
	byFolder map[string]string
	// byPath holds the configurations, nil for "".
	byPath  map[string]*rules.Config
	leftOut rules.LeftOut
	// indexed are the configurations that git's index has and the disk has not, with the
	// topmost folders of their repositories.
	indexed map[string]string
	// matchErr is what matches could not report.
	matchErr error
}

func newRuleBook(config string) (*ruleBook, error) {
	b := &ruleBook{byFolder: map[string]string{}, byPath: map[string]*rules.Config{}}
	if config == "" {
		return b, nil
	}
	var err error
	b.explicit, err = rules.Load(config)
	return b, err
}

// config returns the configuration for a file, nil if there is none.
func (b *ruleBook) config(file string) (*rules.Config, error) {
	if b.explicit != nil {
		return b.explicit, nil
	}
	return b.nearest(file)
}

// nearest returns the configuration that lies above a file, nil if there is none.
func (b *ruleBook) nearest(file string) (*rules.Config, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	path, known := b.byFolder[filepath.Dir(file)]
	if !known {
		var err error
		if path, err = rules.Find(file); err != nil && !errors.Is(err, rules.ErrNotFound) {
			return nil, err
		}
		if path, err = b.orLeftOut(file, path); err != nil {
			return nil, err
		}
		b.byFolder[filepath.Dir(file)] = path
	}
	if c, ok := b.byPath[path]; ok || path == "" {
		return c, nil
	}
	c, err := rules.Load(path)
	if err == nil {
		b.byPath[path] = c
	}
	return c, err
}

// configs returns all configurations that have a say about a file: the one that its
// rules are of, and the .sops.yaml above it.
func (b *ruleBook) configs(file string) ([]*rules.Config, error) {
	var out []*rules.Config
	if b.explicit != nil {
		out = append(out, b.explicit)
	}
	c, err := b.nearest(file)
	if err == nil && c != nil {
		out = append(out, c)
	}
	return out, err
}

// matches reports whether a file found in a folder is to be worked on. The first
// error is kept in matchErr.
func (b *ruleBook) matches(file string) bool {
	c, err := b.config(file)
	if err != nil && b.matchErr == nil {
		b.matchErr = err
	}
	return err == nil && c != nil && c.Matches(file, isStructured)
}

func isStructured(file string) bool { return all.NameForFile(file) != "binary" }

// format returns the name of the format that the configuration gives a file, ""
// if it gives none.
func (b *ruleBook) format(file string) (string, error) {
	c, err := b.config(file)
	if err != nil || c == nil {
		return "", err
	}
	return c.Format(file), nil
}

func (b *ruleBook) requiresIntegrity(file string) (bool, error) {
	c, err := b.config(file)
	return err == nil && c != nil && c.RequireMAC, err
}

// readerSet is who can read a file: key groups of which threshold are needed. One
// group has no threshold.
type readerSet struct {
	keys      [][]keysources.Stanza
	groups    [][]keysources.Recipient
	threshold int
}

// all returns the recipients of all groups.
func (s readerSet) all() []keysources.Recipient { return slices.Concat(s.groups...) }

// recipientsOf makes the recipients for groups of keys.
func recipientsOf(keys [][]keysources.Stanza, threshold int, make func(keysources.Stanza) (keysources.Recipient, error)) (readerSet, error) {
	set := readerSet{keys: keys, threshold: threshold}
	for _, group := range keys {
		var recipients []keysources.Recipient
		for _, key := range group {
			r, err := make(key)
			if err != nil {
				return set, err
			}
			recipients = append(recipients, withKey(r, key))
		}
		set.groups = append(set.groups, recipients)
	}
	return set, nil
}

// withKey makes sure that a recipient can tell its key.
func withKey(r keysources.Recipient, key keysources.Stanza) keysources.Recipient {
	if _, ok := keysources.KeyOf(r); ok {
		return r
	}
	return keysources.WithKey(r, key)
}

// plan is how one file is to be sealed.
type plan struct {
	readers  readerSet
	selector cipher.Selector // zero: none was chosen
	macOnly  bool
	// wish is what SealedManifests are to be sealed for.
	wish manifest.Wish
	// inside: it is for what a SealedManifest holds in spec.document, which keeps its
	// selector: that of a rule is about other files.
	inside bool
	// chosen: the readers come from a rule or a flag; kept: from the file's earlier version,
	// as does the selector, if keptSelector.
	chosen, kept, keptSelector bool
	// context is what that was sealed for, unless it was a SealedManifest.
	context string
	// rule is what applies to the file, nil if nothing does.
	rule *rules.Rule
}

// recipients returns everybody who can read the file, alone or with others.
func (p plan) recipients() []keysources.Recipient { return p.readers.all() }

// planner settles how files are to be sealed.
type planner struct {
	c    *cli.Context
	ids  *identities
	book *ruleBook
	// flags is what plan has taken from the flags, nil before its first call.
	flags *plan
}

// plan settles who can read a file and what of it is sealed: flags before the
// rule, the rule before the user's own identities.
func (r *planner) plan(in input) (plan, error) {
	p, err := r.chosenPlan(in)
	if err == nil && !p.chosen {
		p.readers, err = r.ownReaders()
	}
	return p, err
}

// chosenPlan is plan without readers where neither flags nor rules name any.
func (r *planner) chosenPlan(in input) (plan, error) {
	if r.flags == nil {
		p, err := r.planFromFlags()
		if err != nil {
			return p, err
		}
		r.flags = &p
	}
	p := *r.flags
	config, err := r.book.config(in.rulePath)
	if err != nil {
		return p, err
	}
	named := len(p.readers.groups) > 0
	p.chosen = config != nil || named
	if config == nil {
		return p, nil
	}
	rule, err := config.RuleFor(in.rulePath)
	if asError(err, new(*rules.NoRuleError)) && named {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := r.apply(&p, rule); err != nil {
		return p, fmt.Errorf("%s:%d: %w", config.Path, rule.Line, err)
	}
	return p, nil
}

// ownReaders are those of files for which nobody was named.
func (r *planner) ownReaders() (readerSet, error) {
	own, err := r.ids.ownRecipients(r.c.Context, r.c.Bool("post-quantum"))
	return readerSet{groups: [][]keysources.Recipient{own}}, err
}

// planFromFlags returns what the flags say, which is the same for all files.
func (r *planner) planFromFlags() (plan, error) {
	p := plan{macOnly: r.c.Bool("mac-only-encrypted")}
	var err error
	if p.selector, err = r.selectorFromFlags(); err != nil {
		return p, err
	}
	if p.wish, err = wishFromFlags(r.c); err != nil {
		return p, err
	}
	keys, err := readersFromFlags(r.c)
	if err != nil || len(keys) == 0 {
		return p, err
	}
	if p.readers, err = recipientsOf([][]keysources.Stanza{keys}, 0, r.ids.named); keysources.ReasonOf(err) == keysources.Malformed {
		return p, usageError(err.Error(), readerHint(keysources.TypeAge))
	}
	return p, err
}

// apply fills in from a rule what flags have not said.
func (r *planner) apply(p *plan, rule *rules.Rule) error {
	return r.applyWith(p, rule, r.ids.recipient)
}

// applyLazily is apply for comparing only: nothing that the rule names is used.
func (r *planner) applyLazily(p *plan, rule *rules.Rule) error {
	return r.applyWith(p, rule, func(key keysources.Stanza) (keysources.Recipient, error) { return r.ids.standing(key), nil })
}

func (r *planner) applyWith(p *plan, rule *rules.Rule, make func(keysources.Stanza) (keysources.Recipient, error)) error {
	p.rule = rule
	p.macOnly = p.macOnly || rule.MACOnlyEncrypted
	var err error
	if p.selector.IsZero() && rule.Selector.Kind != "" {
		if p.selector, err = cipher.NewSelector(cipher.SelectorKind(rule.Selector.Kind), rule.Selector.Pattern); err != nil {
			return err
		}
	}
	if len(p.readers.groups) > 0 {
		return nil
	}
	keys, err := readers.OfRule(rule)
	if err != nil {
		return err
	}
	if p.readers, err = recipientsOf(keys, rule.Threshold, make); err != nil {
		return fmt.Errorf("rule %d: %w", rule.Number, err)
	}
	return nil
}

func (r *planner) selectorFromFlags() (cipher.Selector, error) {
	var out cipher.Selector
	for _, k := range cipher.SelectorKinds() {
		name := strings.ReplaceAll(string(k), "_", "-")
		if !r.c.IsSet(name) {
			continue
		}
		if !out.IsZero() {
			return out, usageError("--"+name+" and another selector exclude each other", "a file has one selector")
		}
		var err error
		if out, err = cipher.NewSelector(k, r.c.String(name)); err != nil {
			return out, err
		}
	}
	return out, nil
}
