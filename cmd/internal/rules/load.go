package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// formatNames are the formats by the names that sops gives them.
var formatNames = []string{"yaml", "json", "dotenv", "ini", "binary"}

// Load reads and checks a configuration file. What is wrong with its content is
// reported as a [*ConfigError].
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	src, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, src)
}

// Parse is Load for the content of a file. Patterns are relative to the folder of
// path.
func Parse(path string, src []byte) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	// Files are compared with their links resolved, so the folder must be too.
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	c := &Config{Path: path, dir: dir}
	if len(src) > MaxSize {
		return nil, &ConfigError{Path: path, Msg: "larger than 1 MiB"}
	}
	if line := conflictLine(src); line > 0 {
		return nil, &ConfigError{Path: path, Line: line, Msg: "conflict markers: finish the merge of this file first"}
	}
	root, err := document(path, src)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return c, nil
	}
	d := &decoder{path: path, left: maxNodes}
	if err := d.refuseDuplicates(root); err != nil {
		return nil, err
	}
	if err := d.config(root, c); err != nil {
		return nil, err
	}
	return c, nil
}

// conflictLine returns the line of the first of git's conflict markers, 0 if there are
// none.
func conflictLine(src []byte) int {
	first, n := 0, 0
	for line := range bytes.Lines(src) {
		n++
		switch {
		case first == 0 && bytes.HasPrefix(line, []byte("<<<<<<< ")):
			first = n
		case first > 0 && bytes.HasPrefix(line, []byte(">>>>>>> ")):
			return first
		}
	}
	return 0
}

// document returns the root of the one document of src, nil if there is none.
func document(path string, src []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, syntaxError(path, err)
	}
	err = dec.Decode(&second)
	if err == nil {
		return nil, &ConfigError{Path: path, Line: second.Line, Msg: "more than one YAML document"}
	}
	if !errors.Is(err, io.EOF) {
		return nil, syntaxError(path, err)
	}
	return doc.Content[0], nil
}

// syntaxError takes the line out of an error of the YAML library, of the form
// "yaml: line N: text". The text is constant but for names of anchors and tags.
func syntaxError(path string, err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		number, text, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			line, msg = n, text
		}
	}
	return &ConfigError{Path: path, Line: line, Msg: "not valid YAML: " + msg}
}

func (d *decoder) config(root *yaml.Node, c *Config) error {
	ignored := func(*yaml.Node) error { return nil }
	known := map[string]setter{
		"creation_rules":    func(n *yaml.Node) error { return d.rules(n, c) },
		"gitseal":           func(n *yaml.Node) error { return d.own(n, c) },
		"destination_rules": ignored,
		"stores":            ignored,
		// People keep lists of anchors there.
		"keys": ignored,
	}
	items, err := d.fields(root, "the configuration")
	if err != nil {
		return err
	}
	for _, item := range items {
		key, err := d.follow(item.key)
		if err != nil {
			return err
		}
		if strings.HasPrefix(key.Value, "x-") || strings.HasPrefix(key.Value, ".") {
			known[key.Value] = ignored
		}
		if _, ok := known[key.Value]; !ok && closest(key.Value, known) == "" {
			return d.fail(item.key, `unknown key %s in the configuration; lists of anchors may stand under "keys" or a name that begins with "x-"`, quote(key.Value))
		}
	}
	return d.object(root, "the configuration", known)
}

func (d *decoder) rules(n *yaml.Node, c *Config) error {
	items, err := d.list(n, "creation_rules")
	if err != nil {
		return err
	}
	for i, item := range items {
		r, err := d.rule(item, i+1)
		if err != nil {
			return err
		}
		c.Rules = append(c.Rules, *r)
	}
	return nil
}

// own reads our own settings.
func (d *decoder) own(n *yaml.Node, c *Config) error {
	integrity, reuse := "optional", "git"
	return d.object(n, "gitseal", map[string]setter{
		"formats": func(n *yaml.Node) error { return d.formats(n, c) },
		"names":   func(n *yaml.Node) error { return d.names(n, c) },
		"check":   func(n *yaml.Node) error { return d.checks(n, c) },
		"doors":   func(n *yaml.Node) error { return d.closedDoors(n, c) },
		"integrity": func(n *yaml.Node) error {
			err := d.choice(n, &integrity, "gitseal.integrity", "optional", "required")
			c.RequireMAC = integrity == "required"
			return err
		},
		"reuse": func(n *yaml.Node) error {
			err := d.choice(n, &reuse, "gitseal.reuse", "git", "none")
			c.NoReuse = reuse == "none"
			return err
		},
	})
}

func (d *decoder) formats(n *yaml.Node, c *Config) error {
	items, err := d.list(n, "gitseal.formats")
	if err != nil {
		return err
	}
	for i, item := range items {
		what := "gitseal.formats " + strconv.Itoa(i+1)
		var f formatRule
		var pattern string
		err := d.object(item, what, map[string]setter{
			"path_regex": d.text(&pattern, "path_regex"),
			"format":     func(n *yaml.Node) error { return d.choice(n, &f.format, "format", formatNames...) },
		})
		if err != nil {
			return err
		}
		if pattern == "" || f.format == "" {
			return d.fail(item, "%s: path_regex and format are both needed", what)
		}
		if f.path, err = d.compile(item, what+": path_regex", pattern); err != nil {
			return err
		}
		c.formats = append(c.formats, f)
	}
	return nil
}

// choice reads one of a few words.
func (d *decoder) choice(n *yaml.Node, dst *string, what string, words ...string) error {
	var got string
	if err := d.text(&got, what)(n); err != nil {
		return err
	}
	if !slices.Contains(words, got) {
		return d.fail(n, "%s must be one of: %s", what, strings.Join(words, ", "))
	}
	*dst = got
	return nil
}

// compile compiles a pattern. The error says what is wrong with it but does not
// repeat it.
func (d *decoder) compile(n *yaml.Node, what, pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if err == nil {
		return re, nil
	}
	why := "too complex"
	var e *syntax.Error
	if errors.As(err, &e) {
		why = e.Code.String()
	}
	return nil, d.fail(n, "%s does not compile: %s", what, why)
}
