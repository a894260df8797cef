package opening

import (
	"regexp/syntax"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// What one manifest may ask for, so that nobody can keep the others waiting. The API
// server's own bound on an object, 1.5 MiB, is not among them.
const (
	// maxManifest is the size of all sealed parts in bytes.
	maxManifest = 2 << 20
	// maxValues is the number of keys of one Secret.
	maxValues = 1024
	// maxReaders is the number of wrapped keys, maxGroups that of key groups.
	maxReaders = 64
	maxGroups  = 8
	// maxObjects is the number of objects in a document.
	maxObjects = 64
	// maxLeaves is the number of values and comments in a document.
	maxLeaves = 50_000
	// maxText is the size of all values and comments together, those that aliases
	// repeat included.
	maxText = 8 << 20
	// maxPattern is the length of a selector's expression.
	maxPattern = 1024
	// maxSelecting bounds the work of a selector: its states times the bytes that it
	// is matched with.
	maxSelecting = 64 << 20
)

// checkSize bounds a parsed file.
func (f *sealedFile) checkSize() error {
	if len(f.doc.Leaves) > maxLeaves || f.doc.Documents > maxObjects {
		return invalid("%smore than %d values or %d documents", f.where(), maxLeaves, maxObjects)
	}
	text := 0
	for i := range f.doc.Leaves {
		text += len(f.doc.Leaves[i].Text)
	}
	if text > maxText {
		return invalid("%sthe values are too large: aliases repeat them", f.where())
	}
	return nil
}

// checkPattern refuses an expression that would be costly to compile. It comes
// before the block is decoded, which compiles it.
func checkPattern(d *formats.Document) error {
	if d.Meta == nil {
		return nil
	}
	for _, kind := range cipher.SelectorKinds() {
		if p := d.Meta.Get(string(kind)); p != nil && len(p.Text) > maxPattern {
			return invalid("sops.%s is longer than %d characters", kind, maxPattern)
		}
	}
	return nil
}

// checkMetadata bounds what a block asks for.
func checkMetadata(d *formats.Document, m *cipher.Metadata) error {
	readers := len(stanzas(m))
	switch {
	case readers > maxReaders:
		return invalid("sops: more than %d readers", maxReaders)
	case len(m.Groups) > maxGroups:
		return invalid("sops.key_groups: more than %d groups", maxGroups)
	case selecting(d, m.Selector) > maxSelecting:
		return invalid("sops.%s: this expression takes too long on so many keys", m.Selector.Kind)
	}
	return nil
}

// selecting estimates the work of a selector.
func selecting(d *formats.Document, s cipher.Selector) int {
	if !strings.HasSuffix(string(s.Kind), "_regex") {
		return 0
	}
	tree, err := syntax.Parse(s.Pattern, syntax.Perl)
	if err != nil {
		return 0 // it did compile
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0
	}
	matched := 0
	var parent *formats.Path
	for i := range d.Leaves {
		l := &d.Leaves[i]
		matched += len(l.Path.Key)
		if l.Kind == formats.Comment {
			matched += len(l.Text)
		}
		if l.Path.Parent != parent {
			parent = l.Path.Parent
			for p := parent; p != nil; p = p.Parent {
				matched += len(p.Key)
			}
		}
	}
	return matched * len(program.Inst)
}
