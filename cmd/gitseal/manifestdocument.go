package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats/all"
)

// sealDocument puts a file, sealed, into a SealedManifest's spec.document. Its readers are
// those of the manifest's rule; a rule's selector is about other files, so that without a
// flag everything is sealed, or the values of Secrets, unless an earlier version says
// otherwise (innerSelector). Whatever the rule says, the MACs
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
	rulesOf.name = target
	if err := r.passExposing(job, rulesOf, in); err != nil {
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
	o, err := r.openSealed(ctx, in)
	if err != nil {
		return err
	}
	if o != nil {
		plain = o.PlaintextBytes()
	}
	if prev == nil {
		prev = o
	}
	selector, err := r.innerSelector(j, v, o)
	if err != nil {
		return err
	}
	was := contextOf(prev)
	before, _ := manifest.ParseContext(was)
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
		was = cmp.Or(was, noPlace)
		if err := r.checkRebinding(was, b.Context(), object); err != nil {
			return err
		}
	}
	opts := cipher.SealOptions{
		Groups: j.plan.readers.groups, Threshold: j.plan.readers.threshold, Timeout: r.ids.timeout,
		Context: b.Context(), Selector: selector,
	}
	v.addTo(&opts, o, in.formatName)
	if j.sealed, err = cipher.Seal(ctx, in.format, plain, opts); err != nil {
		return err
	}
	r.warnOfRebinding(in, was, opts.Context)
	j.context, d.Text = opts.Context, j.sealed.Bytes
	return nil
}

// addTo adds what the manifest holds until now and the file that it is to hold, if that is
// sealed (o), to the options of a seal. Whatever of them is used again, what was sealed in
// either counts as exposed.
func (v previousVersion) addTo(opts *cipher.SealOptions, o *cipher.Opened, formatName string) {
	opts.Previous = o
	if v.opened != nil && v.reuses && v.formatName == formatName {
		opts.Previous = v.opened
	}
	for _, version := range []*cipher.Opened{v.opened, o} {
		if version != nil && version != opts.Previous {
			opts.Also = append(opts.Also, version)
		}
	}
}

// openSealed opens a file that is to be held by a manifest if it is sealed already, for
// another place; nil if it is plain.
func (r *sealRun) openSealed(ctx context.Context, in input) (*cipher.Opened, error) {
	o, err := cipher.Open(ctx, in.format, in.data, r.ids.openOptions())
	if err != nil && (isNotSealed(err) || !bytes.Contains(in.data, []byte(cipher.SealedPrefix))) {
		return nil, nil // what is wrong with a plain file is told when it is sealed
	}
	return o, err
}

// innerSelector returns the selector of a file that is to be held by a manifest, and
// settles its readers where nobody has named any. Both are those of what the manifest
// holds until now (v), else of the file itself (o, nil if that is plain); a document that
// is sealed anew where it stands is both.
func (r *sealRun) innerSelector(j *sealJob, v previousVersion, o *cipher.Opened) (cipher.Selector, error) {
	in := j.in
	switch there := v.opened != nil && r.c.Bool("document"); {
	case o == nil || j.plan.chosen:
	case !there:
		j.plan = r.keptPlan(j.plan, in.format, o)
	case len(j.plan.readers.differences(o.Metadata)) > 0:
		return cipher.Selector{}, &commandError{code: exitWrongState,
			text: fmt.Sprintf("its readers (%s) are others than those of what %s holds (%s), and neither a rule nor a flag says which are meant",
				everyReader(o.Metadata), r.c.String("output"), everyReader(v.opened.Metadata)),
			hint: "name them, with --age for one; or bring one of the two to the other with gitseal keys add and keys remove"}
	}
	s, err := r.selectorFromFlags()
	switch {
	case err != nil || !s.IsZero():
		return s, err
	case o != nil && !r.c.Bool("document"):
		return chosenSelector(in.format, o), nil
	case v.opened != nil:
		return chosenSelector(formatNamed(v.formatName), v.opened), nil
	case o != nil && !j.plan.chosen:
		return chosenSelector(in.format, o), nil
	}
	return cipher.Selector{}, nil
}

// everyReader names all readers of a file, by key group if there are several.
func everyReader(m *cipher.Metadata) string {
	var groups []string
	for _, group := range m.Groups {
		var names []string
		for _, s := range group {
			names = append(names, shortReader(s.Reader()))
		}
		groups = append(groups, strings.Join(names, ", "))
	}
	text := strings.Join(groups, "; ")
	if n := len(groups); n > 1 {
		return fmt.Sprintf("%d of %d key groups: %s", needed(n, m.Threshold), n, text)
	}
	return text
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
	if j.outer, err = manifest.WithText(whole.format, whole.data, j.sealed.Bytes); err != nil {
		return err
	}
	return r.passExposing(j, whole)
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
