package cipher

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/merge"
	"github.com/gitseal/gitseal/keysources"
)

// mergePlan is what a merge with an identity is to give.
type mergePlan struct {
	*versions
	// lead is the side whose data key is used again, if it can be.
	lead *Opened
	// block has the readers and settings, and the proposals.
	block *Metadata
	// result are the plain texts.
	result     *merge.Result
	warnings   []Warning
	sealedWith dataKey
}

// plan merges the settings and the plain files.
func (g *merger) plan(vs *versions) (*mergePlan, error) {
	p := &mergePlan{versions: vs, lead: vs.leading()}
	s := sides{ours: vs.ours.Metadata, theirs: vs.theirs.Metadata}
	v := merge.Versions{Ours: vs.ours.plain, Theirs: vs.theirs.plain}
	if vs.base != nil {
		s.base, v.Base = vs.base.Metadata, vs.base.plain
	}
	var err error
	if p.block, err = s.merge(p.lead.Metadata); err != nil {
		return nil, err
	}
	p.result, err = merge.Merge(g.format, v, merge.Options{Poisoned: vs.poisoned})
	if err != nil {
		return nil, &UnmergeableError{Reason: "the two sides cannot be merged key by key: " + err.Error(), Err: err}
	}
	for _, o := range []*Opened{vs.ours, vs.theirs} {
		p.warnings = append(p.warnings, o.Warnings...)
	}
	return p, nil
}

// leading returns the side whose data key is newer than the base's: the other was
// rotated away from it, maybe because somebody was removed.
func (v *versions) leading() *Opened {
	if v.base != nil && v.ours.key == v.base.key && v.theirs.key != v.base.key {
		return v.theirs
	}
	return v.ours
}

func (p *mergePlan) other() *Opened {
	if p.lead == p.ours {
		return p.theirs
	}
	return p.ours
}

// newcomers are the readers for whom the data key, or a new one, has to be wrapped
// though they cannot open lead.
func (p *mergePlan) newcomers() []keysources.Stanza {
	var all []keysources.Stanza
	for i, group := range p.block.Groups {
		var old []keysources.Stanza
		if i < len(p.lead.Metadata.Groups) {
			old = p.lead.Metadata.Groups[i]
		}
		all = append(all, missingReaders(group, old)...)
	}
	gone := !slices.EqualFunc(p.lead.Metadata.Groups, p.block.Groups, func(old, now []keysources.Stanza) bool {
		return len(missingReaders(old, now)) == 0
	})
	if !gone && p.other().key == p.lead.key && p.block.Threshold == p.lead.Metadata.Threshold {
		return nil // they have this key already
	}
	return all
}

// admit asks whether the plan may be carried out.
func (g *merger) admit(p *mergePlan, plain []byte) error {
	if g.opts.Admit == nil {
		return nil
	}
	doc, err := g.format.Parse(plain)
	if err != nil {
		return err
	}
	a := Admission{Metadata: p.block, Document: doc, Newcomers: p.newcomers()}
	a.Unvouched = p.ours.Metadata.Seal == nil || p.theirs.Metadata.Seal == nil
	a.OtherKey = p.ours.key != p.theirs.key
	a.Changed = p.changed()
	return g.opts.Admit(a)
}

// changed names the settings of the block that one of the sides does not have.
func (p *mergePlan) changed() []string {
	var out []string
	m := p.block
	for _, setting := range []struct {
		name string
		same func(side *Metadata) bool
	}{
		{"selector", func(side *Metadata) bool { return side.Selector.String() == m.Selector.String() }},
		{"mac_only_encrypted", func(side *Metadata) bool { return side.MACOnlyEncrypted == m.MACOnlyEncrypted }},
		{"context", func(side *Metadata) bool { return side.context() == m.context() }},
		{"threshold", func(side *Metadata) bool { return side.needed() == m.needed() }},
	} {
		if !setting.same(p.ours.Metadata) || !setting.same(p.theirs.Metadata) {
			out = append(out, setting.name)
		}
	}
	return out
}

// seal seals a plain text as planned. prefer, if not nil, is a version whose
// ciphertexts go first.
func (g *merger) seal(p *mergePlan, plain []byte, prefer *Opened) ([]byte, error) {
	previous := *p.lead
	previous.Metadata = previous.Metadata.withoutProposals()
	opts := SealOptions{
		Threshold: p.block.Threshold, Selector: p.block.Selector, MACOnlyEncrypted: p.block.MACOnlyEncrypted,
		Context: p.block.context(), Previous: &previous, Also: []*Opened{p.other()}, Timeout: g.opts.Open.Timeout, Now: g.opts.Now,
		guarded: []*Opened{p.ours, p.theirs},
	}
	if prefer != nil {
		opts.prefer = []*Opened{prefer}
	}
	if p.base != nil {
		opts.Also = append(opts.Also, p.base)
	}
	if prefer != nil && p.sealedWith != (dataKey{}) && p.sealedWith != p.lead.key {
		// The data key is a new one, and the texts of both sides share it.
		p2 := *prefer
		p2.Metadata = p2.Metadata.withoutProposals()
		opts.Previous = &p2
	}
	for _, group := range p.block.Groups {
		var recipients []keysources.Recipient
		for _, s := range group {
			recipients = append(recipients, g.opts.Recipient(s))
		}
		opts.Groups = append(opts.Groups, recipients)
	}
	sealed, err := Seal(g.ctx, g.format, plain, opts)
	if err != nil {
		return nil, unsealable(err)
	}
	if len(sealed.Exposed) > 0 {
		return nil, errExposed(sealed.Exposed)
	}
	p.sealedWith = sealed.key
	if err := sealed.Check(sealed.Bytes); err != nil {
		return nil, err
	}
	return g.withMergedProposals(p, sealed.Bytes)
}

// unsealable says of what only the merged file is like that it is no error of
// either side.
func unsealable(err error) error {
	if errors.Is(err, ErrNothingSelected) || errors.Is(err, ErrAliasLeak) || errors.Is(err, ErrSelector) {
		return &UnmergeableError{Reason: "the merged file cannot be sealed: " + err.Error(), Err: err}
	}
	return err
}

func (m *Metadata) withoutProposals() *Metadata {
	if m.Seal == nil || len(m.Seal.proposals) == 0 {
		return m
	}
	c, seal := *m, *m.Seal
	seal.proposals = nil
	c.Seal = &seal
	return &c
}

// withMergedProposals puts the merged proposals into a sealed file. Those that were
// made for other readers stay, of no use: whoever accepts is told so.
func (g *merger) withMergedProposals(p *mergePlan, sealed []byte) ([]byte, error) {
	doc, m, err := parseSealed(g.format, sealed)
	if err != nil {
		return nil, err
	}
	want := p.block.Seal.proposals
	if sameNodes(want, m.Seal) {
		return sealed, nil
	}
	if stale := p.stale(want, m); stale > 0 {
		p.warnings = append(p.warnings, Warning{Text: fmt.Sprintf("the readers have changed, and %d proposals were made for others: have them proposed again", stale)})
	}
	return withProposals(g.format, doc, want)
}

// stale counts the proposals that cannot be accepted in a file with the readers of m.
func (p *mergePlan) stale(list []formats.Meta, m *Metadata) int {
	n, keys := 0, m.wrappedKeys()
	for i := range list {
		fits := func(side *Metadata) bool {
			return side.Seal != nil && bytes.Equal(side.wrappedKeys(), keys) &&
				slices.ContainsFunc(side.Seal.proposals, func(q formats.Meta) bool { return q.Equal(&list[i]) })
		}
		n += count(!fits(p.ours.Metadata) && !fits(p.theirs.Metadata))
	}
	return n
}
