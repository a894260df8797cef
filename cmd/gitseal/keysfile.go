package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/keysources"
)

// fileChange is what a call changes about one file.
type fileChange struct {
	in input
	// readers are those of the file before, recipients those after, if they were
	// looked at.
	readers    []readerInfo
	recipients []keysources.Recipient
	// added and removed are readers; one that only moves between groups is neither.
	added, removed []readerInfo
	// parts says what else becomes different.
	parts []string
	// differs: the file is not as it is to be. changed: it has a new version.
	differs, changed, newKey bool
	// nowPlain and nowSealed are values and comments that change state.
	nowPlain, nowSealed []string
	// seen are the values that those who are removed could read.
	seen []string
	// lost: who does this cannot open the new version.
	lost bool
	// weaker says that fewer parties than before would have to come together to open it,
	// "" if that is not so.
	weaker string
	// unvouched: neither a rule nor the file's own MAC vouches for its readers.
	unvouched bool
}

// readerInfo is a reader in the JSON output.
type readerInfo struct {
	Type   string `json:"type"`
	Reader string `json:"reader"`
	// Group counts from 1; it is left out if there is only one.
	Group int `json:"key_group,omitempty"`

	key keysources.Stanza
}

func newReaderInfo(key keysources.Stanza, group, groups int) readerInfo {
	r := readerInfo{Type: key.Type, Reader: key.Reader(), key: key}
	if groups > 1 {
		r.Group = group + 1
	}
	return r
}

// readersBefore lists the readers of a file.
func readersBefore(m *cipher.Metadata) []readerInfo {
	var out []readerInfo
	for i, group := range m.Groups {
		for _, s := range group {
			out = append(out, newReaderInfo(s.Key(), i, len(m.Groups)))
		}
	}
	return out
}

// wanted lists the readers that a file is to have.
func (s readerSet) wanted() []readerInfo {
	var out []readerInfo
	for i, group := range s.groups {
		for _, r := range group {
			key, ok := keysources.KeyOf(r)
			if !ok {
				key = keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{{Name: "recipient", Value: r.String()}}}
			}
			out = append(out, newReaderInfo(key, i, len(s.groups)))
		}
	}
	return out
}

// without returns those of list that are not among others.
func without(list, others []readerInfo) []readerInfo {
	var out []readerInfo
	for _, r := range list {
		if !slices.ContainsFunc(others, func(o readerInfo) bool { return keysources.SameKey(o.key, r.key) }) {
			out = append(out, r)
		}
	}
	return out
}

// compare says in what the file differs from what it is to be.
func (c *fileChange) compare(o *cipher.Opened, want target) error {
	m := o.Metadata
	wanted := want.readers.wanted()
	c.recipients = want.readers.all()
	c.added, c.removed = without(wanted, c.readers), without(c.readers, wanted)
	c.differs = len(want.readers.differences(m)) > 0
	have, groups := fmt.Sprintf("%d of %d", neededOf(m), len(m.Groups)), len(want.readers.groups)
	if now := fmt.Sprintf("%d of %d", needed(groups, want.readers.threshold), groups); have != now {
		c.parts = append(c.parts, fmt.Sprintf("%s key groups open it, before %s", now, have))
	}
	c.weaker = weakening(len(m.Groups), neededOf(m), groups, needed(groups, want.readers.threshold))
	if c.differs && len(c.added)+len(c.removed)+len(c.parts) == 0 {
		c.parts = append(c.parts, "readers change their key group")
	}
	if want.macOnly != m.MACOnlyEncrypted {
		c.differs = true
		c.parts = append(c.parts, fmt.Sprintf("mac_only_encrypted is %v", want.macOnly))
	}
	report, err := cipher.Inspect(c.in.format, c.in.data)
	if err != nil {
		return err
	}
	if len(c.removed) > 0 {
		c.seen = sealedPaths(report)
	}
	if sameSelector(want.selector, m.Selector) {
		return nil
	}
	c.differs = true
	c.parts = append(c.parts, "the selector is "+want.selector.String())
	return c.compareStates(o, report, want.selector)
}

// weakening says what it means that so many key groups of groups are needed now, if
// it was more before or the only group is left of several.
func weakening(groupsBefore, before, groups, now int) string {
	switch {
	case groups == 1 && groupsBefore > 1:
		return fmt.Sprintf("only one key group would be left, so that any one reader opens it alone; %d of %d key groups had to come together", before, groupsBefore)
	case now < before:
		return fmt.Sprintf("%d of %d key groups together would open it; before, %d of %d were needed", now, groups, before, groupsBefore)
	}
	return ""
}

func sealedPaths(r *cipher.Report) []string {
	var out []string
	for _, v := range r.Values {
		if v.State == cipher.StateSealed {
			out = append(out, v.Path.Text())
		}
	}
	return out
}

// compareStates says which values and comments are sealed that were plain, and the
// other way round.
func (c *fileChange) compareStates(o *cipher.Opened, report *cipher.Report, s cipher.Selector) error {
	doc, err := c.in.format.Parse(o.PlaintextBytes())
	if err != nil {
		return err
	}
	after := sealedPlaces(s, doc)
	before := map[place]int{}
	var order []place
	for _, l := range doc.Leaves {
		order = append(order, placeOf(&l))
	}
	for i, list := range [][]cipher.ValueInfo{report.Values, report.Comments} {
		for _, v := range list {
			before[place{v.Path.Text(), i == 1}] += count(v.State == cipher.StateSealed)
		}
	}
	done := map[place]bool{}
	for _, p := range order {
		if done[p] {
			continue
		}
		done[p] = true
		switch {
		case before[p] > after[p]:
			c.nowPlain = append(c.nowPlain, p.String())
		case before[p] < after[p]:
			c.nowSealed = append(c.nowSealed, p.String())
		}
	}
	return nil
}

// text tells what changes.
func (c *fileChange) text() string {
	var parts []string
	if len(c.added) > 0 {
		parts = append(parts, "can be read by "+namesOf(c.added))
	}
	if len(c.removed) > 0 {
		parts = append(parts, "can no longer be read by "+namesOf(c.removed))
	}
	parts = append(parts, c.parts...)
	if n := len(c.nowSealed); n > 0 {
		parts = append(parts, counted(n, "value")+" sealed that had been plain")
	}
	if n := len(c.nowPlain); n > 0 {
		parts = append(parts, counted(n, "value")+" plain that had been sealed")
	}
	if c.newKey {
		parts = append(parts, "new data key")
	}
	return strings.Join(parts, "; ")
}

func namesOf(list []readerInfo) string {
	var names []string
	for _, r := range list {
		name := r.Reader
		if r.Group > 0 {
			name = fmt.Sprintf("%s (key group %d)", shortReader(name), r.Group)
		}
		names = append(names, name)
	}
	return readersText(names)
}
