package rules

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Ignore says what gitseal check is to pass over (gitseal.check.ignore).
type Ignore struct {
	// PathRegex is an RE2 pattern searched for in a file's path.
	PathRegex string
	// IDs are the findings that are meant. Whether there are such is not checked here.
	IDs []string
	// Line is where the entry begins.
	Line int

	path *regexp.Regexp
}

// Covers reports whether a finding in a file, by the name that patterns are compared
// with, is to be passed over. ids are the names that the finding goes by.
func (i Ignore) Covers(name string, ids ...string) bool {
	return i.path.MatchString(name) && slices.ContainsFunc(i.IDs, func(id string) bool { return slices.Contains(ids, id) })
}

// Applied is what a configuration says about one file.
type Applied struct {
	// Name is what patterns are compared with: the path relative to the
	// configuration's folder, or the absolute path of a file outside of it.
	Name string
	// Rule is the first rule that matches, nil if none does.
	Rule *Rule
	// Meant: the rule means the file even if nobody names it (see Matches).
	Meant bool
	// Any: the rule's pattern fits any name at all.
	Any bool
	// Format is the name of the format that the configuration gives the file, or "".
	Format string
}

// At returns what the configuration says about a file of a git tree or index, or one
// whose links are resolved already: path is absolute, and nothing on the disk is looked
// at. structured is as for Matches.
func (c *Config) At(path string, structured func(file string) bool) Applied {
	a := Applied{Name: path}
	if rel, err := filepath.Rel(c.dir, path); err == nil && filepath.IsLocal(rel) {
		a.Name = rel
	}
	a.Name = filepath.ToSlash(a.Name)
	a.Rule, a.Format = c.match(a.Name), c.formatOf(a.Name)
	a.Any = a.Rule != nil && a.Rule.fitsAny()
	a.Meant = c.means(a.Name, a.Rule, func() bool { return structured(path) })
	return a
}

// means is what Matches decides for a file whose first matching rule is r.
func (c *Config) means(name string, r *Rule, structured func() bool) bool {
	switch {
	case r == nil || filepath.Base(name) == fileName:
		return false
	case r.fitsAny():
		return c.formatOf(name) != "" || structured()
	}
	return true
}

func (r *Rule) fitsAny() bool { return r.path == nil || r.path.MatchString(anyName) }

// checks reads the settings of gitseal check.
func (d *decoder) checks(n *yaml.Node, c *Config) error {
	return d.object(n, "gitseal.check", map[string]setter{
		"ignore": func(n *yaml.Node) error { return d.ignores(n, c) },
	})
}

func (d *decoder) ignores(n *yaml.Node, c *Config) error {
	items, err := d.list(n, "gitseal.check.ignore")
	if err != nil {
		return err
	}
	for i, item := range items {
		what := "gitseal.check.ignore " + strconv.Itoa(i+1)
		entry := Ignore{Line: item.Line}
		err := d.object(item, what, map[string]setter{
			"path_regex": d.text(&entry.PathRegex, "path_regex"),
			"id":         func(n *yaml.Node) error { return d.words(n, &entry.IDs, what+": id") },
		})
		if err != nil {
			return err
		}
		if entry.PathRegex == "" || len(entry.IDs) == 0 {
			return d.fail(item, "%s: path_regex and id are both needed", what)
		}
		if entry.path, err = d.compile(item, what+": path_regex", entry.PathRegex); err != nil {
			return err
		}
		c.Ignores = append(c.Ignores, entry)
	}
	return nil
}

// words reads a string or a list of strings.
func (d *decoder) words(n *yaml.Node, dst *[]string, what string) error {
	v, err := d.follow(n)
	if err != nil {
		return err
	}
	items := []*yaml.Node{n}
	if v.Kind == yaml.SequenceNode {
		items = v.Content
	}
	for _, item := range items {
		word := ""
		if err := d.text(&word, what)(item); err != nil {
			return err
		}
		if word == "" {
			return d.fail(item, "%s: an item is empty", what)
		}
		*dst = append(*dst, word)
	}
	return nil
}
