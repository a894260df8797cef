package dotenv

import (
	"bytes"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

var _ formats.Patcher = Format{}

const exported = "export "

// Patch implements [formats.Patcher]. A value is set as sops gives it back: with
// the quotes, if it has any. Numbers and booleans become their texts. A key that
// is there as "export KEY" is found without the word. In a file with CRLF a new
// value gets the carriage return that every value there ends in.
func (f Format) Patch(d *formats.Document, c formats.Change) ([]byte, error) {
	sh, ok := d.Shape.(*shape)
	if !ok {
		return nil, &formats.Error{Cause: formats.ErrSyntax, Msg: "not a document of this format"}
	}
	c.Path = exportedPath(d, c.Path)
	pt := patcher{d: d, bom: sh.bom, c: c}
	if !c.Remove {
		if err := pt.texts(); err != nil {
			return nil, err
		}
	}
	site, err := d.Site(pt.c)
	if err != nil {
		return nil, err
	}
	if site.Same {
		return bytes.Clone(d.Source), nil
	}
	return pt.first(pt.edits(site))
}

// patcher works out one change.
type patcher struct {
	d   *formats.Document
	bom int
	c   formats.Change
}

// exportedPath returns the path of the key that p means.
func exportedPath(d *formats.Document, p *formats.Path) *formats.Path {
	if p.Parent == nil || p.Parent.Parent != nil || p.Index != formats.InMap {
		return p
	}
	long := p.Parent.At(exported + p.Key)
	if _, short := d.Node(p); !short {
		if _, ok := d.Node(long); ok {
			return long
		}
	}
	return p
}

// texts makes texts of the new value's scalars.
func (pt *patcher) texts() error {
	steps := 0
	for p := pt.c.Path; p.Parent != nil; p = p.Parent {
		steps++
	}
	v := pt.c.Value
	if steps == 0 && v.Kind == formats.MapNode {
		items := make([]formats.Node, len(v.Items))
		for i := range v.Items {
			text, err := pt.text(&v.Items[i], pt.c.Path.At(v.Items[i].Key))
			if err != nil {
				return err
			}
			items[i] = text
		}
		pt.c.Value.Items = items
		return nil
	}
	if steps != 1 {
		return nil // the site is refused, or the result
	}
	var err error
	pt.c.Value, err = pt.text(&v, pt.c.Path)
	return err
}

// text returns n, which is to be set at p, as a text.
func (pt *patcher) text(n *formats.Node, p *formats.Path) (formats.Node, error) {
	text := n.Scalar.Text
	switch {
	case n.Kind != formats.ScalarNode || n.Scalar.Kind == formats.Null:
		return *n, &formats.Error{Cause: formats.ErrNotSealable, Path: pt.c.Path, Msg: "dotenv holds nothing but texts"}
	case n.Scalar.Kind == formats.Bool:
		text = strings.ToLower(text)
	case n.Literal() != "":
		text = n.Literal()
	}
	if pt.carriageReturn(p) && !strings.HasSuffix(text, "\r") {
		text += "\r"
	}
	return formats.Node{Key: n.Key, Scalar: formats.Scalar{Kind: formats.String, Text: text}}, nil
}

// carriageReturn reports whether the value at p, or else the last one, ends in a
// carriage return.
func (pt *patcher) carriageReturn(p *formats.Path) bool {
	last := false
	for _, l := range pt.d.Leaves {
		if l.Kind == formats.Comment {
			continue
		}
		if last = strings.HasSuffix(l.Text, "\r"); l.Path.Equal(p) {
			return last
		}
	}
	return last
}

// first returns the result of the first edit that means what it should.
func (pt *patcher) first(edits []formats.Patch) ([]byte, error) {
	var err error = &formats.Error{Cause: formats.ErrNotSealable, Path: pt.c.Path, Msg: "dotenv has no place for this"}
	for _, edit := range edits {
		out, failed := formats.Splice(pt.d.Source, []formats.Patch{edit})
		if failed != nil {
			return nil, failed
		}
		after, failed := Format{}.Parse(out)
		if failed != nil {
			err = &formats.Error{Cause: formats.ErrNotSealable, Path: pt.c.Path, Msg: "dotenv cannot hold this"}
			continue
		}
		if err = formats.CheckPatch(pt.d, after, pt.c); err == nil {
			return out, nil
		}
	}
	return nil, err
}

func (pt *patcher) edits(site formats.Site) []formats.Patch {
	switch {
	case site.Leaf >= 0 && pt.c.Remove:
		return pt.remove(site.Leaf)
	case site.Leaf >= 0:
		l := &pt.d.Leaves[site.Leaf]
		edits := []formats.Patch{{Start: l.Start, End: l.End, Text: escape(pt.c.Value.Scalar.Text)}}
		if text := pt.c.Value.Scalar.Text; strings.Contains(text, "\n") {
			// Quotes over several lines are one value as they are.
			edits = append(edits, formats.Patch{Start: l.Start, End: l.End, Text: text})
		}
		return edits
	case pt.c.Path.Parent == nil:
		return pt.all()
	case site.Insert.Kind == formats.ScalarNode && pt.c.Path.Parent.Parent == nil:
		return pt.add(&site.Insert)
	}
	return nil
}

// escape spells a value on one line.
func escape(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

// add adds a line behind that of the last key.
func (pt *patcher) add(n *formats.Node) []formats.Patch {
	line := n.Key + "=" + escape(n.Scalar.Text)
	src, at := pt.d.Source, len(pt.d.Source)
	for _, l := range pt.d.Leaves {
		if l.Kind != formats.Comment {
			at = l.End
		}
	}
	if at == len(src) && (at == pt.bom || src[at-1] == '\n') {
		return []formats.Patch{{Start: at, End: at, Text: line + "\n"}}
	}
	if at == len(src) {
		// A carriage return, too, would become a part of the value before.
		return []formats.Patch{
			{Start: at, End: at, Text: "\n" + strings.TrimSuffix(line, "\r")},
			{Start: at, End: at, Text: "\n" + line},
		}
	}
	return []formats.Patch{{Start: at, End: at, Text: "\n" + line}}
}

// remove removes the line, or lines, of leaf i.
func (pt *patcher) remove(i int) []formats.Patch {
	l, src := pt.d.Leaves[i], pt.d.Source
	start, end := l.Start-len(l.Path.Key)-len("="), l.End
	if end < len(src) {
		return []formats.Patch{{Start: start, End: end + 1}}
	}
	if start > pt.bom {
		// The file goes on to end without a line feed.
		return []formats.Patch{{Start: start - 1, End: end}, {Start: start, End: end}}
	}
	return []formats.Patch{{Start: start, End: end}}
}

// all replaces all keys, from the first to the last.
func (pt *patcher) all() []formats.Patch {
	start, end := -1, len(pt.d.Source)
	for _, l := range pt.d.Leaves {
		if l.Kind == formats.Comment {
			continue
		}
		if start < 0 {
			start = l.Start - len(l.Path.Key) - len("=")
		}
		end = l.End
	}
	var lines []string
	for i := range pt.c.Value.Items {
		n := &pt.c.Value.Items[i]
		lines = append(lines, n.Key+"="+escape(n.Scalar.Text))
	}
	text := strings.Join(lines, "\n")
	switch {
	case start >= 0 && len(lines) == 0 && end < len(pt.d.Source):
		end++
	case start >= 0:
	case end > pt.bom && pt.d.Source[end-1] != '\n':
		start, text = end, "\n"+text
	default:
		start, text = end, text+"\n"
	}
	return []formats.Patch{{Start: start, End: end, Text: text}}
}
