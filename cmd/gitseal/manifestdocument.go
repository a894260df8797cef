package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/yaml"
)

// sealDocument puts a file, sealed, into a SealedManifest's spec.document. Its readers are
// those of the manifest's rule; a rule's selector is about other files, so that without a
// flag everything is sealed, or the values of Secrets. Whatever the rule says, the MACs
// cover the whole document: a cluster takes no plain values in it that nothing vouches for.
func (r *sealRun) sealDocument(ctx context.Context, in input) error {
	output := r.c.String("output")
	target := output
	if output == "" || output == stdinArg {
		target = in.name
	}
	path, err := filepath.Abs(target)
	if err != nil {
		return err
	}
	rulesOf := in
	rulesOf.rulePath = path
	p, err := r.plan(rulesOf)
	if err != nil {
		return &fileError{name: target, err: err}
	}
	d := &manifest.Document{
		Name: r.c.String("name"), Namespace: p.wish.Namespace, Format: in.formatName,
		Key: r.c.String("key"), Type: r.c.String("type"), ServiceAccount: r.c.String("service-account"),
	}
	if d.Namespace == "" {
		return usageError("--document needs the namespace of the SealedManifest", "--namespace NAMESPACE")
	}
	job := &sealJob{in: in, plan: p, action: actionSealed}
	if err := r.sealInner(ctx, job, d, r.previousInner(ctx, output, in)); err != nil {
		return &fileError{name: in.name, err: err}
	}
	if job.outer, err = d.YAML(); err != nil {
		return &fileError{name: in.name, err: err}
	}
	if output == "" || output == stdinArg {
		return r.writeStdout(job)
	}
	if err := r.write([]*sealJob{job}); err != nil {
		return err
	}
	return r.report([]*sealJob{job})
}

// sealInner seals the file that is to be held by a manifest. prev is what that holds until
// now, or nil.
func (r *sealRun) sealInner(ctx context.Context, j *sealJob, d *manifest.Document, prev *cipher.Opened) error {
	in, plain := j.in, j.in.data
	if o, err := cipher.Open(ctx, in.format, in.data, r.ids.openOptions()); err == nil {
		plain, prev = o.PlaintextBytes(), o // it is sealed already, for another place
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
	if prev != nil && !r.c.Bool("document") {
		if err := r.checkRebinding(contextOf(prev), b.Context(), object); err != nil {
			return err
		}
	}
	opts := cipher.SealOptions{
		Groups: j.plan.readers.groups, Threshold: j.plan.readers.threshold, Timeout: r.ids.timeout,
		Previous: prev, Context: b.Context(),
	}
	if opts.Selector, err = r.selectorFromFlags(); err != nil {
		return err
	}
	if j.sealed, err = cipher.Seal(ctx, in.format, plain, opts); err != nil {
		return err
	}
	r.warnOfRebinding(in, contextOf(prev), opts.Context)
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

// sealHeld seals the plain document of a SealedManifest where it stands. One that is
// sealed stays, unless --manifest or --rebind has it sealed anew, by its rule.
func (r *sealRun) sealHeld(ctx context.Context, j *sealJob, held *manifest.Document) error {
	format, ok := all.ByName(held.Format)
	if !ok {
		return failure("spec.format is no format", "the formats are "+formatNames())
	}
	doc, err := format.Parse(held.Text)
	if err != nil {
		return fmt.Errorf("spec.document: %w", err)
	}
	if doc.Meta != nil && !r.c.Bool("manifest") && !r.c.Bool("rebind") {
		j.action = actionUnchanged
		return nil
	}
	whole := j.in
	j.in.data, j.in.format = held.Text, format
	err = r.sealInner(ctx, j, held, nil)
	j.in = whole
	if err != nil {
		return err
	}
	j.action = actionSealed
	j.outer, err = manifest.WithText(whole.format, whole.data, j.sealed.Bytes)
	return err
}

// check reports whether data, what is or was stored, give the plain file again.
func (j *sealJob) check(data []byte) error {
	if j.outer == nil {
		return j.sealed.Check(data)
	}
	format := j.in.format
	if plainManifest(format, data) == nil {
		format = yaml.Format{} // a manifest was made around another file
	}
	held, err := manifest.Held(format, data)
	if err != nil {
		return err
	}
	return j.sealed.Check(held.Text)
}

// previousInner is the sealed file that the manifest holds until now, if there is one
// and it opens: values that have not changed keep their ciphertext.
func (r *sealRun) previousInner(ctx context.Context, output string, in input) *cipher.Opened {
	if output == "" || output == stdinArg || r.c.Bool("no-reuse") {
		return nil
	}
	src, err := readFile(output)
	if err != nil {
		return nil
	}
	held, err := manifest.Held(yaml.Format{}, src)
	if err != nil || held.Format != in.formatName {
		return nil
	}
	o, err := cipher.Open(ctx, in.format, held.Text, r.ids.openOptions())
	if err != nil {
		return nil
	}
	return o
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
	if !o.HasDocument || !o.IsSealedManifest() {
		if j.opened, err = cipher.Open(ctx, in.format, in.data, opts); err != nil {
			return err
		}
		j.plain, err = manifest.ToSecret(in.format, j.opened.PlaintextBytes())
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
	if b, ok := manifest.ParseContext(contextOf(j.opened)); ok && !b.Fits(o) {
		r.ui.warn(unbound(in.name, b, o))
	}
	return nil
}
