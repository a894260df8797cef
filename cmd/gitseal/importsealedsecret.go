package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
	"github.com/gitseal/gitseal/formats/all"
)

// items returns what is to be made of a source.
func (r *importRun) items(s *importSource) ([]*importItem, error) {
	switch s.from {
	case fromSealedSecret:
		return r.secretItems(s)
	case fromDotenv:
		it, err := r.dotenvItem(s)
		return []*importItem{it}, err
	}
	it := &importItem{source: s, job: sealJob{in: s.in}}
	return []*importItem{it}, nil
}

// secretItems makes of each SealedSecret a file of its own, or one of all if an
// output is named.
func (r *importRun) secretItems(s *importSource) ([]*importItem, error) {
	manifests := s.manifests.Manifests
	if len(s.manifests.Others) > 0 && r.c.Bool("remove") {
		return nil, failure("holds another object, too: "+s.manifests.Others[0], "--remove would lose it: leave the flag out, or move the object to a file of its own")
	}
	for _, other := range s.manifests.Others {
		r.ui.warn(s.in.name + ": holds another object, which is not taken over: " + other)
	}
	if len(manifests) == 0 {
		return nil, &commandError{code: exitWrongState, text: "holds no SealedSecret", hint: "--from sealedsecret was asked for; leave it out"}
	}
	if r.keys.Len() == 0 {
		return nil, usageError("a SealedSecret needs the private keys of its controller",
			"--sealing-key FILE, from: kubectl get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml")
	}
	if r.c.String("output") != "" || s.in.path == "" {
		it, err := r.newItem(s, manifests[0].Name+".yaml")
		if err != nil {
			return nil, err
		}
		return []*importItem{it}, r.openInto(it, manifests)
	}
	var items []*importItem
	for _, m := range manifests {
		it, err := r.newItem(s, m.Name+".yaml")
		if err != nil {
			return nil, err
		}
		if err := r.openInto(it, []*sealedsecret.Manifest{m}); err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}

// newItem returns an item whose result goes where the flags say, or beside the
// source under a name.
func (r *importRun) newItem(s *importSource, name string) (*importItem, error) {
	target := r.c.String("output")
	if target == "" {
		target = s.beside(name)
	}
	it := &importItem{source: s, job: sealJob{in: input{name: target, path: target}}}
	path := target
	if target == "" || target == stdinArg {
		// Printed: the rule and the format are those of the file that it would be
		// beside the source, or of --path.
		it.job.in.name, it.job.in.path = "standard output", ""
		if path = s.beside(name); path == "" {
			path = s.in.rulePath
		}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	it.job.in.rulePath = abs
	it.job.in.formatName = all.NameForFile(abs)
	it.job.in.format = all.ForFile(abs)
	return it, nil
}

// openInto lets an item be made of SealedSecrets.
func (r *importRun) openInto(it *importItem, manifests []*sealedsecret.Manifest) error {
	first := manifests[0]
	it.name, it.namespace, it.scope = first.Name, first.Namespace, string(first.Scope)
	if err := it.checkManifestFormat(len(manifests)); err != nil {
		return err
	}
	opts := sealedsecret.OpenOptions{Namespace: r.c.String("namespace"), DropTemplates: r.c.Bool("drop-templates")}
	it.make = func(ctx context.Context) ([]byte, error) {
		var secrets []*sealedsecret.Secret
		for _, m := range manifests {
			s, err := m.Open(ctx, &r.keys, opts)
			if err != nil {
				return nil, err
			}
			if r.c.Bool("string-data") {
				s.PreferText()
			}
			for _, w := range s.Warnings {
				it.warnings = append(it.warnings, s.Name+": "+w)
			}
			it.values = append(it.values, s.Keys()...)
			secrets = append(secrets, s)
		}
		return it.manifest(secrets)
	}
	return nil
}

// checkManifestFormat refuses to write manifests into a file of another format.
func (it *importItem) checkManifestFormat(n int) error {
	switch it.job.in.formatName {
	case "yaml":
		return nil
	case "json":
		if n == 1 {
			return nil
		}
		return usageError(fmt.Sprintf("%d Secrets do not go into one JSON file", n), "name a .yaml file with -o, or leave -o out")
	}
	return usageError(quoted(it.target())+" is no name for a manifest", "name a .yaml or .json file with -o")
}

func (it *importItem) manifest(secrets []*sealedsecret.Secret) ([]byte, error) {
	if it.job.in.formatName == "json" {
		return sealedsecret.PlaintextJSON(secrets[0])
	}
	return sealedsecret.PlaintextYAML(secrets)
}

// importError gives the errors of package sealedsecret their exit codes and hints.
func importError(err error) error {
	var e *sealedsecret.Error
	if !errors.As(err, &e) {
		return err
	}
	out := &commandError{code: exitFailed, text: e.Error(), hint: "see kubectl explain sealedsecret.spec"}
	switch {
	case errors.Is(e, sealedsecret.ErrNoKey):
		out.code, out.hint = exitNoIdentity, "name all keys that the controller ever had with --sealing-key; they are bound to name and namespace, which must be those at the time of sealing"
	case errors.Is(e, sealedsecret.ErrScope):
		out.code, out.hint = exitTampered, "restore metadata and annotations of the SealedSecret as they were sealed (git log -p)"
	case errors.Is(e, sealedsecret.ErrDamaged):
		out.code, out.hint = exitTampered, "nothing was written; restore the SealedSecret from the last good version (git log -p)"
	case errors.Is(e, sealedsecret.ErrNamespace):
		out.hint = "--namespace says the namespace of SealedSecrets that leave it out"
	case errors.Is(e, sealedsecret.ErrTemplate):
		out.hint = "write the value out before or after the import, and leave it out now with --drop-templates"
	case errors.Is(e, sealedsecret.ErrKeys):
		out.hint = "give PEM RSA private keys, or: kubectl get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml; of a sealed one: --sealing-key <(gitseal unseal FILE)"
	}
	return out
}
