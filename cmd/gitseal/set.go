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

func setCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "set",
		Usage:     "set one value of a sealed file, or propose it to those who can open the file",
		UsageText: "gitseal set [FLAGS] FILE KEY.PATH < value\n   gitseal set [FLAGS] FILE KEY.PATH --generate KIND",
		Description: `The value comes from standard input (on a terminal it is asked for and not shown), from a
--file, or is made by --generate; never from an argument, which other users and the shell's
history would see. The line break behind a single line is left out, several lines are taken
as they are, and --raw takes everything as it is.

A value keeps the kind of the one that it replaces, if the text can be one of that kind; new
ones are strings, unless --type says otherwise. An index one beyond a list's end appends to
it. Only that value's line and the file's metadata change. A file that does not exist, or
is empty, is made, sealed as its rule says, or for the readers that --age and the other flags name;
with neither, as the version is that git has of it.

` + pathHelp + `

--generate makes:` + generatorHelp() + `
The public part of a key is printed, or set with --public-to. Nobody sees the secret part.

Who cannot open the file leaves a proposal in it, sealed for the file's readers: gitseal unseal
and sops ignore it until one of the readers accepts it (gitseal accept).

Examples:
   pass db | gitseal set prod.yaml db.password
   gitseal set --generate password --length 40 prod.env API_TOKEN
   gitseal set --generate ssh-ed25519 --public-to deploy.pub prod.yaml deploy.key
   echo '["a", "b"]' | gitseal set --type json prod.yaml hosts`,
		Flags: slices.Concat(newValueFlags(), []cli.Flag{
			&cli.StringFlag{Name: "type", Value: typeAuto, Usage: "the value's `TYPE`: " + strings.Join(valueTypes(), ", ")},
			&cli.StringFlag{Name: "public-to", Usage: "set the public part of a generated key at `KEY.PATH`"},
			&cli.BoolFlag{Name: "plain", Usage: "set the value even if the file's selector leaves it plain"},
			&cli.BoolFlag{Name: "if-absent", Usage: "do nothing if there is a value already"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would be done, and write nothing"},
			&cli.BoolFlag{Name: "propose", Usage: "leave a proposal, whether or not you can open the file"},
			&cli.BoolFlag{Name: "no-propose", Usage: "fail if you cannot open the file"},
			&cli.StringFlag{Name: "by", Usage: "what to call yourself in a proposal (`NAME`), in place of git's user.name and user.email"},
			jsonFlag(), quietFlag(),
		}, readerFlags("instead of the rule's readers: seal a new file for this", false), keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			r, err := newSetRun(c, s, u)
			if err != nil {
				return err
			}
			return r.run(c.Context)
		},
	}
}

// setRun is one call of set.
type setRun struct {
	rewriter
	name  string
	path  *formats.Path
	value *newValue
	typ   string
	// publicTo is where the public part goes, nil if nowhere.
	publicTo *formats.Path
	// warned: it was said that sops rounds the value.
	warned bool
	// kept says for whom a file was made that keeps the readers of an earlier version.
	kept   string
	result setResult
}

// setResult is the JSON form of what set did.
type setResult struct {
	File   string `json:"file"`
	Path   string `json:"path"`
	Action string `json:"action"`
	Kind   string `json:"kind,omitempty"`
	// Public is the public part of a generated key.
	Public string `json:"public,omitempty"`
	// Proposals are the IDs of what was proposed, Readers who can accept it.
	Proposals []string `json:"proposals,omitempty"`
	Readers   []string `json:"readers,omitempty"`
	DryRun    bool     `json:"dry_run,omitempty"`
}

// What set may have done besides actionUnchanged.
const (
	actionSet      = "set"
	actionCreated  = "created"
	actionProposed = "proposed"
)

func newSetRun(c *cli.Context, s std, u *ui) (*setRun, error) {
	stdin, err := valueArgument(c)
	if err != nil {
		return nil, err
	}
	r := &setRun{name: c.Args().First(), typ: c.String("type")}
	if r.path, err = parsePath(c.Args().Get(1)); err != nil {
		return nil, err
	}
	switch {
	case !isValueType(r.typ):
		return nil, usageError("there is no type "+quoted(r.typ), typeHint(""))
	case c.Bool("propose") && c.Bool("no-propose"):
		return nil, usageError("--propose and --no-propose exclude each other", "leave out one of them")
	case r.name == stdinArg:
		return nil, usageError("standard input is the new value, not the file", "name the file")
	}
	if r.value, err = newValueFrom(c, s, u, stdin); err != nil {
		return nil, err
	}
	if c.IsSet("public-to") {
		if r.publicTo, err = parsePath(c.String("public-to")); err != nil {
			return nil, err
		}
		if isWithin(r.publicTo, r.path) || isWithin(r.path, r.publicTo) {
			return nil, usageError("the public part would take the place of the secret one", "give --public-to another key")
		}
	}
	r.rewriter, err = newRewriter(c, s, u)
	r.result = setResult{File: r.name, Path: r.path.Text(), DryRun: r.dryRun}
	return r, err
}

// newRewriter makes what changes files in a call.
func newRewriter(c *cli.Context, s std, u *ui) (rewriter, error) {
	ids, err := newIdentities(c, s, u)
	if err != nil {
		return rewriter{}, err
	}
	book, err := newRuleBook(c.String("config"))
	return rewriter{planner: planner{c: c, ids: ids, book: book}, std: s, ui: u, dryRun: c.Bool("dry-run")}, err
}

// valueArgument checks the number of arguments. A third one can only be -, for
// standard input.
func valueArgument(c *cli.Context) (stdin bool, err error) {
	const withStdin = 3
	switch n := c.NArg(); {
	case n < 2:
		return false, usageError("name a file and the path of a key in it", "gitseal set FILE KEY.PATH; the value is asked for, or read from standard input")
	case n == withStdin && c.Args().Get(2) == stdinArg:
		return true, nil
	case n > 2:
		return false, usageError("a value is never given as an argument: other users of this machine and the shell's history would see it",
			"give it on standard input, with --file, or let --generate make one")
	}
	return false, nil
}

func (r *setRun) run(ctx context.Context) error {
	if isNew(r.name) {
		done, err := r.create(ctx)
		if err != nil {
			return inSet(r.name, false, err)
		}
		if done {
			return r.report()
		}
	}
	if err := r.checkNoReaders(); err != nil {
		return err
	}
	in, err := loadSealed(r.c, r.std, r.name)
	if err != nil {
		return err
	}
	err = r.change(ctx, in)
	if err != nil {
		return inSet(in.name, true, err)
	}
	return r.report()
}

// inSet says which file an error is about, unless it is about the new value.
func inSet(name string, unsealing bool, err error) error {
	if errors.As(err, new(*valueError)) {
		return err
	}
	return &fileError{name: name, unsealing: unsealing, err: err}
}

// change sets the value in a file that exists, or proposes it.
func (r *setRun) change(ctx context.Context, in input) error {
	r.value.raw = r.value.raw || in.formatName == "binary"
	if r.c.Bool("propose") {
		return r.propose(ctx, in)
	}
	result, err := r.rewrite(ctx, in, func(o *cipher.Opened, opts *cipher.SealOptions) ([]byte, error) {
		return r.applyTo(ctx, in, o.PlaintextBytes(), opts.Selector)
	})
	var none *cipher.NoIdentityError
	if errors.As(err, &none) && !r.c.Bool("no-propose") {
		if len(none.Causes) > 0 {
			// Somebody who could open the file if a service answered means to set the
			// value, not to propose it.
			return &commandError{code: exitNoIdentity, text: err.Error(),
				hint: explain(err).hints[0] + "; or leave the value as a proposal with --propose"}
		}
		return r.propose(ctx, in)
	}
	if err != nil {
		return err
	}
	warnAbout(r.ui, in.name, result.opened)
	r.result.Action = actionUnchanged
	if result.changed() {
		r.result.Action = actionSet
	}
	return nil
}

// warnAbout passes on what is to be known of an opened file.
func warnAbout(u *ui, name string, o *cipher.Opened) {
	run := &unsealRun{ui: u}
	run.warn(&unsealJob{in: input{name: name}, opened: o})
}

// applyTo returns the plain file with the new value, nil if it is to stay as it is.
func (r *setRun) applyTo(ctx context.Context, in input, plain []byte, selector cipher.Selector) ([]byte, error) {
	doc, err := in.format.Parse(plain)
	if err != nil {
		return nil, err
	}
	if err := r.checkNames(in); err != nil {
		return nil, err
	}
	path := in.pathIn(doc, r.path)
	old, exists := oldNode(doc, path)
	if exists && r.c.Bool("if-absent") {
		return nil, nil
	}
	node, err := r.node(ctx, in, old)
	if err != nil {
		return nil, err
	}
	if plain, err = setNode(in, doc, path, node); err != nil {
		return nil, err
	}
	if err := r.checkPlace(in, plain, selector, path); err != nil || r.publicTo == nil {
		return plain, err
	}
	if doc, err = in.format.Parse(plain); err != nil {
		return nil, err
	}
	return applyChange(in, doc, formats.Change{Path: in.pathIn(doc, r.publicTo), Value: scalarNode(formats.String, r.value.public)})
}

// oldNode returns what is at a path, nil if there is nothing.
func oldNode(doc *formats.Document, path *formats.Path) (*formats.Node, bool) {
	node, ok := doc.Node(path)
	if !ok {
		return nil, false
	}
	return &node, true
}

// node makes the new value.
func (r *setRun) node(ctx context.Context, in input, old *formats.Node) (formats.Node, error) {
	text, err := r.value.get(ctx)
	if err != nil {
		return formats.Node{}, err
	}
	node, err := nodeOf(text, r.typ, old)
	var bad *valueError
	if err == nil && in.formatName != "binary" && anyScalar(&node, isSealedText) {
		err = &valueError{text: "it looks sealed already (" + cipher.SealedPrefix + "…)", hint: "set takes what is to be sealed; gitseal get prints a sealed value as it was before"}
	}
	if errors.As(err, &bad) {
		bad.path = r.path
		return node, bad
	}
	if err != nil {
		return node, fmt.Errorf("%s: %w", r.path, err)
	}
	if !r.warned && (in.formatName == "yaml" || in.formatName == "json") && anyScalar(&node, isRounded) {
		r.warned = true
		r.ui.warn(in.name + ": " + r.path.String() + ": an integer beyond 64 bits: the file keeps all its digits, but sops reads it rounded, as a float")
	}
	if r.value.generator != nil {
		node = scalarNode(formats.String, text) // even if it looks like a number
	}
	r.result.Kind, r.result.Public = kindName(&node), r.value.public
	return node, nil
}

// applyChange returns the source of a plain document with one change.
func applyChange(in input, doc *formats.Document, change formats.Change) ([]byte, error) {
	p, ok := in.format.(formats.Patcher)
	if !ok {
		return nil, failure("values of this format cannot be changed one by one", "unseal the file, edit it, and seal it again")
	}
	return p.Patch(doc, change)
}

// checkPlace refuses to set a value that would stand plain in the sealed file.
func (r *setRun) checkPlace(in input, plain []byte, selector cipher.Selector, path *formats.Path) error {
	if r.c.Bool("plain") {
		return nil
	}
	at, err := plainAt(in, plain, selector, path)
	if err != nil || at == nil {
		return err
	}
	return failure("the file's selector leaves "+at.String()+" plain", "choose another key, or a selector that covers it; --plain sets the value for everybody to read")
}

// plainAt returns the first value at or below a path that the selector leaves
// plain, nil if there is none.
func plainAt(in input, plain []byte, selector cipher.Selector, path *formats.Path) (*formats.Path, error) {
	doc, err := in.format.Parse(plain)
	if err != nil {
		return nil, err
	}
	if selector.IsZero() {
		selector = cipher.SelectorFor(doc)
	}
	selected := selector.Select(doc)
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		if l.Kind != formats.Comment && !l.Kind.Empty() && l.Text != "" && !selected[i] && isWithin(l.Path, path) {
			return l.Path, nil
		}
	}
	return nil, nil
}

// isWithin reports whether p is container or lies in it.
func isWithin(p, container *formats.Path) bool {
	for ; p != nil; p = p.Parent {
		if p.Equal(container) {
			return true
		}
	}
	return false
}

func (r *setRun) report() error {
	if r.c.Bool("json") {
		return r.ui.json(r.result)
	}
	would := ""
	if r.dryRun {
		would = "would be "
	}
	name := r.name + ": " + r.path.String() + ": "
	switch r.result.Action {
	case actionUnchanged:
		r.ui.note(name + "there already, unchanged")
	case actionProposed:
		tell := r.ui.note
		if !r.c.Bool("propose") {
			tell = r.ui.warn // who meant to set the value must know, whatever --quiet says
		}
		tell(name + would + "proposed, not set: " + acceptText(r.name, r.result.Readers))
	case actionCreated:
		text := "set in a new file"
		if r.kept != "" {
			text += ", " + r.kept
		}
		r.ui.note(name + would + text)
	default:
		r.ui.note(name + would + "set")
	}
	if r.result.Public != "" && r.result.Action != actionUnchanged && !r.dryRun {
		r.ui.note("public part: " + shortReader(r.result.Public))
	}
	return nil
}
