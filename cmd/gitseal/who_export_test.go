package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/keysources"
)

// Census takes in files of a folder, each with one group of readers, and returns how
// many readers they have, how many of these have names, and how many entries are
// not as the rules say.
func Census(ctx context.Context, folder string, files [][]keysources.Stanza) (readers, named, drifted int, err error) {
	book, err := newRuleBook("")
	if err != nil {
		return 0, 0, 0, err
	}
	c := newCensus(book)
	var found []foundFile
	for i, group := range files {
		path := filepath.Join(folder, fmt.Sprintf("f%d.yaml", i))
		found = append(found, foundFile{in: input{name: path, path: path, rulePath: path}, meta: &cipher.Metadata{Groups: [][]keysources.Stanza{group}}})
	}
	if err := c.addAll(ctx, found); err != nil {
		return len(c.readers), 0, 0, err
	}
	for _, r := range c.readers {
		named += count(r.name != "")
	}
	for _, f := range c.files {
		for _, e := range f.entries {
			drifted += count(e.state != stateCurrent)
		}
	}
	return len(c.readers), named, drifted, nil
}
