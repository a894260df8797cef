package main

import (
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// differences says in what a sealed file is not as planned: nothing if the plan
// was not chosen by a rule or flags. doc, if there is one, is the file's document:
// without a selector in the rule, it says which selectors are the usual ones.
func (p plan) differences(m *cipher.Metadata, doc *formats.Document) []string {
	if !p.chosen {
		return nil
	}
	parts := p.readers.differences(m)
	want := []cipher.Selector{p.selector}
	switch {
	case p.inside:
		want = nil
	case p.selector.IsZero():
		want = usualSelectors(doc)
	}
	same := func(s cipher.Selector) bool { return s.Kind == m.Selector.Kind && s.Pattern == m.Selector.Pattern }
	if len(want) > 0 && !slices.ContainsFunc(want, same) {
		parts = append(parts, fmt.Sprintf("its selector is %s, not %s", m.Selector, want[0]))
	}
	if macOnly := p.wantsMACOnly(doc); macOnly != m.MACOnlyEncrypted && doc != nil {
		parts = append(parts, fmt.Sprintf("mac_only_encrypted is %v, not %v", m.MACOnlyEncrypted, macOnly))
	}
	return parts
}

// wantsMACOnly says what mac_only_encrypted of a document, which may be nil, is to be. That
// of a SealedManifest is set whatever the rule says: clusters add labels. In what one holds
// they take no plain values that nothing vouches for.
func (p plan) wantsMACOnly(doc *formats.Document) bool {
	if p.inside {
		return false
	}
	return p.macOnly || doc != nil && manifest.Of(doc).IsSealedManifest()
}

// usualSelectors are what is chosen for a document if nobody chooses.
func usualSelectors(doc *formats.Document) []cipher.Selector {
	if doc == nil {
		return nil
	}
	return []cipher.Selector{cipher.SelectorFor(doc), cipher.DefaultSelector()}
}

// differences compares who can read a file with who should.
func (s readerSet) differences(m *cipher.Metadata) []string {
	if len(s.groups) == 1 && len(m.Groups) == 1 {
		return differentReaders(s.groups[0], m.Groups[0], "")
	}
	var parts []string
	if len(s.groups) != len(m.Groups) {
		parts = append(parts, fmt.Sprintf("it has %s, not %d", counted(len(m.Groups), "key group"), len(s.groups)))
	} else if want, have := needed(len(s.groups), s.threshold), needed(len(m.Groups), m.Threshold); want != have {
		parts = append(parts, fmt.Sprintf("%d of its key groups open it, not %d", have, want))
	}
	for i := range min(len(s.groups), len(m.Groups)) {
		parts = append(parts, differentReaders(s.groups[i], m.Groups[i], fmt.Sprintf(" in key group %d", i+1))...)
	}
	return parts
}

// needed is the number of groups that open a file.
func needed(groups, threshold int) int {
	if threshold == 0 {
		return groups
	}
	return threshold
}

func differentReaders(want []keysources.Recipient, have []keysources.Stanza, where string) []string {
	var parts, missing, extra []string
	for _, r := range want {
		if !slices.ContainsFunc(have, func(s keysources.Stanza) bool { return keysources.IsFor(r, s) }) {
			missing = append(missing, r.String())
		}
	}
	for _, s := range have {
		if !slices.ContainsFunc(want, func(r keysources.Recipient) bool { return keysources.IsFor(r, s) }) {
			extra = append(extra, s.Reader())
		}
	}
	if len(missing) > 0 {
		parts = append(parts, "it cannot be read by "+readersText(missing)+where)
	}
	if len(extra) > 0 {
		parts = append(parts, "it can still be read by "+readersText(extra)+where)
	}
	return parts
}
