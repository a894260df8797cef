package merge

import (
	"fmt"

	"github.com/gitseal/gitseal/formats"
)

// maxWork bounds the bytes that changes one by one may go through: each reads the
// file again.
const maxWork = 1 << 27

// bring makes the changes that c lacks.
func (m *merger) bring(c *candidate, want []formats.Node) (*candidate, error) {
	for len(c.changes) > 0 {
		next, err := m.changed(c, want)
		if next == nil || len(next.changes) >= len(c.changes) {
			return nil, notWritten(err)
		}
		c = next
	}
	return c, nil
}

// notWritten says why the merged values cannot be written.
func notWritten(cause error) error {
	if cause == nil {
		return ErrNotWritten
	}
	return fmt.Errorf("%w: %w", ErrNotWritten, cause)
}

// changed makes as many changes as the format can, and returns its first error.
func (m *merger) changed(c *candidate, want []formats.Node) (*candidate, error) {
	patcher, ok := m.f.(formats.Patcher)
	if !ok || len(c.changes)*len(c.text) > maxWork {
		return nil, ErrNotWritten
	}
	doc, text := c.doc, c.text
	var first error
	for _, change := range c.changes {
		out, err := patcher.Patch(doc, change)
		if err == nil {
			doc, err = m.f.Parse(out)
			text = string(out)
		}
		if doc == nil {
			return nil, err
		}
		if first == nil {
			first = err
		}
	}
	next, err := m.candidate(text, want)
	if err != nil {
		return nil, err
	}
	return next, first
}
