package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/gitsetup"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/formats"
)

// gitPatterns are the files that git is told about.
type gitPatterns struct {
	globs []string
	// listed counts the sealed files that have a pattern of their own.
	listed int
	// notes say which rules could not be turned into patterns.
	notes []string
	// sealed are the sealed files of the work tree, from its top, with slashes.
	sealed []string
	// lineEnds are those of them that do not open because git has changed their line ends.
	lineEnds []string
}

// globalPatterns are names that people give sealed files, for --global, where there
// are no rules to go by.
func globalPatterns() gitPatterns {
	return gitPatterns{globs: []string{"*.enc.*", "*.sealed.*", "?*.sops.*"}}
}

// patterns turns the rules of the work tree into patterns; sealed files that no such
// rule is about get one each.
func (g *gitScope) patterns(ctx context.Context) (gitPatterns, error) {
	var p gitPatterns
	book, err := newRuleBook(g.std.getenv("SOPS_CONFIG"))
	if err != nil {
		return p, err
	}
	configs, err := g.configs(ctx, book)
	if err != nil {
		return p, err
	}
	turned := map[*rules.Rule]bool{}
	for _, c := range configs {
		if err := p.addRules(g.root, c, turned); err != nil {
			return p, err
		}
	}
	run := newWhoRun(g.c, g.std, g.ui, book, []string{g.root})
	found, err := run.find(ctx)
	if err != nil {
		return p, err
	}
	for _, f := range found {
		p.addSealed(g.root, f.in.path, book, turned)
	}
	for _, f := range run.skipped {
		if errors.Is(f.err, formats.ErrLineEnds) && p.addSealed(g.root, f.path, book, turned) {
			p.lineEnds = append(p.lineEnds, p.sealed[len(p.sealed)-1])
		}
	}
	return p, nil
}

// addSealed adds a sealed file, with a pattern if no rule's means it; it reports whether the
// file is one of this repository.
func (p *gitPatterns) addSealed(root, path string, book *ruleBook, turned map[*rules.Rule]bool) bool {
	rel, err := filepath.Rel(root, path)
	if of, _ := gitrepo.Root(filepath.Dir(path)); err != nil || of != root {
		return false // another repository's
	}
	rel = filepath.ToSlash(rel)
	p.sealed = append(p.sealed, rel)
	if covered, err := isTurned(book, path, turned); err != nil || covered {
		return true
	}
	if glob, ok := gitsetup.FileGlob(rel); ok && !slices.Contains(p.globs, glob) {
		p.globs = append(p.globs, glob)
		p.listed++
	}
	return true
}

// isTurned reports whether the rule of a file was turned into patterns.
func isTurned(book *ruleBook, file string, turned map[*rules.Rule]bool) (bool, error) {
	c, err := book.config(file)
	if err != nil || c == nil {
		return false, err
	}
	rule, err := c.RuleFor(file)
	if isNoRule(err) {
		return false, nil
	}
	return turned[rule], err
}

// configs loads all configurations of the work tree, but for those that git ignores.
func (g *gitScope) configs(ctx context.Context, book *ruleBook) ([]*rules.Config, error) {
	if book.explicit != nil {
		return []*rules.Config{book.explicit}, nil
	}
	out, err := g.git(ctx, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", ":(top,glob)**/.sops.yaml")
	if err != nil {
		return nil, err
	}
	var list []*rules.Config
	for name := range strings.SplitSeq(out, "\x00") {
		path := filepath.Join(g.root, filepath.FromSlash(name))
		if name == "" || !exists(path) {
			continue
		}
		c, err := book.config(path)
		if err != nil {
			return nil, err
		}
		if c != nil && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list, nil
}

// addRules adds the patterns of the rules of one configuration.
func (p *gitPatterns) addRules(root string, c *rules.Config, turned map[*rules.Rule]bool) error {
	dir, err := filepath.EvalSymlinks(filepath.Dir(c.Path))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	folder, err := filepath.Rel(root, dir)
	if err != nil || !filepath.IsLocal(folder) {
		p.notes = append(p.notes, c.Path+" lies outside of this repository; sealed files are listed one by one")
		return nil
	}
	if folder = filepath.ToSlash(folder); folder == "." {
		folder = ""
	}
	for i := range c.Rules {
		rule := &c.Rules[i]
		globs, ok := gitsetup.Globs(folder, rule.PathRegex)
		if !ok {
			p.notes = append(p.notes, untold(c, rule))
			continue
		}
		turned[rule] = true
		for _, glob := range globs {
			if !slices.Contains(p.globs, glob) {
				p.globs = append(p.globs, glob)
			}
		}
	}
	return nil
}

// untold says why a rule has no patterns.
func untold(c *rules.Config, rule *rules.Rule) string {
	where := fmt.Sprintf("%s:%d: ", c.Path, rule.Line)
	if re, err := regexp.Compile(rule.PathRegex); err == nil && re.MatchString("\x01") {
		return where + "the rule is for every file; its sealed files are listed one by one"
	}
	return where + "git has no pattern that says what " + quoted(rule.PathRegex) + " does; sealed files are listed one by one"
}
