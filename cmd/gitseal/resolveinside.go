package main

import (
	"bytes"
	"errors"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats/merge"
)

// readMarks reads the conflicts of a text with markers, which is what the file holds or is to
// hold. If all that is in conflict is what a SealedManifest holds in spec.document, they are
// those of that file, which is worked on from then on.
func (r *resolveRun) readMarks(text []byte) error {
	r.in = r.in.outside()
	left, err := cipher.ReadUndecided(r.in.format, text)
	if err != nil {
		return err
	}
	r.left = left
	ours, theirs := r.in, r.in
	ours.data, theirs.data = left.Ours, left.Theirs
	if errors.Join(ours.enter(), theirs.enter()) != nil || ours.around == nil || theirs.around == nil || ours.formatName != theirs.formatName {
		return nil
	}
	inside, err := cipher.ReadUndecided(ours.format, merge.Mark(ours.data, theirs.data, sideLabels(), gitMarkerSize))
	if err != nil {
		return nil // it is the same file on both sides
	}
	if inside.Whole {
		left.Whole, left.Why = true, "spec.document: "+inside.Why
		return nil
	}
	if same, err := manifest.WithText(theirs.around.format, theirs.around.data, ours.data); err != nil || !bytes.Equal(same, ours.around.data) {
		return nil // what is around it has to be settled first
	}
	ours.around.file = r.in.data
	r.in, r.left = ours, inside
	return nil
}

// readOutside goes back to the file as a whole, to take a side of it or to merge it again.
func (r *resolveRun) readOutside(marked bool) error {
	if r.in.around == nil {
		return nil
	}
	r.in = r.in.outside()
	if !marked {
		return nil
	}
	left, err := cipher.ReadUndecided(r.in.format, r.in.data)
	r.left = left
	return err
}
