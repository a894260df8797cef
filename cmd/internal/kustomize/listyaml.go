package kustomize

import (
	"bytes"
	"fmt"

	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

// readYAML reads the list line by line. In block style nothing that belongs to an item
// stands in the column of its dash or before it, blank lines and comments aside, and
// nothing that belongs to a key of the list stands in the first column but the dashes.
func (l *List) readYAML() error {
	s := yamlScan{list: l, column: -1}
	for at := 0; at < len(l.src); {
		end := len(l.src)
		if i := bytes.IndexByte(l.src[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if err := s.line(at, end); err != nil {
			return err
		}
		at = end
	}
	s.endSection(len(l.src))
	if s.kind != Kind {
		return notList("it has no kind " + Kind)
	}
	if s.config.end > 0 {
		node, err := sealedobject.ParseYAML(l.src[s.config.start:s.config.end])
		if err != nil {
			return fmt.Errorf("functionConfig: %w", err)
		}
		if c := sealedobject.Get(&node, "functionConfig"); c != nil {
			l.Config = *c
			l.Config.Key = ""
		}
	}
	return nil
}

// yamlScan is where the reading of a list is.
type yamlScan struct {
	list *List
	kind string
	// section is the key of the list that the lines belong to, and start where it
	// stands; column is that of the dashes of items, -1 before the first.
	section string
	start   int
	column  int
	config  span
	seen    map[string]bool
}

func (s *yamlScan) line(at, end int) error {
	line := s.list.src[at:end]
	text := bytes.TrimLeft(line, " ")
	indent := len(line) - len(text)
	text = bytes.TrimRight(text, " \t\r\n")
	if len(text) == 0 || text[0] == '#' {
		return nil
	}
	if s.section == "items" && isDash(text) && (s.column < 0 || indent == s.column) {
		s.endItem(at)
		s.column = indent
		s.list.items = append(s.list.items, span{start: at, column: indent})
		return nil
	}
	switch {
	case indent > 0 && s.section == "":
		return notList("it is indented")
	case indent > 0 && s.section == "items" && (s.column < 0 || indent <= s.column):
		return notList("its items are no list in block style")
	case indent > 0:
		return nil
	case isMarker(text):
		if s.section != "" {
			s.endSection(at)
			if !bytes.Equal(text, []byte("...")) {
				return notList("there is more than one document")
			}
		}
		return nil
	case s.section == "functionConfig" && isDash(text):
		return notList("functionConfig is a list")
	}
	return s.key(text, at)
}

// key begins a section.
func (s *yamlScan) key(text []byte, at int) error {
	name, value, ok := bytes.Cut(text, []byte(":"))
	key := string(bytes.Trim(name, `"'`))
	if !ok || len(value) > 0 && value[0] != ' ' && value[0] != '\t' {
		return notList("a line that is no key")
	}
	s.endSection(at)
	if s.seen[key] {
		return notList("a key stands twice")
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[key] = true
	s.section, s.start = key, at
	value = bytes.TrimSpace(value)
	if i := bytes.Index(value, []byte(" #")); i >= 0 {
		value = bytes.TrimSpace(value[:i])
	}
	switch key {
	case "kind":
		s.kind = string(bytes.Trim(value, `"'`))
	case "items":
		if len(value) > 0 && !bytes.Equal(value, []byte("[]")) && !bytes.Equal(value, []byte("null")) && value[0] != '#' {
			return notList("its items are no list in block style")
		}
	}
	return nil
}

// endItem closes the item that is open. Blank lines behind it stay with it.
func (s *yamlScan) endItem(at int) {
	if n := len(s.list.items); n > 0 && s.column >= 0 && s.list.items[n-1].end == 0 {
		s.list.items[n-1].end = at
	}
}

func (s *yamlScan) endSection(at int) {
	switch s.section {
	case "items":
		s.endItem(at)
		s.column = -1
	case "functionConfig":
		s.config = span{start: s.start, end: at}
	}
	s.section = "-" // what follows needs a key
}

func isDash(text []byte) bool {
	return text[0] == '-' && (len(text) == 1 || text[1] == ' ' || text[1] == '\t')
}

func isMarker(text []byte) bool {
	return bytes.Equal(text, []byte("---")) || bytes.HasPrefix(text, []byte("--- ")) || bytes.Equal(text, []byte("..."))
}

// emptyConfig reports whether there is no configuration.
func emptyConfig(n *formats.Node) bool { return n.Kind != formats.MapNode || len(n.Items) == 0 }
