package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// sealedFile is about a file that has a metadata block.
func (c *checker) sealedFile() {
	m, err := cipher.ParseMetadata(c.doc)
	if err != nil {
		c.badMetadata(err)
		return
	}
	c.sealed = true
	c.leaves(m)
	c.readers(m)
	c.selector(m)
	c.seal(m)
	c.manifest(m)
}

func (c *checker) badMetadata(err error) {
	c.broken = true
	f := Finding{ID: IDMalformed, Message: "the metadata block cannot be used: " + err.Error(), Hint: "restore the sops block from the last good version of the file"}
	if errors.Is(err, cipher.ErrUnsupported) {
		f.Hint = "a newer version of gitseal may know it"
	}
	c.add(-1, f)
}

// leaves compares each value with what the file's selector says.
func (c *checker) leaves(m *cipher.Metadata) {
	for i, info := range cipher.InspectLeaves(m, c.doc) {
		if c.doc.Leaves[i].Kind == formats.Comment {
			continue // the file's own MAC knows which comments are plain
		}
		f := Finding{Path: info.Path.Text()}
		switch info.State {
		case cipher.StatePlain:
			if l := &c.doc.Leaves[i]; l.Kind != formats.String || !strings.HasPrefix(l.Text, cipher.SealedPrefix) || !strings.HasSuffix(strings.TrimSpace(l.Text), "]") {
				continue
			}
			c.broken = true
			f.ID, f.Message = IDMalformed, "the selector leaves "+info.Path.String()+" plain, and a sealed value stands there, which nobody would unseal"
			f.Hint = "restore the value, or the selector in the metadata, from the last good version of the file"
		case cipher.StateExposed:
			c.broken = true
			f.ID, f.Message = IDPlainValue, "the selector wants "+info.Path.String()+" sealed, and it is plain"
			f.Hint = "give it its value with gitseal set " + c.Name + " KEY; what stood here must be replaced where it is used"
		case cipher.StateMalformed:
			c.broken = true
			f.ID, f.Message = IDMalformed, "the sealed value of "+info.Path.String()+" is not well-formed"
			f.Hint = "restore it from the last good version of the file"
		case cipher.StateEmpty:
			if info.Kind.Empty() {
				continue // null, {} and [] are no values that could be sealed
			}
			f.ID, f.Message = IDEmptyValue, info.Path.String()+" is empty, so that nothing is sealed there"
		default:
			continue
		}
		c.add(c.doc.Leaves[i].Start, f)
	}
}

// readers compares who can open the file with who should.
func (c *checker) readers(m *cipher.Metadata) {
	e := c.Expected
	if e.Config == nil || e.Err != nil {
		return
	}
	if e.Applied.Rule == nil {
		c.add(-1, Finding{ID: IDNoRule, Message: "the file is sealed, but no rule of " + e.Source + " matches it", Hint: "add a rule for it, so that its readers can be compared"})
		return
	}
	if len(e.Groups) != len(m.Groups) {
		c.add(-1, Finding{ID: IDGroups, Message: fmt.Sprintf("it has %s, and %s has %d", plural(len(m.Groups), "key group"), e.rule(), len(e.Groups)), Hint: syncHint(c.Name)})
	} else if want, have := needed(len(e.Groups), e.Applied.Rule.Threshold), needed(len(m.Groups), m.Threshold); want != have {
		c.add(-1, Finding{ID: IDGroups, Message: fmt.Sprintf("%d of its key groups open it, and %s says %d", have, e.rule(), want), Hint: syncHint(c.Name)})
	}
	for i := range min(len(e.Groups), len(m.Groups)) {
		where := ""
		if len(m.Groups) > 1 {
			where = fmt.Sprintf(" (key group %d)", i+1)
		}
		missing, stale := compare(e.Groups[i], m.Groups[i])
		if len(missing) > 0 {
			c.add(-1, Finding{ID: IDMissing, Message: "it cannot be opened by " + e.names(missing) + where + ", whom " + e.rule() + " names", Hint: syncHint(c.Name)})
		}
		if len(stale) > 0 {
			c.add(-1, Finding{ID: IDStale, Message: "it can still be opened by " + e.names(stale) + where + ", whom " + e.rule() + " does not name", Hint: syncHint(c.Name) + "; values they have seen must be replaced"})
		}
	}
}

func syncHint(name string) string { return "gitseal keys sync " + name + ", or correct the rule" }

// plural counts things.
func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// needed is the number of groups that open a file.
func needed(groups, threshold int) int {
	if threshold == 0 {
		return groups
	}
	return threshold
}

// selector compares what is sealed with what should be.
func (c *checker) selector(m *cipher.Metadata) {
	e := c.Expected
	if e.Applied.Rule == nil || e.Err != nil {
		return
	}
	want := []cipher.Selector{e.Selector}
	if e.Selector.IsZero() {
		want = []cipher.Selector{cipher.SelectorFor(c.doc), cipher.DefaultSelector()}
	}
	same := func(s cipher.Selector) bool { return s.Kind == m.Selector.Kind && s.Pattern == m.Selector.Pattern }
	const hint = "unseal the file and seal it again, or correct the rule"
	if !slices.ContainsFunc(want, same) {
		c.add(-1, Finding{ID: IDSelector, Message: fmt.Sprintf("its selector is %s, and that of %s is %s", m.Selector, e.rule(), want[0]), Hint: hint})
	}
	if e.Applied.Rule.MACOnlyEncrypted != m.MACOnlyEncrypted && !c.isManifest() {
		c.add(-1, Finding{ID: IDMACOnly, Message: fmt.Sprintf("mac_only_encrypted is %v, and %s says %v", m.MACOnlyEncrypted, e.rule(), e.Applied.Rule.MACOnlyEncrypted), Hint: hint})
	}
}

// seal is about our own entry in the metadata.
func (c *checker) seal(m *cipher.Metadata) {
	if m.Seal == nil {
		f := Finding{ID: IDNoMAC, Message: "only sops's own MAC protects this file: it has no sops.seal entry", Hint: "gitseal import " + c.Name + " verifies it and adds the entry"}
		if c.Expected.Config != nil && c.Expected.Config.RequireMAC {
			f.Level, f.Message = Error, "it has no sops.seal entry, which integrity: required in "+c.Expected.Source+" asks for"
		}
		c.add(-1, f)
	}
	if record := m.Merged(); record != nil {
		c.broken = true
		f := Finding{ID: IDHalfMerged, Message: "it was merged without a key, and its MACs are those from before", Hint: "somebody who can open it has to run gitseal reseal " + c.Name}
		if record.EditedFrom() != "" {
			f.Message = "it was edited without its key, and its MACs are those from before"
		}
		c.add(-1, f)
	}
	list, malformed := m.Proposals()
	if malformed > 0 {
		c.add(-1, Finding{ID: IDMalformed, Message: plural(malformed, "entry") + " among its proposals not well-formed", Hint: "gitseal accept --drop " + c.Name + " removes them"})
	}
	if len(list) > 0 {
		c.add(-1, Finding{ID: IDProposals, Message: plural(len(list), "proposed value") + " not accepted or dropped yet", Hint: "gitseal accept " + c.Name + " takes them in, with --drop it turns them down"})
	}
}
