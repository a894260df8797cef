package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/merging"
	"github.com/gitseal/gitseal/formats/merge"
)

// indexed is what git's index holds of a file in conflict.
type indexed struct {
	v                  merge.Versions
	base, ours, theirs bool
}

// unmerged reports whether git has the file as one in conflict.
func (x indexed) unmerged() bool { return x.base || x.ours || x.theirs }

// stages returns the versions of a file in conflict from git's index.
func (r *resolveRun) stages(ctx context.Context) (indexed, error) {
	var x indexed
	repo, err := r.repo(ctx, r.in.path)
	if err != nil || repo == nil {
		return x, err
	}
	for _, s := range []struct {
		stage int
		to    *[]byte
		there *bool
	}{{gitrepo.StageBase, &x.v.Base, &x.base}, {gitrepo.StageOurs, &x.v.Ours, &x.ours}, {gitrepo.StageTheirs, &x.v.Theirs, &x.theirs}} {
		*s.to, err = repo.Stage(r.in.path, s.stage)
		if *s.there = err == nil; err != nil && !errors.Is(err, gitrepo.ErrNone) {
			return x, err
		}
	}
	return x, nil
}

// read finds the conflicts. If the file as a whole is one, or none is in it although git
// has it as unmerged, the versions in git's index are merged again.
func (r *resolveRun) read(ctx context.Context) error {
	marked := merge.HasMarkers(r.in.data)
	if marked {
		if err := r.readMarks(r.in.data); err != nil {
			return &commandError{code: exitWrongState, text: err.Error(), hint: "git checkout --merge -- " + hintName(r.in.name) + " puts the conflict back as it was"}
		}
	}
	whole := r.c.Bool("whole")
	if marked && !r.left.Whole && !whole {
		return nil
	}
	if err := r.readOutside(marked); err != nil {
		return err
	}
	var err error
	if r.index, err = r.stages(ctx); err != nil {
		return err
	}
	switch {
	case !r.index.unmerged():
		return nil
	case !marked && (!r.index.ours || !r.index.theirs):
		return r.errRemoved()
	case whole || !r.index.ours || !r.index.theirs:
		return nil
	case r.left == nil && !sameLines(r.in.data, r.index.v.Ours):
		return nil // somebody has settled it already
	}
	return r.mergeAgain(ctx)
}

// sameLines compares a file with what git stores of it, which may have other line ends.
func sameLines(a, b []byte) bool {
	unix := func(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) }
	return bytes.Equal(a, b) || bytes.Equal(unix(a), unix(b))
}

// errRemoved is for conflicts between a change and a removal, which have no keys.
func (r *resolveRun) errRemoved() error {
	name := hintName(r.in.name)
	text := "only one side has the file"
	switch {
	case r.index.base && r.index.theirs:
		text = "our side removed the file, and the other changed it"
	case r.index.base && r.index.ours:
		text = "the other side removed the file, and ours changed it"
	}
	return &commandError{code: exitWrongState, text: text, hint: "git add " + name + " keeps it as it stands here, git rm " + name + " removes it"}
}

// mergeAgain merges the versions of the index. If that gives less than one conflict of the
// whole file, the file is written, unless more is about to be settled in it.
func (r *resolveRun) mergeAgain(ctx context.Context) error {
	out, err := r.mergeVersions(ctx, r.in, r.index.v, mergeWay{strict: true, markerSize: gitMarkerSize})
	if errors.Is(err, merging.ErrByLine) {
		out, err = &merging.Outcome{Whole: err.Error()}, nil
	}
	if errors.As(err, new(*cipher.TamperedError)) {
		e := explain(inSet(r.in.name, true, err))
		return &commandError{code: e.code, text: err.Error(), hint: r.wholeHint("takes the side that is right, whole")}
	}
	if err != nil {
		return err
	}
	if out.Whole != "" {
		if r.left == nil {
			r.left = &cipher.Undecided{Ours: r.index.v.Ours, Theirs: r.index.v.Theirs, Whole: true}
		}
		r.left.Why = out.Whole
		return nil
	}
	r.left = nil
	if !out.Clean() {
		if err = r.readMarks(out.Text); err != nil || r.settling() {
			return err
		}
	}
	if err := r.writeFile(r.in.outside(), out.Text); err != nil {
		return err
	}
	r.in = r.in.outside()
	r.in.data = out.Text
	if !out.Clean() {
		return r.readMarks(out.Text)
	}
	r.merged = true
	r.ui.note(r.in.name + ": merged from git's index")
	return nil
}

// wholeHint says how to take a side, and what that does.
func (r *resolveRun) wholeHint(does string) string {
	return "gitseal resolve " + hintName(r.in.name) + " --whole --ours (or --theirs) " + does
}

// errWhole is for conflicts of a whole file.
func (r *resolveRun) errWhole() error {
	return &commandError{code: exitWrongState, text: "the whole file is in conflict: " + r.left.Why, hint: r.wholeHint("takes one side, and drops all that the other changed")}
}

// takeSide settles a file by taking it whole from one side.
func (r *resolveRun) takeSide(ctx context.Context) error {
	var ours, theirs []byte
	switch {
	case r.index.ours && r.index.theirs:
		ours, theirs = r.index.v.Ours, r.index.v.Theirs
	case r.left == nil:
		return &commandError{code: exitWrongState, text: "nothing is in conflict", hint: "git checkout REVISION -- " + hintName(r.in.name) + " brings an earlier version back"}
	case !r.left.Whole:
		return &commandError{code: exitWrongState, text: "git has no other version of the file than this one, in which keys are in conflict: " + conflictPaths(r.left.Conflicts), hint: "settle them, or --all in place of --whole"}
	default:
		ours, theirs = r.left.Ours, r.left.Theirs
	}
	text, other := theirs, ours
	if r.c.Bool("ours") {
		text, other = ours, theirs
	}
	if len(text) == 0 {
		return failure("that side has no content", "git rm "+hintName(r.in.name)+" removes the file, if that is meant")
	}
	if err := r.write(text); err != nil {
		return err
	}
	r.nowPlain = r.isPlain(text) && !r.isPlain(other)
	return r.reportSettled(ctx, nil, false)
}

// isPlain reports whether a version of the file is not sealed.
func (r *resolveRun) isPlain(text []byte) bool {
	in := r.in.outside()
	in.data = text
	err := in.enter()
	return errors.Is(err, errPlainInside) || err == nil && !isSealed(in)
}
