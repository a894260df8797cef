package main

import (
	"context"
	"errors"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
)

// settle settles for whom a file is sealed that neither a rule nor a flag names readers
// for: as its earlier version was, whose readers must not change behind anybody's back;
// and for the user if there is none.
func (r *sealRun) settle(ctx context.Context, j *sealJob) error {
	err := r.settleKept(ctx, j)
	if err == nil && !j.plan.chosen && !j.plan.kept {
		j.plan.readers, err = r.ownReaders()
	}
	return err
}

// settleKept is settle without readers for a file that has no earlier version.
func (r *sealRun) settleKept(ctx context.Context, j *sealJob) error {
	if j.plan.chosen {
		return nil
	}
	v, err := r.prev.open(ctx, j.in, r.ids)
	if errors.Is(err, errReadersInConflict) {
		return &commandError{code: exitWrongState, text: "no rule says who may read it, and " + err.Error(),
			hint: hintFor(j.in.name, "gitseal resolve FILE, once git checkout --merge -- FILE has put the conflict back, settles it by key; or take a sealed version whole, and git add FILE; then make the change on that. Or "+namedReadersHint)}
	}
	if err != nil {
		return err
	}
	j.prev = &v
	switch {
	case v.opened != nil:
		j.plan = r.keptPlan(j.plan, formatNamed(v.formatName), v.opened)
	case v.sealed:
		return errUnknownReaders(j.in.name, "its earlier version", v.why)
	}
	return nil
}

// newJob settles how a file that is to be made is sealed, as seal would if it were there: one
// that was emptied or removed keeps the readers of its version in git. A dry run makes no
// identity, and uses nothing that a rule names.
func (r *rewriter) newJob(ctx context.Context, in input) (*sealJob, error) {
	run, j := r.sealer(), &sealJob{in: in}
	var err error
	if r.dryRun {
		if j.plan, err = r.ruleOf(in); err != nil || j.plan.chosen {
			return j, err
		}
	}
	if j.plan, err = run.chosenPlan(in); err != nil || j.plan.chosen {
		return j, err
	}
	if run.prev, err = run.findPrevious(ctx, []input{in}); err != nil {
		return j, err
	}
	defer run.prev.close()
	if r.dryRun {
		return j, run.settleKept(ctx, j)
	}
	return j, run.settle(ctx, j)
}

// sealFirst seals the first content of a file that is to be made.
func (r *rewriter) sealFirst(ctx context.Context, j *sealJob, text []byte) (*cipher.Sealed, error) {
	var prev previousVersion
	if j.prev != nil {
		prev = *j.prev
	}
	opts, err := r.sealer().textOptions(j, text, prev)
	if err != nil {
		return nil, err
	}
	sealed, err := cipher.Seal(ctx, j.in.format, text, opts)
	if err != nil {
		return nil, err
	}
	warnOfMix(r.ui, j.in.name, j.plan.recipients())
	return sealed, r.passExposing(j.in, sealed.Exposed)
}

func (r *rewriter) sealer() *sealRun {
	return &sealRun{planner: r.planner, std: r.std, ui: r.ui}
}

// textOptions are the options to seal a text with in place of an earlier version.
func (r *sealRun) textOptions(j *sealJob, text []byte, prev previousVersion) (cipher.SealOptions, error) {
	if err := r.refuseUnmade(j, text, prev); err != nil {
		return cipher.SealOptions{}, err
	}
	if prev.inside() {
		prev.opened = nil // what it held was another file
	}
	opts, err := r.sealOptions(j.in, j.plan, text, prev.opened)
	if opts.Previous != nil && !prev.reuses {
		// Nothing of it is used again, but what was sealed in it may be plain now.
		opts.Previous, opts.Also = nil, []*cipher.Opened{opts.Previous}
	}
	return opts, err
}

// keptText says in a report for whom a file was sealed as nobody had named readers.
func (p plan) keptText() string {
	return "for the " + counted(len(p.recipients()), "reader") + " of its earlier version"
}

// previousOf returns the earlier version of a job's file.
func (r *sealRun) previousOf(ctx context.Context, j *sealJob) (previousVersion, error) {
	if j.prev != nil {
		return *j.prev, nil
	}
	return r.prev.open(ctx, j.in, r.ids)
}

// errReadersInConflict: git has versions of a file between which nobody has decided, so that
// none of them says who may read it.
var errReadersInConflict = errors.New("git has it in conflict: none of its versions there is the one that would")

const namedReadersHint = "name the readers, with --age for one; or make rules that do: gitseal init"

// errUnknownReaders refuses a file whose readers only a version would say that does not open;
// why may be nil.
func errUnknownReaders(name, version string, why error) error {
	e := &commandError{code: exitNoIdentity, text: "no rule says who may read it, and " + version + ", which would, ", hint: namedReadersHint}
	if why == nil || errors.As(why, new(*cipher.NoIdentityError)) {
		e.text += "does not open here"
		return e
	}
	x := explain(&fileError{name: name, unsealing: true, err: why})
	e.code, e.text = x.code, e.text+"cannot be verified: "+why.Error()
	e.hint = strings.Join(append(x.hints, e.hint), "; or ")
	if errors.Is(why, cipher.ErrHalfMerged) {
		e.hint = hintFor(name, "put the text elsewhere, and git restore FILE; then gitseal reseal FILE verifies it, and the change is made again; or "+e.hint)
	}
	return e
}

// keptPlan is p with what an earlier version was sealed with, as far as flags do not say
// otherwise.
func (r *planner) keptPlan(p plan, f formats.Format, o *cipher.Opened) plan {
	opts := r.optionsOf(o)
	p.readers = readerSet{keys: o.Metadata.Groups, groups: opts.Groups, threshold: opts.Threshold}
	p.kept = true
	if p.selector.IsZero() {
		p.selector, p.keptSelector = chosenSelector(f, o), true
	}
	if _, bound := manifest.ParseContext(opts.Context); !bound {
		p.macOnly, p.context = p.macOnly || opts.MACOnlyEncrypted, opts.Context
	}
	return p
}

// chosenSelector returns the selector of a file; zero if it is the one that Secrets of
// Kubernetes have if nobody chooses: other content may have another, which seals more.
func chosenSelector(f formats.Format, o *cipher.Opened) cipher.Selector {
	s := o.Metadata.Selector
	doc, err := f.Parse(o.PlaintextBytes())
	if err == nil && sameSelector(s, cipher.SelectorFor(doc)) && !sameSelector(s, cipher.DefaultSelector()) {
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
	switch {
	case len(j.in.data) == 0: // it is to be made
		hint = "git restore FILE brings it back, where gitseal set and edit change it"
	case prev.inside():
		hint = "it holds a sealed file, which gitseal edit FILE edits there, once git restore FILE has brought it back"
	}
	return &commandError{code: exitWrongState, text: "it is a SealedManifest in git, and none now: no cluster would open it",
		hint: hintFor(j.in.name, hint+"; if it is meant to be none from now on: gitseal seal --no-reuse FILE")}
}
