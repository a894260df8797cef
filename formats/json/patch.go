package json

import (
	"bytes"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

var _ formats.Patcher = Format{}

// Patch implements [formats.Patcher]. What is new is on lines of its own if its
// neighbours are, and spelled like them: with spaces behind colons or without.
func (f Format) Patch(d *formats.Document, c formats.Change) ([]byte, error) {
	root, ok := d.Shape.(*rootObject)
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
	bad := &formats.Error{Cause: formats.ErrNotSealable, Path: c.Path, Msg: "JSON cannot hold this value"}
	pt := &patcher{d: d, src: d.Source, root: root, style: root.style(d.Source), ok: true}
	patch := pt.patch(c, site)
	if !pt.ok {
		return nil, bad
	}
	out, err := formats.Splice(d.Source, []formats.Patch{patch})
	if err != nil {
		return nil, err
	}
	after, err := f.Parse(out)
	if err != nil {
		return nil, bad
	}
	return out, formats.CheckPatch(d, after, c)
}

// patcher works out one change.
type patcher struct {
	d     *formats.Document
	src   []byte
	root  *rootObject
	style style
	ok    bool // there is JSON for everything so far
}

func (pt *patcher) patch(c formats.Change, site formats.Site) formats.Patch {
	if site.Exists {
		n := pt.find(c.Path)
		if c.Remove {
			return pt.remove(c.Path)
		}
		return formats.Patch{Start: n.start, End: n.end, Text: pt.value(&c.Value, n.depth, pt.oneLine(n))}
	}
	base := pt.find(site.Base)
	next := c.Path
	for !next.Parent.Equal(site.Base) {
		next = next.Parent
	}
	kind := formats.MapNode
	if next.Index != formats.InMap {
		kind = formats.ListNode
	}
	if pt.src[base.start] == '{' || pt.src[base.start] == '[' {
		return pt.insert(base, kind, &site.Insert)
	}
	all := formats.Node{Kind: kind, Items: []formats.Node{site.Insert}}
	return formats.Patch{Start: base.start, End: base.end, Text: pt.value(&all, base.depth, pt.oneLine(base))}
}

// span is where a value stands, and in how many collections.
type span struct {
	// first is where its key begins, start where the value does.
	first, start, end int
	depth             int
}

// find returns where the value at p is, which is there.
func (pt *patcher) find(p *formats.Path) span {
	if p.Parent == nil {
		return span{first: pt.root.open, start: pt.root.open, end: pt.skipValue(pt.root.open)}
	}
	items := pt.items(pt.find(p.Parent))
	if p.Index != formats.InMap {
		return items[p.Index]
	}
	for _, s := range items {
		if key, _ := unquote(string(pt.src[s.first+1 : pt.skipString(s.first)-1])); key == p.Key {
			return s
		}
	}
	return span{}
}

// items returns where the items of the collection at s are.
func (pt *patcher) items(s span) []span {
	var all []span
	isMap := pt.src[s.start] == '{'
	for at := skipSpace(pt.src, s.start+1); at < s.end-1; {
		item := span{first: at, start: at, depth: s.depth + 1}
		if isMap {
			colon := skipSpace(pt.src, pt.skipString(at))
			item.start = skipSpace(pt.src, colon+1)
		}
		item.end = pt.skipValue(item.start)
		all = append(all, item)
		at = skipSpace(pt.src, item.end)
		if pt.src[at] == ',' {
			at = skipSpace(pt.src, at+1)
		}
	}
	return all
}

// skipString returns where the string that begins at i ends.
func (pt *patcher) skipString(i int) int {
	for i++; pt.src[i] != '"'; i++ {
		if pt.src[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns where the value that begins at i ends.
func (pt *patcher) skipValue(i int) int {
	open := 0
	for {
		switch c := pt.src[i]; c {
		case '"':
			i = pt.skipString(i) - 1
		case '{', '[':
			open++
		case '}', ']':
			open--
		default:
			for open == 0 && i+1 < len(pt.src) && !isSpace(pt.src[i+1]) && strings.IndexByte(",]}", pt.src[i+1]) < 0 {
				i++
			}
		}
		i++
		if open == 0 {
			return i
		}
	}
}

// oneLine reports whether what is new at s belongs on one line: the file has no
// lines, or the collection around has items and is on one.
func (pt *patcher) oneLine(s span) bool {
	if pt.style.newline == "" {
		return true
	}
	return s.depth > 0 && bytes.IndexByte(pt.src[skipSpaceBack(pt.src, s.first):s.first], '\n') < 0
}

// insert adds an item behind the last one of the collection at s.
func (pt *patcher) insert(s span, kind formats.NodeKind, item *formats.Node) formats.Patch {
	items := pt.items(s)
	if len(items) == 0 {
		at, empty := s.start+1, s.end == s.start+2
		oneLine := pt.oneLine(s) || !empty
		text := pt.item(kind, item, s.depth+1, oneLine)
		if !oneLine {
			text = pt.style.line(s.depth+1) + text + pt.style.line(s.depth)
		}
		return formats.Patch{Start: at, End: at, Text: text}
	}
	last := items[len(items)-1]
	gap := string(pt.src[skipSpaceBack(pt.src, last.first):last.first])
	if n := strings.LastIndexByte(strings.TrimRight(gap, " \t"), '\n'); n > 0 {
		if gap[n-1] == '\r' {
			n--
		}
		gap = gap[n:] // without blank lines
	}
	oneLine := pt.oneLine(last)
	if oneLine && len(items) == 1 {
		gap = pt.style.space
	}
	text := "," + gap + pt.item(kind, item, s.depth+1, oneLine)
	return formats.Patch{Start: last.end, End: last.end, Text: text}
}

// remove takes an item away.
func (pt *patcher) remove(p *formats.Path) formats.Patch {
	up, n := pt.find(p.Parent), pt.find(p)
	items := pt.items(up)
	i := 0
	for items[i].first != n.first {
		i++
	}
	switch {
	case i > 0:
		return formats.Patch{Start: items[i-1].end, End: n.end}
	case len(items) > 1:
		return formats.Patch{Start: n.first, End: items[1].first}
	case n.first == up.start+1:
		return formats.Patch{Start: n.first, End: n.end}
	}
	return formats.Patch{Start: up.start + 1, End: up.end - 1}
}

// item returns an item of a collection at the given depth.
func (pt *patcher) item(kind formats.NodeKind, n *formats.Node, depth int, oneLine bool) string {
	text := pt.value(n, depth, oneLine)
	if kind == formats.ListNode {
		return text
	}
	pt.representable(formats.Scalar{Kind: formats.String, Text: n.Key})
	return quote(n.Key) + ":" + pt.style.space + text
}

// value returns n, which lies in depth collections.
func (pt *patcher) value(n *formats.Node, depth int, oneLine bool) string {
	if n.Kind == formats.ScalarNode || len(n.Items) == 0 {
		if text := n.Literal(); text != "" {
			return text
		}
		s := n.Leaf()
		pt.representable(s)
		if s.Kind == formats.Time {
			pt.ok = false // JSON would give a string back
		}
		return Format{}.Spell(pt.d, 0, s)
	}
	brackets := "[]"
	if n.Kind == formats.MapNode {
		brackets = "{}"
	}
	st := pt.style
	if oneLine {
		st.newline = ""
	}
	var b strings.Builder
	for i := range n.Items {
		if i > 0 {
			b.WriteString("," + st.lineOrSpace(depth+1))
		} else {
			b.WriteString(st.line(depth + 1))
		}
		b.WriteString(pt.item(n.Kind, &n.Items[i], depth+1, oneLine))
	}
	return brackets[:1] + b.String() + st.line(depth) + brackets[1:]
}

// representable notes that there is no JSON for s, if there is none.
func (pt *patcher) representable(s formats.Scalar) { pt.ok = pt.ok && representable(s) }
