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
	was := contextOf(prev)
	if prev != nil && !r.c.Bool("document") {
		was = cmp.Or(was, noPlace)
		if err := r.checkRebinding(was, b.Context(), object); err != nil {
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
	held := heldBy(in)
	if held == nil {
		return in
	}
	if format, ok := all.ByName(held.Format); ok {
		in.data, in.format, in.formatName, in.held = held.Text, format, held.Format, true
	}
	return in
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
	return heldBy(in) != nil
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
