package cipher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// ErrMarker: a plain value looks like a sealed one. Either it is, and the file
// has lost its metadata block, or nobody could tell the two apart later.
var ErrMarker = errors.New("this value is sealed already, but the file has no metadata block")

// ErrAliasLeak: a value that is sealed is repeated by an alias at a place that
// the selector leaves plain.
var ErrAliasLeak = errors.New("an alias repeats a sealed value here, where the selector leaves values plain")

// SealOptions is how a plain file is to be sealed.
type SealOptions struct {
	// Recipients are those who will be able to open the file, each of them alone.
	Recipients []keysources.Recipient
	// Groups, if not nil, are there in place of Recipients: key groups of which
	// Threshold have to work together, one reader of each. A Threshold of 0 means
	// all of them. One group is the same as Recipients.
	Groups    [][]keysources.Recipient
	Threshold int
	// NewKey asks for a new data key even if Previous would allow to keep the old.
	NewKey bool
	// Timeout bounds each call to a key source; zero means 30 seconds.
	Timeout time.Duration
	// Selector decides what is sealed; the zero Selector means SelectorFor.
	Selector Selector
	// MACOnlyEncrypted lets values that are not sealed be changed without notice.
	MACOnlyEncrypted bool
	// Context says what the file is for, see docs/FORMAT.md §6; it may be empty.
	Context string
	// Previous is an earlier version of the same file. Its data key is used again
	// unless a reader or key group has gone or the threshold is another one, and values that have not changed keep their
	// ciphertext.
	Previous *Opened
	// Also are further versions of the file. What is sealed under the same data key
	// there may be used again as well, if Previous does not have it.
	Also []*Opened
	// Settled are the IDs of proposals of Previous that this version takes in or
	// turns down. All others stay; they keep the readers and the data key from being
	// changed ([ErrProposals]).
	Settled []string
	// Now is the time to note as that of the change; zero means the current time.
	Now time.Time

	// prefer are versions whose ciphertext goes first, guarded more for Exposed.
	prefer, guarded []*Opened
}

// Sealed is the result of Seal. It prints redacted.
type Sealed struct {
	// Bytes is the sealed file.
	Bytes []byte
	// Unchanged says that Bytes is the previous version, to the byte.
	Unchanged bool
	// NewKey says that the file has a data key that no earlier version had.
	NewKey bool
	// Values, Reused, Empty and Plain count the values (not the comments) that
	// are sealed, that kept their ciphertext, that are selected but empty, and
	// that are left plain.
	Values, Reused, Empty, Plain int
	// Comments counts the sealed comments.
	Comments int
	// Exposed are the places where a value or comment stands plain from now on that
	// is sealed, under the same keys, in one of the versions that Seal was given.
	Exposed []*formats.Path
	// Selector is what decided.
	Selector Selector

	format formats.Format
	key    dataKey
	plain  []byte
}

// String says nothing of the content.
func (s Sealed) String() string { return "<sealed file>" }

// GoString says nothing of the content.
func (s Sealed) GoString() string { return "<sealed file>" }

// Check reports, with an error that wraps ErrVerify, whether data, what is or was
// stored, are Bytes and give the plain file again.
func (s *Sealed) Check(data []byte) error {
	if !bytes.Equal(data, s.Bytes) {
		return fmt.Errorf("%w: what was read back is not what was written", ErrVerify)
	}
	doc, err := s.format.Parse(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	m, err := ParseMetadata(doc)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	o := &Opened{Metadata: m, format: s.format, source: data, key: s.key, plainOnly: true}
	if err := o.open(doc, OpenOptions{}); err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	plain, err := o.restore()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	if !bytes.Equal(plain, s.plain) {
		return fmt.Errorf("%w: the result is not the plain file", ErrVerify)
	}
	return nil
}

// plainLimiter is implemented by formats whose plain files may be larger than
// formats.MaxSource.
type plainLimiter interface{ MaxPlain() int }

// Seal seals the plain file src. The result should be checked (see
// [Sealed.Check]) before it replaces anything.
//
// Its error is or wraps a [formats.Error], [PathError], [ErrAlreadySealed],
// [ErrNothingSelected], [ErrSelector], [ErrNoRecipients], [ErrKeyGroups], or what wrapping the
// data key met with.
func Seal(ctx context.Context, f formats.Format, src []byte, opts SealOptions) (*Sealed, error) {
	if err := checkPlain(f, src); err != nil {
		return nil, err
	}
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	doc, err := f.Parse(src)
	if err == nil {
		err = checkPaths(doc)
	}
	if err != nil {
		return nil, err
	}
	if doc.Meta != nil {
		return nil, sealedOrReserved(doc.Meta)
	}
	if opts.Selector.IsZero() {
		opts.Selector = SelectorFor(doc)
	}
	s := &sealing{format: f, src: src, opts: opts, result: &Sealed{Selector: opts.Selector}}
	s.content = content{doc: doc, onlySelected: opts.MACOnlyEncrypted, selected: opts.Selector.Select(doc)}
	if err := s.checkSelection(); err != nil {
		return nil, err
	}
	s.result.Exposed = s.exposed()
	return s.seal(ctx)
}

// checkPlain refuses what is too large, and what could not be told from a sealed
// file's added line break.
func checkPlain(f formats.Format, src []byte) error {
	limit := formats.MaxSource
	l, whole := f.(plainLimiter)
	if whole {
		limit = l.MaxPlain()
	}
	if len(src) > limit {
		return &formats.Error{Cause: formats.ErrLimit, Msg: fmt.Sprintf("the file is larger than %d MiB", limit>>20)}
	}
	if !whole && bytes.HasSuffix(src, []byte("\r")) {
		return &formats.Error{Cause: formats.ErrNotSealable, Msg: "the file ends in a carriage return without a line feed"}
	}
	return nil
}

// sealedOrReserved says why a file with something in the place of the metadata
// block cannot be sealed.
func sealedOrReserved(m *formats.Meta) error {
	if m.Get("mac") == nil && m.Get("lastmodified") == nil && m.Get("version") == nil {
		return &formats.Error{Cause: formats.ErrNotSealable, Msg: "the file has a key of its own where the metadata of a sealed file goes (sops)"}
	}
	return ErrAlreadySealed
}

// sealing is one call of Seal.
type sealing struct {
	format  formats.Format
	src     []byte
	opts    SealOptions
	content content
	key     dataKey
	// threshold is that of the key groups, 0 if there is a single one.
	threshold int
	// values are the sealed values, parallel to the leaves; "" where nothing is
	// sealed.
	values []string
	// result stands on its own: it outlives the rest, which is large.
	result *Sealed
}

// seals reports whether leaf i is to be sealed.
func (s *sealing) seals(i int) bool {
	l := &s.content.doc.Leaves[i]
	return s.content.selected[i] && !l.Kind.Empty() && l.Text != ""
}

// checkSelection counts what is selected, and refuses what must not be sealed or
// left plain.
func (s *sealing) checkSelection() error {
	values, selected := 0, 0
	for i := range s.content.doc.Leaves {
		l := &s.content.doc.Leaves[i]
		if s.seals(i) && l.Kind <= formats.String && looksSealed(l.Text) {
			return &PathError{Path: l.Path, Err: ErrMarker}
		}
		if l.Kind == formats.Comment {
			s.result.Comments += count(s.seals(i))
			continue
		}
		values++
		selected += count(s.content.selected[i])
		s.result.Values += count(s.seals(i))
		s.result.Plain += count(!s.content.selected[i])
	}
	s.result.Empty = selected - s.result.Values
	if values > 0 && selected == 0 {
		return ErrNothingSelected
	}
	for _, a := range s.content.doc.Aliases {
		for j, target := range a.Target {
			if i := a.First + j; s.seals(target) && !s.content.selected[i] {
				return &PathError{Path: s.content.doc.Leaves[i].Path, Err: ErrAliasLeak}
			}
		}
	}
	return nil
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *sealing) seal(ctx context.Context) (*Sealed, error) {
	groups, err := s.chooseKey(ctx)
	if err != nil {
		return nil, err
	}
	s.result.format, s.result.key, s.result.plain = s.format, s.key, s.src
	proposals, settled, err := s.keptProposals(groups)
	if err != nil {
		return nil, err
	}
	if !settled && s.samePrevious(groups) {
		s.result.Bytes, s.result.Unchanged = s.opts.Previous.source, true
		s.result.Reused = s.result.Values
		return s.result, nil
	}
	s.values = make([]string, len(s.content.doc.Leaves))
	if s.opts.Previous != nil && !s.result.NewKey {
		s.reuse()
	}
	mac := later(s.content.sopsMAC)
	s.sealValues()
	if err := s.checkComments(); err != nil {
		return nil, err
	}
	meta := s.metadata(groups, mac())
	meta.Seal.proposals = proposals
	doc, edit := s.content.doc, s.edit(meta.build())
	// The format drops both before it makes the result, if nobody else holds them.
	s.content, s.values = content{}, nil
	s.result.Bytes, err = s.format.Rewrite(doc, edit)
	if err != nil {
		return nil, fmt.Errorf("writing the sealed file: %w", err)
	}
	return s.result, nil
}

// edit says what sealing changes.
func (s *sealing) edit(meta *formats.Meta) formats.Edit {
	edit := formats.Edit{Meta: formats.MetaEdit{Set: meta}}
	edit.Values = make([]formats.Value, 0, filled(s.values))
	for i, v := range s.values {
		if v != "" {
			edit.Values = append(edit.Values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.Sealed, Text: v}})
		}
	}
	return edit
}

// filled counts the values that are not "".
func filled(values []string) int {
	n := 0
	for _, v := range values {
		n += count(v != "")
	}
	return n
}

// sealValues seals what has no ciphertext yet.
func (s *sealing) sealValues() {
	leaves := s.content.doc.Leaves
	inParallel(len(leaves), func(from, to int) error {
		values := newValueSealer(s.key)
		var texts textArena
		var aad aadEncoder
		var buf []byte
		for i := from; i < to; i++ {
			if !s.seals(i) || s.values[i] != "" {
				continue
			}
			buf = values.append(buf[:0], leaves[i].Scalar, aad.of(leaves[i].Path))
			s.values[i] = texts.keep(buf)
		}
		return nil
	})
}

// checkComments refuses a selector that would match a comment once it is sealed:
// nobody could tell then what it selects (sops refuses the same).
func (s *sealing) checkComments() error {
	if s.opts.Selector.Kind != UnencryptedCommentRegex {
		return nil
	}
	for i, v := range s.values {
		if v != "" && s.content.doc.Leaves[i].Kind == formats.Comment && s.opts.Selector.match(v) {
			return fmt.Errorf("%w: %s matches comments in their sealed form", ErrSelector, UnencryptedCommentRegex)
		}
	}
	return nil
}

// metadata returns the block of the sealed file; mac is sops's MAC.
func (s *sealing) metadata(groups [][]keysources.Stanza, mac string) *Metadata {
	m := &Metadata{
		Groups: groups, Threshold: s.threshold, Selector: s.opts.Selector,
		MACOnlyEncrypted: s.opts.MACOnlyEncrypted,
		LastModified:     s.opts.Now.UTC().Truncate(time.Second), Version: sopsVersion,
		Seal: &SealEntry{Version: sealVersion, Context: s.opts.Context},
	}
	lastModified := m.LastModified.Format(time.RFC3339)
	m.mac = string(newValueSealer(s.key).append(nil, formats.Scalar{Kind: formats.String, Text: mac}, []byte(lastModified)))
	m.Seal.spelling = s.spellingEntry()
	key := s.key.derive("mac")
	m.Seal.comments = s.content.commentsMAC(key)
	m.Seal.mac = s.content.sealMAC(key, m.build())
	return m
}

// spellingEntry keeps what Spell alone would not give back.
func (s *sealing) spellingEntry() string {
	sp := s.spelling()
	if p := s.opts.Previous; p != nil && !s.result.NewKey && p.Metadata.Seal != nil && sp.equal(p.spell) {
		return p.Metadata.Seal.spelling
	}
	return sp.seal(s.key)
}

func (s *sealing) spelling() *spelling {
	sp := &spelling{}
	doc := s.content.doc
	if n := len(s.src); n > 0 && s.src[n-1] != '\n' {
		sp.flags |= flagNoFinalNewline
	}
	if bytes.HasPrefix(s.src, []byte(byteOrderMark)) {
		sp.flags |= flagByteOrderMark
	}
	inAlias := s.writtenOut(sp)
	for i, v := range s.values {
		if v == "" || inAlias[i] {
			continue
		}
		l := &doc.Leaves[i]
		if string(s.src[l.Start:l.End]) != s.format.Spell(doc, i, l.Scalar) {
			sp.texts = append(sp.texts, spelledText{tag: tagOf(v), text: string(s.src[l.Start:l.End])})
		}
	}
	return sp
}

// writtenOut notes the aliases that sealing writes out, and returns the leaves
// inside any alias.
func (s *sealing) writtenOut(sp *spelling) map[int]bool {
	in := map[int]bool{}
	for _, a := range s.content.doc.Aliases {
		first := ""
		for i := a.First; i < a.Last; i++ {
			in[i] = true
			if first == "" {
				first = s.values[i]
			}
		}
		if first != "" {
			sp.aliases = append(sp.aliases, spelledAlias{tag: tagOf(first), path: a.Path, text: strings.Clone(a.Text)})
		}
	}
	return in
}
