package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

func getCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "get",
		Usage:     "print one value of a sealed file",
		UsageText: "gitseal get [FLAGS] FILE KEY.PATH\n   gitseal get --path NAME - KEY.PATH < sealed",
		Description: `The whole file is verified first. A value is printed as it is, numbers with all their
digits, and nothing is added to it; only on a terminal does a line break follow. Maps and
lists are printed as JSON. With --json everything is, so that "5432" can be told from 5432.

` + pathHelp + `

Examples:
   gitseal get prod.yaml db.password
   gitseal get --json prod.yaml 'servers[0]' | jq .port
   gitseal get backup.key . > backup.key.plain     # . is the whole of a binary file`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "require-integrity", Usage: "refuse files without a sops.seal entry, which only sops's own MAC protects"},
			&cli.BoolFlag{Name: "json", Usage: "print the value as JSON"},
			quietFlag(),
		}, keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runGet(c, s, u)
		},
	}
}

// pathHelp explains key paths.
const pathHelp = `A key path is db.hosts[0].name, or sops's ["db"]["hosts"][0]["name"]; odd keys go in double
quotes: data."tls.crt". "2: a.b" is in the second document of the file. . is the root. In a
SealedManifest that holds a sealed file (spec.document), the keys are that file's.`

func runGet(c *cli.Context, s std, u *ui) error {
	if err := openToCaller(s, doorGet); err != nil {
		return err
	}
	name, path, err := fileAndPath(c)
	if err != nil {
		return err
	}
	in, err := loadSealed(c, s, name)
	if err != nil {
		return err
	}
	book, err := newRuleBook(c.String("config"))
	if err == nil {
		err = openByRule(book, doorGet, in)
	}
	if err != nil {
		return err
	}
	ids, err := newIdentities(c, s, u)
	if err != nil {
		return err
	}
	o, err := openToRead(c.Context, c, u, ids, in)
	if err != nil {
		return err
	}
	out, err := valueText(in, o, path, c.Bool("json"))
	if err != nil {
		return &fileError{name: in.name, unsealing: true, err: err}
	}
	if isTerminal(s.out) && !strings.HasSuffix(string(out), "\n") {
		out = append(out, '\n')
	}
	if _, err := s.out.Write(out); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// openToRead opens and verifies a file that stays as it is.
func openToRead(ctx context.Context, c *cli.Context, u *ui, ids *identities, in input) (*cipher.Opened, error) {
	book, err := newRuleBook(c.String("config"))
	if err != nil {
		return nil, err
	}
	r := &unsealRun{c: c, ui: u, ids: ids, book: book}
	j := &unsealJob{in: in}
	if err := r.open(ctx, j); err != nil {
		return nil, err
	}
	r.warn(j)
	return j.opened, nil
}

// valueText returns what get prints.
func valueText(in input, o *cipher.Opened, path *formats.Path, asJSON bool) ([]byte, error) {
	if isWhole(in, path) && !asJSON {
		return o.PlaintextBytes(), nil
	}
	doc, err := in.format.Parse(o.PlaintextBytes())
	if err != nil {
		return nil, err
	}
	path = in.pathIn(doc, path)
	node, ok := doc.Node(path)
	if !ok {
		return nil, noSuchPath(in, doc, path)
	}
	if asJSON || node.Kind != formats.ScalarNode {
		text, err := node.JSON()
		if errors.Is(err, formats.ErrNotSealable) {
			return nil, failure(path.String()+": JSON cannot hold this value", "get it without --json, or name a value in it")
		}
		return append(text, '\n'), err
	}
	if exact := exactAt(doc, path); exact != "" {
		return []byte(exact), nil
	}
	return []byte(scalarText(node)), nil
}

// exactAt returns the number at a path if its value lacks some of the digits that
// stand in the file (12_345_678_901_234_567_890), and else "".
func exactAt(doc *formats.Document, path *formats.Path) string {
	for i := range doc.Leaves {
		if l := &doc.Leaves[i]; l.Kind == formats.Float && l.Path.Equal(path) {
			return exactNumber(newSpeller(doc).spelling(i), l.Text)
		}
	}
	return ""
}

// scalarText returns a scalar as text: integers and floats with all their digits.
func scalarText(n formats.Node) string {
	switch text := n.Literal(); {
	case text != "":
		return text
	case n.Scalar.Kind == formats.Null:
		return "null"
	}
	return textOf(n.Scalar)
}
