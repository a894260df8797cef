package main

import (
	"context"
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
)

// settle settles for whom a file is sealed that neither a rule nor a flag names readers
// for: as its earlier version was, whose readers must not change behind anybody's back;
// and for the user if there is none.
func (r *sealRun) settle(ctx context.Context, j *sealJob) error {
	if j.plan.chosen {
		return nil
	}
	v, err := r.prev.open(ctx, j.in, r.ids)
	if err != nil {
		return err
	}
	j.prev = &v
	switch {
	case v.opened != nil:
		j.plan = r.keptPlan(j.plan, formatNamed(v.formatName), v.opened)
	case v.sealed:
		err = errUnknownReaders("its earlier version")
	default:
		j.plan.readers, err = r.ownReaders()
	}
	return err
}

// previousOf returns the earlier version of a job's file.
func (r *sealRun) previousOf(ctx context.Context, j *sealJob) (previousVersion, error) {
	if j.prev != nil {
		return *j.prev, nil
	}
	return r.prev.open(ctx, j.in, r.ids)
}

func errUnknownReaders(version string) error {
	return &commandError{code: exitNoIdentity, text: "no rule says who may read it, and " + version + ", which would, does not open here",
		hint: "name the readers, with --age for one; or make rules that do: gitseal init"}
}

// keptPlan is p with what an earlier version was sealed with, as far as flags do not say
// otherwise.
func (r *planner) keptPlan(p plan, f formats.Format, o *cipher.Opened) plan {
	opts := r.optionsOf(o)
	p.readers = readerSet{keys: o.Metadata.Groups, groups: opts.Groups, threshold: opts.Threshold}
	p.kept = true
	if p.selector.IsZero() {
		p.selector = chosenSelector(f, o)
	}
	if _, bound := manifest.ParseContext(opts.Context); !bound {
		p.macOnly, p.context = p.macOnly || opts.MACOnlyEncrypted, opts.Context
	}
	return p
}

// chosenSelector returns the selector of a file if somebody has chosen it. One that is the
// usual one for its content is zero: other content may have another.
func chosenSelector(f formats.Format, o *cipher.Opened) cipher.Selector {
	s := o.Metadata.Selector
	doc, err := f.Parse(o.PlaintextBytes())
	usual := err == nil && slices.ContainsFunc(usualSelectors(doc), func(u cipher.Selector) bool { return u.Kind == s.Kind && u.Pattern == s.Pattern })
	if usual {
		return cipher.Selector{}
	}
	return s
}

// refuseUnmade refuses to seal as any other file what was a SealedManifest until now: its
// kind would go, and with it the place that it is sealed for.
func (r *sealRun) refuseUnmade(j *sealJob, text []byte, prev previousVersion) error {
	if !prev.object.IsSealedManifest() || r.c.Bool("no-reuse") || plainManifest(j.in.format, text) != nil {
		return nil
	}
	hint := "gitseal seal --manifest FILE makes it one again"
	if prev.inside() {
		hint = "it holds a sealed file, which gitseal edit FILE edits there, once git restore FILE has brought it back"
	}
	return &commandError{code: exitWrongState, text: "it is a SealedManifest in git, and none now: no cluster would open it",
		hint: hintFor(j.in.name, hint+"; if it is meant to be none from now on: gitseal seal --no-reuse FILE")}
}
