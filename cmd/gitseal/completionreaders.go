package main

import (
	"os"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// readerList collects readers, each once.
type readerList struct {
	typ   string // "" for all
	named []readers.Named
	keys  []keysources.Stanza
	out   []candidate
}

func (l *readerList) add(key keysources.Stanza, about string) {
	if l.typ != "" && key.Type != l.typ {
		return
	}
	for _, k := range l.keys {
		if readers.Same(k, key) {
			return
		}
	}
	for _, n := range l.named {
		if meansReader(n.Key, key) {
			about = n.Name + ", " + about
		}
	}
	l.keys = append(l.keys, key)
	l.out = append(l.out, candidate{text: readers.RuleText(key), about: about})
}

// recipients are the readers of a type, "" for all, that the rules name, the files
// on the command line have, or the user is.
func (c *completer) recipients(typ string) []candidate {
	l := readerList{typ: typ}
	configs := c.configs()
	for _, config := range configs {
		if names, err := readers.NamesOf(config); err == nil {
			l.named = append(l.named, names...)
		}
	}
	for _, n := range l.named {
		l.add(n.Key, "gitseal.names")
	}
	for _, config := range configs {
		for i := range config.Rules {
			groups, err := readers.OfRule(&config.Rules[i])
			if err != nil {
				continue
			}
			for _, group := range groups {
				for _, key := range group {
					l.add(key, "in "+config.Path)
				}
			}
		}
	}
	for _, f := range c.sealedArgs() {
		for _, group := range f.meta.Groups {
			for _, s := range group {
				l.add(s.Key(), "reads "+f.in.name)
			}
		}
	}
	if typ == "" || typ == keysources.TypeAge {
		for _, id := range c.ownIdentities() {
			l.add(id.Recipient().Key(), "your own")
		}
	}
	return l.out
}

// namedReaders are the names of readers, where a flag takes such.
func (c *completer) namedReaders() []candidate {
	if c.path != "who" {
		return nil
	}
	var out []candidate
	seen := map[string]bool{}
	for _, config := range c.configs() {
		names, err := readers.NamesOf(config)
		if err != nil {
			continue
		}
		for _, n := range names {
			if !seen[n.Name] {
				seen[n.Name] = true
				out = append(out, candidate{text: n.Name, about: shortReader(readers.RuleText(n.Key))})
			}
		}
	}
	return out
}

// configs are the configurations of this folder and of the files that were named.
func (c *completer) configs() []*rules.Config {
	book := c.book()
	var out []*rules.Config
	seen := map[*rules.Config]bool{nil: true}
	for _, name := range append([]string{".sops.yaml"}, c.args...) {
		config, err := book.config(c.expand(name))
		if err == nil && !seen[config] {
			seen[config] = true
			out = append(out, config)
		}
	}
	return out
}

// ownIdentities are those of the user's identities that need nobody and no program.
// What is no regular file is left alone: a pipe can be read only once.
func (c *completer) ownIdentities() []age.Identity {
	regular := func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && info.Mode().IsRegular()
	}
	env := func(name string) string {
		v := c.std.getenv(name)
		switch name {
		case "SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE":
			if !regular(v) {
				return ""
			}
		case "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_CMD":
			return ""
		}
		return v
	}
	if name := age.DefaultFile(env); name != "" && !regular(name) {
		without := env
		env = func(name string) string {
			switch name {
			case "XDG_CONFIG_HOME", "HOME", "AppData":
				return ""
			}
			return without(name)
		}
	}
	var files []string
	for _, name := range c.flags["identity"] {
		if name = c.expand(name); regular(name) {
			files = append(files, name)
		}
	}
	ids, _ := age.NewKeyring(env, files...).Identities()
	return ids
}
