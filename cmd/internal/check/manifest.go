package check

import (
	"errors"
	"fmt"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// isManifest reports whether the file holds a SealedManifest.
func (c *checker) isManifest() bool {
	return c.doc != nil && manifest.MayBe(c.Data) && manifest.Of(c.doc).Manifests > 0
}

// manifest is about a sealed file that is a SealedManifest: what a cluster would refuse of
// it, and whether it is sealed for the place where it stands.
func (c *checker) manifest(m *cipher.Metadata) {
	if !c.isManifest() {
		return
	}
	c.problems()
	for i, info := range cipher.InspectLeaves(m, c.doc) {
		keys := info.Path.Keys()
		value := len(keys) > 1 && (keys[0] == "data" || keys[0] == "stringData")
		switch {
		case c.doc.Leaves[i].Kind == formats.Comment:
		case value && info.State == cipher.StatePlain:
			c.add(c.doc.Leaves[i].Start, Finding{ID: IDPlainValue, Path: info.Path.Text(), Message: "the selector leaves " + info.Path.String() + " of a SealedManifest plain", Hint: manifestHint(c.Name)})
		case !value && info.State == cipher.StateSealed:
			c.add(c.doc.Leaves[i].Start, Finding{ID: IDManifest, Path: info.Path.Text(), Message: "the cluster has to read " + info.Path.String() + ", and it is sealed", Hint: manifestHint(c.Name)})
		}
	}
	if !manifest.SealsValues(m.Selector) {
		c.add(-1, Finding{ID: IDManifest, Message: "a cluster refuses the selector of this SealedManifest, " + m.Selector.String(), Hint: manifestHint(c.Name)})
	}
	if !m.MACOnlyEncrypted {
		c.add(-1, Finding{ID: IDMACOnly, Message: "mac_only_encrypted is not set, so that the SealedManifest does not open once a cluster or a tool has added a label", Hint: manifestHint(c.Name)})
	}
	c.bounds(m)
	c.context(m, manifest.Of(c.doc))
}

func manifestHint(name string) string {
	return "gitseal seal --manifest " + name + " seals it as it must be"
}

// problems lists what a cluster would refuse.
func (c *checker) problems() {
	for _, p := range manifest.Problems(c.doc, c.Data) {
		f := Finding{ID: IDManifest, Message: p.Error(), Hint: p.Hint}
		if p.Warning {
			f.Level = Warning
		}
		at := -1
		if p.Path != nil {
			f.Path = p.Path.Text()
			for i := range c.doc.Leaves {
				if c.doc.Leaves[i].Path.Equal(p.Path) {
					at = c.doc.Leaves[i].Start
				}
			}
		}
		c.add(at, f)
	}
}

// context compares what a manifest is sealed for with what it is.
func (c *checker) context(m *cipher.Metadata, o manifest.Object) {
	if m.Seal == nil || m.Seal.Context == "" {
		c.add(-1, Finding{ID: IDContext, Message: "the SealedManifest is not bound to its namespace and name (sops.seal.context): sops has written it, or somebody has taken it away", Hint: "look who changed it (git log -p " + c.Name + "); if they may, " + rebindHint(c.Name)})
		return
	}
	b, ok := manifest.ParseContext(m.Seal.Context)
	if ok && b.Fits(o) {
		return
	}
	place := o.Name
	if o.Namespace != "" {
		place = o.Namespace + "/" + o.Name
	}
	c.add(-1, Finding{ID: IDContext, Message: fmt.Sprintf("it is sealed for %q, and stands for %s: the cluster refuses it", m.Seal.Context, place),
		Hint: "it may have been copied or renamed: restore its name and namespace or, if they are right, " + rebindHint(c.Name)})
}

// What the controller takes of a metadata block.
const (
	maxReaders = 64
	maxGroups  = 8
	maxPattern = 1024
)

// bounds finds what is more than the controller takes.
func (c *checker) bounds(m *cipher.Metadata) {
	readers := 0
	for _, g := range m.Groups {
		readers += len(g)
	}
	const hint = "seal it for fewer readers, of which the cluster's is one"
	switch {
	case readers > maxReaders:
		c.add(-1, Finding{ID: IDManifest, Message: fmt.Sprintf("it has %d readers, and a cluster takes %d", readers, maxReaders), Hint: hint})
	case len(m.Groups) > maxGroups:
		c.add(-1, Finding{ID: IDManifest, Message: fmt.Sprintf("it has %d key groups, and a cluster takes %d", len(m.Groups), maxGroups), Hint: hint})
	case len(m.Selector.Pattern) > maxPattern:
		c.add(-1, Finding{ID: IDManifest, Message: fmt.Sprintf("the pattern of its selector is longer than the %d characters that a cluster takes", maxPattern), Hint: "shorten it in the rule, and seal the file again"})
	}
}

func rebindHint(name string) string {
	return "gitseal seal --rebind " + name + " seals it for its name and namespace"
}

// unsealedManifest is about a SealedManifest without a metadata block of its own: a plain
// one, or one that holds a sealed file.
func (c *checker) unsealedManifest() {
	c.broken = true // unless it holds something that can be opened
	if !manifest.Of(c.doc).HasDocument {
		c.add(-1, Finding{ID: IDNotSealed, Message: "a SealedManifest, and its values are plain", Hint: "gitseal seal " + c.Name + "; if it was committed, its values must be replaced"})
		return
	}
	c.problems()
	format, _ := all.ByName(c.formatName())
	held, err := manifest.Held(format, c.Data)
	if err != nil {
		c.add(-1, Finding{ID: IDManifest, Message: err.Error(), Hint: "see kubectl explain sealedmanifest.spec"})
		return
	}
	c.document(held)
}

// document is about the sealed file in spec.document.
func (c *checker) document(held *manifest.Document) {
	path := formats.Root(0).At("spec").At("document")
	at := -1
	for i := range c.doc.Leaves {
		if c.doc.Leaves[i].Path.Equal(path) {
			at = c.doc.Leaves[i].Start
		}
	}
	inner := &checker{Input: Input{Name: c.Name, Data: held.Text, Expected: c.Expected}}
	format, ok := all.ByName(held.Format)
	var m *cipher.Metadata
	err := fmt.Errorf("there is no such format")
	if ok {
		if inner.doc, err = format.Parse(held.Text); err == nil {
			m, err = cipher.ParseMetadata(inner.doc)
		}
	}
	if err != nil {
		c.add(at, Finding{ID: IDNotSealed, Path: path.Text(), Message: "spec.document is no sealed file: " + err.Error(), Hint: "gitseal seal --manifest --document makes one; if it was committed plain, its values must be replaced"})
		return
	}
	c.sealed = true
	inner.leaves(m)
	inner.readers(m)
	inner.seal(m)
	if m.MACOnlyEncrypted {
		inner.add(-1, Finding{ID: IDMACOnly, Message: "mac_only_encrypted is set, so that nothing vouches for its plain values: a cluster refuses them"})
	}
	inner.bounds(m)
	if p := (*manifest.Problem)(nil); errors.As(held.CheckContent(inner.doc), &p) {
		c.add(at, Finding{ID: IDManifest, Path: path.Text(), Message: "spec.document: " + p.Error(), Hint: p.Hint})
	}
	inner.context(m, manifest.Of(c.doc))
	c.broken = inner.broken
	for _, f := range inner.list {
		f.Line, f.Column, f.Rune = 0, 0, 0
		f.Message = "spec.document: " + f.Message
		switch f.ID {
		case IDNoMAC:
			f.Hint = rebindHint(c.Name)
		case IDMACOnly:
			f.Hint = "look what has changed (git log -p); gitseal keys sync " + c.Name + " mends it"
		}
		c.add(at, f)
	}
}
