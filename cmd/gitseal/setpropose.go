package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// propose leaves the value as a proposal, sealed for the file's readers.
func (r *setRun) propose(ctx context.Context, in input) error {
	report, err := cipher.Inspect(in.format, in.data)
	if err != nil {
		return err
	}
	m := report.Metadata
	if m.Seal == nil {
		return failure("the file has no place for proposals: only sops's own MAC protects it",
			"somebody who can open it makes it one: gitseal import "+in.name)
	}
	if err := r.checkReaders(in, m); err != nil {
		return err
	}
	contents, err := r.contents(ctx, in, report)
	if err != nil || contents == nil {
		return err
	}
	recipients, err := recipientsOf(fileKeys(m), m.Threshold, r.ids.recipient)
	if err != nil {
		return err
	}
	r.result.Action, r.result.Readers = actionProposed, m.Readers()
	if r.dryRun {
		return nil
	}
	by := r.proposer(ctx, in)
	return rewriteBytes(r.ui, in, func(data []byte) ([]byte, error) {
		r.result.Proposals = nil
		for _, content := range contents {
			content.By, content.Timeout = by, r.ids.timeout
			content.Groups, content.Threshold = recipients.groups, recipients.threshold
			if data, err = cipher.Propose(ctx, in.format, data, content); err != nil {
				return nil, err
			}
			if err := r.noteProposal(in, data, content); err != nil {
				return nil, err
			}
		}
		return data, nil
	})
}

// checkReaders makes sure that those who the file says are its readers are those
// of its rule: somebody who can write to the repository, and nothing else, could
// add themselves to a file and wait for a secret to be proposed to them.
func (r *setRun) checkReaders(in input, m *cipher.Metadata) error {
	p, err := r.ruleOf(in)
	if err != nil {
		return err
	}
	if !p.chosen {
		r.ui.warn(in.name + ": no rule says who its readers are; the proposal is sealed for those whom the file names, whoever wrote them there: " + readersText(m.Readers()))
		return nil
	}
	parts, err := r.drift(in, m, p)
	if err == nil && len(parts) > 0 {
		err = errUnlikeRule(parts)
	}
	return err
}

// contents are the proposals to make, nil if there is a value already and that is
// enough.
func (r *setRun) contents(ctx context.Context, in input, report *cipher.Report) ([]cipher.ProposeOptions, error) {
	sealed, err := in.format.Parse(in.data)
	if err != nil {
		return nil, err
	}
	if err := r.checkNames(in); err != nil {
		return nil, err
	}
	path := in.proposalPath(sealed, r.path)
	old, exists := oldNode(sealed, in.pathIn(sealed, path))
	if exists && r.c.Bool("if-absent") {
		r.result.Action = actionUnchanged
		return nil, nil
	}
	for _, v := range report.Values {
		if exists && v.Path.Equal(path) && old.Kind == formats.ScalarNode {
			*old = scalarNode(v.Kind, "") // what was sealed
		}
	}
	node, err := r.node(ctx, in, old)
	if err != nil {
		return nil, err
	}
	changes := []formats.Change{{Path: path, Value: node}}
	if r.publicTo != nil {
		changes = append(changes, formats.Change{Path: in.proposalPath(sealed, r.publicTo), Value: scalarNode(formats.String, r.value.public)})
	}
	var out []cipher.ProposeOptions
	for i, change := range changes {
		if err := r.checkProposal(in, sealed, report.Metadata.Selector, change, i == 0); err != nil {
			return nil, err
		}
		content, err := proposalContent(in, change.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, cipher.ProposeOptions{Path: change.Path, Content: content})
	}
	return out, nil
}

// proposalPath is where a value is proposed for: . is the whole of a binary file,
// and else the path by which the document knows the place.
func (in input) proposalPath(doc *formats.Document, path *formats.Path) *formats.Path {
	if in.formatName == "binary" {
		return path
	}
	return in.pathIn(doc, path)
}

// proposalContent is what a proposal holds: the value as JSON, or the bytes of a
// binary file.
func proposalContent(in input, node formats.Node) ([]byte, error) {
	if in.formatName == "binary" {
		return []byte(node.Scalar.Text), nil
	}
	return node.JSON()
}

// checkProposal makes sure, as far as that can be known without a key, that the
// value could stand there, and that it would be sealed.
func (r *setRun) checkProposal(in input, sealed *formats.Document, selector cipher.Selector, change formats.Change, secret bool) error {
	if in.formatName == "binary" {
		if !isWhole(in, change.Path) {
			return failure("a binary file has no keys", "its path is . (a dot)")
		}
		return nil
	}
	skeleton, err := in.format.Rewrite(sealed, formats.Edit{Meta: formats.MetaEdit{Remove: true}})
	if err != nil {
		return err
	}
	doc, err := in.format.Parse(skeleton)
	if err != nil {
		return err
	}
	if skeleton, err = applyChange(in, doc, change); err != nil || !secret {
		return err
	}
	return r.checkPlace(in, skeleton, selector, change.Path)
}

// fileKeys returns the keys of a file's readers.
func fileKeys(m *cipher.Metadata) [][]keysources.Stanza {
	var out [][]keysources.Stanza
	for _, group := range m.Groups {
		var keys []keysources.Stanza
		for _, s := range group {
			keys = append(keys, s.Key())
		}
		out = append(out, keys)
	}
	return out
}

// noteProposal adds the ID of the new proposal to the result.
func (r *setRun) noteProposal(in input, data []byte, made cipher.ProposeOptions) error {
	report, err := cipher.Inspect(in.format, data)
	if err != nil {
		return err
	}
	list, _ := report.Metadata.Proposals()
	for _, p := range slices.Backward(list) { // it is the last; others may be for what stood there before
		if p.Path.Equal(made.Path) && p.By == made.By {
			r.result.Proposals = append(r.result.Proposals, p.ID())
			return nil
		}
	}
	return nil
}

// maxBy bounds the proposer's name, in characters.
const maxBy = 100

// proposer returns what the proposer wants to be called: --by, or else what git
// calls them; "" if neither says.
func (r *setRun) proposer(ctx context.Context, in input) string {
	by := r.c.String("by")
	if !r.c.IsSet("by") {
		by = gitSays(ctx, in.path, "user.name")
		if email := gitSays(ctx, in.path, "user.email"); email != "" {
			by += " <" + email + ">"
		}
	}
	by = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) || c == '\\' { // which means \n in some formats
			return -1
		}
		return c
	}, strings.TrimSpace(by))
	return string([]rune(by)[:min(maxBy, len([]rune(by)))])
}

// gitSays returns a setting of git, "" if there is none.
func gitSays(ctx context.Context, file, name string) string {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "config", "--get", name)
	cmd.Dir = filepath.Dir(file)
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// acceptText says who can accept a proposal, and how.
func acceptText(name string, readers []string) string {
	return "a reader takes it in with gitseal accept " + name + " (sealed for " + readersText(readers) + ")"
}

// rewriteBytes replaces a sealed file by what make makes of it. If somebody else
// writes it meanwhile, it is made again of what they wrote.
func rewriteBytes(u *ui, in input, make func(data []byte) ([]byte, error)) error {
	wait := time.Millisecond
	for deadline := time.Now().Add(maxRewriting); ; {
		out, err := make(in.data)
		if err != nil {
			return err
		}
		job, err := jobFor(in, out, nil)
		if err != nil {
			return err
		}
		err = writeAll(u, []atomicfile.Job{job})
		if !errors.Is(err, atomicfile.ErrChanged) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(wait + rand.N(wait))
		wait = min(2*wait, maxPause)
		if err := in.reread(); err != nil {
			return err
		}
	}
}
