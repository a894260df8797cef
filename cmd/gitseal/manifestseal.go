package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
)

// sealText returns the text that is to be sealed: that of the input or, with --manifest,
// the SealedManifest that it becomes.
func (r *sealRun) sealText(in input) ([]byte, error) {
	if !r.c.Bool("manifest") || bytes.Contains(in.data, []byte(cipher.SealedPrefix)) {
		return in.data, nil
	}
	if in.formatName != "yaml" && in.formatName != "json" {
		return nil, notManifestFormat(in)
	}
	return manifest.FromSecret(in.format, in.data)
}

func notManifestFormat(in input) error {
	return usageError("a file of format "+in.formatName+" is no Secret of Kubernetes", "gitseal seal --manifest --document puts any file into a SealedManifest")
}

// remake makes a SealedManifest of a Secret that is sealed already, or seals one for what
// it is called now. It needs an identity: the MACs change.
func (r *sealRun) remake(ctx context.Context, j *sealJob) error {
	in := j.in
	rw := r.rewriter()
	o, err := cipher.Open(ctx, in.format, in.data, r.ids.openOptions())
	if err != nil {
		return err
	}
	text := o.PlaintextBytes()
	if r.c.Bool("manifest") {
		if text, err = manifest.FromSecret(in.format, text); err != nil {
			return err
		}
	}
	doc := plainManifest(in.format, text)
	if doc == nil {
		return failure("the file is no SealedManifest", "gitseal seal --manifest makes one of a Secret; --rebind is for what is one already")
	}
	now := manifest.Of(doc)
	was := contextOf(o)
	if was == "" && bytes.Equal(text, o.PlaintextBytes()) {
		was = noPlace // sops may have rewritten it, or somebody has taken that away
	}
	if err := r.refuseProblems(in, manifest.Problems(doc, text)); err != nil {
		return err
	}
	opts := rw.optionsOf(o)
	opts.Selector = j.plan.selector
	if err := r.asManifest(in, j.plan, doc, &opts); err != nil {
		return err
	}
	if err := r.checkRebinding(was, opts.Context, now); err != nil {
		return err
	}
	r.warnOfRebinding(in, was, opts.Context)
	if j.sealed, err = cipher.Seal(ctx, in.format, text, opts); err != nil {
		return err
	}
	j.action, j.context = actionSealed, opts.Context
	return r.passExposing(j, in)
}

// checkRebinding has --rebind said where a manifest gets another context.
func (r *sealRun) checkRebinding(was, context string, now manifest.Object) error {
	if was == "" || was == context || r.c.Bool("rebind") {
		return nil
	}
	return &commandError{code: exitWrongState, text: "sealed for " + was + ", not for " + context,
		hint: "if somebody copied or renamed it, ask whether they may; --rebind seals it for " + placeOfObject(now)}
}

// checkManifestFlags refuses combinations that mean nothing.
func (r *sealRun) checkManifestFlags(in []input) error {
	if _, err := wishFromFlags(r.c); err != nil {
		return err
	}
	for _, name := range []string{"name", "key", "type", "service-account"} {
		if r.c.IsSet(name) && !r.c.Bool("document") {
			return usageError("--"+name+" goes with --document", "a Secret says this itself")
		}
	}
	switch {
	case r.c.Bool("document") && !r.c.Bool("manifest"):
		return usageError("--document goes with --manifest", "gitseal seal --manifest --document FILE --name NAME --namespace NAMESPACE")
	case r.c.Bool("document") && len(in) > 1:
		return usageError("--document goes with a single file", "make one SealedManifest of each")
	case r.c.Bool("rebind") && r.c.Bool("document"):
		return usageError("--rebind does not go with --document", "the document is sealed for the name and namespace that are given")
	case r.c.IsSet("if-unchanged") && (r.c.Bool("manifest") || r.c.Bool("rebind")):
		return usageError("--if-unchanged does not go with --manifest and --rebind", "leave one of them out")
	}
	return nil
}

// checkBinding is about a manifest that is sealed already: people are told if it is sealed
// for another place than its own, and flags that ask for another are refused.
func (r *sealRun) checkBinding(j *sealJob, m *cipher.Metadata) error {
	if !manifest.MayBe(j.in.data) {
		return nil
	}
	doc, err := j.in.format.Parse(j.in.data)
	if err != nil {
		return err
	}
	context := ""
	if m.Seal != nil {
		context = m.Seal.Context
	}
	o := manifest.Of(doc)
	if err := r.sealedForElsewhere(j, o, context); err != nil || !o.IsSealedManifest() {
		return err
	}
	if b, ok := manifest.ParseContext(context); !ok {
		r.warnOfNoPlace(j.in.name)
	} else if !b.Fits(o) {
		r.ui.warn(unbound(j.in.name, b, o))
	}
	return nil
}

// explainManifest is about files that are to be manifests.
func explainManifest(err error, name string, _ bool) (int, string) {
	if p := (*manifest.Problem)(nil); errors.As(err, &p) {
		return exitFailed, p.Hint
	}
	if errors.Is(err, errPlainInside) {
		return exitWrongState, "gitseal seal " + name + " seals it there; if it was committed, its values must be replaced"
	}
	return 0, ""
}
