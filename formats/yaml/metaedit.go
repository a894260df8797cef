package yaml

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// insertion returns the edit that adds the block m to a document without one.
func (sh *shape) insertion(src []byte, d *document, m *formats.Meta) formats.Patch {
	if d.kind == rootFlow {
		text := `"` + metaKey + `": ` + flowMeta(m)
		switch {
		case d.comma:
			text += ","
		case d.entries > 0:
			text = ", " + text
		}
		return patch(d.end, d.end, text)
	}
	text := blockMeta(m, d.indent, sh.newline)
	at := d.end
	if d.early >= 0 {
		at = d.early
	} else if at > 0 && !isBreak(src[at-1]) && !(at == len(bomBytes) && strings.HasPrefix(string(src[:at]), bomBytes)) {
		text = sh.newline + text
	}
	return patch(at, at, text)
}

const bomBytes = "\xef\xbb\xbf"

// removal returns the edits that take the block out of a document.
func (d *document) removal(src []byte) []formats.Patch {
	m := d.meta
	if d.kind == rootBlock {
		start, end := m.lines(src, d.indent)
		return []formats.Patch{patch(start, end, "")}
	}
	switch {
	case m.after >= 0:
		return []formats.Patch{patch(m.keyStart, m.after+1, "")}
	case m.before < 0:
		return []formats.Patch{patch(m.keyStart, m.end, "")}
	case strings.TrimRight(string(src[m.before+1:m.keyStart]), " ") == "":
		return []formats.Patch{patch(m.before, m.end, "")}
	}
	// Something stands between the comma and the block.
	return []formats.Patch{patch(m.before, m.before+1, ""), patch(m.keyStart, m.end, "")}
}

// lines returns the bounds of the block's lines in a root at column indent.
func (m *metaBlock) lines(src []byte, indent int) (start, end int) {
	end = m.end
	for end < len(src) && !isBreak(src[end]) {
		end++
	}
	if end < len(src) && src[end] == '\r' && end+1 < len(src) && src[end+1] == '\n' {
		end++
	}
	return m.keyStart - indent, min(end+1, len(src))
}

// replacement returns the edits that change the block of a document to m.
func (sh *shape) replacement(src []byte, d *document, m *formats.Meta) []formats.Patch {
	old := *d.meta.tree
	old.Key = m.Key
	if old.SameShape(m) {
		return sh.metaScalars(src, d.meta, m)
	}
	if d.kind == rootFlow {
		return []formats.Patch{patch(d.meta.keyStart, d.meta.end, `"`+metaKey+`": `+flowMeta(m))}
	}
	start, end := d.meta.lines(src, d.indent)
	text := blockMeta(m, d.indent, sh.newline)
	if end == len(src) && end > 0 && !isBreak(src[end-1]) {
		text = strings.TrimSuffix(text, sh.newline)
	}
	return []formats.Patch{patch(start, end, text)}
}

// metaScalars returns the edits for the scalars of m that differ from those of
// the block, which has the same shape.
func (sh *shape) metaScalars(src []byte, block *metaBlock, m *formats.Meta) []formats.Patch {
	var edits []formats.Patch
	leaves := block.leaves
	var walk func(old, new *formats.Meta)
	walk = func(old, new *formats.Meta) {
		for i := range old.Items {
			walk(&old.Items[i], &new.Items[i])
		}
		if len(old.Items) > 0 {
			return
		}
		l := leaves[0]
		leaves = leaves[1:]
		if old.Text == new.Text {
			return
		}
		text := new.Text
		if new.Kind == formats.MetaString {
			s := spot{style: l.Style, text: string(src[l.Start:l.End]), newline: sh.newline, eof: l.End == len(src)}
			text = s.spell(formats.Scalar{Kind: formats.String, Text: new.Text})
		}
		edits = append(edits, patch(l.Start, l.End, text))
	}
	walk(block.tree, m)
	return edits
}

// metaStep is the indentation in a block, as sops writes it.
const metaStep = 4

// blockMeta returns the lines of the block m in a root at column indent.
func blockMeta(m *formats.Meta, indent int, newline string) string {
	w := metaWriter{base: indent, newline: newline}
	w.b.WriteString(strings.Repeat(" ", indent) + metaKey + ":")
	w.children(m, indent)
	return w.b.String()
}

type metaWriter struct {
	b       strings.Builder
	base    int
	newline string
}

// children writes the value m of a key at column col.
func (w *metaWriter) children(m *formats.Meta, col int) {
	if len(m.Items) == 0 {
		w.b.WriteString(" " + w.scalar(m, col) + w.newline)
		return
	}
	w.b.WriteString(w.newline)
	inner := w.inner(col)
	for i := range m.Items {
		w.b.WriteString(strings.Repeat(" ", inner))
		w.item(m.Kind, &m.Items[i], inner)
	}
}

// inner returns the column for what is nested in a key at col.
func (w *metaWriter) inner(col int) int {
	return w.base + (col-w.base)/metaStep*metaStep + metaStep
}

// item writes an item of a map or list; the line is indented to col already.
func (w *metaWriter) item(parent formats.MetaKind, m *formats.Meta, col int) {
	if parent == formats.MetaMap {
		w.b.WriteString(keyText(m.Key) + ":")
		w.children(m, col)
		return
	}
	w.b.WriteString("-")
	if m.Kind == formats.MetaList && len(m.Items) > 0 || len(m.Items) == 0 {
		w.children(m, col)
		return
	}
	const dash = 2
	for i := range m.Items {
		if i > 0 {
			w.b.WriteString(strings.Repeat(" ", col+dash))
		} else {
			w.b.WriteString(" ")
		}
		w.item(m.Kind, &m.Items[i], col+dash)
	}
}

// scalar spells a node without children below a key or dash at column col.
func (w *metaWriter) scalar(m *formats.Meta, col int) string {
	if m.Kind != formats.MetaString {
		return flowMeta(m)
	}
	s := formats.Scalar{Kind: formats.String, Text: m.Text}
	if !strings.Contains(m.Text, "\n") {
		if plainSafe(m.Text, false) && !oldBool(m.Text) && resolvePlain(m.Text) == s {
			return m.Text
		}
		return quoteDouble(m.Text)
	}
	b := blockText{text: m.Text, form: formLiteral, indent: col, column: w.inner(col), newline: w.newline}
	if text, ok := b.spell(); ok && !b.endsInBlankLine() {
		return text
	}
	return quoteDouble(m.Text)
}

// flowMeta returns m in flow style.
func flowMeta(m *formats.Meta) string {
	var parts []string
	for i := range m.Items {
		text := flowMeta(&m.Items[i])
		if m.Kind == formats.MetaMap {
			text = quoteDouble(m.Items[i].Key) + ": " + text
		}
		parts = append(parts, text)
	}
	switch m.Kind {
	case formats.MetaMap:
		return "{" + strings.Join(parts, ", ") + "}"
	case formats.MetaList:
		return "[" + strings.Join(parts, ", ") + "]"
	case formats.MetaString:
		return quoteDouble(m.Text)
	case formats.MetaNull:
		return "null"
	}
	return m.Text
}

// keyText spells a key of the block.
func keyText(key string) string {
	s := formats.Scalar{Kind: formats.String, Text: key}
	if plainSafe(key, false) && !oldBool(key) && resolvePlain(key) == s {
		return key
	}
	return quoteDouble(key)
}

// oldBool reports whether YAML 1.1 has text for a boolean.
func oldBool(text string) bool {
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off":
		return true
	}
	return false
}
