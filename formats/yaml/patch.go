package yaml

import (
	"bytes"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

var _ formats.Patcher = Format{}

// Patch returns the source of d with c applied: see [formats.Patcher]. A scalar
// that carries an anchor may be given another value, which its aliases then have
// too, and an alias may be replaced by a value of its own.
func (f Format) Patch(d *formats.Document, c formats.Change) ([]byte, error) {
	sh, ok := d.Shape.(*shape)
	if !ok {
		return nil, &formats.Error{Cause: formats.ErrSyntax, Msg: "not a document of this format"}
	}
	site, err := d.Site(c)
	if err != nil {
		return nil, err
	}
	if site.Same {
		return bytes.Clone(d.Source), nil
	}
	p := newParser(d.Source)
	p.rec = newRecorder(c.Path)
	if !p.stream() {
		return nil, p.err
	}
	pt := &patcher{d: d, sh: sh, c: c, site: site, src: sh.src, rec: p.rec, comments: p.comments}
	pt.look(p)
	err = &formats.Error{Cause: formats.ErrPlace, Path: c.Path, Msg: "this cannot be changed as it is spelled"}
	for _, edit := range pt.edits() {
		out, failed := pt.apply(edit)
		if failed == nil {
			return out, nil
		}
		err = failed
	}
	return nil, err
}

// patcher works out one change.
type patcher struct {
	d        *formats.Document
	sh       *shape
	c        formats.Change
	site     formats.Site
	src      string
	rec      *recorder
	comments []comment
	w        nodeWriter
}

// look finds out how the file is laid out.
func (pt *patcher) look(p *parser) {
	const step = 2
	newline := pt.sh.newline
	if strings.IndexByte(pt.src, '\n') < 0 && strings.IndexByte(pt.src, '\r') >= 0 {
		newline = "\r"
	}
	// Block scalars whose lines end in carriage returns alone cannot be sealed.
	pt.w = nodeWriter{newline: newline, oneLine: newline == "\r", mapStep: p.rec.mapStep, listStep: p.rec.listStep}
	if pt.w.mapStep < 1 {
		pt.w.mapStep = step
	}
	if pt.w.listStep < 0 {
		pt.w.listStep = pt.w.mapStep
	}
}

// edits returns ways to make the change, the best one first. Some do not mean
// what they should in odd places: whoever asked tries them.
func (pt *patcher) edits() []formats.Patch {
	v := &pt.c.Value
	switch {
	case pt.c.Remove:
		return pt.removal()
	case pt.c.Path.Parent == nil:
		return pt.newRoot()
	case !pt.site.Exists:
		return pt.insertion()
	}
	var edits []formats.Patch
	if pt.site.Leaf >= 0 && (v.Kind == formats.ScalarNode || len(v.Items) == 0) {
		edits = pt.newScalar(pt.site.Leaf, v)
	}
	return append(edits, pt.replacement(pt.rec.find(pt.c.Path), v)...)
}

// apply makes an edit and checks the result.
func (pt *patcher) apply(edit formats.Patch) ([]byte, error) {
	out, err := formats.Splice(pt.d.Source, []formats.Patch{edit})
	if err != nil {
		return nil, err
	}
	after, err := Format{}.Parse(out)
	if err != nil {
		return nil, &formats.Error{Cause: formats.ErrNotSealable, Path: pt.c.Path, Msg: "the value cannot be written here"}
	}
	if err := formats.CheckPatch(pt.d, after, pt.c); err != nil {
		return nil, err
	}
	if !sameComments(pt.d, after, edit) {
		return nil, &formats.Error{Cause: formats.ErrPlace, Path: pt.c.Path, Msg: "the change would change comments"}
	}
	if pt.misplacesTag(after) {
		return nil, &formats.Error{Cause: formats.ErrPlace, Path: pt.c.Path, Msg: "the tag here is not one of the new value"}
	}
	return out, nil
}

// misplacesTag reports whether a tag of what was there is one of the new value after the
// change: one that was made for a scalar, a map or a list and stands at another of these,
// or that has come to stand inside. What a tag says of scalars, the values themselves tell.
func (pt *patcher) misplacesTag(after *formats.Document) bool {
	if pt.c.Remove {
		return false
	}
	at, inside := pt.c.Path, pt.c.Path
	if !pt.site.Exists {
		at, inside = pt.site.Base, pt.nextStep()
	}
	for _, t := range after.Tags {
		isAt := t.Path.Equal(at)
		switch {
		case isAt && !t.OfKey:
			was, _ := pt.d.Node(at)
			is, _ := after.Node(at)
			if was.Kind != is.Kind {
				return true
			}
		case !isAt && isWithin(t.Path, inside):
			return true
		}
	}
	return false
}

// isWithin reports whether p is container or lies in it.
func isWithin(p, container *formats.Path) bool {
	for ; p != nil; p = p.Parent {
		if p.Equal(container) {
			return true
		}
	}
	return false
}

// sameComments reports whether the comments outside of the edit are what they
// were and those inside it are among those that were there.
func sameComments(before, after *formats.Document, edit formats.Patch) bool {
	oldOut, oldIn := commentsOf(before, edit.Start, edit.End)
	newOut, newIn := commentsOf(after, edit.Start, edit.Start+len(edit.Text))
	for _, text := range oldIn {
		if len(newIn) > 0 && newIn[0] == text {
			newIn = newIn[1:]
		}
	}
	return slices.Equal(oldOut, newOut) && len(newIn) == 0
}

// commentsOf returns the comments of d outside and inside a part of it.
func commentsOf(d *formats.Document, start, end int) (out, in []string) {
	var all []formats.Leaf
	for _, l := range d.Leaves {
		if l.Kind == formats.Comment {
			all = append(all, l)
		}
	}
	slices.SortStableFunc(all, func(a, b formats.Leaf) int { return a.Start - b.Start })
	for _, l := range all {
		if l.Start > start && l.End <= end {
			in = append(in, l.Text)
		} else {
			out = append(out, l.Text)
		}
	}
	return out, in
}

// newScalar gives leaf i another value in its place.
func (pt *patcher) newScalar(i int, v *formats.Node) []formats.Patch {
	l := &pt.d.Leaves[i]
	text := number(v)
	if text == "" || l.Style&styleBody != 0 {
		text = Format{}.Spell(pt.d, i, v.Leaf())
	}
	switch {
	case l.Style&styleFixed != 0, l.Style&styleNoColon != 0 && l.Style&styleFlow == 0:
		return nil
	case l.Style&styleNoColon != 0:
		text = ": " + text
	case l.Start == l.End && l.Start > 0 && !blankAt(pt.src, l.Start-1):
		text = " " + text
	}
	// The space is for a comment that follows at once.
	edits := []formats.Patch{patch(l.Start, l.End, text), patch(l.Start, l.End, text+" ")}
	if hasBreak(text) && v.Scalar.Kind == formats.String && l.Start < l.End {
		edits = append(edits, patch(l.Start, l.End, quoteDouble(v.Scalar.Text)))
	}
	return edits
}

// newRoot replaces all keys of a document.
func (pt *patcher) newRoot() []formats.Patch {
	n, v := pt.rec.find(pt.c.Path), &pt.c.Value
	switch {
	case v.Kind != formats.MapNode:
		return nil
	case n == nil && len(v.Items) == 0:
		return []formats.Patch{patch(0, 0, "")}
	case n == nil:
		return pt.firstKeys(v)
	case !n.block:
		return []formats.Patch{patch(n.start, n.end, pt.flowStyle(n).flowNode(v))}
	case len(v.Items) == 0:
		return []formats.Patch{patch(n.start, pt.lineEnd(n.end), "{}")}
	}
	text := strings.TrimLeft(pt.w.items(v, n.col), "\r\n ")
	return []formats.Patch{patch(n.start, pt.lineEnd(n.end), text), patch(n.start, n.end, pt.w.flowNode(v))}
}

// firstKeys adds keys to a document without any.
func (pt *patcher) firstKeys(v *formats.Node) []formats.Patch {
	at := pt.sh.docs[pt.c.Path.Document()].end
	w := pt.w
	w.oneLine = true
	text := strings.TrimPrefix(w.items(v, 0), w.newline)
	if at > 0 && !isBreak(pt.src[at-1]) && !(at == len(bomBytes) && strings.HasPrefix(pt.src, bomBytes)) {
		text = w.newline + text
		if at < len(pt.src) {
			text += w.newline
		}
		return []formats.Patch{patch(at, at, text)}
	}
	return []formats.Patch{patch(at, at, text+w.newline)}
}

// lineEnd returns where the line of offset i ends, without its break.
func (pt *patcher) lineEnd(i int) int {
	for i < len(pt.src) && !isBreak(pt.src[i]) {
		i++
	}
	return i
}

// nextLine returns where the line behind the one that ends at i begins.
func (pt *patcher) nextLine(i int) int {
	if strings.HasPrefix(pt.src[i:], "\r\n") {
		return i + 2
	}
	return min(i+1, len(pt.src))
}

// lineStart returns where the line of offset i begins.
func (pt *patcher) lineStart(i int) int {
	for i > 0 && !isBreak(pt.src[i-1]) {
		i--
	}
	if i == 0 && strings.HasPrefix(pt.src, bomBytes) {
		return len(bomBytes)
	}
	return i
}

// commentIn returns where the first comment between two offsets begins, with its
// #, or -1.
func (pt *patcher) commentIn(from, to int) int {
	for _, c := range pt.comments {
		if at := c.start - 1; at >= from && at < to {
			return at
		}
	}
	return -1
}

// trimmed returns the offset behind the last character before i, not before
// from, that is no blank.
func (pt *patcher) trimmed(from, i int) int {
	for i > from && isBlank(pt.src[i-1]) {
		i--
	}
	return i
}

// trailing returns where the line of the last comment behind offset end is over
// that belongs to what ends there: one at column col or deeper.
func (pt *patcher) trailing(end, col int) int {
	last := pt.lineEnd(end)
	for at := pt.nextLine(last); at < len(pt.src); {
		stop := pt.lineEnd(at)
		text := strings.TrimLeft(pt.src[at:stop], " ")
		column := stop - at - len(text)
		switch {
		case strings.TrimLeft(text, "\t") == "":
		case text[0] == '#' && column >= col:
			last = stop
		default:
			return last
		}
		at = pt.nextLine(stop)
		if at == stop {
			break
		}
	}
	return last
}
