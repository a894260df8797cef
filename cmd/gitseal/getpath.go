package main

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/nearest"
	"github.com/gitseal/gitseal/formats"
)

// fileAndPath reads the two arguments of get and set.
func fileAndPath(c *cli.Context) (name string, path *formats.Path, err error) {
	args := c.Args().Slice()
	switch {
	case len(args) < 2:
		return "", nil, usageError("name a file and the path of a key in it", "gitseal "+c.Command.Name+" FILE KEY.PATH; . stands for the whole file")
	case len(args) > 2:
		return "", nil, usageError("too many arguments", "gitseal "+c.Command.Name+" FILE KEY.PATH, for one key at a time")
	}
	path, err = parsePath(args[1])
	return args[0], path, err
}

// parsePath reads a key path of the command line.
func parsePath(text string) (*formats.Path, error) {
	path, err := formats.ParsePath(text)
	if err != nil {
		return nil, usageError(err.Error(), `write db.hosts[0].name or ["db"]["hosts"][0]["name"], odd keys in double quotes: data."tls.crt"`)
	}
	return path, nil
}

// loadOne reads the one file that a command works on.
func loadOne(c *cli.Context, s std, name string) (input, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() && name != stdinArg {
		return input{}, usageError(name+" is a folder", "name one file: a value has its place in one file")
	}
	sub, err := withArguments(c, []string{name})
	if err != nil {
		return input{}, err
	}
	in, err := readInputs(sub, s)
	if err != nil {
		return input{}, err
	}
	return in[0], nil
}

// loadSealed reads the one sealed file that a command works on: of a SealedManifest with
// spec.document, the file that it holds there.
func loadSealed(c *cli.Context, s std, name string) (input, error) {
	in, err := loadOne(c, s, name)
	if err != nil {
		return in, err
	}
	if err := in.enter(); err != nil {
		return in, &fileError{name: in.name, unsealing: true, err: err}
	}
	return in, nil
}

// isWhole reports whether a path stands for all of a binary file.
func isWhole(in input, path *formats.Path) bool {
	return in.formatName == "binary" && path.Parent == nil
}

// pathIn returns the path by which a document knows what people mean by path: all
// of a binary file is one value, and "export KEY" in a dotenv file is KEY.
func (in input) pathIn(doc *formats.Document, path *formats.Path) *formats.Path {
	if isWhole(in, path) && len(doc.Leaves) == 1 {
		return doc.Leaves[0].Path
	}
	if in.formatName == "dotenv" && path.Parent != nil && path.Index == formats.InMap {
		exported := path.Parent.At("export " + path.Key)
		_, short := doc.Node(path)
		if _, long := doc.Node(exported); long && !short {
			return exported
		}
	}
	return path
}

// maxSuggested is how many keys a message suggests.
const maxSuggested = 3

// noSuchPath says that there is no value at a path, and what may have been meant.
func noSuchPath(in input, doc *formats.Document, path *formats.Path) error {
	hint := "gitseal inspect " + in.name + " shows the keys that there are"
	if near := nearPaths(doc, path); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", or ") + "?"
	}
	return failure("there is no key "+path.String(), hint)
}

// nearPaths returns the paths of a document that are most like one that it does not
// have: those that end in the same key, and those that are spelled nearly the same.
func nearPaths(doc *formats.Document, path *formats.Path) []string {
	type candidate struct {
		text string
		far  int
	}
	want := path.String()
	limit := max(2, len(want)/3)
	seen := map[*formats.Path]bool{}
	var found []candidate
	for i := range doc.Leaves {
		if doc.Leaves[i].Kind == formats.Comment {
			continue
		}
		for p := doc.Leaves[i].Path; p.Parent != nil && !seen[p]; p = p.Parent {
			seen[p] = true
			text := p.String()
			far := limit
			if d := len(text) - len(want); d <= limit && -d <= limit {
				far = nearest.Distance(want, text)
			}
			if far < limit || path.Index == formats.InMap && p.Index == formats.InMap && strings.EqualFold(p.Key, path.Key) {
				found = append(found, candidate{text, min(far, limit)})
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(len(a.text), len(b.text)), strings.Compare(a.text, b.text))
	})
	var out []string
	for _, c := range found {
		if len(out) < maxSuggested && !slices.Contains(out, c.text) {
			out = append(out, c.text)
		}
	}
	return out
}
