package main

import (
	"errors"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// passExposing is asked before a file is stored in which values stand plain that were
// sealed before: that is a door. Who may pass it is told which they are, unless the
// command tells itself. The configuration of from, the files that hold the values until now,
// may close it, too.
func (r *rewriter) passExposing(in input, exposed []*formats.Path, from ...input) error {
	if len(exposed) == 0 {
		return nil
	}
	what := changedText(exposed)
	if !r.c.Bool("dry-run") {
		err := openToCaller(r.std, doorExposing)
		if err == nil {
			err = openByRule(r.book, doorExposing, append([]input{in}, from...)...)
		}
		var closed *commandError
		if errors.As(err, &closed) {
			closed.text = "it would leave plain what is sealed (" + what + "): " + closed.text
		}
		if err != nil {
			return err
		}
	}
	if !r.tellsExposed {
		warnOfNowPlain(r.ui, in, exposed)
	}
	return nil
}

// passExposing is that of a rewriter, for what was sealed in a job.
func (r *sealRun) passExposing(j *sealJob, in input, from ...input) error {
	return r.rewriter().passExposing(in, j.sealed.Exposed, from...)
}

// warnOfNowPlain names what was sealed in the version before, and is not any more.
func warnOfNowPlain(u *ui, in input, exposed []*formats.Path) {
	if len(exposed) > 0 {
		u.warn(oneLine(in.name + ": for everybody to read from now on, though sealed before: " + changedText(exposed)))
	}
}

// openPlain makes sure that proposed values may be left plain in the files.
func (r *acceptRun) openPlain(in ...input) error {
	if !r.c.Bool("plain") || r.c.Bool("list") || r.c.Bool("drop") || r.dryRun {
		return nil
	}
	if err := openToCaller(r.std, doorPlain); err != nil {
		return err
	}
	return openByRule(r.book, doorPlain, in...)
}

// checkSelector refuses to go on with an edit if the file has another selector by now
// that no rule vouches for: what was edited in the belief that it is sealed would not
// be.
func (e *editing) checkSelector(o *cipher.Opened) error {
	if len(e.baseSealed) == 0 {
		return nil
	}
	was, err := cipher.Inspect(e.in.format, e.baseSealed)
	if err != nil {
		return err
	}
	return e.otherSelector(e.in, was.Metadata.Selector, o.Metadata.Selector)
}

// otherSelector is the error that a file has come to have another selector, nil if it
// has not, or if its rule (with which it was compared) says so.
func (r *rewriter) otherSelector(in input, was, is cipher.Selector) error {
	if sameSelector(was, is) {
		return nil
	}
	if p, err := r.ruleOf(in); err != nil || p.chosen {
		return err
	}
	return &commandError{code: exitWrongState, text: "somebody else has changed meanwhile what of it is sealed (" + is.String() + ", before " + was.String() + ")",
		hint: "look at that change first (git log -p), and take it back or have a rule in .sops.yaml say so; then make yours again"}
}
