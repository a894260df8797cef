package sopstest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// EqualData returns nil if two plain files of a format (yaml, json, dotenv, ini
// or binary) hold the same data, else an error that lists the first differences.
//
// Data is what sops keeps of a file: the documents, the keys in their order
// (double ones included), the items, and the values with their types. Not data
// are comments, spelling, white space, anchors and tags of an application's own:
// an alias counts as what it repeats. Integers and floats of the same value are
// equal, since sops itself writes 1.0 as 1; so are a date and its midnight.
//
// The error quotes values, each cut to a few dozen bytes: compare only test data.
func EqualData(format string, a, b []byte) error {
	read, ok := map[string]func([]byte) (node, error){
		"yaml": readYAML, "json": readJSON, "dotenv": readDotenv, "ini": readINI, "binary": readBinary,
	}[format]
	if !ok {
		return fmt.Errorf("comparing data: unknown format %q", format)
	}
	x, err := read(a)
	if err != nil {
		return fmt.Errorf("comparing data: reading the first %s file: %w", format, err)
	}
	y, err := read(b)
	if err != nil {
		return fmt.Errorf("comparing data: reading the second %s file: %w", format, err)
	}
	var d differences
	d.compare(".", x, y)
	return d.err()
}

// node is a value as data. A map has as many keys as items.
type node struct {
	kind  string
	text  string
	keys  []node
	items []node
}

// The kinds of nodes.
const (
	kindMap    = "map"
	kindList   = "list"
	kindNull   = "null"
	kindBool   = "bool"
	kindNumber = "number"
	kindString = "string"
	kindTime   = "time"
	kindBytes  = "bytes"
)

// maxNodes bounds what aliases may grow to.
const maxNodes = 1 << 23

var errTooMany = errors.New("too many values")

// maxShown is how many differences an error lists.
const maxShown = 10

// differences collects what differs, the first ones in words.
type differences struct {
	shown []string
	count int
}

func (d *differences) err() error {
	if d.count == 0 {
		return nil
	}
	if d.count > len(d.shown) {
		d.shown = append(d.shown, fmt.Sprintf("and %d more", d.count-len(d.shown)))
	}
	return errors.New("the data differs:\n  " + strings.Join(d.shown, "\n  "))
}

func (d *differences) add(path, format string, args ...any) {
	d.count++
	if len(d.shown) < maxShown {
		d.shown = append(d.shown, path+": "+fmt.Sprintf(format, args...))
	}
}

func (d *differences) compare(path string, x, y node) {
	if x.kind != y.kind {
		d.add(path, "%s and %s", show(x), show(y))
		return
	}
	if x.text != y.text {
		at := firstDifference(x.text, y.text)
		d.add(path, "%s %s and %s (byte %d)", x.kind, around(x.text, at), around(y.text, at), at)
		return
	}
	if len(x.items) != len(y.items) {
		d.add(path, "%s of %d items and of %d items", x.kind, len(x.items), len(y.items))
	}
	for i := range min(len(x.items), len(y.items)) {
		step := fmt.Sprintf("%s[%d]", path, i)
		if x.kind == kindMap {
			d.compare(step+" (key)", x.keys[i], y.keys[i])
			step = fmt.Sprintf("%s[%.40q]", path, x.keys[i].text)
		}
		d.compare(step, x.items[i], y.items[i])
	}
}

func firstDifference(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// around quotes the part of a text near the byte at.
func around(s string, at int) string {
	const before, after = 16, 32
	from, to := max(0, at-before), min(len(s), at+after)
	quoted := fmt.Sprintf("%q", s[from:to])
	if from > 0 {
		quoted = "…" + quoted
	}
	if to < len(s) {
		quoted += "…"
	}
	return quoted
}

func show(n node) string {
	if n.kind == kindMap || n.kind == kindList {
		return fmt.Sprintf("%s of %d items", n.kind, len(n.items))
	}
	return n.kind + " " + around(n.text, 0)
}

func stringNode(s string) node { return node{kind: kindString, text: s} }

func readBinary(src []byte) (node, error) {
	return node{kind: kindBytes, text: string(src)}, nil
}

// readDotenv reads lines as sops does: a comment has its # in the first column,
// a key reaches to the first =, and \n stands for a line feed.
func readDotenv(src []byte) (node, error) {
	n := node{kind: kindMap}
	for i, line := range bytes.Split(src, []byte("\n")) {
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, value, ok := bytes.Cut(line, []byte("="))
		if !ok {
			return node{}, fmt.Errorf("line %d has no =", i+1)
		}
		n.keys = append(n.keys, stringNode(string(key)))
		n.items = append(n.items, stringNode(strings.ReplaceAll(string(value), `\n`, "\n")))
	}
	return n, nil
}
