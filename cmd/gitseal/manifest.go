package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
)

// manifestFlags make SealedManifests.
func manifestFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "manifest", Usage: "make a SealedManifest, which gitseal-controller opens in the cluster, of a Secret"},
		scopeFlag(),
		&cli.StringFlag{Name: "namespace", Usage: "`NAMESPACE` to seal for, if the file does not say it because something else sets it (kustomize); it is not written"},
		&cli.BoolFlag{Name: "rebind", Usage: "seal a SealedManifest that is sealed already for what it is called now"},
		&cli.BoolFlag{Name: "document", Usage: "with --manifest: put the sealed file as a whole into a SealedManifest's spec.document"},
		&cli.StringFlag{Name: "name", Usage: "with --document: `NAME` of the SealedManifest"},
		&cli.StringFlag{Name: "key", Usage: "with --document: make the opened file one `KEY` of a Secret"},
		&cli.StringFlag{Name: "type", Usage: "with --document: `TYPE` of the Secret that is made"},
		&cli.StringFlag{Name: "service-account", Usage: "with --document: service account `NAME` that applies objects other than Secrets"},
	}
}

func scopeFlag() cli.Flag {
	return &cli.StringFlag{Name: "scope", Usage: "what a SealedManifest is sealed for: `SCOPE` strict (its namespace and name), namespace, or keyring (anywhere)"}
}

// wishFromFlags is what the flags say about what manifests are sealed for.
func wishFromFlags(c *cli.Context) (manifest.Wish, error) {
	w := manifest.Wish{Scope: manifest.Scope(c.String("scope")), Namespace: c.String("namespace")}
	switch w.Scope {
	case "", manifest.Strict, manifest.Namespace, manifest.Keyring:
		return w, nil
	}
	return w, usageError("there is no --scope "+quoted(string(w.Scope)), "strict, namespace or keyring")
}

// sealOptions are how a plain text is sealed: as its plan says and, if it is a
// SealedManifest, as those have to be. prev is an earlier version, or nil.
func (r *planner) sealOptions(in input, p plan, text []byte, prev *cipher.Opened) (cipher.SealOptions, error) {
	opts := cipher.SealOptions{
		Groups: p.readers.groups, Threshold: p.readers.threshold, Timeout: r.ids.timeout,
		Selector: p.selector, MACOnlyEncrypted: p.macOnly, Previous: prev, Context: p.context,
	}
	doc := plainManifest(in.format, text)
	if doc == nil {
		return opts, nil
	}
	if err := r.refuseProblems(in, manifest.Problems(doc, text)); err != nil {
		return opts, err
	}
	err := r.asManifest(in, p, doc, &opts)
	if was := contextOf(prev); err == nil {
		r.warnOfRebinding(in, was, opts.Context)
	}
	return opts, err
}

// contextOf returns what an earlier version, which may be nil, was sealed for.
func contextOf(o *cipher.Opened) string {
	if o == nil || o.Metadata.Seal == nil {
		return ""
	}
	return o.Metadata.Seal.Context
}

// noPlace is what a manifest is sealed for that should be sealed for a place, and is not.
const noPlace = "no place"

func (r *planner) warnOfRebinding(in input, was, now string) {
	if was == noPlace {
		r.ids.ui.warn(hintFor(in.name, "FILE: it was sealed for no place (sops had written it, or somebody had taken that away: git log -p FILE), and is sealed for "+now+" from now on"))
		return
	}
	if was != "" && was != now {
		r.ids.ui.warn(fmt.Sprintf("%s: sealed for %s from now on, no longer for %s", in.name, now, was))
	}
}

// plainManifest returns the document of a plain text that holds a SealedManifest, nil if
// it holds none. What cannot be read is left to those who seal.
func plainManifest(f formats.Format, text []byte) *formats.Document {
	if !manifest.MayBe(text) {
		return nil
	}
	doc, err := f.Parse(text)
	if err != nil || doc.Meta != nil || manifest.Of(doc).Manifests == 0 {
		return nil
	}
	return doc
}

// refuseProblems returns the first problem that is none but a warning.
func (r *planner) refuseProblems(in input, list []*manifest.Problem) error {
	for _, p := range list {
		if !p.Warning {
			return p
		}
		r.ids.ui.warn(in.name + ": " + p.Error() + ": " + p.Hint)
	}
	return nil
}

// asManifest makes the options of a text that is a SealedManifest what those need: a
// selector that seals the values and nothing else (whatever the file's earlier version had),
// MACs that let a cluster add labels, and the context.
func (r *planner) asManifest(in input, p plan, doc *formats.Document, opts *cipher.SealOptions) error {
	object := manifest.Of(doc)
	if object.HasDocument {
		return &commandError{code: exitWrongState, text: "the SealedManifest holds spec.document, which is sealed on its own",
			hint: "gitseal seal FILE seals it there; gitseal unseal --manifest FILE gives it"}
	}
	opts.MACOnlyEncrypted = true
	if opts.Selector.IsZero() || p.keptSelector && !manifest.SealsValues(opts.Selector) {
		opts.Selector = cipher.KubernetesSelector()
	}
	if err := r.checkManifestSelector(in, p, opts.Selector, doc); err != nil {
		return err
	}
	before, _ := manifest.ParseContext(contextOf(opts.Previous))
	b, err := manifest.Bind(object, p.wish, before)
	if err != nil {
		return err
	}
	opts.Context = b.Context()
	return nil
}

// checkManifestSelector refuses a selector that leaves a value of a manifest plain, or
// seals what a cluster has to read.
func (r *planner) checkManifestSelector(in input, p plan, s cipher.Selector, doc *formats.Document) error {
	const hint = "a SealedManifest needs encrypted_regex: ^(data|stringData)$"
	for i, selected := range s.Select(doc) {
		l := &doc.Leaves[i]
		if l.Kind == formats.Comment || l.Kind.Empty() {
			continue
		}
		keys := l.Path.Keys()
		value := len(keys) > 1 && (keys[0] == "data" || keys[0] == "stringData")
		if value == selected {
			continue
		}
		what := "leaves " + l.Path.String() + " plain"
		if selected {
			what = "seals " + l.Path.String() + ", which the cluster has to read"
		}
		return failure(r.selectorSource(in, p)+" ("+s.String()+") "+what, hint)
	}
	if !manifest.SealsValues(s) {
		return failure(r.selectorSource(in, p)+" ("+s.String()+") is not one that clusters take", hint)
	}
	return nil
}

// selectorSource says where a plan's selector comes from.
func (r *planner) selectorSource(in input, p plan) string {
	config, err := r.book.config(in.rulePath)
	if err != nil || config == nil || p.rule == nil || p.rule.Selector.Kind == "" {
		return "the selector"
	}
	return fmt.Sprintf("%s:%d: the selector of the file's rule", config.Path, p.rule.Line)
}

// keepBound looks after a SealedManifest that is changed: what a cluster would refuse is
// refused, and the context follows a change of its name. A name that did not fit before
// is not healed: whoever copied the file elsewhere would be helped to open it there.
func (r *rewriter) keepBound(in input, o *cipher.Opened, plain []byte, opts *cipher.SealOptions) error {
	if in.around != nil {
		return r.keepHeld(in, o, plain)
	}
	doc := plainManifest(in.format, plain)
	if doc == nil {
		return nil
	}
	old, err := in.format.Parse(o.PlaintextBytes())
	if err != nil {
		return err
	}
	now, was := manifest.Of(doc), manifest.Of(old)
	if was.Manifests > 0 || !bytes.Equal(plain, o.PlaintextBytes()) {
		known := manifest.Problems(old, o.PlaintextBytes())
		if err := r.refuseProblems(in, newProblems(manifest.Problems(doc, plain), known, was)); err != nil {
			return err
		}
	}
	if was.Manifests == 0 {
		return r.becomeManifest(in, doc, opts)
	}
	before, bound := manifest.ParseContext(opts.Context)
	switch {
	case !bound:
		r.warnOfNoPlace(in.name)
		return nil
	case before.Fits(now):
		return nil
	case !before.Fits(was):
		r.ids.ui.warn(unbound(in.name, before, now))
		return nil
	}
	b, err := manifest.Bind(now, manifest.Wish{}, before)
	if err != nil {
		return err
	}
	opts.Context = b.Context()
	r.warnOfRebinding(in, before.Context(), opts.Context)
	return nil
}

// newProblems leaves out problems that a manifest had before: they do not stand in the
// way of other changes.
func newProblems(list, known []*manifest.Problem, was manifest.Object) []*manifest.Problem {
	if was.Manifests == 0 {
		return list
	}
	seen := map[string]bool{}
	for _, p := range known {
		seen[p.Error()] = true
	}
	var out []*manifest.Problem
	for _, p := range list {
		if !seen[p.Error()] {
			out = append(out, p)
		}
	}
	return out
}

// becomeManifest is for a sealed file whose kind was changed to SealedManifest.
func (r *rewriter) becomeManifest(in input, doc *formats.Document, opts *cipher.SealOptions) error {
	p, err := r.ruleOf(in)
	if err != nil {
		return err
	}
	if p.wish, err = wishFromFlags(r.c); err != nil {
		return err
	}
	opts.Selector = p.selector
	return r.asManifest(in, p, doc, opts)
}

// unbound says that a manifest is sealed for another place than its own.
func unbound(name string, b manifest.Binding, o manifest.Object) string {
	return fmt.Sprintf("%s: sealed for %s, and it is %s: the cluster refuses it; restore its name and namespace, or, if they are right, gitseal seal --rebind %s",
		name, b.Context(), placeOfObject(o), hintName(name))
}

func placeOfObject(o manifest.Object) string {
	return strings.TrimPrefix(o.Namespace+"/"+o.Name, "/")
}
