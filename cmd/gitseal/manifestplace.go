package main

import (
	"cmp"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
)

func allowUnboundFlag() cli.Flag {
	return &cli.BoolFlag{Name: "allow-unbound", Usage: "give a SealedManifest that is not sealed for its own namespace and name all the same"}
}

// placeOfInput returns what a text says about its object; ok is false if that is neither a
// SealedManifest nor, being sealed for a place in a cluster, one whose kind was changed.
func placeOfInput(f formats.Format, text []byte, context string) (o manifest.Object, ok bool) {
	_, bound := manifest.ParseContext(context)
	if !bound && !manifest.MayBe(text) {
		return o, false
	}
	doc, err := f.Parse(text)
	if err != nil {
		return o, false
	}
	o = manifest.Of(doc)
	return o, bound || o.Manifests > 0
}

// misplaced says what is wrong if the object o is sealed for another place than its own, or
// for none; "" if nothing is.
func misplaced(o manifest.Object, context string) string {
	b, ok := manifest.ParseContext(context)
	switch {
	case context == "":
		return "a SealedManifest that is sealed for no place: sops has written it, or somebody has taken that away"
	case !ok || !b.Fits(o):
		return "sealed for " + context + ", and it is " + placeOfObject(o) + ": it was copied or renamed"
	}
	return ""
}

// hintFor puts a file's name into a hint.
func hintFor(name, text string) string { return strings.ReplaceAll(text, "FILE", hintName(name)) }

const misplacedHint = "ask who changed it and whether they may (git log -p FILE); if its namespace and name are right, gitseal seal --rebind FILE seals it for them, and --allow-unbound opens it as it is"

// checkPlace looks whether a SealedManifest was sealed for where it stands. Who unseals a
// copy and seals it again would seal it for the wrong place, and what is given as a Secret
// is on its way to a cluster: both need consent. Otherwise people are told.
func (r *unsealRun) checkPlace(j *unsealJob, o *cipher.Opened) error {
	context := contextOf(o)
	object, ok := j.in.object(context)
	if !ok {
		return nil
	}
	what := misplaced(object, context)
	if what == "" {
		return nil
	}
	if (r.c.Bool("manifest") || r.c.Bool("in-place")) && !r.c.Bool("allow-unbound") {
		return &commandError{code: exitTampered, text: what, hint: hintFor(j.in.name, misplacedHint)}
	}
	r.ui.warn(j.in.name + ": " + what + "; do not use it before you know why")
	return nil
}

// warnOfNoPlace tells that a SealedManifest which is changed is, and stays, sealed for no
// place.
func (r *planner) warnOfNoPlace(name string) {
	r.ids.ui.warn(hintFor(name, "FILE: a SealedManifest that is sealed for no place: sops has written it, or somebody has taken that away (git log -p FILE); gitseal seal --rebind FILE seals it for its namespace and name"))
}

// sealedForElsewhere refuses --scope and --namespace for a SealedManifest that is sealed
// already, and otherwise.
func (r *sealRun) sealedForElsewhere(j *sealJob, o manifest.Object, context string) error {
	w := j.plan.wish
	if w == (manifest.Wish{}) || o.Manifests == 0 {
		return nil
	}
	before, _ := manifest.ParseContext(context)
	b, err := manifest.Bind(o, w, before)
	if err != nil || b.Context() == context {
		return err
	}
	return &commandError{code: exitWrongState, text: "sealed already, for " + cmp.Or(context, "no place") + ", not for " + b.Context(),
		hint: hintFor(j.in.name, "gitseal seal --rebind FILE, with the same flags, seals it for that")}
}
