package main

import (
	"context"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// checkRule refuses a file of plain sops that is not sealed as its rule says: sops
// does not authenticate readers and selector, and from now on they would be.
func (r *importRun) checkRule(it *importItem) error {
	in := it.job.in
	doc, err := in.format.Parse(in.data)
	if err != nil {
		return err
	}
	m, err := cipher.ParseMetadata(doc)
	if err != nil || m.Seal != nil || r.c.Bool("ignore-rule") {
		return err
	}
	p, err := r.seal.ruleOf(in)
	if err != nil {
		return err
	}
	if parts := p.differences(m, doc); len(parts) > 0 {
		return &commandError{code: exitWrongState, text: "not sealed as its rule says: " + strings.Join(parts, ", "),
			hint: "sops authenticates neither, so look who changed it; then correct the rule or the file, or keep what the file says with --ignore-rule"}
	}
	return nil
}

// reseal gives a file of plain sops its sops.seal entry. Readers, groups, selector,
// data key and ciphertext stay.
func (r *importRun) reseal(ctx context.Context, it *importItem) error {
	in := it.job.in
	opened, err := cipher.Open(ctx, in.format, in.data, r.ids.openOptions())
	if err != nil {
		return err
	}
	if opened.Metadata.Seal != nil {
		it.job.action = actionUnchanged
		return nil
	}
	for _, w := range opened.Warnings {
		it.warnings = append(it.warnings, w.String())
	}
	same := &rewriter{planner: r.seal.planner, std: r.std, ui: r.ui}
	it.job.sealed, err = cipher.Seal(ctx, in.format, opened.PlaintextBytes(), same.optionsOf(opened))
	if err != nil {
		return err
	}
	if plainManifest(in.format, opened.PlaintextBytes()) != nil {
		it.warnings = append(it.warnings, "this SealedManifest is bound to no place: if its name and namespace are right, gitseal seal --rebind "+hintName(in.name))
	}
	it.job.action = actionImported
	return it.keepOutside()
}

// keepOutside keeps every byte outside of the metadata block, which sops spells in
// its own way, if the result then still gives the plain file.
func (it *importItem) keepOutside() error {
	f, s := it.job.in.format, it.job.sealed
	now, err := f.Parse(s.Bytes)
	if err != nil {
		return err
	}
	old, err := f.Parse(it.job.in.data)
	if err != nil {
		return err
	}
	kept, err := f.Rewrite(old, formats.Edit{Meta: formats.MetaEdit{Set: now.Meta}})
	if err == nil {
		respelled := s.Bytes
		s.Bytes = kept
		if s.Check(kept) == nil {
			return nil
		}
		s.Bytes = respelled
	}
	it.warnings = append(it.warnings, "what is sealed had to be written in another way; the data are the same")
	return nil
}

// readersOf returns whom a sealed file is sealed for.
func readersOf(f formats.Format, data []byte) ([]string, error) {
	doc, err := f.Parse(data)
	if err != nil {
		return nil, err
	}
	m, err := cipher.ParseMetadata(doc)
	if err != nil {
		return nil, err
	}
	return m.Readers(), nil
}
