package main

import (
	"bytes"
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/editor"
	"github.com/gitseal/gitseal/cmd/internal/redacted"
	"github.com/gitseal/gitseal/cmd/internal/rescue"
	"github.com/gitseal/gitseal/formats/binary"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/keysources"
)

// rescue keeps an edited text that could not be stored, if there is anything to keep.
// It holds no old value, but may hold new ones.
func (r *redactedRun) rescue(ctx context.Context, session *editor.Session) {
	text := session.Last()
	if len(bytes.TrimSpace(text)) == 0 || bytes.Equal(text, r.view.Text) || bytes.Equal(text, r.text) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rescuePatience)
	defer cancel()
	own := r.set.ids.existingRecipients(ctx)
	id, err := r.keep(ctx, text, own)
	if err != nil {
		tellOfPlain(r.ui, session, err)
		return
	}
	who := ""
	if len(own) == 0 {
		who = ", for the file's readers: one of them can take it up with"
	}
	r.ui.warn("your edit is kept, sealed" + who + ": gitseal edit --resume " + id + " " + r.in.name)
}

// keep seals a text for the file's readers and the user, else for the user alone, and
// stores it. Without a key, nothing but the rule vouches for who the readers are.
func (r *redactedRun) keep(ctx context.Context, text []byte, own []keysources.Recipient) (id string, err error) {
	var sealed []byte
	p, err := r.set.ruleOf(r.in)
	var parts []string
	if err == nil {
		parts, err = r.set.drift(r.in, r.view.Metadata, p)
	}
	if err == nil && len(parts) > 0 {
		err = errUnlikeRule(parts)
	}
	if err == nil {
		sealed, err = r.sealForReaders(ctx, text, own)
	}
	if err != nil && len(own) > 0 {
		sealed, err = sealAlone(ctx, text, own)
	}
	if err != nil {
		return "", err
	}
	return r.rescues.Save(rescue.Copy{
		ID: r.rescueID, File: r.in.path, Format: r.in.formatName, At: time.Now(), Base: r.in.data, Text: sealed, Redacted: true,
	})
}

func (r *redactedRun) sealForReaders(ctx context.Context, text []byte, own []keysources.Recipient) ([]byte, error) {
	m := r.view.Metadata
	readers, err := recipientsOf(fileKeys(m), m.Threshold, r.set.ids.recipient)
	if err != nil {
		return nil, err
	}
	opts := cipher.SealOptions{Groups: readers.groups, Threshold: readers.threshold, Timeout: r.set.ids.timeout}
	if len(opts.Groups) == 1 {
		opts.Groups[0] = withOwn(opts.Groups[0], own)
	}
	return sealBinary(ctx, text, opts)
}

// forgetRescue drops the copy that was taken up, now that it is stored.
func (r *redactedRun) forgetRescue() {
	if r.rescueID == "" || r.set.dryRun {
		return
	}
	if err := r.rescues.Drop(r.rescueID); err != nil {
		r.ui.warn("the kept edit " + r.rescueID + " could not be removed: " + err.Error())
	}
}

// resumeRedacted takes up a kept edit of edit --redacted. It opens what may hold new
// values, so the caller has passed the door of edit.
func (r *editRun) resumeRedacted(ctx context.Context, kept *rescue.Copy, name string) error {
	if err := alone(r.c, "resume", "from", "print"); err != nil {
		return err
	}
	text, err := cipher.Open(ctx, binary.Format{}, kept.Text, r.ids.openOptions())
	if err != nil {
		return &fileError{name: "the kept edit " + kept.ID, unsealing: true, err: err}
	}
	run, err := newRedactedRun(r.c, r.std, r.ui, name)
	if err != nil {
		return err
	}
	if err := openByRule(r.book, doorEdit, run.in); err != nil {
		return err
	}
	if err := checkFormat(r.c, run.in, kept); err != nil {
		return err
	}
	if err := run.takeUp(kept, text.PlaintextBytes()); err != nil {
		return &fileError{name: "the kept edit " + kept.ID, err: err}
	}
	return run.editWith(ctx, r.command)
}

// alone refuses flags that do not go with another.
func alone(c *cli.Context, flag string, others ...string) error {
	for _, name := range others {
		if c.IsSet(name) {
			return usageError("--"+flag+" and --"+name+" exclude each other", "leave one out")
		}
	}
	return nil
}

const noteContradicts = "the file was changed since, and that contradicts the edit: keep what is right of what is marked, and delete the marks"

// takeUp merges a kept text with the file as it is now.
func (r *redactedRun) takeUp(kept *rescue.Copy, text []byte) error {
	r.rescueID = kept.ID
	if bytes.Equal(kept.Base, r.in.data) {
		if r.text, r.conflicted = text, merge.HasMarkers(text); r.conflicted {
			r.notes = []string{noteContradicts}
		}
		return nil
	}
	base, err := redacted.New(r.in.format, kept.Base)
	if err != nil {
		return err
	}
	ours, theirs := text, r.view.Text
	result, err := merge.Merge(r.in.format, merge.Versions{Base: base.Text, Ours: ours, Theirs: theirs}, merge.Options{})
	if err == nil && len(result.Conflicts) == 0 {
		r.text = result.Ours
		return nil
	}
	r.notes = []string{noteContradicts}
	if err == nil {
		ours, theirs = result.Ours, result.Theirs
		for _, c := range result.Conflicts[:min(len(result.Conflicts), maxWarnings)] {
			r.notes = append(r.notes, "   "+c.Path.String())
		}
	}
	labels := merge.Labels{Ours: "the kept edit", Theirs: "the file as it is now"}
	r.text, r.conflicted = merge.Mark(ours, theirs, labels, merge.MarkerSize), true
	return nil
}
