package check

import (
	"encoding/base64"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// past is what has gone with a change: where a file that is new may come from.
type past struct {
	tree *gitTree
	gone []gitrepo.Side
	// sealed are those of gone that are sealed; they are read once somebody asks.
	sealed func() []sealedBefore
	// marked are the contents, of those that were before, that may be sealed; nil if each
	// is to be read.
	marked func() map[string]bool
}

// sealedBefore is a sealed file as it was, or what a SealedManifest held.
type sealedBefore struct {
	path   string // as git has it
	format formats.Format
	// lengths are those of its sealed values in plain text, by their paths in full.
	lengths map[string]int
}

func newPast(t *gitTree, list []gitrepo.Difference) *past {
	p := &past{tree: t}
	var ids []string
	for _, d := range list {
		if d.Old.Regular && d.Old.ID != "" {
			ids = append(ids, d.Old.ID)
		}
		// A file may have gone behind a link or a submodule of its name.
		if d.Old.Regular && !d.New.Regular {
			p.gone = append(p.gone, d.Old)
		}
	}
	p.marked = sync.OnceValue(func() map[string]bool {
		if len(ids) <= manyTargets {
			return nil
		}
		marked, err := t.repo.Holding(ids, []byte(cipher.SealedPrefix))
		if err != nil {
			return nil
		}
		return marked
	})
	p.sealed = sync.OnceValue(func() []sealedBefore {
		var out []sealedBefore
		for _, g := range p.gone {
			if b, ok := p.read(g); ok {
				out = append(out, b)
			}
		}
		return out
	})
	return p
}

// read reads a file as it was; ok is false if it was not sealed, or cannot be read.
func (p *past) read(was gitrepo.Side) (b sealedBefore, ok bool) {
	if marked := p.marked(); marked != nil && !marked[was.ID] {
		return b, false
	}
	data, err := p.tree.repo.Blob(was.ID)
	if err != nil || !LooksSealed(data) {
		return b, false
	}
	at := filepath.Join(p.tree.root, filepath.FromSlash(was.Path))
	format, data := manifest.Inside(p.format(at), data)
	doc, err := format.Parse(data)
	if err != nil || doc.Meta == nil {
		return b, false
	}
	b = sealedBefore{path: was.Path, format: format, lengths: map[string]int{}}
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		if n, ok := sealedLength(l.Text); ok && l.Kind != formats.Comment {
			b.lengths[l.Path.Text()] = n
		}
	}
	return b, true
}

// format is that of a file, as the rules or its name say.
func (p *past) format(at string) formats.Format {
	name := all.NameForFile(at)
	if config, _, err := p.tree.config(at); err == nil && config != nil {
		if f := config.At(at, isStructured).Format; f != "" {
			name = f
		}
	}
	format, _ := all.ByName(name)
	return format
}

// sealedLength returns how long a sealed value is in plain text: the cipher, a stream,
// adds nothing to it.
func sealedLength(text string) (int, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), cipher.SealedPrefix+"data:")
	data, _, found := strings.Cut(rest, ",")
	if !ok || !found {
		return 0, false
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	return len(raw), err == nil
}

// isUnsealed reports whether a plain document, of the file with a name, is what was
// sealed: it has at least half of the values at their places and in their lengths. One
// short value alone may be another's, so that the file has to be called the same then.
func (b sealedBefore) isUnsealed(doc *formats.Document, name string) bool {
	const telling = 16
	same, longest := 0, 0
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		if n, ok := b.lengths[l.Path.Text()]; ok && l.Kind != formats.Comment && n == len(l.Text) && n > 0 {
			same++
			longest = max(longest, n)
		}
	}
	enough := same > 1 || longest >= telling || path.Base(b.path) == path.Base(name)
	return same > 0 && 2*same >= len(b.lengths) && enough
}

// origin returns the name that a plain file had when it was sealed, "" if it never was:
// its own, or that of a file that has gone since. A file that a rule means, and in which
// the rule seals nothing, may have lost what was sealed in it.
func (p *past) origin(t *target, in Input) string {
	name := p.tree.rel(t.path)
	var from []sealedBefore
	if t.was.Path != "" {
		if b, ok := p.read(t.was); ok {
			from = append(from, b)
		}
	}
	switch {
	case t.was.Path != name:
		from = append(from, p.sealed()...)
	case len(from) > 0 && !in.Expected.Applied.Meant:
		return name
	}
	if len(from) == 0 {
		return ""
	}
	// Its name may say another format now than that of what was sealed.
	docs, now := map[formats.Format]*formats.Document{}, p.format(t.path)
	for _, b := range from {
		for _, format := range []formats.Format{now, b.format} {
			doc, known := docs[format]
			if !known {
				doc, _ = format.Parse(in.Data) // nil if it is none of these
				docs[format] = doc
			}
			if doc != nil && b.isUnsealed(doc, name) {
				return b.path
			}
		}
	}
	return ""
}

// unsealed finds a file that was sealed before what is checked was done, and is plain now,
// if nothing else says so.
func unsealed(t *target, in Input, is nature) []Finding {
	if t.past == nil || !is.plain || sealedElsewhere(in.Data) {
		return nil
	}
	was := t.past.origin(t, in)
	if was == "" {
		return nil
	}
	f := Finding{ID: IDUnsealed, Level: level(IDUnsealed), File: in.Name, Message: "the file was sealed, and it is plain now",
		Hint: "add a rule that means it, and gitseal seal " + in.Name + "; if all may read it now, ignore this finding (gitseal check --help)"}
	if at := filepath.Join(t.past.tree.root, filepath.FromSlash(was)); at != t.path {
		f.Message = "the file was sealed as " + shown(at) + ", and it is plain now"
	}
	if in.Expected.ignores(f) {
		return nil
	}
	return []Finding{f}
}
