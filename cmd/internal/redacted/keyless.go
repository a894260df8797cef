package redacted

import (
	"errors"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// ErrNeedsKey: the edit changes what the file's MACs cover, which only who can open
// the file can do.
var ErrNeedsKey = errors.New("only who can open the file can change this")

// NeedsKeyError says what of an edit takes a key. It wraps [ErrNeedsKey].
type NeedsKeyError struct {
	// Paths are the first places that are not as they were, nil if it is the order.
	Paths []*formats.Path
}

// Error names the places.
func (e *NeedsKeyError) Error() string {
	if len(e.Paths) == 0 {
		return "the order was changed: " + ErrNeedsKey.Error()
	}
	var names []string
	for _, p := range e.Paths {
		names = append(names, p.String())
	}
	return strings.Join(names, ", ") + ": " + ErrNeedsKey.Error()
}

// Unwrap returns ErrNeedsKey.
func (e *NeedsKeyError) Unwrap() error { return ErrNeedsKey }

// Keyless is what of a draft can be done by who cannot open the file.
type Keyless struct {
	// Sealed is the file with its new layout, and with new plain values if its MACs
	// leave them out; nil if it is as it was.
	Sealed []byte
	// Changes are the new values that are to be sealed. They are secrets.
	Changes []formats.Change
	// NeedsKey says what else was changed, which the file's MACs cover; nil if nothing
	// was. Text is then the file without its metadata and the new values.
	NeedsKey *NeedsKeyError
	Text     []byte
}

// Keyless splits a draft into a sealed file that is as valid as before, values that
// can be proposed, and what takes a key. Its error is a [NeedsKeyError] if new values
// cannot be told from the rest.
func (v *View) Keyless(f formats.Format, d *Draft) (*Keyless, error) {
	out := &Keyless{}
	kept, err := v.withoutNew(f, d, out)
	if err != nil {
		return nil, err
	}
	doc, err := f.Parse(kept)
	if err != nil {
		return nil, err
	}
	if comments(doc) != comments(d.Document) { // one went with a new value, and a proposal holds none
		return nil, &NeedsKeyError{Paths: added(out.Changes)}
	}
	if out.NeedsKey = v.sameRecords(doc); out.NeedsKey != nil {
		out.Text = kept
		return out, nil
	}
	if stripped, err := f.Rewrite(v.Document, formats.Edit{Meta: formats.MetaEdit{Remove: true}}); err != nil || string(stripped) == string(kept) {
		return out, err
	}
	out.Sealed, err = f.Rewrite(doc, formats.Edit{Meta: formats.MetaEdit{Set: v.Document.Meta}})
	return out, err
}

func comments(doc *formats.Document) (n int) {
	for i := range doc.Leaves {
		if doc.Leaves[i].Kind == formats.Comment {
			n++
		}
	}
	return n
}

func added(changes []formats.Change) (out []*formats.Path) {
	for _, c := range changes {
		out = append(out, c.Path)
	}
	return out
}

// withoutNew returns the draft's text without the new values: the old ciphertext is
// where one was, and what is new altogether is not there.
func (v *View) withoutNew(f formats.Format, d *Draft, out *Keyless) ([]byte, error) {
	inUse := map[string]bool{}
	for i := range d.Document.Leaves {
		inUse[strings.TrimSuffix(d.Document.Leaves[i].Text, "\n")] = true
	}
	old := map[string]int{}
	for i := range v.Document.Leaves {
		if l := &v.Document.Leaves[i]; l.Kind != formats.Comment {
			old[l.Path.Text()] = i
		}
	}
	// In asWas the ciphertext has its old quotes, too, which may not fit any more.
	var edit, asWas formats.Edit
	var fresh []*formats.Path
	for _, i := range d.New {
		p := d.Document.Leaves[i].Path
		was, exists := old[p.Text()]
		sealed := ""
		if exists {
			sealed = strings.TrimSuffix(v.Document.Leaves[was].Text, "\n")
		}
		switch {
		case exists && strings.HasPrefix(sealed, cipher.SealedPrefix) && !inUse[sealed]:
			value := formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.Sealed, Text: sealed}}
			edit.Values = append(edit.Values, value)
			value.Raw = v.Document.Text(was)
			asWas.Values = append(asWas.Values, value)
		case !exists:
			if p = v.topOfNew(p); slices.ContainsFunc(fresh, p.Equal) {
				continue
			}
			if !d.isNew(p) {
				return nil, &NeedsKeyError{Paths: []*formats.Path{p}}
			}
		default:
			return nil, &NeedsKeyError{Paths: []*formats.Path{p}}
		}
		node, _ := d.Document.Node(p)
		out.Changes = append(out.Changes, formats.Change{Path: p, Value: node})
		if !exists {
			fresh = append(fresh, p)
		}
	}
	kept, err := rewrite(f, d.Document, asWas, edit)
	if err != nil || len(fresh) == 0 {
		return kept, err
	}
	return removed(f, kept, fresh)
}

// isNew reports whether all that is at a place is to be sealed, and nothing else: no
// plain value, and no comment.
func (d *Draft) isNew(p *formats.Path) bool {
	isNew := map[int]bool{}
	for _, i := range d.New {
		isNew[i] = true
	}
	for i := range d.Document.Leaves {
		if within(d.Document.Leaves[i].Path, p) && !isNew[i] {
			return false
		}
	}
	return true
}

// within reports whether p is container or lies in it.
func within(p, container *formats.Path) bool {
	for ; p != nil; p = p.Parent {
		if p.Equal(container) {
			return true
		}
	}
	return false
}

// rewrite applies the first edit if what it gives means the same as what the second
// gives, and else the second.
func rewrite(f formats.Format, doc *formats.Document, first, second formats.Edit) ([]byte, error) {
	sure, err := f.Rewrite(doc, second)
	if err != nil {
		return nil, err
	}
	want, err := f.Parse(sure)
	if err != nil {
		return nil, err
	}
	text, err := f.Rewrite(doc, first)
	if err != nil {
		return sure, nil
	}
	got, err := f.Parse(text)
	same := func(a, b formats.Leaf) bool { return sameRecord(&a, &b) }
	if err != nil || !slices.EqualFunc(got.Leaves, want.Leaves, same) {
		return sure, nil
	}
	return text, nil
}

// topOfNew returns the outermost place on the way to p that the file does not have.
func (v *View) topOfNew(p *formats.Path) *formats.Path {
	for p.Parent != nil && p.Parent.Parent != nil {
		if _, there := v.Document.Node(p.Parent); there {
			break
		}
		p = p.Parent
	}
	return p
}

// removed returns a text without the values at some places. Those behind go first, so
// that the indexes of the others stay.
func removed(f formats.Format, text []byte, places []*formats.Path) ([]byte, error) {
	patcher, ok := f.(formats.Patcher)
	if !ok {
		return nil, &NeedsKeyError{Paths: places}
	}
	for _, p := range slices.Backward(places) {
		doc, err := f.Parse(text)
		if err != nil {
			return nil, err
		}
		if text, err = patcher.Patch(doc, formats.Change{Path: p, Remove: true}); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// maxNamed bounds the places that an error names.
const maxNamed = 5

// sameRecords reports, with a NeedsKeyError, where a document is not as the file's
// MACs want it.
func (v *View) sameRecords(doc *formats.Document) *NeedsKeyError {
	before, after := v.records(v.Document), v.records(doc)
	sameTag := func(a, b formats.Tag) bool { return a.Text == b.Text && a.OfKey == b.OfKey && a.Path.Equal(b.Path) }
	if slices.EqualFunc(before, after, sameRecord) && slices.EqualFunc(v.Document.Tags, doc.Tags, sameTag) &&
		max(1, v.Document.Documents) == max(1, doc.Documents) {
		return nil
	}
	e := &NeedsKeyError{}
	had := map[record]int{}
	for _, r := range before {
		had[recordOf(r)]++
	}
	for _, r := range after {
		had[recordOf(r)]--
	}
	for _, list := range [][]*formats.Leaf{after, before} {
		for _, r := range list {
			if had[recordOf(r)] != 0 && len(e.Paths) < maxNamed && !slices.ContainsFunc(e.Paths, r.Path.Equal) {
				e.Paths = append(e.Paths, r.Path)
			}
		}
	}
	return e
}

// record is what a MAC knows of a value.
type record struct {
	path string
	formats.Scalar
}

func recordOf(l *formats.Leaf) record {
	s := l.Scalar
	if strings.HasPrefix(s.Text, cipher.SealedPrefix) {
		s.Text = strings.TrimSuffix(s.Text, "\n") // a block's last line break is layout
	}
	return record{path: l.Path.Text(), Scalar: s}
}

func sameRecord(a, b *formats.Leaf) bool { return recordOf(a) == recordOf(b) }

// records returns the values and comments that the file's MACs cover.
func (v *View) records(doc *formats.Document) []*formats.Leaf {
	selected := v.Metadata.Selector.Select(doc)
	var out []*formats.Leaf
	for i := range doc.Leaves {
		if !v.Metadata.MACOnlyEncrypted || selected[i] {
			out = append(out, &doc.Leaves[i])
		}
	}
	return out
}
