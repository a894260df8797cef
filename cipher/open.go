package cipher

import (
	"context"
	"crypto/hmac"
	"fmt"
	"slices"
	"time"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// OpenOptions is how a sealed file is to be opened.
type OpenOptions struct {
	// Identities are tried in order on each of the file's stanzas.
	Identities []keysources.Identity
	// RequireSeal refuses files without a sops.seal entry (ErrIntegrity), which
	// only sops's own, weaker MAC protects.
	RequireSeal bool
	// Context, if not empty, is what the file has to be sealed for (ErrContext).
	Context string
	// AllowReordered accepts a file whose keys some tool has put into another
	// order, and which therefore fails sops's MAC, if its sops.seal MAC is right.
	// Comments may be missing altogether.
	AllowReordered bool
	// Timeout bounds each call to a key source; zero means 30 seconds.
	Timeout time.Duration
	// PlainOnly saves memory if nothing but the plain file is needed: the result
	// is of no use as [SealOptions].Previous.
	PlainOnly bool
}

// Opened is a sealed file that was opened and verified. It prints redacted.
type Opened struct {
	Metadata *Metadata
	// Warnings are what the file's MACs do not vouch for, and the like.
	Warnings []Warning
	// OpenedBy names the readers whose wrapped keys gave the data key: one, or one of
	// each key group that was needed.
	OpenedBy []string

	format  formats.Format
	source  []byte
	key     dataKey
	content content
	spell   *spelling
	// values are the sealed values of the leaves, parallel to them; "" for those
	// that are not sealed.
	values []string
	plain  []byte
	// plainOnly: content and values may go as soon as plain can be made.
	plainOnly bool
	// moved, if not nil, says what comments are that need not be where they were sealed.
	moved *movedComments
}

// Warning is something that the reader of a file should know.
type Warning struct {
	Path *formats.Path // nil: the file as a whole
	Text string
}

// String returns "path: text".
func (w Warning) String() string {
	if w.Path == nil {
		return w.Text
	}
	return w.Path.String() + ": " + w.Text
}

// String says nothing of the content.
func (o Opened) String() string { return "<opened file>" }

// GoString says nothing of the content.
func (o Opened) GoString() string { return "<opened file>" }

// PlaintextBytes returns the plain file. It is the secret itself: whoever calls
// this decides where it goes.
func (o *Opened) PlaintextBytes() []byte { return o.plain }

// Open unwraps the data key of a sealed file, verifies the whole file, and
// restores the plain one. Nothing is returned of a file that fails a check.
//
// Its error is or wraps a [formats.Error], [ErrNotSealed], [NoIdentityError],
// [TamperedError], [ErrHalfMerged], [ErrIntegrity], [ErrContext] or [ErrUnsupported].
func Open(ctx context.Context, f formats.Format, src []byte, opts OpenOptions) (*Opened, error) {
	return openKnowing(ctx, f, src, opts, nil)
}

// openKnowing is Open for one of several versions of a file: of those that share
// their data key only one has to be unwrapped.
func openKnowing(ctx context.Context, f formats.Format, src []byte, opts OpenOptions, known []*Opened) (*Opened, error) {
	doc, err := f.Parse(src)
	if err == nil {
		err = checkPaths(doc)
	}
	if err != nil {
		return nil, err
	}
	m, err := ParseMetadata(doc)
	if err != nil {
		return nil, err
	}
	if m.Merged() != nil {
		return nil, ErrHalfMerged
	}
	if m.Seal == nil && opts.RequireSeal {
		return nil, ErrIntegrity
	}
	if opts.Context != "" && (m.Seal == nil || m.Seal.Context != opts.Context) {
		return nil, ErrContext
	}
	k, err := keyOf(ctx, m, opts, known)
	if err != nil {
		return nil, err
	}
	o := &Opened{Metadata: m, Warnings: k.warnings, OpenedBy: k.readers, format: f, source: src, key: k.key, plainOnly: opts.PlainOnly}
	if err := o.open(doc, opts); err != nil {
		return nil, err
	}
	if o.plain, err = o.restore(); err != nil {
		return nil, err
	}
	return o, nil
}

// keyOf returns the data key of a file: that of a version whose wrapped keys it has
// too, if it fits, or else what the identities unwrap.
func keyOf(ctx context.Context, m *Metadata, opts OpenOptions, known []*Opened) (unwrapped, error) {
	for _, o := range known {
		if sharesStanza(m, o.Metadata) && m.opensMAC(o.key) {
			return unwrapped{key: o.key, readers: o.OpenedBy}, nil
		}
	}
	return unwrapKey(ctx, m, opts, m.opensMAC)
}

// open decrypts and verifies.
func (o *Opened) open(doc *formats.Document, opts OpenOptions) error {
	if err := o.decrypt(doc); err != nil {
		return err
	}
	if err := o.verify(opts); err != nil {
		return err
	}
	var entry string
	if o.Metadata.Seal != nil {
		entry = o.Metadata.Seal.spelling
	}
	var ok bool
	if o.spell, ok = openSpelling(entry, o.key); !ok {
		return &TamperedError{Reason: ReasonSpelling, Field: "seal.spelling"}
	}
	return nil
}

// decrypt opens the values, each of which is bound to its key; that is all.
func (o *Opened) decrypt(doc *formats.Document) error {
	o.content = content{
		doc: doc, onlySelected: o.Metadata.MACOnlyEncrypted,
		scalars: make([]formats.Scalar, len(doc.Leaves)), selected: o.Metadata.Selector.Select(doc),
	}
	o.values = make([]string, len(doc.Leaves))
	if o.Metadata.Seal == nil && len(doc.Aliases) > 0 {
		// sops writes none, and its MAC would count the values twice.
		return &TamperedError{Reason: ReasonPlainValue, Path: doc.Aliases[0].Path}
	}
	return o.openValues()
}

func (o *Opened) warnOfUnprotected() {
	if o.Metadata.Seal != nil {
		return
	}
	o.Warnings = append(o.Warnings, Warning{Text: "no sops.seal entry: keys, structure, kinds, comments and readers of this file are not authenticated"})
	for i, l := range o.content.doc.Leaves {
		switch {
		case !o.content.selected[i]:
		case l.Kind == formats.Comment && o.values[i] == "" && l.Text != "":
			o.Warnings = append(o.Warnings, Warning{Path: l.Path, Text: "a comment here is not sealed, or not readable"})
		case l.Kind.Empty() || l.Kind == formats.String && l.Text == "":
			o.Warnings = append(o.Warnings, Warning{Path: l.Path, Text: "an empty value stands where a sealed one belongs; nothing vouches for it"})
		}
	}
}

// verify checks sops's MAC and ours.
func (o *Opened) verify(opts OpenOptions) error {
	// What was reordered fails sops's MAC, whose text has to be authentic all the same.
	seal, compare := o.Metadata.Seal, o.Metadata.Seal == nil || !opts.AllowReordered
	var mac func() string
	if compare {
		mac = later(o.content.sopsMAC)
	}
	if seal != nil {
		if err := o.verifySeal(seal, opts); err != nil {
			return err
		}
	}
	v, ok := parseValue(o.Metadata.mac)
	if !ok {
		return &TamperedError{Reason: ReasonMetadata, Field: "mac"}
	}
	// The additional data is the time as Go writes it back: a change to its
	// spelling alone does no harm to sops either.
	aad := o.Metadata.LastModified.Format(time.RFC3339)
	want, reason := newValueOpener(o.key).open(v, []byte(aad))
	if reason != "" || want.Kind != formats.String {
		return &TamperedError{Reason: ReasonMAC, Field: "mac"}
	}
	if compare && !hmac.Equal([]byte(want.Text), []byte(mac())) {
		return &TamperedError{Reason: ReasonMAC}
	}
	return nil
}

func (o *Opened) verifySeal(seal *SealEntry, opts OpenOptions) error {
	key := o.key.derive("mac")
	if !hmac.Equal([]byte(seal.mac), []byte(o.content.sealMAC(key, o.Metadata.tree))) {
		return &TamperedError{Reason: ReasonSealMAC}
	}
	comments := o.content.commentsMAC(key)
	stripped := opts.AllowReordered && comments == ""
	if !stripped && !hmac.Equal([]byte(seal.comments), []byte(comments)) {
		return &TamperedError{Reason: ReasonComments}
	}
	return nil
}

// restore returns the plain file.
func (o *Opened) restore() ([]byte, error) {
	if len(o.spell.texts)+len(o.spell.aliases) > 0 {
		return o.restoreExactly()
	}
	doc, edit, spell := o.content.doc, o.restoring(o.spell), o.spell
	if o.plainOnly {
		o.content, o.values = content{}, nil
	}
	plain, err := o.format.Rewrite(doc, edit)
	if err != nil {
		return nil, fmt.Errorf("restoring the plain file: %w", err)
	}
	return spell.restoreEnds(plain), nil
}

// restoreExactly returns the plain file with the spellings that were kept.
func (o *Opened) restoreExactly() ([]byte, error) {
	exact, err := o.format.Rewrite(o.content.doc, o.restoring(o.spell))
	if err == nil && o.sameMeaning(exact) {
		return o.spell.restoreEnds(exact), nil
	}
	// Somebody moved or re-indented the sealed text, and the old spelling does
	// not fit its new place: the meaning counts.
	plain, err := o.format.Rewrite(o.content.doc, o.restoring(&spelling{}))
	if err != nil {
		return nil, fmt.Errorf("restoring the plain file: %w", err)
	}
	if !o.sameMeaning(plain) {
		return nil, fmt.Errorf("restoring the plain file: %w", ErrVerify)
	}
	return o.spell.restoreEnds(plain), nil
}

func (o *Opened) restoring(s *spelling) formats.Edit {
	raw := make(map[valueTag]string, len(s.texts))
	for _, t := range s.texts {
		raw[t.tag] = t.text
	}
	edit := formats.Edit{Meta: formats.MetaEdit{Remove: true}}
	edit.Values = make([]formats.Value, 0, filled(o.values))
	at := map[valueTag]*formats.Path{}
	for i, value := range o.values {
		if value == "" {
			continue
		}
		v := formats.Value{Leaf: i, Scalar: o.content.scalars[i]}
		switch {
		case len(s.texts)+len(s.aliases) == 0:
		case o.moved != nil && o.moved.pieces[i] != nil:
			l := &o.content.doc.Leaves[i]
			v.Raw = openPieces(string(o.content.doc.Source[l.Start:l.End]), o.moved.pieces[i], raw)
		default:
			tag := tagOf(value)
			v.Raw = raw[tag]
			at[tag] = o.content.doc.Leaves[i].Path
		}
		edit.Values = append(edit.Values, v)
	}
	for _, a := range s.aliases {
		if within(at[a.tag], a.path) {
			edit.Folds = append(edit.Folds, formats.Fold{Path: a.path, Text: a.text})
		}
	}
	return edit
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

// tagOf returns the authentication tag of a well-formed sealed value.
func tagOf(value string) (t valueTag) {
	v, _ := parseValue(value)
	b, _ := appendBase64(nil, v.tag)
	copy(t[:], b)
	return t
}

// sameMeaning reports whether a plain file holds just what was opened.
func (o *Opened) sameMeaning(plain []byte) bool {
	d, err := o.format.Parse(plain)
	if err != nil || d.Meta != nil {
		return false
	}
	i := 0
	for j, l := range o.content.doc.Leaves {
		s := o.content.scalars[j]
		if s.Kind == formats.Comment {
			continue
		}
		for i < len(d.Leaves) && d.Leaves[i].Kind == formats.Comment {
			i++
		}
		if i == len(d.Leaves) || d.Leaves[i].Scalar != s || !d.Leaves[i].Path.Equal(l.Path) {
			return false
		}
		i++
	}
	return !slices.ContainsFunc(d.Leaves[i:], func(l formats.Leaf) bool { return l.Kind != formats.Comment })
}
