package chaostest_test

import (
	"slices"
	"time"
)

// setback is when etcd was set back: what it had when it was copied was there again from
// then on, and what came between never was.
type setback struct {
	copied, restored time.Time
	// leader is the replica that held the lease in what was lost.
	leader string
}

// in reports whether what a call did is part of the timeline after some cuts. A call
// belongs to it if it is later than the last of them, or if it is part of the timeline
// before and was answered before the copy was made.
func (c *call) in(cuts []setback) bool {
	n := len(cuts)
	if n == 0 || c.received.After(cuts[n-1].restored) {
		return true
	}
	return c.done.Before(cuts[n-1].copied) && c.in(cuts[:n-1])
}

// fill gives the i-th timeline its calls, and says what it began with.
func (h *history) fill(calls []call, cuts []setback, i int) {
	until := time.Time{}
	if i < len(cuts) {
		until = cuts[i].restored
	}
	for _, c := range calls {
		if (until.IsZero() || c.received.Before(until)) && c.in(cuts[:i]) {
			h.calls = append(h.calls, c)
		}
	}
	h.cuts = slices.Clone(cuts[:i])
	h.attribute()
}

// byLostLease reports whether a replica may take itself for the leader by a lease that
// was lost when etcd was set back. Nobody can tell it before it asks again.
func (h *history) byLostLease(replica string, at time.Time) bool {
	return slices.ContainsFunc(h.cuts, func(c setback) bool {
		return c.leader == replica && at.After(c.restored) && at.Sub(c.restored) < h.lease
	})
}

// remembering is how long a process may go by what was lost: until it has noticed.
const remembering = time.Minute

// remembered reports whether a process may have written at a time what it knew from
// before etcd was set back.
func (h *history) remembered(at time.Time) bool {
	return slices.ContainsFunc(h.cuts, func(c setback) bool { return at.After(c.restored) && at.Sub(c.restored) < remembering })
}
