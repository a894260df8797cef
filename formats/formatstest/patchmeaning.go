package formatstest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// newValues are values to set. None stands in a sample.
func newValues() []formats.Node {
	var all []formats.Node
	for _, text := range []string{
		`"x"`, `"two words"`, `"a\nb\n"`, `"# no: comment, {no} [flow] 'q' \"q\""`, `5`, `123456789012345678901234567890`, `1.50`, `true`, `null`, `{}`, `[]`,
		`{"k":"v","l":[1,{"m":null,"n":"o"},[]],"p q":"line\nline"}`, `["one",{"two":2},[3]]`, `""`, `" é\t"`, `"5"`, `-2.5e-3`, `"a\nb"`,
	} {
		n, err := formats.NodeFromJSON([]byte(text))
		if err != nil {
			panic(err)
		}
		all = append(all, n)
	}
	return all
}

func describe(n formats.Node) string {
	text, err := n.JSON()
	if err != nil {
		return n.String()
	}
	return string(text)
}

// means checks that after is the source's document with the change made.
func (c *patchCheck) means(change formats.Change, after *formats.Document) error {
	if max(after.Documents, 1) != max(c.doc.Documents, 1) {
		return fmt.Errorf("%d documents have become %d", c.doc.Documents, after.Documents)
	}
	if err := c.keepsComments(change, after); err != nil {
		return err
	}
	if len(c.doc.Aliases) > 0 {
		return c.keepsOthers(change, after)
	}
	for n := range max(c.doc.Documents, 1) {
		want, _ := c.doc.Node(formats.Root(n))
		if n == change.Path.Document() {
			apply(&want, stepsTo(change.Path), change)
		}
		if c.Texts {
			// Where keys stand in no section there is nothing without them.
			want.Items = slices.DeleteFunc(want.Items, func(n formats.Node) bool {
				return n.Key == "DEFAULT" && n.Kind == formats.MapNode && len(n.Items) == 0
			})
		}
		got, ok := after.Node(formats.Root(n))
		if !ok || !c.equal(&want, &got) {
			return fmt.Errorf("document %d: got %s, want %s", n+1, describe(got), describe(want))
		}
	}
	return nil
}

// equal compares trees. Formats of texts have no types, and what lies around
// their lines' ends in them.
func (c *patchCheck) equal(want, got *formats.Node) bool {
	if !c.Texts {
		return want.Equal(got)
	}
	if want.Kind != got.Kind || len(want.Items) != len(got.Items) {
		return false
	}
	for i := range want.Items {
		n := slices.IndexFunc(got.Items, func(n formats.Node) bool { return n.Key == want.Items[i].Key })
		if n < 0 || !c.equal(&want.Items[i], &got.Items[n]) {
			return false
		}
	}
	return want.Kind != formats.ScalarNode || strings.TrimSuffix(asText(want), "\r") == strings.TrimSuffix(got.Scalar.Text, "\r")
}

func asText(n *formats.Node) string {
	switch {
	case n.Scalar.Kind == formats.Bool:
		return strings.ToLower(n.Scalar.Text)
	case n.Literal() != "":
		return n.Literal()
	}
	return n.Scalar.Text
}

// stepsTo returns the steps from the root to p.
func stepsTo(p *formats.Path) (steps []*formats.Path) {
	for ; p.Parent != nil; p = p.Parent {
		steps = append([]*formats.Path{p}, steps...)
	}
	return steps
}

// apply makes a change to a tree, of which steps lead to the place.
func apply(n *formats.Node, steps []*formats.Path, change formats.Change) {
	if len(steps) == 0 {
		key := n.Key
		*n = change.Value
		n.Key = key
		return
	}
	step := steps[0]
	if n.Kind == formats.ScalarNode {
		*n = formats.Node{Key: n.Key, Kind: formats.MapNode}
		if step.Index != formats.InMap {
			n.Kind = formats.ListNode
		}
	}
	n.Items = slices.Clone(n.Items)
	at := step.Index
	if at == formats.InMap {
		at = slices.IndexFunc(n.Items, func(item formats.Node) bool { return item.Key == step.Key })
	}
	if at < 0 || at >= len(n.Items) {
		at = len(n.Items)
		n.Items = append(n.Items, formats.Node{Key: step.Key})
	}
	if change.Remove && len(steps) == 1 {
		n.Items = slices.Delete(n.Items, at, at+1)
		return
	}
	apply(&n.Items[at], steps[1:], change)
}

// keepsComments checks that no comment is lost that has nothing to do with the
// change, and none is new.
func (c *patchCheck) keepsComments(change formats.Change, after *formats.Document) error {
	if c.Texts {
		return nil // comments next to each other are one there
	}
	old, now := comments(c.doc), comments(after)
	_, exists := c.doc.Node(change.Path)
	if !exists && len(old) != len(now) {
		return fmt.Errorf("comments %q have become %q", old, now)
	}
	for _, text := range now {
		n := slices.Index(old, text)
		if n < 0 {
			return fmt.Errorf("a comment %q that was not there", text)
		}
		old = slices.Delete(old, n, n+1)
	}
	return nil
}

func comments(d *formats.Document) (texts []string) {
	for _, l := range d.Leaves {
		if l.Kind == formats.Comment {
			texts = append(texts, l.Text)
		}
	}
	return texts
}

// keepsOthers checks, in a document with aliases, the values that none repeats.
func (c *patchCheck) keepsOthers(change formats.Change, after *formats.Document) error {
	if change.Remove && change.Path.Index != formats.InMap {
		return nil // what lies behind has other paths
	}
	want, got := others(c.doc, change.Path), others(after, change.Path)
	for path, s := range want {
		if got[path] != s {
			return fmt.Errorf("%s: got %v, want %v", path, got[path], s)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			return fmt.Errorf("%s is new", path)
		}
	}
	if len(after.Aliases) > len(c.doc.Aliases) {
		return fmt.Errorf("%d aliases have become %d", len(c.doc.Aliases), len(after.Aliases))
	}
	if n, ok := after.Node(change.Path); change.Remove == ok || ok && !c.equal(&change.Value, &n) {
		return fmt.Errorf("got %s, %v", describe(n), ok)
	}
	return nil
}

// others returns the values of d that are neither parts of aliases nor on the
// way to or below p.
func others(d *formats.Document, p *formats.Path) map[string]formats.Scalar {
	m := map[string]formats.Scalar{}
	for _, i := range (&check{doc: d}).ownLeaves() {
		l := d.Leaves[i]
		below := false
		for q := l.Path; q != nil; q = q.Parent {
			below = below || q.Equal(p)
		}
		for q := p; q != nil; q = q.Parent {
			below = below || q.Equal(l.Path)
		}
		if l.Kind != formats.Comment && !below {
			m[l.Path.Text()] = l.Scalar
		}
	}
	return m
}
