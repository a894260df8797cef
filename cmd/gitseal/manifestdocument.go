package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats/all"
)

// sealDocument puts a file, sealed, into a SealedManifest's spec.document. Its readers are
// those of the manifest's rule; a rule's selector is about other files, so that without a
// flag everything is sealed, or the values of Secrets. Whatever the rule says, the MACs
// cover the whole document: a cluster takes no plain values in it that nothing vouches for.
func (r *sealRun) sealDocument(ctx context.Context, in input) error {
	output := r.c.String("output")
	target := output
	if output == "" || output == stdinArg {
		output, target = "", in.name
	}
	path, err := filepath.Abs(target)
	if err != nil {
		return err
	}
	rulesOf := in
	rulesOf.rulePath = path
	there, err := standingAt(output)
	if err != nil {
		return &fileError{name: target, err: err}
	}
	job := &sealJob{in: in, action: actionSealed, there: there}
	if job.plan, err = r.chosenPlan(rulesOf); err != nil {
		return &fileError{name: target, err: err}
	}
	d, err := r.documentFor(job)
	if err != nil {
		return &fileError{name: target, err: err}
	}
	if err := r.settleInner(ctx, job, target); err != nil {
		return &fileError{name: target, err: err}
	}
	if err := r.sealInner(ctx, job, d, *job.prev); err != nil {
		return &fileError{name: in.name, err: err}
	}
	if err := r.around(job, d, target); err != nil {
		return &fileError{name: target, err: err}
	}
	if output == "" {
		return r.writeStdout(job)
	}
	if err := r.write([]*sealJob{job}); err != nil {
		return err
	}
	return r.report([]*sealJob{job})
}

// sealInner seals the file that is to be held by a manifest. v is what that holds until
// now, if it does.
func (r *sealRun) sealInner(ctx context.Context, j *sealJob, d *manifest.Document, v previousVersion) error {
	in, plain, prev := j.in, j.in.data, v.opened
	var selector cipher.Selector
	if prev != nil {
		selector = chosenSelector(formatNamed(v.formatName), prev)
	}
	if o, err := cipher.Open(ctx, in.format, in.data, r.ids.openOptions()); err == nil {
		// It is sealed already, for another place.
		plain, prev, v = o.PlaintextBytes(), o, previousVersion{reuses: true, formatName: in.formatName}
		if !j.plan.chosen {
			j.plan = r.keptPlan(j.plan, in.format, o)
		}
	} else if !isNotSealed(err) && bytes.Contains(in.data, []byte(cipher.SealedPrefix)) {
		return err
	}
	before, _ := manifest.ParseContext(contextOf(prev))
	object := manifest.Object{Name: d.Name, Namespace: d.Namespace}
	b, err := manifest.Bind(object, j.plan.wish, before)
	if err != nil {
		return err
	}
	if d.Namespace == "" {
		d.Namespace = b.Namespace
	}
	if err := d.Check(in.format, plain); err != nil {
		return err
	}
	was := contextOf(prev)
	if prev != nil && !r.c.Bool("document") {
		was = cmp.Or(was, noPlace)
		if err := r.checkRebinding(was, b.Context(), object); err != nil {
			return err
		}
	}
	opts := cipher.SealOptions{
		Groups: j.plan.readers.groups, Threshold: j.plan.readers.threshold, Timeout: r.ids.timeout,
		Context: b.Context(),
	}
	if v.reuses && v.formatName == in.formatName {
		opts.Previous = prev
	}
	if opts.Selector, err = r.selectorFromFlags(); err != nil {
		return err
	}
	if opts.Selector.IsZero() {
		opts.Selector = selector
	}
	if j.sealed, err = cipher.Seal(ctx, in.format, plain, opts); err != nil {
		return err
	}
	r.warnOfRebinding(in, was, opts.Context)
	j.context, d.Text = opts.Context, j.sealed.Bytes
	return nil
}

// heldBy returns the file that a SealedManifest holds in spec.document, nil if in is none.
func heldBy(in input) *manifest.Document {
	if plainManifest(in.format, in.data) == nil {
		return nil
	}
	held, err := manifest.Held(in.format, in.data)
	if err != nil {
		return nil // what is wrong with it is told by those who seal
	}
	return held
}

// inner returns, in place of a SealedManifest with spec.document, the sealed file that it
// holds there: for commands that only look.
func (in input) inner() input {
	inside := in
	if inside.enter() != nil {
		return in // what is wrong with it is told by those who open or seal it
	}
	return inside
}

// holdsDocument reports whether the file of a name is a SealedManifest that holds a sealed
// file, so that the commands for sealed files do nothing with it.
func holdsDocument(name string) bool {
	in := input{formatName: all.NameForFile(name)}
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if in.data, err = readFile(name); err != nil {
		return false
	}
	in.format, _ = all.ByName(in.formatName)
	return in.enter() == nil && in.around != nil
}

// sealHeld seals the plain document of a SealedManifest where it stands. One that is
// sealed stays, unless --manifest or --rebind has it sealed anew, by its rule.
func (r *sealRun) sealHeld(ctx context.Context, j *sealJob, held *manifest.Document, prev previousVersion) error {
	format, ok := all.ByName(held.Format)
	if !ok {
		return failure("spec.format is no format", "the formats are "+formatNames())
	}
	doc, err := format.Parse(held.Text)
	if err != nil {
		return fmt.Errorf("spec.document: %w", err)
	}
	if err := r.checkOuter(j.in); err != nil {
		return err
	}
	if doc.Meta != nil && !r.c.Bool("manifest") && !r.c.Bool("rebind") {
		j.action = actionUnchanged
		m, err := cipher.ParseMetadata(doc)
		if err != nil {
			return err
		}
		return r.checkBinding(j, m)
	}
	whole := j.in
	j.in.data, j.in.format, j.in.formatName = held.Text, format, held.Format
	if !prev.inside() {
		prev = previousVersion{}
	}
	err = r.sealInner(ctx, j, held, prev)
	j.in = whole
	if err != nil {
		return err
	}
	j.action, j.outerFormat = actionSealed, whole.format
	j.outer, err = manifest.WithText(whole.format, whole.data, j.sealed.Bytes)
	return err
}

// checkOuter refuses what a cluster would of the manifest around a document.
func (r *sealRun) checkOuter(in input) error {
	outer, err := in.format.Parse(in.data)
	if err != nil {
		return err
	}
	return r.refuseProblems(in, manifest.Problems(outer, in.data))
}

// check reports whether data, what is or was stored, give the plain file again.
func (j *sealJob) check(data []byte) error {
	if j.outer == nil {
		return j.sealed.Check(data)
	}
	held, err := manifest.Held(j.outerFormat, data)
	if err != nil {
		return err
	}
	return j.sealed.Check(held.Text)
}

// openManifest opens a file for "unseal --manifest": the Secret that an inline manifest
// is, or the file that one with a document holds.
func (r *unsealRun) openManifest(ctx context.Context, j *unsealJob, opts cipher.OpenOptions) error {
	in := j.in
	doc, err := in.format.Parse(in.data)
	if err != nil {
		return err
	}
	o := manifest.Of(doc)
	// An API server gives it back with its keys sorted and without comments.
	opts.AllowReordered = o.IsSealedManifest() && !o.HasDocument && (in.formatName == "json" || o.UID != "")
	if !o.HasDocument || !o.IsSealedManifest() {
		if j.opened, err = cipher.Open(ctx, in.format, in.data, opts); err != nil {
			return err
		}
		if j.plain, err = manifest.ToSecret(in.format, j.opened.PlaintextBytes()); err == nil && in.formatName == "json" && o.UID != "" {
			j.plain, err = manifest.FromFile(j.plain)
		} else if err == nil && o.IsSealedManifest() && o.HasSpec {
			r.ui.warn(in.name + ": the SealedManifest's spec stands in the Secret, too, which has no such field: take it out before a cluster sees it")
		}
		return err
	}
	if r.c.Bool("in-place") {
		return usageError("a manifest with spec.document cannot be replaced by what it holds", "leave out -i, or write elsewhere with -o")
	}
	held, err := manifest.Held(in.format, in.data)
	if err != nil {
		return err
	}
	format, ok := all.ByName(held.Format)
	if !ok {
		return failure("spec.format is no format", "the formats are "+formatNames())
	}
	if j.opened, err = cipher.Open(ctx, format, held.Text, opts); err != nil {
		return err
	}
	j.plain = j.opened.PlaintextBytes()
	return nil
}
