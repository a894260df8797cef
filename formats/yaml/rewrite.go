package yaml

import (
	"sort"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// Rewrite returns the source of d with e applied: see [formats.Format]. Where
// anything but a text on one line is replaced it reads the result back, and
// refuses what does not mean what it should.
func (f Format) Rewrite(d *formats.Document, e formats.Edit) ([]byte, error) {
	sh, ok := d.Shape.(*shape)
	if !ok {
		return nil, &formats.Error{Cause: formats.ErrSyntax, Msg: "not a document of this format"}
	}
	r := &rewriter{d: d, sh: sh, expand: map[int]map[int]formats.Value{}, turned: map[*formats.Path]int{}}
	r.edits = make([]formats.Patch, 0, len(e.Values)+2*len(sh.docs))
	for _, v := range e.Values {
		r.value(v)
	}
	r.followTargets(e)
	r.aliases(e)
	r.meta(e.Meta)
	if r.err != nil {
		return nil, r.err
	}
	if err := r.folds(e); err != nil {
		return nil, err
	}
	if !r.risky {
		// The document and the edit are large, and from here on nobody needs them.
		return formats.Splice(d.Source, r.edits)
	}
	out, err := formats.Splice(d.Source, r.edits)
	if err == nil {
		err = r.verify(out, e)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func patch(start, end int, text string) formats.Patch {
	return formats.Patch{Start: start, End: end, Text: text}
}

type rewriter struct {
	d     *formats.Document
	sh    *shape
	edits []formats.Patch
	// expand holds, for each alias to be written out, the new values in it.
	expand map[int]map[int]formats.Value
	// lists counts the items of each list and turned those of them that become
	// comments.
	lists, turned map[*formats.Path]int
	// risky is set if the result should be read back, loose if its leaves may
	// differ from the document's.
	risky, loose bool
	err          *formats.Error
}

func (r *rewriter) fail(l *formats.Leaf, msg string) {
	if r.err == nil {
		r.err = formats.ErrorAt(formats.ErrNotSealable, r.d.Source, l.Start, l.Path, msg)
	}
}

// aliasOf returns the alias that leaf i is part of, or -1.
func (r *rewriter) aliasOf(i int) int {
	n := sort.Search(len(r.d.Aliases), func(n int) bool { return r.d.Aliases[n].Last > i })
	if n < len(r.d.Aliases) && r.d.Aliases[n].First <= i {
		return n
	}
	return -1
}

// value adds the edit for a new value.
func (r *rewriter) value(v formats.Value) {
	if v.Leaf < 0 || v.Leaf >= len(r.d.Leaves) {
		r.err = &formats.Error{Cause: formats.ErrSyntax, Msg: "a value for no leaf"}
		return
	}
	l := &r.d.Leaves[v.Leaf]
	if n := r.aliasOf(v.Leaf); n >= 0 {
		r.expandAlias(n)[v.Leaf] = v
		return
	}
	switch {
	case l.Style&styleFixed != 0:
		r.fail(l, "this value cannot be replaced: put anchors before tags, a space behind them and comments elsewhere")
		return
	case l.Kind != formats.Comment && v.Kind == formats.Comment:
		r.itemToComment(l, v)
		return
	}
	text := v.Raw
	if text == "" {
		if start, end, ok := r.sh.betweenQuotes(l, v.Scalar); ok {
			r.edits = append(r.edits, patch(start, end, v.Text))
			return
		}
		text = Format{}.Spell(r.d, v.Leaf, v.Scalar)
	}
	r.risky = r.risky || v.Raw != "" || r.dangerous(l, v, text)
	switch {
	case l.Style&styleNoColon != 0 && v.Kind == formats.Null:
		return
	case l.Style&styleNoColon != 0 && l.Style&styleFlow == 0:
		r.fail(l, "a key without a colon cannot be given a value")
		return
	case l.Style&styleNoColon != 0:
		text = ": " + text
	case l.Start == l.End && l.Start > 0 && l.Kind != formats.Comment && !blankAt(r.sh.src, l.Start-1):
		text = " " + text
	}
	r.edits = append(r.edits, patch(l.Start, l.End, text))
}

// dangerous reports whether the effect of text at l should be checked.
func (r *rewriter) dangerous(l *formats.Leaf, v formats.Value, text string) bool {
	if l.Start == l.End || formOf(l.Style).block() || l.Kind != formats.Comment && hasBreak(text) || hasBreak(r.sh.src[l.Start:l.End]) {
		return true
	}
	if l.Kind == formats.Comment {
		return !oneLine(text)
	}
	if v.Kind != formats.Sealed {
		return strings.HasPrefix(text, "!")
	}
	return !isSealedText(v.Text)
}

// itemToComment turns an item of a list into a comment, or takes it out of a
// flow list.
func (r *rewriter) itemToComment(l *formats.Leaf, v formats.Value) {
	r.risky, r.loose = true, true
	src := r.d.Source
	at := l.Start
	for at > 0 && isBlank(src[at-1]) {
		at--
	}
	switch {
	case l.Kind != formats.String || l.Path.Index == formats.InMap || strings.ContainsAny(v.Text, "\r\n"):
		r.fail(l, "this value cannot become a comment")
	case l.Style&styleItem != 0 && at > 0 && src[at-1] == '-':
		r.edits = append(r.edits, patch(at-1, l.End, "#"+v.Text))
		r.turned[l.Path.Parent]++
		if r.turned[l.Path.Parent] == r.items()[l.Path.Parent] {
			r.addEmptyList(at - 1)
		}
	case l.Style&styleFlow != 0:
		r.dropFlowItem(l)
	default:
		r.fail(l, "this value cannot become a comment")
	}
}

// items returns how many items each list of the document has.
func (r *rewriter) items() map[*formats.Path]int {
	if r.lists != nil {
		return r.lists
	}
	r.lists = map[*formats.Path]int{}
	for i := range r.d.Leaves {
		for q := r.d.Leaves[i].Path; q.Parent != nil; q = q.Parent {
			if q.Index != formats.InMap {
				r.lists[q.Parent] = max(r.lists[q.Parent], q.Index+1)
			}
		}
	}
	return r.lists
}

// addEmptyList adds an empty list behind the last edit, which leaves a list
// without items; dash is where the dash of that item was.
func (r *rewriter) addEmptyList(dash int) {
	indent := 0
	for dash-indent > 0 && !isBreak(r.d.Source[dash-indent-1]) {
		indent++
	}
	last := &r.edits[len(r.edits)-1]
	last.Text += r.sh.newline + strings.Repeat(" ", indent+1) + "[]"
}

// dropFlowItem takes an item and its comma out of a flow list.
func (r *rewriter) dropFlowItem(l *formats.Leaf) {
	src := r.sh.src
	start, end := l.Start, l.End
	if rest := strings.TrimLeft(src[end:], " \t\r\n"); strings.HasPrefix(rest, ",") {
		end = len(src) - len(strings.TrimLeft(rest[1:], " \t"))
	} else if before := strings.TrimRight(src[:start], " \t\r\n"); strings.HasSuffix(before, ",") {
		start = len(before) - 1
	}
	r.edits = append(r.edits, patch(start, end, ""))
}

// meta adds the edits of the metadata block.
func (r *rewriter) meta(m formats.MetaEdit) {
	if m.Set != nil {
		r.setMeta(m.Set)
		return
	}
	for i := range r.sh.docs {
		if d := &r.sh.docs[i]; m.Remove && d.meta != nil {
			r.edits = append(r.edits, d.removal(r.d.Source)...)
		}
	}
}

func (r *rewriter) setMeta(m *formats.Meta) {
	named := *m
	named.Key = metaKey
	if m.Kind != formats.MetaMap || !readsBack(&named) {
		r.err = &formats.Error{Cause: formats.ErrMetadata, Msg: "the metadata block cannot be written"}
		return
	}
	for i := range r.sh.docs {
		d := &r.sh.docs[i]
		if d.meta == nil {
			r.edits = append(r.edits, r.sh.insertion(r.d.Source, d, &named))
			continue
		}
		edits := r.sh.replacement(r.d.Source, d, &named)
		for _, e := range edits {
			r.risky = r.risky || strings.ContainsAny(e.Text, "\r\n")
		}
		r.edits = append(r.edits, edits...)
	}
}

// readsBack reports whether the block m reads as what it is.
func readsBack(m *formats.Meta) bool {
	d, err := Format{}.Parse([]byte(blockMeta(m, 0, "\n")))
	return err == nil && d.Meta != nil && d.Meta.Equal(m)
}
