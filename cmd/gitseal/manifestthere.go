package main

import (
	"cmp"
	"context"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/yaml"
)

// manifestThere is a SealedManifest with spec.document in which what it holds is to be replaced:
// everything else that stands in it was written by people, and stays.
type manifestThere struct {
	data   []byte
	format formats.Format
	held   *manifest.Document
}

// standingAt returns the SealedManifest at a path that one is to be written to, nil if
// there is none. What could be one and cannot be changed as such is not written over.
func standingAt(name string) (*manifestThere, error) {
	if name == "" {
		return nil, nil
	}
	data, err := readRegular(name)
	if err != nil || !manifest.MayBe(data) {
		return nil, nil // what is wrong with the file is told when it is written
	}
	s := &manifestThere{data: data, format: yaml.Format{}}
	if all.NameForFile(name) == "json" {
		s.format = formatNamed("json")
	}
	if inConflict(data) {
		return nil, errInConflict(name, true)
	}
	if s.held, err = manifest.Held(s.format, data); err != nil {
		return nil, &commandError{code: exitWrongState, text: "there is a file already, and a document cannot be put into it: " + err.Error(),
			hint: "look at it; name another file with -o, or remove this one first"}
	}
	return s, nil
}

// formatNamed returns a format of which the name is known to be right.
func formatNamed(name string) formats.Format {
	f, _ := all.ByName(name)
	return f
}

// documentFor returns what the manifest is to be: what flags say and, for the rest, what it
// is until now.
func (r *sealRun) documentFor(j *sealJob) (*manifest.Document, error) {
	d := &manifest.Document{
		Name: r.c.String("name"), Namespace: j.plan.wish.Namespace, Format: j.in.formatName,
		Key: r.c.String("key"), Type: r.c.String("type"), ServiceAccount: r.c.String("service-account"),
	}
	if j.there == nil {
		if d.Namespace == "" {
			return nil, usageError("--document needs the namespace of the SealedManifest", "--namespace NAMESPACE")
		}
		return d, nil
	}
	held := j.there.held
	is := manifest.Object{Name: held.Name, Namespace: cmp.Or(held.Namespace, d.Namespace)}
	wanted := manifest.Object{Name: cmp.Or(d.Name, held.Name), Namespace: cmp.Or(d.Namespace, held.Namespace)}
	if is != wanted {
		return nil, &commandError{code: exitWrongState, text: "it is the SealedManifest " + placeOfObject(is) + ", not " + placeOfObject(wanted),
			hint: "name another file with -o; or rename this one's metadata first"}
	}
	d.Name, d.Namespace = held.Name, held.Namespace
	d.Key, d.Type, d.ServiceAccount = cmp.Or(d.Key, held.Key), cmp.Or(d.Type, held.Type), cmp.Or(d.ServiceAccount, held.ServiceAccount)
	d.Target = held.Target
	return d, nil
}

// settleInner opens what the manifest holds until now: values that have not changed keep
// their ciphertext and, if neither a rule nor a flag names readers, these stay.
func (r *sealRun) settleInner(ctx context.Context, j *sealJob, name string) error {
	j.prev = &previousVersion{reuses: !r.c.Bool("no-reuse")}
	var err error
	if j.there != nil {
		err = r.openStanding(ctx, j, name)
	}
	switch {
	case err != nil || j.plan.chosen:
	case j.prev.opened != nil:
		j.plan = r.keptPlan(j.plan, formatNamed(j.prev.formatName), j.prev.opened)
	case j.prev.sealed:
		err = errUnknownReaders(name, "what it holds now", j.prev.why)
	default:
		j.plan.readers, err = r.ownReaders()
	}
	return err
}

func (r *sealRun) openStanding(ctx context.Context, j *sealJob, name string) error {
	held := j.there.held
	format, ok := all.ByName(held.Format)
	if !ok {
		return nil // spec.format is written anew
	}
	doc, err := format.Parse(held.Text)
	j.prev.sealed = err == nil && doc.Meta != nil
	if !j.prev.sealed {
		return nil
	}
	o, err := cipher.Open(ctx, format, held.Text, r.ids.openOptions())
	if err == nil {
		j.prev.opened, j.prev.formatName = o, held.Format
		return nil
	}
	j.prev.why = err
	if j.plan.chosen {
		r.ui.warn(name + ": what it held does not open here: " + oneLine(err.Error()) + "; all of it is sealed anew, " + string(cmp.Or(j.plan.wish.Scope, manifest.Strict)))
	}
	return nil
}

// around makes the SealedManifest around what was sealed.
func (r *sealRun) around(j *sealJob, d *manifest.Document, name string) error {
	j.outerFormat = yaml.Format{}
	var err error
	if j.there == nil {
		j.outer, err = d.YAML()
		return err
	}
	j.outerFormat = j.there.format
	if j.outer, err = d.In(j.there.format, j.there.data); err != nil {
		return err
	}
	doc, err := j.outerFormat.Parse(j.outer)
	if err != nil {
		return err
	}
	return r.refuseProblems(input{name: name}, manifest.Problems(doc, j.outer))
}
