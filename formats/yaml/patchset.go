package yaml

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// flowStyle returns the writer for items of the flow collection n, laid out as
// those that it has.
func (pt *patcher) flowStyle(n *treeNode) nodeWriter {
	w := pt.w
	w.flow = true
	if len(n.items) > 0 && pt.src[n.items[0].first] == '"' {
		first := n.items[0]
		w.quotes = true
		w.tight = first.from > first.first && first.from < len(pt.src) && !blankAt(pt.src, first.from) && pt.src[first.from-1] == ':'
	}
	return w
}

// inFlow reports whether n is an item of a flow collection.
func (pt *patcher) inFlow(n *treeNode) bool {
	up := pt.rec.find(n.path.Parent)
	return up != nil && !up.block
}

// replacement puts v in the place of the whole node n, which is no root.
func (pt *patcher) replacement(n *treeNode, v *formats.Node) []formats.Patch {
	if n == nil {
		return nil
	}
	if pt.inFlow(n) {
		return pt.flowReplacement(n, v)
	}
	up := pt.rec.find(n.path.Parent)
	var edits []formats.Patch
	plain, oneLine, flow := pt.w, pt.w, pt.w
	oneLine.oneLine, flow.flow = true, true
	for _, w := range []nodeWriter{plain, oneLine, flow} {
		text := w.value(v, up.col, up.list)
		if n.from > n.end { // there is a key without a colon
			at := pt.lineEnd(n.end)
			edits = append(edits, patch(at, at, pt.w.newline+strings.Repeat(" ", up.col)+":"+text))
			continue
		}
		edits = append(edits, pt.blockReplacement(n, text))
	}
	if n.start > pt.lineEnd(n.from) {
		return append(edits, patch(n.start, n.end, flow.flowNode(v)))
	}
	// A tag that does not fit the new value goes with the old one.
	untagged := *n
	untagged.start = n.from
	for _, w := range []nodeWriter{plain, oneLine, flow} {
		edits = append(edits, pt.blockReplacement(&untagged, w.value(v, up.col, up.list)))
	}
	return append(edits, patch(n.from, n.end, flow.value(v, up.col, up.list)))
}

func (pt *patcher) flowReplacement(n *treeNode, v *formats.Node) []formats.Patch {
	up := pt.rec.find(n.path.Parent)
	text := pt.flowStyle(up).flowNode(v)
	switch {
	case n.start < n.end && n.first < n.from:
		// A tag that does not fit the new value goes with the old one.
		return []formats.Patch{patch(n.start, n.end, text), patch(n.from, n.end, " "+text)}
	case n.start < n.end:
		return []formats.Patch{patch(n.start, n.end, text), patch(n.from, n.end, text)}
	case pt.src[n.start-1] == ':':
		text = " " + text
	case n.from < 0 || up != nil && n.from > 0 && pt.src[n.from-1] != ':':
		text = ": " + text
	}
	return []formats.Patch{patch(n.start, n.end, text)}
}

// blockReplacement puts text, which nodeWriter.value has made, in the place of
// the node n in a block collection. A comment on the line of the key stays there.
func (pt *patcher) blockReplacement(n *treeNode, text string) formats.Patch {
	line := pt.lineEnd(n.from)
	start, end := pt.trimmed(n.from, n.start), n.end
	tail := pt.src[n.end:pt.lineEnd(n.end)]
	if lines := n.block || pt.blockScalar(n); n.start > line || lines && n.end > line {
		start, end, tail = n.from, pt.lineEnd(n.end), ""
		if at := pt.commentIn(n.from, line); at >= 0 && (n.start > line || !n.block) {
			tail = pt.src[pt.trimmed(n.from, at):line]
		}
	}
	if strings.HasPrefix(text, pt.w.newline) {
		return patch(start, pt.lineEnd(n.end), tail+text)
	}
	if end == n.end {
		return patch(start, end, text)
	}
	return patch(start, end, text+tail)
}

// blockScalar reports whether n is a literal or folded scalar.
func (pt *patcher) blockScalar(n *treeNode) bool {
	for i := range pt.d.Leaves {
		l := &pt.d.Leaves[i]
		if l.Start == n.start && l.End == n.end && l.Kind != formats.Comment {
			return formOf(l.Style).block()
		}
	}
	return false
}

// insertion adds the item that is missing.
func (pt *patcher) insertion() []formats.Patch {
	base, item := pt.rec.find(pt.site.Base), &pt.site.Insert
	kind := formats.MapNode
	if next := pt.nextStep(); next.Index != formats.InMap {
		kind = formats.ListNode
	}
	all := &formats.Node{Kind: kind, Items: []formats.Node{*item}}
	switch {
	case base == nil:
		return pt.firstKeys(all)
	case base.block:
		return pt.blockInsertion(base, kind, item)
	case pt.site.BaseLeaf < 0:
		return pt.flowInsertion(base, kind, item)
	case pt.d.Leaves[pt.site.BaseLeaf].Kind == formats.Null:
		return append(pt.replaceNull(base, all), pt.replacement(base, all)...)
	case pt.bareEmpty(base):
		return append(pt.replacement(base, all), pt.flowInsertion(base, kind, item)...)
	}
	return pt.flowInsertion(base, kind, item)
}

// bareEmpty reports whether n is " {}" or " []" at the end of its line: what
// removing the only item of a block collection leaves.
func (pt *patcher) bareEmpty(n *treeNode) bool {
	if pt.inFlow(n) || pt.src[n.from:n.end] != " "+pt.src[n.start:n.end] || n.end-n.start != len("{}") {
		return false
	}
	return pt.trailing(n.end, 0) == n.end
}

// nextStep returns the step behind the base on the way to the path.
func (pt *patcher) nextStep() *formats.Path {
	p := pt.c.Path
	for !p.Parent.Equal(pt.site.Base) {
		p = p.Parent
	}
	return p
}

// replaceNull makes a null a collection; an anchor before it stays.
func (pt *patcher) replaceNull(n *treeNode, all *formats.Node) []formats.Patch {
	if pt.inFlow(n) || n.end > pt.lineEnd(n.from) {
		return nil
	}
	up := pt.rec.find(n.path.Parent)
	text := pt.w.value(all, up.col, up.list)
	if !strings.HasPrefix(text, pt.w.newline) {
		return nil
	}
	end := pt.lineEnd(n.end)
	return []formats.Patch{patch(pt.trimmed(n.from, n.start), end, pt.src[n.end:end]+text)}
}

// blockInsertion adds an item behind the last one of the block collection n.
func (pt *patcher) blockInsertion(n *treeNode, kind formats.NodeKind, item *formats.Node) []formats.Patch {
	at := pt.lineEnd(n.end)
	indent := strings.Repeat(" ", n.col)
	var edits []formats.Patch
	plain := pt.w
	plain.newline = pt.breakAt(at)
	plain.oneLine = plain.newline == "\r"
	oneLine, flow := plain, plain
	oneLine.oneLine, flow.flow = true, true
	writers := []nodeWriter{plain, oneLine, flow}
	if len(item.Items) > 0 && pt.trailing(n.end, n.col+1) > at {
		// A comment that is indented more must not become a part of the new item.
		writers = writers[2:]
	}
	for _, w := range writers {
		edits = append(edits, patch(at, at, w.newline+indent+w.entry(kind, item, n.col)))
	}
	// Behind a block scalar without a last line break nothing can be added.
	last := n.items[len(n.items)-1].first
	return append(edits, patch(last, last, oneLine.entry(kind, item, n.col)+pt.w.newline+indent))
}

// breakAt returns the line break at i; if there is none, the one that the file
// uses.
func (pt *patcher) breakAt(i int) string {
	if next := pt.nextLine(i); next > i {
		return pt.src[i:next]
	}
	return pt.w.newline
}

// flowInsertion adds an item behind the last one of the flow collection n.
func (pt *patcher) flowInsertion(n *treeNode, kind formats.NodeKind, item *formats.Node) []formats.Patch {
	w := pt.flowStyle(n)
	text := w.flowEntry(kind, item)
	switch {
	case len(n.items) > 0 && pt.src[n.start] != '{' && pt.src[n.start] != '[':
		return []formats.Patch{patch(n.start, n.end, "{"+pt.src[n.start:n.end]+w.comma()+text+"}")}
	case len(n.items) == 0 && pt.commentIn(n.start, n.end) >= 0:
		return []formats.Patch{patch(n.end-1, n.end-1, text)}
	case len(n.items) == 0:
		return []formats.Patch{patch(n.start+1, n.start+1, text)}
	}
	last := n.items[len(n.items)-1]
	comma := w.comma()
	if start := pt.lineStart(last.first); start > n.start && strings.Trim(pt.src[start:last.first], " \t") == "" {
		comma = "," + pt.w.newline + pt.src[start:last.first]
	}
	return []formats.Patch{
		patch(last.end, last.end, comma+text),
		patch(last.end, last.end, " "+comma+text),
		patch(last.end, last.end, ", "+text),
	}
}
