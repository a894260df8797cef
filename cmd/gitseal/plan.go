package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// ruleBook finds and keeps the .sops.yaml files of a call.
type ruleBook struct {
	explicit *rules.Config

	mu sync.Mutex // guards the maps
	// byFolder remembers which configuration applies to a folder's files.
	byFolder map[string]string
	// byPath holds the configurations, nil for "".
	byPath map[string]*rules.Config
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
	b.mu.Lock()
	defer b.mu.Unlock()
	path, known := b.byFolder[filepath.Dir(file)]
	if !known {
		var err error
		if path, err = rules.Find(file); err != nil && !errors.Is(err, rules.ErrNotFound) {
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

func (b *ruleBook) reuses(file string) (bool, error) {
	c, err := b.config(file)
	return err == nil && (c == nil || !c.NoReuse), err
}

func (b *ruleBook) requiresIntegrity(file string) (bool, error) {
	c, err := b.config(file)
	return err == nil && c != nil && c.RequireMAC, err
}

// plan is how one file is to be sealed.
type plan struct {
	recipients []keysources.Recipient
	selector   cipher.Selector // zero: none was chosen
	macOnly    bool
	// chosen: the recipients come from a rule or a flag.
	chosen bool
}

// plan settles who can read a file and what of it is sealed: flags before the
// rule, the rule before the user's own identities.
func (r *sealRun) plan(in input) (plan, error) {
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
	p.chosen = config != nil || len(p.recipients) > 0
	if config == nil {
		if len(p.recipients) == 0 {
			p.recipients, err = r.ids.ownRecipients(r.c.Bool("post-quantum"))
		}
		return p, err
	}
	rule, err := config.RuleFor(in.rulePath)
	if asError(err, new(*rules.NoRuleError)) && len(p.recipients) > 0 {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := p.apply(rule); err != nil {
		return p, fmt.Errorf("%s:%d: %w", config.Path, rule.Line, err)
	}
	return p, nil
}

// planFromFlags returns what the flags say, which is the same for all files.
func (r *sealRun) planFromFlags() (plan, error) {
	p := plan{macOnly: r.c.Bool("mac-only-encrypted")}
	var err error
	if p.selector, err = r.selectorFromFlags(); err != nil {
		return p, err
	}
	if p.recipients, err = parseRecipients(r.c.StringSlice("age")); err != nil {
		return p, usageError("--age: "+err.Error(), "an age recipient begins with age1; gitseal init makes an identity and shows its recipient")
	}
	return p, nil
}

// apply fills in from a rule what flags have not said.
func (p *plan) apply(rule *rules.Rule) error {
	p.macOnly = p.macOnly || rule.MACOnlyEncrypted
	var err error
	if p.selector.IsZero() && rule.Selector.Kind != "" {
		if p.selector, err = cipher.NewSelector(cipher.SelectorKind(rule.Selector.Kind), rule.Selector.Pattern); err != nil {
			return err
		}
	}
	if len(p.recipients) > 0 {
		return nil
	}
	if len(rule.Groups) > 1 {
		return fmt.Errorf("rule %d: %w: several key groups", rule.Number, cipher.ErrUnsupported)
	}
	for _, key := range rule.Groups[0] {
		if key.Type != keysources.TypeAge {
			return fmt.Errorf("rule %d: %w: %s keys", rule.Number, cipher.ErrUnsupported, key.Type)
		}
		recipient, err := age.ParseRecipient(key.Value)
		if err != nil {
			return fmt.Errorf("rule %d: %s: %w", rule.Number, shortReader(key.Value), err)
		}
		p.recipients = append(p.recipients, recipient)
	}
	return nil
}

func (r *sealRun) selectorFromFlags() (cipher.Selector, error) {
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
