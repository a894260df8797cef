package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/redacted"
	"github.com/gitseal/gitseal/cmd/internal/rescue"
	"github.com/gitseal/gitseal/formats"
)

// editRedactedHelp is what edit's help says of --redacted.
const editRedactedHelp = `With --redacted the text has tokens in place of sealed values, as gitseal view prints it, and no
key is needed to look at it. A token that stays at its key keeps its value; it can go, and move
within its list, but not be copied, stand in other text, or come under another key. Text in place of a token, or at a
new key, is a new value; <generate password 40> has one made (gitseal set lists the kinds).
Who can open the file writes all that at once. Who cannot leaves new values as proposals, as
gitseal set does, and can change the layout, and with mac_only_encrypted plain values. For what
else the file's MACs cover, --needs-reseal is needed: nobody can open the file then until one of
its readers has accepted the change with gitseal reseal. Without an editor: --print prints the
text, --from takes it.`

// redactedFlags are those of edit that go with --redacted.
func redactedFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "redacted", Usage: "edit the file without its values; no key needed"},
		&cli.StringFlag{Name: "from", Usage: "with --redacted: take the edited text from `FILE`, or from standard input (-)"},
		&cli.BoolFlag{Name: "print", Usage: "with --redacted: only print the text"},
		&cli.StringFlag{Name: "if-unchanged", Usage: "with --redacted: fail unless the sealed file has this `DIGEST` (gitseal view --json tells it)"},
		&cli.BoolFlag{Name: "propose", Usage: "with --redacted: leave new values as proposals, whether or not you can open the file"},
		&cli.BoolFlag{Name: "needs-reseal", Usage: "with --redacted: without a key, change also what only who has one can vouch for; the file opens again after gitseal reseal"},
		&cli.StringFlag{Name: "by", Usage: "with --redacted: what to call yourself in proposals (`NAME`)"},
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "with --redacted: check the text, and write nothing"},
		&cli.BoolFlag{Name: "json", Usage: "with --redacted: print the result as JSON"},
	}
}

// withoutRedacted refuses flags that mean nothing without --redacted.
func withoutRedacted(c *cli.Context) error {
	for _, f := range redactedFlags() {
		if name := f.Names()[0]; c.IsSet(name) {
			return usageError("--"+name+" goes with --redacted", "add --redacted, or leave it out")
		}
	}
	return nil
}

// redactedRun is one call of edit --redacted on one file.
type redactedRun struct {
	set    setRun // for its rewriter, and its way to propose
	ui     *ui
	std    std
	in     input
	view   *redacted.View
	result redactedResult

	rescues *rescue.Store
	// rescueID is that of the copy that is taken up again, text what it gives, nil if
	// none is, and notes what is to be said of it. conflicted: it has the marks of a
	// conflict.
	rescueID   string
	text       []byte
	notes      []string
	conflicted bool
}

// redactedResult is the JSON form of what edit --redacted did.
type redactedResult struct {
	File string `json:"file"`
	// Action is unchanged, edited or proposed.
	Action string `json:"action"`
	// New are the places of new sealed values, set or proposed.
	New       []string `json:"new"`
	Proposals []string `json:"proposals,omitempty"`
	Readers   []string `json:"readers,omitempty"`
	// Public are the public parts of generated keys.
	Public []string `json:"public,omitempty"`
	DryRun bool     `json:"dry_run,omitempty"`
	// NeedsReseal: the file opens again after gitseal reseal.
	NeedsReseal bool `json:"needs_reseal,omitempty"`
}

const actionEdited = "edited"

// runEditRedacted edits a sealed file without showing its values.
func runEditRedacted(c *cli.Context, s std, u *ui) error {
	u.quiet = c.Bool("quiet")
	from := c.String("from")
	switch {
	case c.NArg() != 1:
		return usageError("name one file", "gitseal edit --redacted FILE")
	case c.Args().First() == stdinArg:
		return usageError("standard input cannot be changed in place", "name the file; --from - takes the edited text from standard input")
	case c.Bool("print") && from != "":
		return usageError("--print and --from exclude each other", "print the text, edit it, and hand it in with --from")
	}
	r, err := newRedactedRun(c, s, u, c.Args().First())
	if err != nil {
		return err
	}
	switch {
	case c.Bool("print"):
		warnOfExposed(u, r.in, r.view)
		if _, err := s.out.Write(r.view.Text); err != nil {
			return fmt.Errorf("writing to standard output: %w", err)
		}
		return nil
	case from != "":
		return r.take(c.Context, from)
	}
	return r.edit(c.Context)
}

func newRedactedRun(c *cli.Context, s std, u *ui, name string) (*redactedRun, error) {
	in, err := loadSealed(c, s, name)
	if err != nil {
		return nil, err
	}
	if want := c.String("if-unchanged"); want != "" && want != digestOf(in.file()) {
		return nil, &fileError{name: in.name, err: errEditedMeanwhile()}
	}
	r := &redactedRun{ui: u, std: s, in: in, result: redactedResult{File: in.name, New: []string{}}, rescues: rescue.New(rescue.DefaultDir(s.getenv))}
	if r.view, err = redacted.New(in.format, in.data); err != nil {
		return nil, &fileError{name: in.name, unsealing: true, err: err}
	}
	r.set.name = in.name
	r.set.rewriter, err = newRewriter(c, s, u)
	r.result.DryRun = r.set.dryRun
	return r, err
}

func errEditedMeanwhile() error {
	return &commandError{code: exitWrongState, text: "the file is another one than what was edited",
		hint: "look at it as it is now (gitseal view), and make the change again"}
}

// take takes the edited text from a file.
func (r *redactedRun) take(ctx context.Context, name string) error {
	var edited []byte
	var err error
	if name == stdinArg {
		edited, err = readLimited(r.std.in)
	} else {
		edited, err = readFile(name)
	}
	if err != nil {
		return &fileError{name: name, err: err}
	}
	if len(bytes.TrimSpace(edited)) == 0 {
		return failure("the edited text is empty", "hand in all of what gitseal view prints, with your changes; nothing was changed")
	}
	if err := r.apply(ctx, edited); err != nil {
		return &fileError{name: r.in.name, unsealing: true, err: err}
	}
	return r.report()
}

// generate makes a secret for <generate KIND LENGTH>.
func (r *redactedRun) generate(kind string, length int) (string, error) {
	g, err := findGenerator(kind, 0, false)
	switch {
	case err != nil:
		return "", err
	case length == 0:
	case g.length == 0:
		return "", failure("a length does not go with "+kind, "there is but one length; leave it out")
	case length < g.least || length > maxGenerated:
		return "", failure(fmt.Sprintf("the length must be between %d and %d for %s", g.least, maxGenerated, kind), "write <generate "+kind+"> for the usual one")
	default:
		g.length = length
	}
	made, err := g.make(g.length)
	if made.public != "" {
		r.result.Public = append(r.result.Public, made.public)
	}
	return made.secret, err
}

// write seals the draft, if there is an identity.
func (r *redactedRun) write(ctx context.Context, d *redacted.Draft) error {
	tries := 0
	result, err := r.set.rewrite(ctx, r.in, func(o *cipher.Opened, _ *cipher.SealOptions) ([]byte, error) {
		if tries++; tries > 1 {
			// What others have added since is not in the text: it would be lost.
			return nil, errMeanwhile
		}
		return o.Restore(d.Text)
	})
	if err != nil {
		return err
	}
	warnAbout(r.ui, r.in.name, result.opened)
	if result.changed() {
		r.result.Action = actionEdited
	}
	return nil
}

// propose does what can be done without opening the file.
func (r *redactedRun) propose(ctx context.Context, d *redacted.Draft) error {
	keyless, err := r.view.Keyless(r.in.format, d)
	if err == nil && keyless.NeedsKey != nil {
		err = keyless.NeedsKey
		if r.set.c.Bool("needs-reseal") {
			keyless.Sealed, err = r.marked(ctx, keyless.Text)
		}
	}
	var needs *redacted.NeedsKeyError
	if errors.As(err, &needs) {
		return &commandError{code: exitWrongState, text: err.Error(),
			hint: "--needs-reseal makes the change all the same, and nobody can open the file until one of its readers has looked at it and runs gitseal reseal; or have them hand in the text: gitseal edit --redacted --from TEXT " + r.in.name}
	}
	if err != nil {
		return err
	}
	if keyless.Sealed == nil && len(keyless.Changes) == 0 {
		return nil
	}
	m := r.view.Metadata
	if m.Seal == nil && len(keyless.Changes) > 0 {
		return failure("the file has no place for proposals: only sops's own MAC protects it", "somebody who can open it makes it one: gitseal import "+r.in.name)
	}
	if err := r.set.checkReaders(r.in, m); err != nil {
		return err
	}
	contents, err := r.contents(ctx, keyless.Changes)
	if err != nil {
		return err
	}
	r.result.Action = actionEdited
	if len(contents) > 0 {
		r.result.Action, r.result.Readers = actionProposed, m.Readers()
	}
	if r.set.dryRun {
		return nil
	}
	return rewriteBytes(r.ui, r.in, func(data []byte) ([]byte, error) { return r.proposed(ctx, data, keyless, contents) })
}

// contents are the proposals to make.
func (r *redactedRun) contents(ctx context.Context, changes []formats.Change) ([]cipher.ProposeOptions, error) {
	m := r.view.Metadata
	recipients, err := recipientsOf(fileKeys(m), m.Threshold, r.set.ids.recipient)
	if err != nil {
		return nil, err
	}
	by := r.set.proposer(ctx, r.in)
	var out []cipher.ProposeOptions
	for _, change := range changes {
		if r.in.formatName == "binary" {
			change.Path = formats.Root(0)
		}
		if err := r.set.checkProposal(r.in, r.view.Document, m.Selector, change, true); err != nil {
			return nil, err
		}
		content, err := proposalContent(r.in, change.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", change.Path, err)
		}
		out = append(out, cipher.ProposeOptions{
			Path: change.Path, Content: content, By: by, Timeout: r.set.ids.timeout, Groups: recipients.groups, Threshold: recipients.threshold,
		})
	}
	return out, nil
}

// proposed returns the sealed file with the new layout and the proposals.
func (r *redactedRun) proposed(ctx context.Context, data []byte, keyless *redacted.Keyless, contents []cipher.ProposeOptions) ([]byte, error) {
	if keyless.Sealed != nil {
		if !bytes.Equal(data, r.in.data) {
			return nil, errMeanwhile
		}
		data = keyless.Sealed
	}
	r.set.result.Proposals = nil
	for _, content := range contents {
		var err error
		if data, err = cipher.Propose(ctx, r.in.format, data, content); err != nil {
			return nil, err
		}
		if err := r.set.noteProposal(r.in, data, content); err != nil {
			return nil, err
		}
	}
	r.result.Proposals = r.set.result.Proposals
	return data, nil
}

func (r *redactedRun) report() error {
	if r.set.c.Bool("json") {
		return r.ui.json(r.result)
	}
	would := ""
	if r.set.dryRun {
		would = "would be "
	}
	name := r.in.name + ": "
	switch r.result.Action {
	case actionProposed:
		r.ui.warn(name + would + "proposed, not set: " + strings.Join(r.result.New, ", ") + "; " + acceptText(r.in.name, r.result.Readers))
	case actionEdited:
		text := name + would + "edited"
		if len(r.result.New) > 0 {
			text += "; new values: " + strings.Join(r.result.New, ", ")
		}
		r.ui.note(text)
	default:
		r.ui.note(name + "unchanged")
	}
	if r.result.NeedsReseal {
		r.ui.warn(name + "nobody can open it until a reader accepts the change: gitseal reseal --accept-changes " + r.in.name)
	}
	for _, public := range r.result.Public {
		if r.result.Action != actionUnchanged && !r.set.dryRun {
			r.ui.note("public part: " + shortReader(public))
		}
	}
	return nil
}
