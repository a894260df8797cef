package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/editor"
	"github.com/gitseal/gitseal/cmd/internal/rescue"
	"github.com/gitseal/gitseal/formats/binary"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/keysources"
)

// rescue keeps an edit that was not saved, if there is anything to keep.
func (e *editing) rescue(ctx context.Context, session *editor.Session, shown []byte) {
	text := session.Last()
	if len(bytes.TrimSpace(text)) == 0 || bytes.Equal(text, e.base) || bytes.Equal(text, shown) {
		return
	}
	if b := e.before; b != nil && bytes.Equal(text, b.text) {
		// The conflict was not shown, or not settled: it is still to be.
		e.base, e.baseSealed = b.base, b.baseSealed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rescuePatience)
	defer cancel()
	id, err := e.keep(ctx, text)
	if err != nil {
		tellOfPlain(e.ui, session, err)
		return
	}
	e.rescueID = id
	e.ui.warn("your edit is kept, sealed: gitseal edit --resume " + id + " " + e.in.name)
}

// rescuePatience is how long sealing a copy may take. What ended the call must not end
// that.
const rescuePatience = 10 * time.Second

// tellOfPlain leaves the text where the editor had it: the last resort.
func tellOfPlain(u *ui, session *editor.Session, err error) {
	u.warn("your edit could not be kept sealed: " + err.Error())
	u.warn("it is PLAIN in " + session.Keep() + ": save it, and delete that folder")
}

// keep seals an edit for those who can read the file and for the user, else for
// the user alone, and stores it.
func (e *editing) keep(ctx context.Context, text []byte) (id string, err error) {
	own := e.ids.existingRecipients(ctx) // without any, the file's readers have to do
	sealed, err := e.sealForReaders(ctx, text, own)
	if err != nil && len(own) > 0 {
		sealed, err = sealAlone(ctx, text, own)
	}
	if err != nil {
		return "", err
	}
	return e.rescues.Save(rescue.Copy{
		ID: e.rescueID, File: e.pathForRescue(), Format: e.in.formatName, At: time.Now(), Base: e.baseSealed, Text: sealed,
	})
}

// sealForReaders needs no key service for a file that was opened: its data key is
// known, and is wrapped already.
func (e *editing) sealForReaders(ctx context.Context, text []byte, own []keysources.Recipient) ([]byte, error) {
	var opts cipher.SealOptions
	switch {
	case e.opened != nil:
		opts = e.optionsOf(e.opened)
		opts.Selector, opts.MACOnlyEncrypted, opts.Context = cipher.Selector{}, false, ""
		// Proposals are none of its business.
		proposals, _ := e.opened.Metadata.Proposals()
		for _, p := range proposals {
			opts.Settled = append(opts.Settled, p.ID())
		}
	case e.making != nil:
		p := e.making.plan
		opts = cipher.SealOptions{Groups: slices.Clone(p.readers.groups), Threshold: p.readers.threshold, Timeout: e.ids.timeout}
	}
	if len(opts.Groups) == 1 {
		opts.Groups[0] = withOwn(opts.Groups[0], own)
	}
	return sealBinary(ctx, text, opts)
}

// existingRecipients are the user's own, if there are any.
func (k *identities) existingRecipients(ctx context.Context) []keysources.Recipient {
	found, err := k.ring.Recipients(ctx)
	if err != nil {
		return nil
	}
	var out []keysources.Recipient
	for _, r := range found {
		out = append(out, withKey(r, keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{{Name: "recipient", Value: r.String()}}}))
	}
	return out
}

// withOwn adds the user's recipients to those of a file.
func withOwn(readers, own []keysources.Recipient) []keysources.Recipient {
	out := slices.Clone(readers)
	for _, r := range own {
		if !slices.ContainsFunc(out, func(have keysources.Recipient) bool { return have.String() == r.String() }) {
			out = append(out, r)
		}
	}
	return out
}

func sealAlone(ctx context.Context, text []byte, own []keysources.Recipient) ([]byte, error) {
	return sealBinary(ctx, text, cipher.SealOptions{Recipients: own})
}

// sealBinary seals a text as it is, whatever it may be.
func sealBinary(ctx context.Context, text []byte, opts cipher.SealOptions) ([]byte, error) {
	sealed, err := cipher.Seal(ctx, binary.Format{}, text, opts)
	if err != nil {
		return nil, err
	}
	return sealed.Bytes, sealed.Check(sealed.Bytes)
}

// resume takes up a kept edit. What has changed in the file since is merged when it
// is saved.
func (r *editRun) resume(ctx context.Context, id, name string) error {
	kept, err := r.rescues.Load(id)
	if err != nil {
		return explainRescue(id, err)
	}
	if name == "" {
		name = kept.File
	}
	if kept.Redacted {
		return r.resumeRedacted(ctx, kept, name)
	}
	if err := withoutRedacted(r.c); err != nil {
		return err
	}
	text, err := cipher.Open(ctx, binary.Format{}, kept.Text, r.ids.openOptions())
	if err != nil {
		return &fileError{name: "the kept edit " + id, unsealing: true, err: err}
	}
	e, err := r.editingOf(ctx, name)
	if err != nil {
		return err
	}
	if err := checkFormat(r.c, e.in, kept); err != nil {
		return err
	}
	if e.base, e.baseSealed = nil, kept.Base; len(kept.Base) > 0 {
		base, err := cipher.Open(ctx, e.in.format, kept.Base, r.ids.openOptions())
		if err != nil {
			return &fileError{name: "the kept edit " + id, unsealing: true, err: err}
		}
		e.base = base.PlaintextBytes()
	}
	e.rescueID = id
	edited := text.PlaintextBytes()
	var notes []string
	// A conflict that was not settled when the edit was kept is still to be.
	if e.marked = merge.HasMarkers(edited) && !merge.HasMarkers(e.base); e.marked {
		notes = []string{noteContradicts}
	}
	return e.run(ctx, edited, notes)
}

// checkFormat refuses a file of another format than that of a kept edit.
func checkFormat(c *cli.Context, in input, kept *rescue.Copy) error {
	if in.formatName == kept.Format || c.IsSet("format") {
		return nil
	}
	return &fileError{name: in.name, err: failure("the kept edit "+kept.ID+" is of a "+kept.Format+" file", "name the file that it was made of: "+kept.File+", or its --format")}
}

// editingOf prepares a file that may exist or not.
func (r *editRun) editingOf(ctx context.Context, name string) (*editing, error) {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return r.opened(ctx, name)
	}
	e, err := r.planned(ctx, name)
	if err != nil {
		return nil, &fileError{name: name, err: err}
	}
	return e, nil
}

// list prints the kept edits.
func (r *editRun) list(u *ui) error {
	copies, err := r.rescues.List()
	if err != nil {
		return err
	}
	for _, c := range copies {
		if _, err := fmt.Fprintf(u.out, "%s  %s  %s\n", c.ID, c.At.Format(time.DateTime), oneLine(c.File)); err != nil {
			return err
		}
	}
	if len(copies) == 0 {
		u.note("no edit was kept")
	}
	return nil
}

// maxRescuesTold bounds how many kept edits are named.
const maxRescuesTold = 2

// tellOfRescues says that there are kept edits of a file.
func tellOfRescues(rescues *rescue.Store, u *ui, path string) {
	copies, err := rescues.List()
	if err != nil {
		return // nothing that this call needs
	}
	var ids []string
	for _, c := range copies {
		if c.File == path {
			ids = append(ids, c.ID)
		}
	}
	switch n := len(ids); {
	case n > maxRescuesTold:
		u.note(fmt.Sprintf("%d edits of this file that were not saved are kept, the last as %s: gitseal edit --list-rescues", n, ids[n-1]))
	case n > 0:
		u.note("an edit of this file that was not saved is kept: gitseal edit --resume " + strings.Join(ids, ", or "))
	}
}

func explainRescue(id string, err error) error {
	if errors.Is(err, rescue.ErrNone) {
		return failure("no edit "+quoted(id)+" is kept", "gitseal edit --list-rescues lists those that are")
	}
	if errors.Is(err, rescue.ErrMalformed) {
		return failure("the kept edit "+quoted(id)+" is damaged", "gitseal edit --drop-rescue "+id+" removes it")
	}
	return err
}
