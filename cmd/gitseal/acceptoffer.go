package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// offer is a proposal as a reader sees it. It prints redacted.
type offer struct {
	proposal cipher.Proposal
	// place is where it belongs in the file as it is now.
	place cipher.Place
	// err says why it cannot be accepted.
	err error
	// node is the value, if it is known, and old what it replaces, nil if there is nothing.
	node  formats.Node
	known bool
	old   *formats.Node
	// action is what becomes of it, "" if it is left.
	action string
	// missed: it is left, though it was to be accepted.
	missed bool
}

// What can become of a proposal.
const (
	offerAccepted = "accepted"
	offerDropped  = "dropped"
)

// String says nothing of the value.
func (o offer) String() string { return o.proposal.String() }

// GoString is String.
func (o offer) GoString() string { return o.String() }

// replacesMany reports whether the proposal would replace a map or list.
func (o *offer) replacesMany() bool { return o.old != nil && o.old.Kind != formats.ScalarNode }

// offers opens the proposals of an opened file, many at a time: each may have to
// be asked of a key service.
func (r *acceptRun) offers(ctx context.Context, in input, opened *cipher.Opened) ([]*offer, error) {
	doc, err := in.format.Parse(opened.PlaintextBytes())
	if err != nil {
		return nil, err
	}
	list, _ := opened.Metadata.Proposals()
	out := make([]*offer, len(list))
	if len(list) == 0 {
		return out, nil
	}
	places := opened.Places()
	const atOnce = 16
	err = forAll(ctx, len(list), atOnce, func(i int) error {
		out[i] = &offer{proposal: list[i], place: places.Of(list[i])}
		out[i].open(ctx, in, doc, opened.Metadata, r.ids.openOptions())
		if out[i].err == nil && !r.c.Bool("plain") {
			out[i].err = out[i].checkPlace(in, doc, opened.Metadata.Selector)
		}
		return nil
	})
	return out, err
}

// open fills in what the proposal holds, or why it cannot be accepted.
func (o *offer) open(ctx context.Context, in input, doc *formats.Document, m *cipher.Metadata, opts cipher.OpenOptions) {
	o.old, _ = oldNode(doc, in.pathIn(doc, o.place.Path))
	content, err := o.proposal.Open(ctx, m, opts)
	if err == nil {
		o.node, err = contentNode(in, content)
		o.known = err == nil
	}
	if err == nil {
		err = o.lost(in)
	}
	if err == nil {
		_, err = applyChange(in, doc, formats.Change{Path: o.place.Path, Value: o.node})
	}
	o.err = err
}

// checkPlace refuses a value that would stand plain in the sealed file.
func (o *offer) checkPlace(in input, doc *formats.Document, selector cipher.Selector) error {
	plain, err := applyChange(in, doc, formats.Change{Path: o.place.Path, Value: o.node})
	if err != nil {
		return err
	}
	at, err := plainAt(in, plain, selector, o.place.Path)
	if err != nil || at == nil {
		return err
	}
	return failure("the file's selector leaves "+at.String()+" plain", "leave that proposal out, or accept it with --plain for everybody to read")
}

// contentNode reads what proposalContent has written.
func contentNode(in input, content []byte) (formats.Node, error) {
	if in.formatName == "binary" {
		return scalarNode(formats.String, string(content)), nil
	}
	n, err := formats.NodeFromJSON(content)
	if err != nil {
		return n, errors.New("it holds no value")
	}
	return n, nil
}

// text tells what is proposed, without the value.
func (o *offer) text() string {
	by := byText(o.proposal.By)
	text := fmt.Sprintf("%s  %s: %s, by %s, %s", o.proposal.ID(), o.pathText(), o.what(), by, o.proposal.At.UTC().Format(time.RFC3339))
	return oneLine(text)
}

// byText names a proposer.
func byText(by string) string {
	if by == "" {
		return "somebody"
	}
	return quoted(by)
}

// revealed returns the value as JSON that cannot steer a terminal.
func (o *offer) revealed() string {
	text, err := o.node.JSON()
	if err != nil {
		return "(bytes that are no text)"
	}
	var b strings.Builder
	for _, c := range string(text) {
		switch {
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c > 0xffff:
			const half, base, high, low = 0x3ff, 0x10000, 0xd800, 0xdc00
			fmt.Fprintf(&b, `\u%04x\u%04x`, high+(c-base)>>10, low+(c-base)&half)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}

// acceptResult is the JSON form of what accept did to one file, or found in it.
type acceptResult struct {
	File      string        `json:"file"`
	Changed   bool          `json:"changed"`
	Proposals []offerResult `json:"proposals"`
	Malformed int           `json:"malformed,omitempty"`
}

type offerResult struct {
	ID       string    `json:"id"`
	Path     string    `json:"path"`
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at"`
	Action   string    `json:"action"`
	Kind     string    `json:"kind,omitempty"`
	Replaces string    `json:"replaces,omitempty"`
	Problem  string    `json:"problem,omitempty"`
	// Now is the place of a list item that has moved since, ChangedSince says what else
	// has changed there.
	Now          string          `json:"now,omitempty"`
	ChangedSince string          `json:"changed_since,omitempty"`
	Value        json.RawMessage `json:"value,omitempty"`
}

func (r *acceptRun) results(jobs []*acceptJob) []acceptResult {
	out := []acceptResult{}
	for _, j := range jobs {
		res := acceptResult{File: j.in.name, Changed: j.written, Proposals: []offerResult{}, Malformed: j.malformed}
		for _, o := range j.offers {
			res.Proposals = append(res.Proposals, o.result(r.c.Bool("reveal"), r.c.Bool("drop")))
		}
		out = append(out, res)
	}
	return out
}

func (o *offer) result(reveal, closed bool) offerResult {
	p := o.proposal
	out := offerResult{ID: p.ID(), Path: p.Path.Text(), By: p.By, At: p.At, Action: o.action}
	if o.action == "" {
		out.Action = "left"
	}
	if closed {
		return out
	}
	if o.old != nil {
		out.Replaces = kindName(o.old)
	}
	if o.err != nil {
		out.Problem = o.err.Error()
	} else {
		out.Kind, out.Now, out.ChangedSince = kindName(&o.node), o.now(), o.since()
	}
	if text, err := o.node.JSON(); reveal && o.known && err == nil {
		out.Value = text
	}
	return out
}

// list prints the proposals.
func (r *acceptRun) list(jobs []*acceptJob) error {
	if r.c.Bool("json") {
		return r.ui.json(r.results(jobs))
	}
	var b bytes.Buffer
	for _, j := range jobs {
		for _, o := range j.offers {
			if !r.isChosen(o) {
				continue
			}
			fmt.Fprintf(&b, "%s  %s\n", oneLine(j.in.name), o.text())
			if r.c.Bool("reveal") && o.known {
				fmt.Fprintf(&b, "    %s\n", o.revealed())
			}
		}
		if j.malformed > 0 {
			r.ui.warn(fmt.Sprintf("%s: %s not well-formed; they go with the next change of proposals", j.in.name, counted(j.malformed, "entry")))
		}
		if len(j.offers) == 0 && len(jobs) == 1 {
			r.ui.note(j.in.name + ": no proposals")
		}
	}
	if _, err := r.std.out.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}
