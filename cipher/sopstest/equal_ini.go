package sopstest

import (
	"errors"
	"fmt"
	"strings"
)

// errINI is all that is said of a bad INI file: the line could hold a secret.
var errINI = errors.New("not an INI file")

// defaultSection is the name of the section of keys before any section.
const defaultSection = "DEFAULT"

// readINI reads a file by the rules of gopkg.in/ini.v1 with the options that sops
// sets. The rules are stated here again, and tested against sops, so that this
// module needs that library for nothing else than tests.
func readINI(src []byte) (node, error) {
	r := iniReader{rest: strings.TrimPrefix(string(src), "\ufeff"), root: node{kind: kindMap}}
	r.section(defaultSection)
	for r.rest != "" {
		line := strings.TrimLeft(r.next(), iniSpace)
		switch {
		case line == "", line[0] == '#', line[0] == ';':
		case line[0] == '[':
			end := strings.LastIndexByte(line, ']')
			if end < 2 {
				return node{}, fmt.Errorf("%w: line %d: bad section", errINI, r.line)
			}
			r.section(line[1:end])
		default:
			if err := r.key(line); err != nil {
				return node{}, fmt.Errorf("%w: line %d: %w", errINI, r.line, err)
			}
		}
	}
	if len(r.root.items[0].items) == 0 {
		// Every file has this section, whether it stands there or not.
		r.root.keys, r.root.items = r.root.keys[1:], r.root.items[1:]
	}
	return r.root, nil
}

// iniSpace is white space as far as anybody writes it in such files.
const iniSpace = " \t\r\n\v\f"

// iniReader reads line by line.
type iniReader struct {
	rest string
	line int
	root node
}

// next takes one line, with its end.
func (r *iniReader) next() string {
	r.line++
	line := r.rest
	if i := strings.IndexByte(r.rest, '\n'); i >= 0 {
		line = r.rest[:i+1]
	}
	r.rest = r.rest[len(line):]
	return line
}

func (r *iniReader) section(name string) {
	r.root.keys = append(r.root.keys, stringNode(name))
	r.root.items = append(r.root.items, node{kind: kindMap})
}

// key reads a key and its value. A key that the section has already gets the new
// value in its old place.
func (r *iniReader) key(line string) error {
	name, rest, err := cutININame(line)
	if err != nil {
		return err
	}
	if name == "-" {
		// The library numbers such keys, #1 and so on, and sops then writes
		// them as comments: no data survives.
		return errors.New("a key named -")
	}
	value, err := r.value(strings.TrimLeft(rest, iniSpace))
	if err != nil {
		return err
	}
	section := &r.root.items[len(r.root.items)-1]
	for i, k := range section.keys {
		if k.text == name {
			section.items[i] = stringNode(value)
			return nil
		}
	}
	section.keys, section.items = append(section.keys, stringNode(name)), append(section.items, stringNode(value))
	return nil
}

// cutININame splits a line at its first = or : after the name, which may stand in
// quotes.
func cutININame(line string) (name, rest string, err error) {
	for _, quote := range []string{`"""`, `"`, "`"} {
		inner, quoted := strings.CutPrefix(line, quote)
		if !quoted {
			continue
		}
		name, rest, closed := strings.Cut(inner, quote)
		at := strings.IndexAny(rest, "=:")
		if !closed || at < 0 {
			return "", "", errors.New("a quoted key does not end")
		}
		return strings.TrimSpace(name), rest[at+1:], nil
	}
	at := strings.IndexAny(line, "=:")
	if at < 1 {
		return "", "", errors.New("no key, or no value")
	}
	return strings.TrimSpace(line[:at]), line[at+1:], nil
}

// value reads what follows the delimiter, and more lines if it goes on.
func (r *iniReader) value(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if strings.HasPrefix(s, `"""`) && len(s) > 3 {
		return r.quoted(s[3:], `"""`)
	}
	if s[0] == '`' {
		return r.quoted(s[1:], "`")
	}
	s = strings.TrimSpace(s)
	if before, goesOn := strings.CutSuffix(s, `\`); goesOn {
		return r.continued(before), nil
	}
	if i := strings.IndexAny(s, "#;"); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	for _, quote := range []string{"'", `"`} {
		if len(s) >= 2 && strings.HasPrefix(s, quote) && strings.Index(s[1:], quote) == len(s)-2 {
			return s[1 : len(s)-1], nil
		}
	}
	return s, nil
}

// quoted reads up to the last closing quote of the first line that has one. After
// the first line, one with a backslash behind its quote does not end the value.
func (r *iniReader) quoted(s, quote string) (string, error) {
	if i := strings.LastIndex(s, quote); i >= 0 {
		return s[:i], nil
	}
	for r.rest != "" {
		line := r.next()
		i := strings.LastIndex(line, quote)
		if i >= 0 && !strings.HasSuffix(strings.TrimSpace(line[i+len(quote):]), `\`) {
			return s + line[:i], nil
		}
		s += line
	}
	return "", errors.New("a quoted value does not end")
}

// continued joins lines as long as they end in a backslash.
func (r *iniReader) continued(s string) string {
	for r.rest != "" {
		line := strings.TrimSpace(r.next())
		if line == "" {
			break
		}
		before, goesOn := strings.CutSuffix(line, `\`)
		s += before
		if !goesOn {
			break
		}
	}
	return s
}
