package cipher

import (
	"errors"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// ErrExposed: what is sealed in one version of a file would stand plain in the merged
// one.
var ErrExposed = errors.New("what is sealed on one side would stand plain")

// exposed returns the places of src at which a value would stand plain that one of the
// versions has sealed under the same keys, unless one of them has it plain there. List
// indexes aside, since items move; and comments are compared wherever they stand, since
// what they belong to changes with the lines around them.
func (s *sealing) exposed() []*formats.Path {
	versions := slices.Concat([]*Opened{s.opts.Previous}, s.opts.Also, s.opts.guarded)
	versions = slices.DeleteFunc(versions, func(o *Opened) bool { return o == nil || o.content.doc == nil })
	if !slices.ContainsFunc(versions, s.mayExpose) || !slices.Contains(s.content.selected, false) {
		return nil
	}
	sealed, plain := map[string]bool{}, map[string]int{}
	for _, o := range versions {
		o.noteExposable(sealed, plain)
	}
	var out []*formats.Path
	for i := range s.content.doc.Leaves {
		l := &s.content.doc.Leaves[i]
		if s.content.selected[i] || l.Text == "" {
			continue
		}
		shown := false
		for _, k := range exposureKeys(l.Path, &l.Scalar) {
			plain[k]--
			shown = shown || sealed[k] && plain[k] < 0
		}
		if shown {
			out = append(out, l.Path)
		}
	}
	return out
}

// mayExpose reports whether what is sealed in a version may be left plain: a selector
// that goes by keys alone selects the same values in all versions.
func (s *sealing) mayExpose(o *Opened) bool {
	have, want := o.Metadata.Selector, s.opts.Selector
	if have.Kind != want.Kind || have.Pattern != want.Pattern || want.byComment() {
		return true
	}
	for i, v := range o.values {
		if v != "" && o.content.doc.Leaves[i].Kind == formats.Comment {
			return true
		}
	}
	return false
}

// noteExposable notes what a version has sealed, and how often it has a value plain
// under the same keys.
func (o *Opened) noteExposable(sealed map[string]bool, plain map[string]int) {
	here := map[string]int{}
	for i := range o.content.doc.Leaves {
		for _, k := range exposureKeys(o.content.doc.Leaves[i].Path, o.content.scalar(i)) {
			if o.values[i] != "" {
				sealed[k] = true
				continue
			}
			if here[k]++; here[k] > plain[k] {
				plain[k] = here[k]
			}
		}
	}
}

// exposureKeys names a text under some keys. Its kind does not count: 1 tells as much
// as "1". A comment has a name for each of its lines, which may be of several comments.
func exposureKeys(p *formats.Path, v *formats.Scalar) []string {
	if v.Kind == formats.Comment {
		return commentLines(v.Text)
	}
	var e encoder
	e.raw([]byte{0}) // no comment has it
	e.bytes(appendAAD(nil, p))
	e.text(v.Text)
	return []string{string(e.b)}
}

// errExposed refuses a merge that would expose what stands at the paths.
func errExposed(paths []*formats.Path) error {
	const most = 8
	var names []string
	for _, p := range paths {
		name := p.String()
		switch {
		case slices.Contains(names, name):
		case len(names) == most:
			names = append(names, "and others")
		case len(names) < most:
			names = append(names, name)
		}
	}
	return &UnmergeableError{Reason: ErrExposed.Error() + ": " + strings.Join(names, ", "), Err: ErrExposed}
}

// checkUnselected refuses what looks sealed where the selector leaves values plain:
// it would be taken for a text. Verified files may hold such a text; in what nothing
// vouches for, somebody has changed the selector.
func checkUnselected(doc *formats.Document, selected []bool) error {
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		if !selected[i] && (l.Kind == formats.String || l.Kind == formats.Comment) && looksSealed(l.Text) {
			return &TamperedError{Reason: ReasonUnselected, Path: l.Path}
		}
	}
	return nil
}
