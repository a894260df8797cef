package main

import (
	"fmt"
	"time"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/changes"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// diffReport is what is told of one file, and its JSON form.
type diffReport struct {
	File    string `json:"file"`
	OldFile string `json:"old_file,omitempty"` // if it is another one
	Status  string `json:"status"`
	// WasSealed and IsSealed are left out of a side that is not there.
	WasSealed *bool       `json:"was_sealed,omitempty"`
	IsSealed  *bool       `json:"is_sealed,omitempty"`
	Values    []diffValue `json:"values"`
	Comments  int         `json:"comments_changed,omitempty"`
	Joined    []diffNamed `json:"readers_joined"`
	Left      []diffNamed `json:"readers_left"`
	Rewrapped int         `json:"readers_rewrapped,omitempty"`
	NewKey    bool        `json:"new_data_key"`
	// Told: which values changed with the data key is known.
	Told bool `json:"new_data_key_compared,omitempty"`
	// Resealed counts the values that may or may not have changed with the data key,
	// or, if Told, that have not.
	Resealed int            `json:"values_resealed,omitempty"`
	Metadata []diffField    `json:"metadata"`
	Proposed []diffProposal `json:"proposed,omitempty"`
	Settled  []diffProposal `json:"settled,omitempty"`
	// Merged is "half-merged" or "resealed" if that is what happened.
	Merged string `json:"merged,omitempty"`
	// Errors say what cannot be read.
	Errors []string `json:"errors,omitempty"`
}

type diffValue struct {
	Path   string       `json:"path"`
	Change changes.Kind `json:"change"`
	// Around: it is a field of the SealedManifest around the file.
	Around bool       `json:"around,omitempty"`
	Was    *diffState `json:"was,omitempty"`
	Is     *diffState `json:"is,omitempty"`

	name string // the path for people
}

type diffState struct {
	State cipher.State `json:"state"`
	Kind  string       `json:"kind"`
	// Text is there only if nothing says that it is a secret.
	Text *string `json:"text,omitempty"`
}

type diffNamed struct {
	Name string `json:"name,omitempty"`
	readerInfo

	text string
}

type diffField struct {
	Field string `json:"field"`
	Was   string `json:"was"`
	Is    string `json:"is"`
}

type diffProposal struct {
	ID   string    `json:"id"`
	Path string    `json:"path"`
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at"`
}

// statusText names git's letters.
func statusText(status byte) string {
	switch status {
	case 'A':
		return "added"
	case 'C':
		return "copied"
	case 'D':
		return "deleted"
	case 'R':
		return "renamed"
	case 'T':
		return "type changed"
	case 'U':
		return "in conflict"
	}
	return "modified"
}

// reporter turns differences into reports.
type reporter struct{ census *census }

func (r *reporter) report(d *fileDiff) diffReport {
	out := diffReport{
		File: d.new.name, Status: statusText(d.status), Values: []diffValue{},
		Joined: []diffNamed{}, Left: []diffNamed{}, Metadata: []diffField{},
	}
	if out.File == "" {
		out.File = d.old.name
	} else if d.old.name != "" && d.old.name != d.new.name {
		out.OldFile = d.old.name
	}
	out.WasSealed, out.IsSealed = d.old.sealed(), d.new.sealed()
	for i, s := range []diffSide{d.old, d.new} {
		if s.err != nil {
			out.Errors = append(out.Errors, []string{"the old", "the new"}[i]+" version: "+s.err.Error())
		}
	}
	if d.set == nil {
		return out
	}
	s := d.set
	for _, c := range s.Values {
		out.addValue(d, c)
	}
	out.addAround(d.around)
	out.Comments, out.Rewrapped, out.NewKey, out.Told = out.Comments+s.Comments, s.Rewrapped, s.NewKey, d.really != nil
	out.Joined = r.named(s.Joined, d.new)
	if d.new.name == "" || d.new.version.Metadata != nil {
		out.Left = r.named(s.Left, d.old) // a plain file has all the world for readers
	}
	out.addMetadata(d)
	out.Proposed, out.Settled = diffProposals(s.Proposed), diffProposals(s.Settled)
	if s.Merged {
		out.Merged = map[bool]string{true: "half-merged", false: "resealed"}[d.new.version.HalfMerged()]
	}
	return out
}

// sealed reports whether a version is sealed, nil if there is none or it cannot be
// read.
func (s diffSide) sealed() *bool {
	if s.version == nil || s.name == "" {
		return nil
	}
	is := s.version.Metadata != nil
	return &is
}

func (out *diffReport) addValue(d *fileDiff, c changes.Change) {
	kind := d.set.Kind(c)
	if kind == changes.Resealed {
		if !d.really[c.Path.Text()] {
			out.Resealed++
			return
		}
		kind = changes.Changed
	}
	out.Values = append(out.Values, diffValue{
		Path: c.Path.Text(), name: c.Path.String(), Change: kind,
		Was: newDiffState(c.Was, d.old.version), Is: newDiffState(c.Is, d.new.version),
	})
}

func newDiffState(s changes.State, v *changes.Version) *diffState {
	if s.State == "" {
		return nil
	}
	out := &diffState{State: s.State, Kind: s.Kind.String()}
	if s.Shown(v) && !s.Kind.Empty() {
		out.Text = &s.Text
	}
	return out
}

func (out *diffReport) addMetadata(d *fileDiff) {
	a, b := d.old.version.Metadata, d.new.version.Metadata
	if a == nil || b == nil {
		return
	}
	add := func(field, was, is string) {
		if was != is {
			out.Metadata = append(out.Metadata, diffField{Field: field, Was: was, Is: is})
		}
	}
	add("selector", a.Selector.String(), b.Selector.String())
	add("key groups", groupsText(a), groupsText(b))
	add("plain values", coverText(a), coverText(b))
	add("context", changes.ContextOf(a), changes.ContextOf(b))
	add("integrity", sealText(a), sealText(b))
}

func groupsText(m *cipher.Metadata) string {
	if len(m.Groups) < 2 {
		return "one"
	}
	return fmt.Sprintf("%d, of which %d are needed", len(m.Groups), neededOf(m))
}

func coverText(m *cipher.Metadata) string {
	if m.MACOnlyEncrypted {
		return "not covered by the MACs (mac_only_encrypted)"
	}
	return "covered by the MACs"
}

func sealText(m *cipher.Metadata) string {
	if m.Seal == nil {
		return "only sops's MAC (no sops.seal entry)"
	}
	return "sops.seal"
}

func diffProposals(list []cipher.Proposal) []diffProposal {
	var out []diffProposal
	for _, p := range list {
		out = append(out, diffProposal{ID: p.ID(), Path: p.Path.String(), By: p.By, At: p.At})
	}
	return out
}

// named gives readers the names that the rules have for them.
func (r *reporter) named(list []keysources.Stanza, side diffSide) []diffNamed {
	out := []diffNamed{}
	if len(list) == 0 {
		return out
	}
	var names nameIndex
	if config, err := r.census.book.config(side.path); err == nil {
		if _, err := r.census.namesOf(config); err == nil {
			names = r.census.named[config]
		}
	}
	groups := side.version.Metadata.Groups
	for _, s := range list {
		who := whoReader{key: readers.Canonical(s)}
		who.name = names.nameOf(who.key)
		out = append(out, diffNamed{Name: who.name, readerInfo: newReaderInfo(s.Key(), groupOf(groups, s), len(groups)), text: who.text()})
	}
	return out
}

// groupOf returns the number of the key group that a stanza is in, from 0.
func groupOf(groups [][]keysources.Stanza, s keysources.Stanza) int {
	for i, g := range groups {
		for _, t := range g {
			if keysources.SameKey(s, t) {
				return i
			}
		}
	}
	return 0
}

// plainText shows a plain value on a line.
func plainText(s *diffState) string {
	const most = 100
	if s.Text == nil {
		return s.Kind
	}
	text := *s.Text
	if s.Kind == formats.String.String() && (text == "" || oneLine(text) != text) {
		text = fmt.Sprintf("%q", text)
	}
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}
