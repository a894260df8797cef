package yaml

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// removal takes the node at the path away.
func (pt *patcher) removal() []formats.Patch {
	up, n := pt.rec.find(pt.c.Path.Parent), pt.rec.find(pt.c.Path)
	if up == nil || n == nil {
		return nil
	}
	i := 0
	for up.items[i] != n {
		i++
	}
	switch {
	case !up.block && len(up.items) == 1:
		return pt.removeOnlyFlow(up, n)
	case !up.block:
		return pt.removeFlow(up, i)
	case len(up.items) == 1:
		return pt.removeOnlyBlock(up, n)
	case strings.Trim(pt.src[pt.lineStart(n.first):n.first], " ") == "":
		return pt.removeLines(n)
	}
	return pt.removeFirst(up)
}

// blockEnd returns where the last line of the node n of a block collection is
// over, with comments behind it that are a part of it.
func (pt *patcher) blockEnd(up, n *treeNode) int {
	if !n.block || n.start <= pt.lineEnd(n.from) {
		return pt.lineEnd(n.end)
	}
	return pt.trailing(n.end, max(n.col, up.col+1))
}

// removeLines removes the lines of n.
func (pt *patcher) removeLines(n *treeNode) []formats.Patch {
	start, end := pt.lineStart(n.first), pt.blockEnd(pt.rec.find(n.path.Parent), n)
	edit := patch(start, pt.nextLine(end), "")
	if end < len(pt.src) || start == 0 || !isBreak(pt.src[start-1]) {
		return []formats.Patch{edit}
	}
	// The file goes on to end without a line break.
	before := start - 1
	if strings.HasSuffix(pt.src[:start], "\r\n") {
		before--
	}
	return []formats.Patch{patch(before, end, ""), edit}
}

// removeFirst removes the first item of the block collection n, which does not
// begin a line.
func (pt *patcher) removeFirst(n *treeNode) []formats.Patch {
	gone, next := n.items[0], n.items[1].first
	if at := pt.commentIn(pt.blockEnd(n, gone), next); at >= 0 {
		next = at
	}
	return []formats.Patch{patch(gone.first, next, "")}
}

// empty returns what is left of a collection without items.
func (n *treeNode) empty() string {
	if n.list {
		return "[]"
	}
	return "{}"
}

// removeOnlyBlock removes the one item n of the block collection up.
func (pt *patcher) removeOnlyBlock(up, n *treeNode) []formats.Patch {
	end := pt.blockEnd(up, n)
	inPlace := patch(n.first, end, up.empty())
	if up.path.Parent == nil || up.start <= pt.lineEnd(up.from) {
		return []formats.Patch{inPlace}
	}
	start := pt.lineStart(n.first)
	between := pt.src[up.props:start]
	if stop := pt.nextLine(end); stop > end {
		end = stop
	} else {
		between = strings.TrimSuffix(strings.TrimSuffix(between, "\n"), "\r")
	}
	return []formats.Patch{patch(up.props, end, " "+up.empty()+between), inPlace}
}

// removeOnlyFlow removes the one item n of the flow collection up.
func (pt *patcher) removeOnlyFlow(up, n *treeNode) []formats.Patch {
	if c := pt.src[up.start]; c != '{' && c != '[' {
		return []formats.Patch{patch(up.start, up.end, "{}")}
	}
	end := pt.behindComma(n.end, up.end-1)
	if n.first == up.start+1 || pt.commentIn(up.start, n.first) >= 0 || pt.commentIn(end, up.end) >= 0 {
		return []formats.Patch{patch(n.first, end, "")}
	}
	return []formats.Patch{patch(up.start+1, up.end-1, "")}
}

// comma returns where the comma between two offsets stands, or -1.
func (pt *patcher) comma(from, to int) int {
	for from < to && pt.src[from] != ',' {
		if pt.src[from] == '#' {
			from = pt.lineEnd(from)
		} else {
			from++
		}
	}
	if from < to {
		return from
	}
	return -1
}

// behindComma returns the offset behind the comma between two offsets, or the
// first of them.
func (pt *patcher) behindComma(from, to int) int {
	if at := pt.comma(from, to); at >= 0 {
		return at + 1
	}
	return from
}

// removeFlow removes item i of the flow collection up, which has more of them.
func (pt *patcher) removeFlow(up *treeNode, i int) []formats.Patch {
	n := up.items[i]
	if i == len(up.items)-1 {
		before := up.items[i-1].end
		if pt.commentIn(before, n.first) >= 0 {
			// The comma before stays, with the comment; one behind goes.
			return []formats.Patch{patch(n.first, pt.behindComma(n.end, up.end-1), "")}
		}
		return []formats.Patch{patch(before, n.end, "")}
	}
	next := up.items[i+1].first
	from := n.end
	if at := pt.commentIn(from, next); at >= 0 && at < pt.lineEnd(n.end) {
		from = pt.lineEnd(n.end)
	}
	if at := pt.commentIn(from, next); at >= 0 {
		if comma := pt.comma(n.end, next); comma > at {
			return nil
		}
		next = at
	}
	return []formats.Patch{patch(n.first, next, "")}
}
