package lsp

import (
	"bytes"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// view is what is known of one version of a text, without any key.
type view struct {
	File
	uri     string
	version int
	tooLong bool
	lines   *lines

	expected check.Expected
	// configErr is why the rules cannot be told.
	configErr error
	format    formats.Format
	findings  []check.Finding
	// diagnostics are the findings, in the editor's terms.
	diagnostics []diagnostic
	// parsed is nil if the text is not well-formed, meta if it is not sealed. leaves are
	// parallel to those of parsed, and there if meta is.
	parsed *formats.Document
	meta   *cipher.Metadata
	leaves []cipher.ValueInfo
	// shadow: this is the plain text of a file that is sealed on the disk. A plugin that
	// seals it when it is saved shows it, so that nothing is wrong with it.
	shadow     bool
	conflicted bool
}

func newView(d *document, root string) *view {
	v := &view{File: File{Path: d.path, Name: d.path, Text: d.text}, uri: d.uri, version: d.version, tooLong: d.tooLong}
	if rel, err := filepath.Rel(root, d.path); root != "" && err == nil && filepath.IsLocal(rel) {
		v.Name = rel
	}
	return v
}

// look finds out what is to be known.
func (v *view) look(rules Rules) {
	v.read(rules)
	v.diagnostics = v.diagnose()
}

func (v *view) read(rules Rules) {
	v.lines = newLines(v.Text)
	if v.expected, v.configErr = rules.Expect(v.Path); v.configErr != nil {
		v.expected = check.Expected{}
	}
	name := v.expected.Applied.Format
	if name == "" {
		name = all.NameForFile(v.Path)
	}
	v.format, _ = all.ByName(name)
	v.conflicted = merge.HasMarkers(v.Text) && bytes.Contains(v.Text, []byte("\n=======")) && (check.LooksSealed(v.Text) || v.expected.Applied.Meant)
	if v.tooLong || v.format == nil {
		return
	}
	v.shadow = !check.LooksSealed(v.Text) && !v.isConfig() && sealedOnDisk(v.Path)
	if check.LooksSealed(v.Text) || v.expected.Applied.Rule != nil && name != "binary" {
		v.parsed, _ = v.format.Parse(v.Text) // what is wrong with it is a finding
	}
	if v.parsed != nil && v.parsed.Meta != nil {
		if m, err := cipher.ParseMetadata(v.parsed); err == nil {
			v.meta, v.leaves = m, cipher.InspectLeaves(m, v.parsed)
		}
	}
	if !v.shadow {
		v.findings = check.File(check.Input{Name: filepath.ToSlash(v.Name), Data: v.Text, Expected: v.expected})
	}
}

func (v *view) isConfig() bool { return filepath.Base(v.Path) == configName }

// has reports whether there is a finding of one of these IDs.
func (v *view) has(ids ...string) bool {
	return slices.ContainsFunc(v.findings, func(f check.Finding) bool { return slices.Contains(ids, f.ID) })
}

// exposed returns the leaves that should be sealed and are not.
func (v *view) exposed() []int {
	var out []int
	for i, info := range v.leaves {
		if info.State == cipher.StateExposed && v.parsed.Leaves[i].Kind != formats.Comment {
			out = append(out, i)
		}
	}
	return out
}

// leafAt returns the value at an offset, or else the first of those that begin on its
// line; -1 if there is none.
func (v *view) leafAt(off int) int {
	if v.parsed == nil {
		return -1
	}
	line := v.lines.position(off).Line
	begin, end := v.lines.starts[line], v.lines.lineEnd(line)
	best := -1
	for i := range v.parsed.Leaves {
		l := &v.parsed.Leaves[i]
		if l.Kind == formats.Comment {
			continue
		}
		if l.Start <= off && off < l.End {
			return i
		}
		if l.Start >= begin && l.Start <= end && (best < 0 || l.Start < v.parsed.Leaves[best].Start) {
			best = i
		}
	}
	return best
}

// maxMarks bounds how often the beginning of the metadata block is looked for.
const maxMarks = 100

// metaAt returns where the metadata block begins, -1 if that is not known.
func (v *view) metaAt() int {
	if v.meta == nil {
		return -1
	}
	for _, mark := range []string{"sops:", `"sops"`, "'sops':", "[sops]", "sops_"} {
		from := 0
		for range maxMarks {
			n := bytes.Index(v.Text[from:], []byte(mark))
			if n < 0 {
				break
			}
			from += n
			// It begins its line, and does not stand in a value.
			if v.beginsLine(from) && !v.inLeaf(from) {
				return from
			}
			from += len(mark)
		}
	}
	return -1
}

// beginsLine reports whether nothing but spaces and what may open a map comes before.
func (v *view) beginsLine(off int) bool {
	line := v.lines.position(off).Line
	return strings.Trim(string(v.Text[v.lines.starts[line]:off]), " \t{,\ufeff") == ""
}

func (v *view) inLeaf(off int) bool {
	return slices.ContainsFunc(v.parsed.Leaves, func(l formats.Leaf) bool { return l.Start <= off && off < l.End })
}

// leafByPath returns leaves by their paths in full.
func (v *view) leafByPath() map[string]int {
	out := map[string]int{}
	if v.parsed == nil {
		return out
	}
	for i := range v.parsed.Leaves {
		if v.parsed.Leaves[i].Kind != formats.Comment {
			out[v.parsed.Leaves[i].Path.Text()] = i
		}
	}
	return out
}

// lineOf returns the span of what stands on a line, from an offset on.
func (v *view) lineOf(off int) textRange {
	line := sort.SearchInts(v.lines.starts, off+1) - 1
	return v.lines.span(off, v.lines.lineEnd(line))
}
