package main

import (
	"strconv"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// maxListed is how many items of a list are offered before its opening bracket is
// offered instead.
const maxListed = 40

// keyPaths completes the path of a key, step by step: db. before db.password. The
// names of keys are public, so that no key is needed.
func (c *completer) keyPaths(files []string, cur string) []candidate {
	var out []candidate
	for _, name := range files {
		if a, ok := c.argument(name); ok {
			out = append(out, pathCandidates(a, cur)...)
		}
	}
	return out
}

func pathCandidates(a argument, cur string) []candidate {
	if a.in.formatName == "binary" {
		return plainCandidates(".")
	}
	for {
		out := nextSteps(a, cur)
		if len(out) != 1 || !out[0].more {
			return out
		}
		cur = out[0].text // there is but one way to go on
	}
}

// nextSteps returns what is one step longer than cur.
func nextSteps(a argument, cur string) []candidate {
	var out []candidate
	seen := map[string]bool{}
	items := map[string]int{}
	for i := range a.doc.Leaves {
		l := &a.doc.Leaves[i]
		if l.Kind == formats.Comment || l.Path.Parent == nil {
			continue
		}
		for _, s := range steps(a, l.Path) {
			if !strings.HasPrefix(s.text, cur) || s.text == cur && s.more {
				continue
			}
			if !seen[s.text] {
				seen[s.text] = true
				s.about = aboutStep(a.doc, l, s.more)
				out = append(out, s)
				if at := strings.LastIndexByte(strings.TrimSuffix(s.text, "."), '['); at > 0 {
					items[s.text[:at+1]]++
				}
			}
			break
		}
	}
	return foldLists(out, items, cur)
}

// foldLists replaces the items of long lists by the lists.
func foldLists(list []candidate, items map[string]int, cur string) []candidate {
	var out []candidate
	folded := map[string]bool{}
	for _, s := range list {
		at := strings.LastIndexByte(strings.TrimSuffix(s.text, "."), '[') + 1
		if at == 0 || len(cur) >= at || items[s.text[:at]] <= maxListed {
			out = append(out, s)
			continue
		}
		if open := s.text[:at]; !folded[open] {
			folded[open] = true
			out = append(out, candidate{text: open, about: counted(items[open], "item"), more: true})
		}
	}
	return out
}

// steps returns the texts that lead to a path, one after the other: those of maps
// with a dot behind them.
func steps(a argument, p *formats.Path) []candidate {
	var nodes []*formats.Path
	for q := p; q.Parent != nil; q = q.Parent {
		nodes = append(nodes, q)
	}
	var out []candidate
	text := ""
	if n := p.Document(); n > 0 {
		text = strconv.Itoa(n+1) + ":"
		out = append(out, candidate{text: text, more: true})
	}
	for i := len(nodes) - 1; i >= 0; i-- {
		text += stepText(a, nodes[i])
		if i == 0 {
			return append(out, candidate{text: text})
		}
		if nodes[i-1].Index == formats.InMap {
			text += "."
			out = append(out, candidate{text: text, more: true})
		}
	}
	return out
}

// stepText is how one step is written.
func stepText(a argument, p *formats.Path) string {
	last := &formats.Path{Parent: formats.Root(0), Key: p.Key, Index: p.Index}
	if a.in.formatName == "dotenv" {
		last.Key = strings.TrimPrefix(last.Key, "export ")
	}
	return last.Text()
}

// aboutStep describes what a step leads to.
func aboutStep(doc *formats.Document, l *formats.Leaf, more bool) string {
	switch {
	case more:
		return ""
	case doc.Meta == nil || !strings.HasPrefix(l.Text, "ENC["):
		return l.Kind.String()
	}
	_, kind, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(l.Text), "]"), ",type:")
	return "sealed " + kind
}
