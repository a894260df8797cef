// Package rules reads .sops.yaml: which files are sealed for whom, and how.
//
// The file means what it means to sops (getsops/sops config/config.go), but it is
// read strictly: what sops would silently ignore, such as a misspelled key or a
// pattern that does not compile, is an error here, because its effect there is
// plaintext where the author expected none. Settings of our own stand under the
// top-level key "gitseal", which sops ignores.
package rules

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

// The names that the file may and may not have.
const (
	fileName  = ".sops.yaml"
	wrongName = ".sops.yml"
)

// MaxSize is the largest configuration file in bytes.
const MaxSize = 1 << 20

// ConfigError is a configuration file that cannot be used.
type ConfigError struct {
	Path string
	// Line counts from 1; it is 0 if there is no one line.
	Line int
	Msg  string
}

// Error returns "path:line: message".
func (e *ConfigError) Error() string {
	if e.Line == 0 {
		return e.Path + ": " + e.Msg
	}
	return e.Path + ":" + strconv.Itoa(e.Line) + ": " + e.Msg
}

// NoRuleError says that no creation rule matches a file.
type NoRuleError struct {
	// Config is the configuration file.
	Config string
	// File is the name that the rules were compared with.
	File string
}

// Error names the file and the configuration.
func (e *NoRuleError) Error() string {
	return fmt.Sprintf("no creation rule of %s matches %s", e.Config, e.File)
}

// Config is a configuration file that has been read and checked.
type Config struct {
	// Path is the file's name as given to Load.
	Path string
	// Rules are the creation rules in the order of the file.
	Rules []Rule
	// RequireMAC: unsealing refuses files without our own MAC (integrity: required).
	RequireMAC bool
	// NoReuse: sealing never looks for ciphertexts to keep in git (reuse: none).
	NoReuse bool
	// Names are what the readers are called (names), in the order of the file.
	Names []Name
	// Ignores are what gitseal check passes over (check.ignore).
	Ignores []Ignore
	// ClosedDoors are the plaintext doors that are closed for everybody (doors).
	ClosedDoors []string

	dir     string
	formats []formatRule
}

// Rule is one creation rule.
type Rule struct {
	// Number counts from 1 in the order of the file.
	Number int
	// Line is where the rule begins.
	Line int
	// PathRegex is an RE2 pattern searched for in a file's path; "" matches all.
	PathRegex string
	// Groups are the key groups, at least one, none of them empty.
	Groups [][]Key
	// Threshold is how many groups it takes to open a file; it is 0 if there is
	// only one group, and between 2 and their number otherwise.
	Threshold int
	// Selector says which values are sealed.
	Selector Selector
	// MACOnlyEncrypted: the MAC covers the sealed values only.
	MACOnlyEncrypted bool
	// RotateAfter is how long a value may stay the same; 0 for as long as it likes.
	RotateAfter time.Duration

	path *regexp.Regexp
}

// Selector is one of sops's ways to choose values. Its zero value is sops's
// default, which seals everything but keys that end in "_unencrypted".
type Selector struct {
	// Kind is the key in the configuration: unencrypted_suffix, encrypted_suffix,
	// unencrypted_regex, encrypted_regex, unencrypted_comment_regex or
	// encrypted_comment_regex.
	Kind string
	// Pattern is a suffix or an RE2 pattern. A pattern compiles.
	Pattern string
}

type formatRule struct {
	path   *regexp.Regexp
	format string
}

// RuleFor returns the first rule that matches a file, or a [*NoRuleError]. Links
// in the file's name are followed: what counts is where the file really is. It
// need not exist.
func (c *Config) RuleFor(file string) (*Rule, error) {
	name, err := c.name(file)
	if err != nil {
		return nil, err
	}
	if r := c.match(name); r != nil {
		return r, nil
	}
	return nil, &NoRuleError{Config: c.Path, File: name}
}

// Matches reports whether a file that was not named but found in a folder is one
// that the rules mean. A rule whose pattern fits any name at all says nothing about
// that; it counts only for files that have a format of their own, which structured
// reports of a file's path, or are given one in the configuration.
func (c *Config) Matches(file string, structured func(file string) bool) bool {
	name, err := c.name(file)
	return err == nil && c.means(name, c.match(name), func() bool { return structured(file) })
}

// anyName is a path that only a pattern matches that would match anything.
const anyName = "\x01"

// Format returns the name of the format that the configuration gives a file, ""
// if it gives none: yaml, json, dotenv, ini or binary.
func (c *Config) Format(file string) string {
	name, err := c.name(file)
	if err != nil {
		return ""
	}
	return c.formatOf(name)
}

func (c *Config) formatOf(name string) string {
	for _, f := range c.formats {
		if f.path.MatchString(name) {
			return f.format
		}
	}
	return ""
}

func (c *Config) match(name string) *Rule {
	for i := range c.Rules {
		if r := &c.Rules[i]; r.path == nil || r.path.MatchString(name) {
			return r
		}
	}
	return nil
}

// name returns what patterns are compared with: the path relative to the
// configuration's folder, or the absolute path of a file outside of it, with
// slashes.
func (c *Config) name(file string) (string, error) {
	path, err := atomicfile.Resolve(file)
	if err != nil {
		return "", fmt.Errorf("finding the rule for %s: %w", file, err)
	}
	if rel, err := filepath.Rel(c.dir, path); err == nil && filepath.IsLocal(rel) {
		path = rel
	}
	return filepath.ToSlash(path), nil
}

// quote shows a key of the file; one that is no key at all is cut short.
func quote(key string) string {
	const most = 64
	if len(key) > most {
		key = strings.ToValidUTF8(key[:most], "") + "…"
	}
	return strconv.Quote(key)
}
