package cipher

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

var (
	// ErrProposals: proposals that are still open stand in the way of a change of
	// the readers or the data key: they are sealed for the readers as they were.
	ErrProposals = errors.New("the file holds proposals that were neither accepted nor dropped")
	// ErrProposal: a proposal was changed, or belongs to another file, place or set
	// of readers.
	ErrProposal = errors.New("the proposal was changed, or was made for another file or for other readers")
)

const (
	proposalLabel = "gitseal/proposal/v1"
	// maxProposals bounds the proposals of a file.
	maxProposals = 256
)

// Proposal is a value that somebody who cannot open a file has sealed for its
// readers, for one place in it (docs/FORMAT.md §4). Nothing of it has any effect on
// what [Open] gives. It prints redacted.
//
// Nobody vouches for who made it, nor for By and At: whoever may write the file may
// propose.
type Proposal struct {
	// Path is where the value belongs. There need not be anything there yet.
	Path *formats.Path
	// By is what the proposer calls themselves, and At when they say it was.
	By string
	At time.Time

	meta  Metadata // the groups and threshold that it is sealed for
	value string   // sealed
	base  []placeSum
	node  formats.Meta
}

// String names the place.
func (p Proposal) String() string { return "<proposal for " + p.Path.String() + ">" }

// GoString is String.
func (p Proposal) GoString() string { return p.String() }

// ID names the proposal among those of its file: eight letters and digits.
func (p Proposal) ID() string {
	const size = 5
	var e encoder
	e.node(&p.node)
	sum := sha256.Sum256(e.b)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:size]))
}

// Proposals returns the proposals in a file's metadata, in their order, and how
// many entries are not well-formed.
func (m *Metadata) Proposals() (list []Proposal, malformed int) {
	if m.Seal == nil {
		return nil, 0
	}
	for i := range m.Seal.proposals {
		p, ok := readProposal(&m.Seal.proposals[i])
		if !ok {
			malformed++
			continue
		}
		list = append(list, p)
	}
	return list, malformed
}

func readProposal(node *formats.Meta) (Proposal, bool) {
	if node.Kind != formats.MetaMap {
		return Proposal{}, false
	}
	r := &metadataReader{}
	p := Proposal{By: r.text(node, "by"), value: r.text(node, "value"), node: *node}
	p.meta.Groups, p.meta.Threshold = r.groups(node), r.number(node, "shamir_threshold")
	// Where metadata has no line breaks (dotenv, INI), \n is read as one, and the
	// text of a path has none.
	path, pathErr := formats.ParsePath(strings.ReplaceAll(r.text(node, "path"), "\n", `\n`))
	at, timeErr := time.Parse(time.RFC3339, r.text(node, "at"))
	v, ok := parseValue(p.value)
	if r.field != "" || pathErr != nil || timeErr != nil || !ok || v.typ != "str" || len(p.meta.Groups) == 0 {
		return Proposal{}, false
	}
	p.Path, p.At = path, at
	if p.base, ok = readBaseText(r.text(node, "base"), path); !ok {
		return Proposal{}, false
	}
	return p, p.meta.checkGroups() == nil && p.meta.checkReaders() == nil
}

// ProposeOptions is what is proposed, and for whom.
type ProposeOptions struct {
	// Path is where the value belongs, Content what the proposal holds: any bytes,
	// at least one.
	Path    *formats.Path
	Content []byte
	// By is what the proposer wants to be called; it may be empty.
	By string
	// Recipients, Groups and Threshold are the file's own readers.
	Recipients []keysources.Recipient
	Groups     [][]keysources.Recipient
	Threshold  int
	// Timeout bounds each call to a key source; zero means 30 seconds.
	Timeout time.Duration
	// Now is the time to note; zero means the current time.
	Now time.Time
}

// Propose adds a proposal to a sealed file, for what stands there now. It needs no
// identity. A proposal for the same place that has the same By is replaced.
//
// Its error is or wraps a [formats.Error], [ErrNotSealed], a [TamperedError],
// [ErrIntegrity] (a file without sops.seal has no place for proposals),
// [ErrKeyGroups] (the readers are not the file's), or what wrapping met with.
func Propose(ctx context.Context, f formats.Format, src []byte, opts ProposeOptions) ([]byte, error) {
	doc, m, err := parseSealed(f, src)
	if err != nil {
		return nil, err
	}
	if m.Seal == nil {
		return nil, ErrIntegrity
	}
	if len(opts.Content) == 0 || opts.Path == nil {
		return nil, errors.New("a proposal needs a place and a value")
	}
	places := PlacesOf(m, doc)
	node, err := opts.node(ctx, m, baseText(places.base(opts.Path)))
	if err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(slices.Clone(m.Seal.proposals), func(it formats.Meta) bool {
		p, ok := readProposal(&it)
		return ok && places.Of(p).Path.Equal(opts.Path) && p.By == opts.By
	})
	if len(kept) >= maxProposals {
		return nil, &formats.Error{Cause: formats.ErrLimit, Msg: fmt.Sprintf("the file holds %d proposals already", len(kept))}
	}
	out, err := withProposals(f, doc, append(kept, node))
	if err == nil {
		err = opts.checkKept(f, out)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// checkKept makes sure that the proposal is in the file as it was made: not every
// format holds every text.
func (o ProposeOptions) checkKept(f formats.Format, out []byte) error {
	_, m, err := parseSealed(f, out)
	if err != nil {
		return err
	}
	list, _ := m.Proposals()
	if !slices.ContainsFunc(list, func(p Proposal) bool { return p.Path.Equal(o.Path) && p.By == o.By }) {
		return &formats.Error{Cause: formats.ErrNotSealable, Path: o.Path, Msg: "a file of this format cannot hold this path or name in a proposal"}
	}
	return nil
}

// DropProposals removes the proposals of a sealed file that drop says, and all that
// are not well-formed. It needs no identity.
func DropProposals(f formats.Format, src []byte, drop func(Proposal) bool) ([]byte, error) {
	doc, m, err := parseSealed(f, src)
	if err != nil {
		return nil, err
	}
	list, malformed := m.Proposals()
	var kept []formats.Meta
	for _, p := range list {
		if !drop(p) {
			kept = append(kept, p.node)
		}
	}
	if len(kept) == len(list) && malformed == 0 {
		return src, nil
	}
	return withProposals(f, doc, kept)
}

func parseSealed(f formats.Format, src []byte) (*formats.Document, *Metadata, error) {
	doc, err := f.Parse(src)
	if err != nil {
		return nil, nil, err
	}
	m, err := ParseMetadata(doc)
	return doc, m, err
}

// withProposals returns the file with these proposals in place of its own.
func withProposals(f formats.Format, doc *formats.Document, list []formats.Meta) ([]byte, error) {
	tree := *doc.Meta
	tree.Items = slices.Clone(tree.Items)
	for i := range tree.Items {
		if tree.Items[i].Key != "seal" {
			continue
		}
		seal := &tree.Items[i]
		seal.Items = slices.DeleteFunc(slices.Clone(seal.Items), func(it formats.Meta) bool { return it.Key == "proposals" })
		if len(list) > 0 {
			seal.Items = append(seal.Items, formats.Meta{Key: "proposals", Kind: formats.MetaList, Items: list})
			sortByKey(seal.Items)
		}
	}
	return f.Rewrite(doc, formats.Edit{Meta: formats.MetaEdit{Set: &tree}})
}

// node seals the content and returns the entry; base is what it is made against.
func (o ProposeOptions) node(ctx context.Context, m *Metadata, base string) (formats.Meta, error) {
	seal := SealOptions{Recipients: o.Recipients, Groups: o.Groups, Threshold: o.Threshold}
	groups, err := seal.keyGroups()
	if err != nil {
		return formats.Meta{}, err
	}
	if _, joined, ok := groups.compare(m); !ok || joined > 0 {
		return formats.Meta{}, fmt.Errorf("%w: these are not the readers of the file", ErrKeyGroups)
	}
	key := newDataKey()
	stanzas, err := groups.wrap(ctx, key, o.Timeout)
	if err != nil {
		return formats.Meta{}, err
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	at := o.Now.UTC().Format(time.RFC3339)
	aad := proposalAAD(m, o.Path, o.By, at, base)
	value := newValueSealer(key).append(nil, formats.Scalar{Kind: formats.String, Text: string(o.Content)}, aad)
	n := formats.Meta{Kind: formats.MetaMap, Items: groupItems(stanzas, groups.threshold)}
	n.Items = append(n.Items, textNode("at", at), textNode("base", base), textNode("path", o.Path.Text()), textNode("value", string(value)))
	if o.By != "" {
		n.Items = append(n.Items, textNode("by", o.By))
	}
	sortByKey(n.Items)
	return n, nil
}

// Open returns what a proposal in the file with the metadata m holds. Its error is
// ErrProposal or a NoIdentityError. Nobody is asked about a proposal that names
// other readers than the file: whoever may write the file may write anything there.
func (p Proposal) Open(ctx context.Context, m *Metadata, opts OpenOptions) ([]byte, error) {
	if !p.sealedFor(m) {
		return nil, ErrProposal
	}
	v, _ := parseValue(p.value)
	aad := proposalAAD(m, p.Path, p.By, p.node.Get("at").Text, p.node.Get("base").Text)
	open := func(k dataKey) (formats.Scalar, bool) {
		s, reason := newValueOpener(k).open(v, aad)
		return s, reason == ""
	}
	k, err := unwrapKey(ctx, &p.meta, opts, func(k dataKey) bool {
		_, ok := open(k)
		return ok
	})
	if err != nil {
		return nil, err
	}
	s, ok := open(k.key)
	if !ok {
		return nil, ErrProposal
	}
	return []byte(s.Text), nil
}

// sealedFor reports whether the readers of a proposal are those of the file.
func (p Proposal) sealedFor(m *Metadata) bool {
	if p.meta.needed() != m.needed() {
		return false
	}
	return slices.EqualFunc(p.meta.Groups, m.Groups, func(own, file []keysources.Stanza) bool {
		all := func(these, those []keysources.Stanza) bool {
			return !slices.ContainsFunc(these, func(a keysources.Stanza) bool {
				return !slices.ContainsFunc(those, func(b keysources.Stanza) bool { return keysources.SameKey(a, b) })
			})
		}
		return len(own) <= len(file) && all(own, file) && all(file, own)
	})
}

// proposalAAD binds a proposal to its file, its place and what stood there: S(label),
// the SHA-256 of the file's wrapped keys, S(path), S(by), S(at), S(base). Whoever copies
// it into another file, or seals that file for others, makes it worthless.
func proposalAAD(m *Metadata, path *formats.Path, by, at, base string) []byte {
	var e encoder
	e.text(proposalLabel)
	sum := sha256.Sum256(m.wrappedKeys())
	e.raw(sum[:])
	e.text(path.Text())
	e.text(by)
	e.text(at)
	e.text(base)
	return e.b
}

// wrappedKeys encodes the readers of a file with what is wrapped for them: the
// threshold and, for each group, each stanza's type, fields and context.
func (m *Metadata) wrappedKeys() []byte {
	var e encoder
	pairs := func(list []keysources.Field) {
		list = slices.SortedFunc(slices.Values(list), func(a, b keysources.Field) int { return strings.Compare(a.Name, b.Name) })
		e.number(len(list))
		for _, f := range list {
			e.text(f.Name)
			e.text(f.Value)
		}
	}
	e.number(m.needed())
	e.number(len(m.Groups))
	for _, group := range m.Groups {
		e.number(len(group))
		for _, s := range group {
			e.text(s.Type)
			pairs(s.Fields)
			pairs(s.Context)
		}
	}
	return e.b
}

// keptProposals returns the entries of the previous version that stay, and whether
// any was settled.
func (s *sealing) keptProposals(groups [][]keysources.Stanza) (kept []formats.Meta, settled bool, err error) {
	p := s.opts.Previous
	if p == nil {
		return nil, false, nil
	}
	list, malformed := p.Metadata.Proposals()
	for _, q := range list {
		if !slices.Contains(s.opts.Settled, q.ID()) {
			kept = append(kept, q.node)
		}
	}
	if len(kept) > 0 && (s.result.NewKey || !sameStanzas(groups, p.Metadata.Groups)) {
		return nil, false, ErrProposals
	}
	return kept, len(kept) < len(list) || malformed > 0, nil
}
