package formatstest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/gitseal/gitseal/formats"
)

// PatchSuite is a format whose changes of single values are under test.
type PatchSuite struct {
	Format interface {
		formats.Format
		formats.Patcher
	}
	// Texts says that the format's values are all strings.
	Texts bool
	// Holds, if set, says whether the format has a place for a value. What it has
	// none for must be refused.
	Holds func(*formats.Path, formats.Node) bool
	// Oracle, if set, returns an error unless another reader sees in src what d has.
	Oracle func(src []byte, d *formats.Document) error
	// Sealed also checks the laws of [Suite] on what the changes give, which must not
	// be refused where the source is not. Some odd files can be read and not sealed.
	Sealed bool
	// Refusals has, for samples by name, how many of the changes that are tried the
	// format refuses; none where it has nothing.
	Refusals map[string]int
}

// Run checks the laws on each sample, in a subtest each.
func (s PatchSuite) Run(t *testing.T, samples []Sample) {
	t.Helper()
	for _, sample := range samples {
		t.Run(sample.Name, func(t *testing.T) {
			tally, err := s.Check([]byte(sample.Source))
			if err != nil {
				t.Fatalf("source %q: %v", clip([]byte(sample.Source)), err)
			}
			if tally.Made == 0 && tally.Values > 0 {
				t.Errorf("source %q: no change was made", clip([]byte(sample.Source)))
			}
			for _, refused := range tally.Refused {
				t.Logf("refused: %s", refused)
			}
			if got, want := len(tally.Refused), s.Refusals[sample.Name]; got != want {
				t.Errorf("source %q: %d changes were refused, want %d", clip([]byte(sample.Source)), got, want)
			}
		})
	}
}

// Fuzz fuzzes the laws from seeds.
func (s PatchSuite) Fuzz(f *testing.F, seeds []string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	const most = 2 << 10
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > most {
			return
		}
		if _, err := s.Check(src); err != nil {
			t.Errorf("source %q: %v", clip(src), err)
		}
	})
}

// Tally is what came of the changes to one source.
type Tally struct {
	// Values are those of the source, Made the changes made.
	Values, Made int
	// Refused says what was not changed and why.
	Refused []string
}

// Check makes many changes to src, each on its own, and returns an error that
// says which law is broken, if one is. A source that the format does not read is
// none of its business.
func (s PatchSuite) Check(src []byte) (Tally, error) {
	held := bytes.Clone(src)
	d, err := s.Format.Parse(src)
	if err != nil {
		return Tally{}, nil
	}
	c := &patchCheck{PatchSuite: s, src: src, doc: d, repeated: (&check{doc: d}).ownLeaves()}
	if d.Meta != nil {
		_, err := s.Format.Patch(d, formats.Change{Path: formats.Root(0).At("k"), Value: text("x")})
		if !errors.Is(err, formats.ErrMetadata) {
			return Tally{}, fmt.Errorf("changing a sealed document: got %w, want ErrMetadata", err)
		}
		return Tally{}, nil
	}
	if err := c.run(); err != nil {
		return c.tally, err
	}
	if !bytes.Equal(held, src) {
		return c.tally, errors.New("the source was written to")
	}
	return c.tally, nil
}

// patchCheck is one source on its way through the laws.
type patchCheck struct {
	PatchSuite
	src []byte
	doc *formats.Document
	// repeated are the leaves that no alias repeats.
	repeated []int
	tally    Tally
}

func text(s string) formats.Node {
	return formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: s}}
}

// mostPlaces bounds how many places of a source are tried.
const mostPlaces = 12

func (c *patchCheck) run() error {
	places := c.places()
	for n, p := range places {
		if err := c.place(n, p); err != nil {
			return fmt.Errorf("at %s: %w", p, err)
		}
	}
	return nil
}

// places returns paths of values and of what they lie in, spread over the source.
func (c *patchCheck) places() []*formats.Path {
	var all []*formats.Path
	seen := map[string]bool{}
	for n := range max(c.doc.Documents, 1) {
		all = append(all, formats.Root(n))
		seen[all[n].Text()] = true
	}
	for _, l := range c.doc.Leaves {
		if l.Kind == formats.Comment {
			continue
		}
		c.tally.Values++
		for p := l.Path; p != nil && !seen[p.Text()]; p = p.Parent {
			seen[p.Text()] = true
			all = append(all, p)
		}
	}
	for len(all) > mostPlaces {
		all = slices.Delete(all, len(all)/2, len(all)/2+1)
	}
	return all
}

// place tries what there is to try at p.
func (c *patchCheck) place(n int, p *formats.Path) error {
	old, ok := c.doc.Node(p)
	if !ok {
		return errors.New("nothing is found there")
	}
	if err := c.same(p, old); err != nil {
		return err
	}
	values := newValues()
	for i := range 4 {
		v := values[(n*5+i*3)%len(values)]
		if p.Parent == nil && v.Kind != formats.MapNode {
			if _, err := c.Format.Patch(c.doc, formats.Change{Path: p, Value: v}); !errors.Is(err, formats.ErrPlace) {
				return fmt.Errorf("setting a root to %s: got %w, want ErrPlace", describe(v), err)
			}
			continue
		}
		if err := c.set(p, v); err != nil {
			return fmt.Errorf("setting %s: %w", describe(v), err)
		}
	}
	if p.Parent != nil {
		if _, err := c.try(formats.Change{Path: p, Remove: true}); err != nil {
			return fmt.Errorf("removing: %w", err)
		}
	}
	switch {
	case old.Kind == formats.MapNode:
		return c.additions(n, p, p.At("new"), p.At("odd key: #"), old)
	case old.Kind == formats.ListNode:
		return c.additions(n, p, p.Item(len(old.Items)), nil, old)
	case old.Scalar.Kind == formats.Null:
		return c.additions(n, p, p.At("new"), p.Item(0), old)
	}
	return c.inTheWay(p)
}

// same sets what is there.
func (c *patchCheck) same(p *formats.Path, old formats.Node) error {
	out, err := c.patch(formats.Change{Path: p, Value: old})
	if err == nil && out != nil && !bytes.Equal(out, c.src) {
		return fmt.Errorf("setting the value that is there gave %q", clip(out))
	}
	return err
}

func (c *patchCheck) inTheWay(p *formats.Path) error {
	for _, below := range []*formats.Path{p.At("x"), p.Item(0)} {
		if _, err := c.Format.Patch(c.doc, formats.Change{Path: below, Value: text("x")}); err == nil {
			return errors.New("a value was set below a scalar")
		}
	}
	_, err := c.Format.Patch(c.doc, formats.Change{Path: p.At("x"), Remove: true})
	if err == nil {
		return errors.New("a value was removed from a scalar")
	}
	return nil
}

// set sets a value at p, where there is one.
func (c *patchCheck) set(p *formats.Path, v formats.Node) error {
	out, err := c.try(formats.Change{Path: p, Value: v})
	if err != nil || out == nil {
		return err
	}
	i := c.leafAt(p)
	if i < 0 || v.Kind != formats.ScalarNode {
		return nil
	}
	// A scalar goes in the place of another: nothing around it changes.
	l := c.doc.Leaves[i]
	line := c.src[bytes.LastIndexAny(c.src[:l.Start], "\r\n")+1 : l.Start]
	if l.Kind.Empty() || l.Start == l.End || bytes.ContainsAny(c.src[l.Start:l.End], "\r\n|>") ||
		len(bytes.TrimSpace(line)) == 0 || !bytes.ContainsAny(line[len(line)-1:], " \t:=,[{") {
		return nil // it may be over lines, with its header elsewhere, or be tied to an anchor
	}
	if slices.ContainsFunc(c.doc.Tags, func(t formats.Tag) bool { return t.Leaf < 0 && !t.OfKey && t.Path.Equal(p) }) {
		return nil // a tag before it that does not fit goes, too
	}
	if !bytes.HasPrefix(out, c.src[:l.Start]) || !bytes.HasSuffix(out[l.Start:], c.src[l.End:]) {
		return fmt.Errorf("got %q, in which more than the value differs", clip(out))
	}
	return nil
}

// leafAt returns the leaf of the source at p, not a part of an alias, or -1.
func (c *patchCheck) leafAt(p *formats.Path) int {
	for _, i := range c.repeated {
		if l := c.doc.Leaves[i]; l.Kind != formats.Comment && l.Path.Equal(p) {
			return i
		}
	}
	return -1
}

// additions adds to the collection at p, and takes the additions away.
func (c *patchCheck) additions(n int, p, first, second *formats.Path, old formats.Node) error {
	values := newValues()
	for i, at := range []*formats.Path{first, second, first.At("deep"), first.At("deep").At("er")} {
		if at == nil {
			continue
		}
		if _, exists := c.doc.Node(at); exists {
			continue
		}
		v := values[(n*7+i*3)%len(values)]
		out, err := c.try(formats.Change{Path: at, Value: v})
		if err == nil && out != nil {
			err = c.added(p, at, old, out)
		}
		if err != nil {
			return fmt.Errorf("adding %s at %s: %w", describe(v), at, err)
		}
	}
	beyond := p.Item(len(old.Items) + 1)
	if out, err := c.Format.Patch(c.doc, formats.Change{Path: beyond, Value: text("x")}); err == nil {
		return fmt.Errorf("setting %s gave %q", beyond, clip(out))
	}
	return nil
}

// added checks the bytes of an addition, and that removing it gives the source.
func (c *patchCheck) added(p, at *formats.Path, old formats.Node, out []byte) error {
	if old.Kind == formats.ScalarNode || p.Parent == nil && len(old.Items) == 0 {
		return nil
	}
	if len(old.Items) > 0 && commonEnds(c.src, out) < len(c.src) && !c.isPair(p) {
		return fmt.Errorf("got %q, which is not the source with something inserted", clip(out))
	}
	top := at
	for !top.Parent.Equal(p) {
		top = top.Parent
	}
	d, err := c.Format.Parse(out)
	if err != nil {
		return err
	}
	back, err := c.Format.Patch(d, formats.Change{Path: top, Remove: true})
	if err != nil {
		return fmt.Errorf("%q: removing it again: %w", clip(out), err)
	}
	if c.Texts && bytes.HasSuffix(c.src, []byte("\r")) {
		return nil // what is added makes a line break of the lone carriage return
	}
	if !bytes.Equal(back, c.src) && !c.isPair(p) {
		return fmt.Errorf("got %q, and %q after removing it again", clip(out), clip(back))
	}
	return nil
}

// isPair reports whether p may be a map without braces in a list, which gets
// them when it has two items.
func (c *patchCheck) isPair(p *formats.Path) bool {
	return p.Parent != nil && p.Index != formats.InMap && bytes.ContainsAny(c.src, "[")
}

// commonEnds returns how many bytes at the start and the end of src are those of
// out too, of which it has to have as many.
func commonEnds(src, out []byte) int {
	n := 0
	for n < len(src) && n < len(out) && src[n] == out[n] {
		n++
	}
	m := 0
	for m < len(src)-n && m < len(out)-n && src[len(src)-1-m] == out[len(out)-1-m] {
		m++
	}
	return n + m
}

// try makes a change and checks what it means; out is nil if it was refused.
func (c *patchCheck) try(change formats.Change) (out []byte, err error) {
	out, err = c.patch(change)
	if err != nil || out == nil {
		return nil, err
	}
	after, err := c.Format.Parse(out)
	if err != nil {
		return nil, fmt.Errorf("parsing %q: %w", clip(out), err)
	}
	if err := c.means(change, after); err != nil {
		return nil, fmt.Errorf("in %q: %w", clip(out), err)
	}
	if err := c.sealable(out); err != nil {
		return nil, err
	}
	if c.Oracle != nil {
		if err := c.Oracle(out, after); err != nil {
			return nil, fmt.Errorf("another reader of %q: %w", clip(out), err)
		}
	}
	return out, nil
}

// sealable checks that the laws of the format hold for a result, if they hold for
// the source.
func (c *patchCheck) sealable(out []byte) error {
	if !c.Sealed {
		return nil
	}
	var refused *Refused
	if err := (Suite{Format: c.Format}).Check(out); err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("sealing what was changed: %w", err)
	} else if err != nil && (Suite{Format: c.Format}).Check(c.src) == nil {
		return fmt.Errorf("%q cannot be sealed any more: %w", clip(out), err)
	}
	return nil
}

// patch makes a change; out is nil if it was refused as it may be.
func (c *patchCheck) patch(change formats.Change) (out []byte, err error) {
	out, err = c.Format.Patch(c.doc, change)
	held := change.Remove || c.Holds == nil || c.Holds(change.Path, change.Value) || err == nil && bytes.Equal(out, c.src)
	if err == nil && !held {
		return nil, fmt.Errorf("the format holds no such value, but gave %q", clip(out))
	}
	if err == nil {
		c.tally.Made++
		if out == nil {
			out = []byte{}
		}
		return out, nil
	}
	var typed *formats.Error
	if !errors.As(err, &typed) {
		return nil, fmt.Errorf("not a *formats.Error: %w", err)
	}
	for _, cause := range []error{formats.ErrPlace, formats.ErrNotSealable, formats.ErrLimit} {
		if errors.Is(typed.Cause, cause) && !held {
			return nil, nil
		}
		if errors.Is(typed.Cause, cause) {
			c.tally.Refused = append(c.tally.Refused, fmt.Sprintf("%s, %s: %v", change.Path, describe(change.Value), err))
			return nil, nil
		}
	}
	return nil, fmt.Errorf("refused for a reason that is none: %w", err)
}
