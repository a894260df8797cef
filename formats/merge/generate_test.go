package merge_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// generator makes files and edits of one format.
type generator struct {
	*rand.Rand
	name   string
	format formats.Format
	// sealed: values look like sealed ones.
	sealed bool
	// lists: there are lists, and they are edited.
	lists bool
	n     int
}

func newGenerator(name string, seed uint64) *generator {
	f, ok := all.ByName(name)
	if !ok {
		panic(name)
	}
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), name: name, format: f}
	g.sealed = g.IntN(2) == 0
	return g
}

// scalar returns a value that no other call returns.
func (g *generator) scalar() formats.Node {
	g.n++
	text := fmt.Sprintf("v%d-%d", g.n, g.IntN(1000))
	switch {
	case g.sealed:
		text = fmt.Sprintf("ENC[AES256_GCM,data:%x%04x,iv:%08x,tag:%08x,type:str]", g.n, g.Uint32()%65536, g.Uint32(), g.Uint32())
	case (g.name == "yaml" || g.name == "json") && g.IntN(4) == 0:
		return formats.Node{Scalar: formats.Scalar{Kind: formats.Int, Text: fmt.Sprint(1000*g.n + g.IntN(1000))}}
	}
	return formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: text}}
}

// value returns a value for a depth; formats without nesting have one of their own.
func (g *generator) value(depth int) formats.Node {
	nested := (g.name == "yaml" || g.name == "json") && depth < 4
	ini := g.name == "ini" && depth == 1
	switch k := g.IntN(10); {
	case ini, nested && k < 3:
		n := formats.Node{Kind: formats.MapNode}
		for i := range 1 + g.IntN(4) {
			item := g.value(depth + 1)
			item.Key = fmt.Sprintf("k%d", i*3+g.IntN(3))
			n.Items = append(n.Items, item)
		}
		return n
	case nested && k < 5 && g.lists:
		n := formats.Node{Kind: formats.ListNode}
		for range 1 + g.IntN(4) {
			n.Items = append(n.Items, g.value(depth+1))
		}
		return n
	}
	return g.scalar()
}

// file returns a file with some keys and comments.
func (g *generator) file(keys int) []byte {
	src := map[string]string{"json": "{\n  \"first\": \"x\"\n}\n", "dotenv": "first=x\n", "ini": "[first]\nkey = x\n", "yaml": "first: x\n"}[g.name]
	text := []byte(src)
	for i := range keys {
		text = g.patch(text, formats.Change{Path: formats.Root(0).At(fmt.Sprintf("key%d", i)), Value: g.value(1)})
	}
	for range g.IntN(4) {
		text = g.comment(text)
	}
	return text
}

// patch makes a change, or none if the format has no way.
func (g *generator) patch(text []byte, c formats.Change) []byte {
	d, err := g.format.Parse(text)
	if err != nil {
		panic(fmt.Sprintf("%v:\n%s", err, text))
	}
	out, err := g.format.(formats.Patcher).Patch(d, c)
	if err != nil {
		return text
	}
	return out
}

// comment inserts a comment that no other call inserts, if that changes no value.
func (g *generator) comment(text []byte) []byte {
	if g.name == "json" {
		return text
	}
	g.n++
	lines := strings.SplitAfter(string(text), "\n")
	at := g.IntN(len(lines))
	indent := ""
	if g.name == "yaml" {
		indent = lines[at][:len(lines[at])-len(strings.TrimLeft(lines[at], " "))]
	}
	line := fmt.Sprintf("%s# comment %d\n", indent, g.n)
	out := []byte(strings.Join(lines[:at], "") + line + strings.Join(lines[at:], ""))
	if d, err := g.format.Parse(out); err != nil || !sameValues(d, parse(g.format, text)) {
		return text
	}
	return out
}

func parse(f formats.Format, text []byte) *formats.Document {
	d, err := f.Parse(text)
	if err != nil {
		panic(fmt.Sprintf("%v:\n%s", err, text))
	}
	return d
}

func sameValues(a, b *formats.Document) bool {
	x, _ := a.Node(formats.Root(0))
	y, _ := b.Node(formats.Root(0))
	return x.Equal(&y)
}

// edit makes random edits at or below top-level keys that allowed accepts.
func (g *generator) edit(text []byte, edits int, allowed func(key string) bool) []byte {
	for range edits {
		if g.IntN(5) == 0 {
			text = g.comment(text)
			continue
		}
		text = g.change(text, allowed)
	}
	return text
}

func (g *generator) change(text []byte, allowed func(key string) bool) []byte {
	var paths []*formats.Path
	d := parse(g.format, text)
	for _, l := range d.Leaves {
		if l.Kind == formats.Comment {
			continue
		}
		for p := l.Path; p.Parent != nil; p = p.Parent {
			top := p
			for top.Parent.Parent != nil {
				top = top.Parent
			}
			if allowed(top.Key) && (g.lists || !inList(p)) {
				paths = append(paths, p)
			}
		}
	}
	fresh := formats.Root(0).At(fmt.Sprintf("new%d", g.IntN(30)))
	if len(paths) == 0 || g.IntN(5) == 0 {
		if !allowed(fresh.Key) {
			return text
		}
		return g.patch(text, formats.Change{Path: fresh, Value: g.value(1)})
	}
	p := paths[g.IntN(len(paths))]
	switch n, _ := d.Node(p); {
	case g.IntN(4) == 0:
		return g.patch(text, formats.Change{Path: p, Remove: true})
	case n.Kind == formats.MapNode:
		return g.patch(text, formats.Change{Path: p.At(fmt.Sprintf("new%d", g.IntN(5))), Value: g.value(depthOf(p) + 1)})
	case n.Kind == formats.ListNode:
		return g.patch(text, formats.Change{Path: p.Item(len(n.Items)), Value: g.value(depthOf(p) + 1)})
	}
	return g.patch(text, formats.Change{Path: p, Value: g.value(depthOf(p))})
}

func inList(p *formats.Path) bool {
	for ; p.Parent != nil; p = p.Parent {
		if p.Index != formats.InMap {
			return true
		}
	}
	return false
}

func depthOf(p *formats.Path) (n int) {
	for ; p.Parent != nil; p = p.Parent {
		n++
	}
	return n
}

func anyKey(string) bool { return true }
