package rules

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

// ErrByHand: a rule is written in a way, with anchors perhaps, in which it cannot
// be changed without changing something else.
var ErrByHand = errors.New("the rule has to be changed by hand")

// Edit is a change of who can open the files of one rule. Groups count from 0; a
// rule without key_groups has one.
type Edit struct {
	// Rule is the rule's number.
	Rule int
	// Add and Remove are what is added to and removed from groups. What is there
	// already, or not there, makes no difference.
	Add, Remove []GroupKey
	// NewGroup, if not empty, becomes a further key group, the last.
	NewGroup []Key
	// DropGroup: the group DropAt is removed.
	DropGroup bool
	DropAt    int
	// Threshold is how many groups are to be needed; 0 leaves that alone.
	Threshold int
}

// GroupKey is a key in a group.
type GroupKey struct {
	Group int
	Key   Key
}

// Edit returns src, which c was read from, with the change made to one rule and,
// outside of what changes, every byte as it was. What the result says is compared
// with what it should say, so that no other rule changes; if it cannot be done in
// this way, the error wraps ErrByHand.
func (c *Config) Edit(src []byte, e Edit) ([]byte, error) {
	rule := &c.Rules[e.Rule-1]
	ed := &editor{src: src, rule: formats.Root(0).At("creation_rules").Item(e.Rule - 1)}
	err := ed.apply(rule, e)
	if err == nil {
		err = c.check(ed.src, e)
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w: %w", c.Path, rule.Line, ErrByHand, err)
	}
	return ed.src, nil
}

// check compares what the new source says with what it should say.
func (c *Config) check(src []byte, e Edit) error {
	got, err := Parse(c.Path, src)
	if err != nil {
		return err
	}
	if len(got.Rules) != len(c.Rules) || got.RequireMAC != c.RequireMAC || got.NoReuse != c.NoReuse || len(got.formats) != len(c.formats) {
		return errors.New("more than the rule would change")
	}
	for i := range c.Rules {
		want, have := c.Rules[i], got.Rules[i]
		if want.PathRegex != have.PathRegex || want.Selector != have.Selector || want.MACOnlyEncrypted != have.MACOnlyEncrypted {
			return fmt.Errorf("rule %d would change", i+1)
		}
		if i == e.Rule-1 {
			want.Groups = e.groups(want.Groups)
			want.Threshold = have.Threshold
			if e.Threshold > 0 && len(want.Groups) > 1 && have.Threshold != e.Threshold {
				return errors.New("the threshold would be another one")
			}
		}
		if want.Threshold != have.Threshold || !sameGroups(want.Groups, have.Groups) {
			return fmt.Errorf("rule %d would name other readers", i+1)
		}
	}
	return nil
}

// groups returns what groups are to be.
func (e Edit) groups(old [][]Key) [][]Key {
	var out [][]Key
	for i, group := range old {
		var keys []Key
		for _, k := range group {
			if !slices.ContainsFunc(e.Remove, func(r GroupKey) bool { return r.Group == i && r.Key.id() == k.id() }) {
				keys = append(keys, k)
			}
		}
		for _, a := range e.Add {
			if a.Group == i {
				keys = append(keys, a.Key)
			}
		}
		if !e.DropGroup || e.DropAt != i {
			out = append(out, deduplicate(keys))
		}
	}
	if len(e.NewGroup) > 0 {
		out = append(out, deduplicate(slices.Clone(e.NewGroup)))
	}
	return out
}

// sameGroups compares groups without regard to the order of their keys.
func sameGroups(a, b [][]Key) bool {
	return slices.EqualFunc(a, b, func(a, b []Key) bool {
		return slices.Equal(ids(a), ids(b))
	})
}

func ids(keys []Key) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.id())
	}
	slices.Sort(out)
	return out
}

// editor changes the source of a configuration step by step.
type editor struct {
	src  []byte
	rule *formats.Path
}

func (e *editor) apply(rule *Rule, c Edit) error {
	_, grouped := e.node(e.rule.At("key_groups"))
	for _, a := range c.Add {
		if slices.ContainsFunc(rule.Groups[a.Group], func(k Key) bool { return k.id() == a.Key.id() }) {
			continue
		}
		if err := e.add(grouped, a); err != nil {
			return err
		}
	}
	for _, r := range c.Remove {
		if err := e.remove(grouped, r); err != nil {
			return err
		}
	}
	if len(c.NewGroup) > 0 {
		if err := e.newGroup(grouped, rule, c.NewGroup); err != nil {
			return err
		}
	}
	if c.DropGroup {
		if err := e.change(formats.Change{Path: e.rule.At("key_groups").Item(c.DropAt), Remove: true}); err != nil {
			return err
		}
	}
	return e.threshold(len(c.groups(rule.Groups)), c.Threshold)
}

// threshold sets the threshold. With one group there is none.
func (e *editor) threshold(groups, n int) error {
	path := e.rule.At("shamir_threshold")
	_, exists := e.node(path)
	switch {
	case groups == 1 && exists:
		return e.change(formats.Change{Path: path, Remove: true})
	case groups == 1 || n == 0:
		return nil
	}
	return e.change(formats.Change{Path: path, Value: formats.Node{Scalar: formats.Scalar{Kind: formats.Int, Text: fmt.Sprint(n)}}})
}

// newGroup adds a key group; a rule that has none gets two.
func (e *editor) newGroup(grouped bool, rule *Rule, keys []Key) error {
	path := e.rule.At("key_groups")
	if grouped {
		return e.set(path.Item(len(rule.Groups)), groupNode(keys))
	}
	both := formats.Node{Kind: formats.ListNode, Items: []formats.Node{groupNode(rule.Groups[0]), groupNode(keys)}}
	if err := e.set(path, both); err != nil {
		return err
	}
	fields := []string{"aws_profile"}
	for _, f := range flatFields {
		fields = append(fields, f.key)
	}
	for _, name := range fields {
		if _, ok := e.node(e.rule.At(name)); !ok {
			continue
		}
		if err := e.change(formats.Change{Path: e.rule.At(name), Remove: true}); err != nil {
			return err
		}
	}
	return nil
}

func (e *editor) document() (*formats.Document, error) { return yaml.Format{}.Parse(e.src) }

// node returns the value at a path; null counts as none.
func (e *editor) node(path *formats.Path) (formats.Node, bool) {
	doc, err := e.document()
	if err != nil {
		return formats.Node{}, false
	}
	n, ok := doc.Node(path)
	if ok && n.Kind == formats.ScalarNode && n.Scalar.Kind == formats.Null {
		ok = false
	}
	return n, ok
}

func (e *editor) set(path *formats.Path, n formats.Node) error {
	return e.change(formats.Change{Path: path, Value: n})
}

func (e *editor) change(c formats.Change) error {
	doc, err := e.document()
	if err != nil {
		return err
	}
	out, err := yaml.Format{}.Patch(doc, c)
	if err == nil {
		e.src = out
	}
	return err
}
