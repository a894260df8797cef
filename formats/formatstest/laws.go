package formatstest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// check is one source on its way through the laws.
type check struct {
	Suite
	src []byte
	doc *formats.Document
}

func (c *check) spans() error {
	for i, l := range c.doc.Leaves {
		if l.Start < 0 || l.Start > l.End || l.End > len(c.src) {
			return fmt.Errorf("leaf %d (%s) spans %d to %d of %d bytes", i, l.Path, l.Start, l.End, len(c.src))
		}
		if l.Kind == formats.Sealed {
			return fmt.Errorf("leaf %d (%s) was parsed as sealed", i, l.Path)
		}
	}
	order := c.ownLeaves()
	for n := 1; n < len(order); n++ {
		a, b := c.doc.Leaves[order[n-1]], c.doc.Leaves[order[n]]
		if b.Start < a.End {
			return fmt.Errorf("%s at %d to %d overlaps %s at %d to %d", a.Path, a.Start, a.End, b.Path, b.Start, b.End)
		}
	}
	return c.aliasSpans()
}

func (c *check) aliasSpans() error {
	for i, a := range c.doc.Aliases {
		if a.First > a.Last || a.First < 0 || a.Last > len(c.doc.Leaves) || len(a.Target) != a.Last-a.First {
			return fmt.Errorf("alias %d (%s) repeats leaves %d to %d with %d targets", i, a.Path, a.First, a.Last, len(a.Target))
		}
		for n := a.First; n < a.Last; n++ {
			t := c.doc.Leaves[a.Target[n-a.First]]
			if l := c.doc.Leaves[n]; l.Scalar != t.Scalar || c.doc.Text(n) != a.Text {
				return fmt.Errorf("alias %d (%s): leaf %d is not what it repeats", i, a.Path, n)
			}
		}
	}
	return nil
}

// ownLeaves returns the indexes of the leaves that no alias repeats, in the
// order of their bytes.
func (c *check) ownLeaves() []int {
	repeated := make([]bool, len(c.doc.Leaves))
	for _, a := range c.doc.Aliases {
		for i := max(a.First, 0); i < min(a.Last, len(repeated)); i++ {
			repeated[i] = true
		}
	}
	var own []int
	for i := range c.doc.Leaves {
		if !repeated[i] {
			own = append(own, i)
		}
	}
	slices.SortStableFunc(own, func(a, b int) int {
		x, y := c.doc.Leaves[a], c.doc.Leaves[b]
		return cmp.Or(cmp.Compare(x.Start, y.Start), cmp.Compare(x.End, y.End))
	})
	return own
}

func (c *check) emptyEdit() error {
	out, err := c.Format.Rewrite(c.doc, formats.Edit{})
	if err != nil {
		return fmt.Errorf("rewriting: %w", err)
	}
	if !bytes.Equal(out, c.src) {
		return fmt.Errorf("got %q", clip(out))
	}
	again, err := c.Format.Parse(c.src)
	if err != nil {
		return fmt.Errorf("parsing a second time: %w", err)
	}
	return sameLeaves(c.doc, again, nil)
}

// sealed seals the chosen leaves and restores them in every way there is.
func (c *check) sealed(choose func(formats.Leaf) bool) error {
	texts := map[int]string{}
	var values []formats.Value
	for i, l := range c.doc.Leaves {
		if choose(l) {
			texts[i] = fakeENC(i, l.Kind)
			values = append(values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.Sealed, Text: texts[i]}})
		}
	}
	if err := c.onlySpansChange(values); err != nil {
		return err
	}
	if err := c.onlySpansChange(c.canonical(choose)); err != nil {
		return err
	}
	// The order of the values must not matter.
	slices.Reverse(values)
	meta := exampleMeta()
	out, err := c.Format.Rewrite(c.doc, formats.Edit{Values: values, Meta: formats.MetaEdit{Set: meta}})
	if err != nil {
		return refusal("sealing", err)
	}
	doc, err := c.Format.Parse(out)
	if err != nil {
		return fmt.Errorf("parsing the sealed file %q: %w", clip(out), err)
	}
	if err := sameLeaves(c.doc, doc, texts); err != nil {
		return fmt.Errorf("sealed file %q: %w", clip(out), err)
	}
	if !sameMeta(meta, doc.Meta) {
		return fmt.Errorf("sealed file %q: metadata read back is not what was set", clip(out))
	}
	if err := c.sameSpelling(doc); err != nil {
		return err
	}
	if err := c.restoreExactly(doc, texts); err != nil {
		return fmt.Errorf("sealed file %q: %w", clip(out), err)
	}
	return c.restoreMeaning(doc, texts)
}

// canonical returns the chosen leaves' own values, to be spelled by the format.
func (c *check) canonical(choose func(formats.Leaf) bool) (values []formats.Value) {
	for _, i := range c.ownLeaves() {
		if l := c.doc.Leaves[i]; choose(l) {
			values = append(values, formats.Value{Leaf: i, Scalar: l.Scalar})
		}
	}
	return values
}

// onlySpansChange replaces values, without metadata, and compares with a plain
// splice.
func (c *check) onlySpansChange(values []formats.Value) error {
	if c.Envelope {
		return nil
	}
	out, err := c.Format.Rewrite(c.doc, formats.Edit{Values: values})
	if err != nil {
		return refusal("replacing values", err)
	}
	texts := map[int]string{}
	for _, v := range values {
		texts[v.Leaf] = c.Format.Spell(c.doc, v.Leaf, v.Scalar)
	}
	segments := c.segments(texts)
	rest := string(out)
	for n, s := range segments {
		at := strings.Index(rest, s)
		if at < 0 || n == 0 && at > 0 {
			return fmt.Errorf("values replaced: got %q, want %q in its place", clip(out), clip([]byte(s)))
		}
		if n == len(segments)-1 {
			at = len(rest) - len(s)
		}
		if !strings.HasSuffix(rest[at:], s) && n == len(segments)-1 {
			return fmt.Errorf("values replaced: got %q, want it to end in %q", clip(out), clip([]byte(s)))
		}
		rest = rest[at+len(s):]
	}
	return nil
}

// segments returns the source with texts spliced in, split at the aliases: what
// is written for one is the format's affair.
func (c *check) segments(texts map[int]string) []string {
	type cut struct {
		start, end int
		text       string
		alias      bool
	}
	var cuts []cut
	for _, i := range c.ownLeaves() {
		if text, ok := texts[i]; ok {
			cuts = append(cuts, cut{c.doc.Leaves[i].Start, c.doc.Leaves[i].End, text, false})
		}
	}
	for _, a := range c.doc.Aliases {
		if a.First < a.Last {
			l := c.doc.Leaves[a.First]
			cuts = append(cuts, cut{l.Start, l.End, "", true})
		}
	}
	slices.SortStableFunc(cuts, func(a, b cut) int { return cmp.Compare(a.start, b.start) })
	var segments []string
	var b strings.Builder
	at := 0
	for _, x := range cuts {
		b.Write(c.src[at:x.start])
		at = x.end
		if x.alias {
			segments = append(segments, b.String())
			b.Reset()
		}
		b.WriteString(x.text)
	}
	b.Write(c.src[at:])
	return append(segments, b.String())
}

// sameSpelling checks that Spell does not depend on what sealing takes away.
func (c *check) sameSpelling(sealed *formats.Document) error {
	for i, l := range c.doc.Leaves {
		for _, s := range spellings(l.Scalar) {
			before, after := c.Format.Spell(c.doc, i, s), c.Format.Spell(sealed, i, s)
			if before != after {
				return fmt.Errorf("leaf %d (%s): Spell(%v %q) gives %q in the plain and %q in the sealed file",
					i, l.Path, s, s.Text, before, after)
			}
		}
	}
	return nil
}

// spellings are scalars that a leaf may be given: its own and some odd ones.
func spellings(own formats.Scalar) []formats.Scalar {
	sealed := formats.Scalar{Kind: formats.Sealed, Text: fakeENC(1, own.Kind)}
	if own.Kind == formats.Comment {
		return []formats.Scalar{own, sealed}
	}
	all := []formats.Scalar{own, sealed}
	for _, text := range []string{"x", "two words", "a\nb\n", `q"q'q`, "# no comment", "5", "é\t\\n"} {
		all = append(all, formats.Scalar{Kind: formats.String, Text: text})
	}
	return all
}

func (c *check) restoreExactly(sealed *formats.Document, texts map[int]string) error {
	edit := formats.Edit{Meta: formats.MetaEdit{Remove: true}}
	for _, i := range c.ownLeaves() {
		if _, ok := texts[i]; ok {
			l := c.doc.Leaves[i]
			edit.Values = append(edit.Values, formats.Value{Leaf: i, Scalar: l.Scalar, Raw: c.doc.Text(i)})
		}
	}
	for _, a := range c.doc.Aliases {
		edit.Folds = append(edit.Folds, formats.Fold{Path: a.Path, Text: a.Text})
	}
	out, err := c.Format.Rewrite(sealed, edit)
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	if c.doc.Meta != nil {
		return c.readsAs(out, nil)
	}
	return c.isSource(out)
}

// restoreMeaning restores with Spell alone.
func (c *check) restoreMeaning(sealed *formats.Document, texts map[int]string) error {
	edit := formats.Edit{Meta: formats.MetaEdit{Remove: true}}
	for i := range texts {
		edit.Values = append(edit.Values, formats.Value{Leaf: i, Scalar: c.doc.Leaves[i].Scalar})
	}
	out, err := c.Format.Rewrite(sealed, edit)
	if err != nil {
		return refusal("restoring by Spell", err)
	}
	return c.readsAs(out, nil)
}

// readsAs checks that out is a plain file with the leaves of the source, those
// in texts replaced.
func (c *check) readsAs(out []byte, texts map[int]string) error {
	doc, err := c.Format.Parse(out)
	if err != nil {
		return fmt.Errorf("parsing %q: %w", clip(out), err)
	}
	if doc.Meta != nil {
		return fmt.Errorf("metadata left in %q", clip(out))
	}
	if err := sameLeaves(c.doc, doc, texts); err != nil {
		return fmt.Errorf("in %q: %w", clip(out), err)
	}
	return nil
}

// isSource compares out with the source, which may have lacked a final line feed
// or had a byte order mark, unless it was wrapped as a whole.
func (c *check) isSource(out []byte) error {
	src := c.src
	for _, s := range [][]byte{src, withoutBOM(src)} {
		if bytes.Equal(out, s) && !(c.Envelope && len(s) < len(src)) {
			return nil
		}
		if bytes.HasSuffix(s, []byte("\n")) || c.Envelope {
			continue
		}
		if tail, ok := bytes.CutPrefix(out, s); ok && (string(tail) == "\n" || string(tail) == "\r\n") {
			return nil
		}
	}
	return fmt.Errorf("restored: got %q, want %q", clip(out), clip(src))
}

// sameLeaves compares two documents. The leaves of got that are in sealed must
// hold the text given there.
func sameLeaves(want, got *formats.Document, sealed map[int]string) error {
	if len(want.Leaves) != len(got.Leaves) {
		return fmt.Errorf("got %d leaves, want %d", len(got.Leaves), len(want.Leaves))
	}
	for i, w := range want.Leaves {
		g := got.Leaves[i]
		if !w.Path.Equal(g.Path) {
			return fmt.Errorf("leaf %d: got path %s, want %s", i, g.Path, w.Path)
		}
		text, ok := sealed[i]
		switch {
		case !ok && w.Scalar != g.Scalar:
			return fmt.Errorf("%s: got %v %q, want %v %q", w.Path, g.Scalar, g.Text, w.Scalar, w.Text)
		case !ok:
		case w.Kind == formats.Comment && g.Kind != formats.Comment:
			return fmt.Errorf("%s: a sealed comment reads as %v", w.Path, g.Scalar)
		case w.Kind != formats.Comment && g.Kind != formats.String:
			return fmt.Errorf("%s: a sealed value reads as %v", w.Path, g.Scalar)
		case strings.TrimSuffix(g.Text, "\n") != text:
			return fmt.Errorf("%s: got %q, want %q", w.Path, g.Text, text)
		}
	}
	return nil
}

// fakeENC returns a string of the form of a sealed value, another for each leaf.
func fakeENC(i int, k formats.Kind) string {
	b64 := base64.StdEncoding.EncodeToString
	typ := k.String()
	if k == formats.String {
		typ = "str"
	}
	return "ENC[AES256_GCM,data:" + b64([]byte("leaf"+strconv.Itoa(i))) + ",iv:" + b64(bytes.Repeat([]byte{251}, 32)) +
		",tag:" + b64(bytes.Repeat([]byte{254}, 16)) + ",type:" + typ + "]"
}
