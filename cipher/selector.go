package cipher

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// SelectorKind is how a selector's pattern is meant. Its values are the names of
// the fields of sops's metadata and configuration.
type SelectorKind string

// The six kinds of selectors of sops.
const (
	UnencryptedSuffix       SelectorKind = "unencrypted_suffix"
	EncryptedSuffix         SelectorKind = "encrypted_suffix"
	UnencryptedRegex        SelectorKind = "unencrypted_regex"
	EncryptedRegex          SelectorKind = "encrypted_regex"
	UnencryptedCommentRegex SelectorKind = "unencrypted_comment_regex"
	EncryptedCommentRegex   SelectorKind = "encrypted_comment_regex"
)

// SelectorKinds lists the kinds in the order in which sops writes them.
func SelectorKinds() []SelectorKind {
	return []SelectorKind{EncryptedCommentRegex, EncryptedRegex, EncryptedSuffix,
		UnencryptedCommentRegex, UnencryptedRegex, UnencryptedSuffix}
}

// Selector decides which values of a file are sealed. Suffixes and regular
// expressions (RE2, not anchored) are tried on every key on the way to a value;
// comment expressions on the comments that stand with it or with what it lies in.
// The zero Selector is not usable; see [NewSelector] and [DefaultSelector].
type Selector struct {
	Kind    SelectorKind
	Pattern string
	re      *regexp.Regexp
}

// NewSelector compiles a selector. The error wraps ErrSelector.
func NewSelector(kind SelectorKind, pattern string) (Selector, error) {
	s := Selector{Kind: kind, Pattern: pattern}
	if pattern == "" {
		return s, fmt.Errorf("%w: %s is empty", ErrSelector, kind)
	}
	switch kind {
	case UnencryptedSuffix, EncryptedSuffix:
		return s, nil
	case UnencryptedRegex, EncryptedRegex, UnencryptedCommentRegex, EncryptedCommentRegex:
		if pattern == kubernetesPattern {
			s.re = kubernetesRegex()
			return s, nil
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return s, fmt.Errorf("%w: %s does not compile: %w", ErrSelector, kind, err)
		}
		s.re = re
		return s, nil
	}
	return s, fmt.Errorf("%w: unknown kind %q", ErrSelector, kind)
}

// DefaultSelector is what sops applies where nothing else is said: everything is
// sealed but what lies under a key that ends in _unencrypted.
func DefaultSelector() Selector {
	return Selector{Kind: UnencryptedSuffix, Pattern: "_unencrypted"}
}

// IsZero reports whether s is the unusable zero Selector.
func (s Selector) IsZero() bool { return s.Kind == "" }

// String returns kind and pattern.
func (s Selector) String() string { return string(s.Kind) + ": " + s.Pattern }

// seals reports what a match means.
func (s Selector) seals() bool { return strings.HasPrefix(string(s.Kind), "encrypted") }

func (s Selector) byComment() bool {
	return s.Kind == EncryptedCommentRegex || s.Kind == UnencryptedCommentRegex
}

func (s Selector) match(text string) bool {
	if s.re != nil {
		return s.re.MatchString(text)
	}
	return strings.HasSuffix(text, s.Pattern)
}

// Select reports for each leaf of d whether the selector wants it sealed. Of
// empty leaves it says what it would want if they held something.
func (s Selector) Select(d *formats.Document) []bool {
	if s.byComment() {
		return s.selectByComment(d)
	}
	out := make([]bool, len(d.Leaves))
	m := keyMatcher{s: s, keys: map[string]bool{}}
	for i := range d.Leaves {
		out[i] = m.path(d.Leaves[i].Path) == s.seals()
	}
	return out
}

// keyMatcher remembers results: keys repeat, and siblings share their parent.
type keyMatcher struct {
	s      Selector
	keys   map[string]bool
	parent *formats.Path
	result bool
}

func (m *keyMatcher) path(p *formats.Path) bool {
	if p == nil || p.Parent == nil {
		return false
	}
	if p.Parent != m.parent {
		m.result = m.ancestors(p.Parent)
		m.parent = p.Parent
	}
	return m.result || p.Index == formats.InMap && m.key(p.Key)
}

func (m *keyMatcher) ancestors(p *formats.Path) bool {
	for ; p.Parent != nil; p = p.Parent {
		if p.Index == formats.InMap && m.key(p.Key) {
			return true
		}
	}
	return false
}

func (m *keyMatcher) key(k string) bool {
	if m.s.re == nil {
		return m.s.match(k)
	}
	r, ok := m.keys[k]
	if !ok {
		r = m.s.match(k)
		m.keys[k] = r
	}
	return r
}

// commentFrame is one map or list on the way to the current leaf: the comments
// that are in force there, and the item that they are in force for. Comments add
// up until an item has ended; then the next one starts afresh (sops's
// walkBranch and walkSlice).
type commentFrame struct {
	container *formats.Path
	child     *formats.Path
	// matched counts the comments in force that match; last says whether the
	// newest comment does.
	matched int
	last    bool
}

func (s Selector) selectByComment(d *formats.Document) []bool {
	out := make([]bool, len(d.Leaves))
	var stack []*commentFrame
	for i := range d.Leaves {
		l := &d.Leaves[i]
		if l.Kind != formats.Comment {
			stack = enter(stack, l.Path)
			out[i] = anyMatched(stack) == s.seals()
			continue
		}
		stack = enter(stack, l.Path)
		top := at(&stack, l.Path)
		top.comment(s.match(l.Text))
		matched := anyMatched(stack)
		if s.Kind == EncryptedCommentRegex && top.last {
			// The comment that asks for sealing is not itself sealed, unless an
			// earlier one asks for that.
			top.matched--
			matched = anyMatched(stack)
			top.matched++
		}
		out[i] = matched == s.seals()
	}
	return out
}

func (f *commentFrame) comment(matches bool) {
	if f.child != nil {
		f.child, f.matched = nil, 0
	}
	f.last = matches
	if matches {
		f.matched++
	}
}

// enter brings the stack to the containers of p and starts p's item in each.
func enter(stack []*commentFrame, p *formats.Path) []*commentFrame {
	var chain []*formats.Path // from p up to the root
	for q := p; q != nil; q = q.Parent {
		chain = append(chain, q)
	}
	depth := 0
	for i := len(chain) - 1; i > 0; i-- {
		container, child := chain[i], chain[i-1]
		if depth == len(stack) || !stack[depth].container.Equal(container) {
			stack = append(stack[:depth], &commentFrame{container: container})
		}
		f := stack[depth]
		if f.child != nil && !f.child.Equal(child) {
			f.matched = 0
		}
		if f.child == nil || !f.child.Equal(child) {
			f.child = child
			stack = stack[:depth+1]
		}
		depth++
	}
	return stack[:min(len(stack), depth+1)]
}

// at returns the frame of the container itself, which is the last of the stack.
func at(stack *[]*commentFrame, container *formats.Path) *commentFrame {
	if n := len(*stack); n > 0 && (*stack)[n-1].container.Equal(container) {
		return (*stack)[n-1]
	}
	f := &commentFrame{container: container}
	*stack = append(*stack, f)
	return f
}

func anyMatched(stack []*commentFrame) bool {
	for _, f := range stack {
		if f.matched > 0 {
			return true
		}
	}
	return false
}
