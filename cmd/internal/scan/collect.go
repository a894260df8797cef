package scan

import (
	"bytes"
	"slices"
	"sort"

	"github.com/gitseal/gitseal/formats"
)

// maxHits bounds what is reported of one file: of what is weak, and of what is not.
// What is weak, or was let pass, never keeps what is not from being found.
const maxHits = 200

// collector takes in the hits of one text.
type collector struct {
	src []byte
	// allow: hits that the author has let pass are left out.
	allow bool
	hits  []Hit
	weak  int
	// more: there are hits that were left out because there are so many.
	more bool
	// begin, end and allowed remember the last line that was looked at: many hits may
	// stand on one long line.
	begin, end int
	allowed    bool
}

// add takes in a hit. It returns false if no more are taken.
func (c *collector) add(h Hit) bool {
	if c.full() {
		return false
	}
	if c.allow && c.passes(h.Start) {
		return true
	}
	if h.Weak {
		if c.weak == maxHits {
			c.more = true
			return true
		}
		c.weak++
	}
	c.hits = append(c.hits, h)
	c.more = c.more || c.full()
	return !c.full()
}

func (c *collector) full() bool { return len(c.hits)-c.weak >= maxHits }

// passes reports whether the author has let what stands at an offset pass.
func (c *collector) passes(at int) bool {
	if at < c.begin || at >= c.end {
		c.begin = bytes.LastIndexByte(c.src[:at], '\n') + 1
		c.end = len(c.src) + 1
		if n := bytes.IndexByte(c.src[at:], '\n'); n >= 0 {
			c.end = at + n + 1
		}
		c.allowed = Allowed(c.src, at)
	}
	return c.allowed
}

// firstOfEach sorts hits and drops those that lie in, or on the value of, another that
// comes before them in telling order.
func firstOfEach(hits []Hit) []Hit {
	var kept []Hit
	for _, h := range hits {
		if !slices.ContainsFunc(kept, func(k Hit) bool { return h.Start < k.End && k.Start < h.End }) {
			kept = append(kept, h)
		}
	}
	slices.SortStableFunc(kept, func(a, b Hit) int { return a.Start - b.Start })
	return kept
}

// setPaths gives hits the paths of the leaves that they lie in.
func setPaths(doc *formats.Document, hits []Hit) {
	order := make([]*Hit, len(hits))
	for i := range hits {
		order[i] = &hits[i]
	}
	slices.SortStableFunc(order, func(a, b *Hit) int { return a.Start - b.Start })
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		for n := sort.Search(len(order), func(n int) bool { return order[n].Start >= l.Start }); n < len(order) && order[n].Start < l.End; n++ {
			if order[n].Path == nil {
				order[n].Path = l.Path
			}
		}
	}
}
