package cipher

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// sopsVersion is what the version field says: sops requires a version of its
// own there and reads files by it. It is the newest that the tests run.
const sopsVersion = "3.13.3"

// sealVersion is the version of the sops.seal entry that this package writes.
const sealVersion = 1

// Metadata is the decoded metadata block of a sealed file.
type Metadata struct {
	// Groups are the key groups: one stanza of each of Threshold groups opens
	// the file. Almost all files have a single group.
	Groups    [][]keysources.Stanza
	Threshold int
	Selector  Selector
	// MACOnlyEncrypted: both MACs leave out what the selector leaves plain.
	MACOnlyEncrypted bool
	LastModified     time.Time
	// Version is the version of sops that the file asks for.
	Version string
	// Seal is the sops.seal entry, nil if there is none.
	Seal *SealEntry

	mac  string
	tree *formats.Meta
}

// SealEntry is the entry sops.seal, see docs/FORMAT.md.
type SealEntry struct {
	Version int
	// Context is what the file is for, "" if it does not say.
	Context string

	mac, comments, spelling string
	proposals               []formats.Meta
	// merged is set in half-merged files.
	merged *MergeRecord
}

// MaxReaders is how many stanzas a file may have: each can mean a call to a service.
const MaxReaders = 1024

func (m *Metadata) checkReaders() error {
	n := 0
	for _, g := range m.Groups {
		n += len(g)
	}
	if n > MaxReaders {
		return &formats.Error{Cause: formats.ErrLimit, Msg: fmt.Sprintf("more than %d readers", MaxReaders)}
	}
	return nil
}

// Readers lists whom the file is sealed for, group by group.
func (m *Metadata) Readers() []string {
	var out []string
	for _, g := range m.Groups {
		for _, s := range g {
			out = append(out, s.Reader())
		}
	}
	return out
}

// metadataReader collects the first error of decoding a tree.
type metadataReader struct{ field string }

func (r *metadataReader) fail(field string) {
	if r.field == "" {
		r.field = field
	}
}

// text returns the scalar under a key, "" if it is absent or null.
func (r *metadataReader) text(m *formats.Meta, key string) string {
	v := m.Get(key)
	if v == nil || v.Kind == formats.MetaNull {
		return ""
	}
	if v.Kind == formats.MetaMap || v.Kind == formats.MetaList {
		r.fail(key)
	}
	return v.Text
}

func (r *metadataReader) number(m *formats.Meta, key string) int {
	t := r.text(m, key)
	if t == "" {
		return 0
	}
	// sops before 3.10 writes 2.000000 into INI files.
	t = strings.TrimSuffix(t, ".000000")
	n, err := strconv.Atoi(t)
	if err != nil || n < 0 || strconv.Itoa(n) != t {
		r.fail(key)
	}
	return n
}

func (r *metadataReader) flag(m *formats.Meta, key string) bool {
	switch r.text(m, key) {
	case "true", "True", "1":
		return true
	case "", "false", "False", "0":
		return false
	}
	r.fail(key)
	return false
}

// list returns the items of the list under a key, which may be absent or null.
func (r *metadataReader) list(m *formats.Meta, key string) []formats.Meta {
	v := m.Get(key)
	if v == nil || v.Kind == formats.MetaNull || isEmptyText(v) {
		return nil
	}
	if v.Kind != formats.MetaList {
		r.fail(key)
	}
	return v.Items
}

func isEmptyText(v *formats.Meta) bool { return v.Kind == formats.MetaString && v.Text == "" }

// ParseMetadata decodes the block of a document. Its error is ErrNotSealed, a
// TamperedError, or wraps ErrSelector or ErrUnsupported.
func ParseMetadata(d *formats.Document) (*Metadata, error) {
	if d.Meta == nil {
		return nil, ErrNotSealed
	}
	r := &metadataReader{}
	m := &Metadata{tree: d.Meta, Version: r.text(d.Meta, "version"), mac: r.text(d.Meta, "mac")}
	m.Threshold = r.number(d.Meta, "shamir_threshold")
	m.MACOnlyEncrypted = r.flag(d.Meta, "mac_only_encrypted")
	m.Groups = r.groups(d.Meta)
	m.Seal = r.seal(d.Meta.Get("seal"))
	t, err := time.Parse(time.RFC3339, r.text(d.Meta, "lastmodified"))
	if err != nil {
		r.fail("lastmodified")
	}
	m.LastModified = t
	if err := m.checkReaders(); err != nil {
		return nil, err
	}
	if m.Version == "" {
		r.fail("version")
	}
	if m.mac == "" {
		r.fail("mac")
	}
	if r.field != "" {
		return nil, &TamperedError{Reason: ReasonMetadata, Field: r.field}
	}
	if m.Seal != nil && m.Seal.Version != sealVersion {
		return nil, &TamperedError{Reason: ReasonMetadata, Field: "seal.v"}
	}
	m.Selector, err = r.selector(d.Meta)
	return m, err
}

func (r *metadataReader) selector(tree *formats.Meta) (Selector, error) {
	s := DefaultSelector()
	found := 0
	for _, k := range SelectorKinds() {
		pattern := r.text(tree, string(k))
		if pattern == "" {
			continue
		}
		var err error
		if s, err = NewSelector(k, pattern); err != nil {
			return s, err
		}
		found++
	}
	if found > 1 {
		return s, &TamperedError{Reason: ReasonMetadata, Field: string(s.Kind)}
	}
	if r.field != "" {
		return s, &TamperedError{Reason: ReasonMetadata, Field: r.field}
	}
	return s, nil
}

func (r *metadataReader) groups(tree *formats.Meta) [][]keysources.Stanza {
	var groups [][]keysources.Stanza
	for _, g := range r.list(tree, "key_groups") {
		groups = append(groups, r.group(&g))
	}
	if flat := r.group(tree); len(flat) > 0 {
		if len(groups) > 0 {
			// sops would take the flat lists; two answers to "who can read this"
			// are one too many.
			r.fail("key_groups")
		}
		return [][]keysources.Stanza{flat}
	}
	return groups
}

func (r *metadataReader) group(tree *formats.Meta) []keysources.Stanza {
	var out []keysources.Stanza
	for _, typ := range keysources.Types() {
		for _, item := range r.list(tree, typ) {
			out = append(out, r.stanza(typ, &item))
		}
	}
	return out
}

func (r *metadataReader) stanza(typ string, item *formats.Meta) keysources.Stanza {
	s := keysources.Stanza{Type: typ}
	if item.Kind != formats.MetaMap {
		r.fail(typ)
	}
	for i := range item.Items {
		f := &item.Items[i]
		switch {
		case f.Key == "context" && f.Kind == formats.MetaMap:
			for _, c := range f.Items {
				s.Context = append(s.Context, keysources.Field{Name: c.Key, Value: c.Text})
			}
		case f.Kind == formats.MetaMap || f.Kind == formats.MetaList:
			r.fail(typ)
		default:
			s.Fields = append(s.Fields, keysources.Field{Name: f.Key, Value: f.Text})
		}
	}
	return s
}

func (r *metadataReader) seal(tree *formats.Meta) *SealEntry {
	if tree == nil {
		return nil
	}
	if tree.Kind != formats.MetaMap {
		r.fail("seal")
		return nil
	}
	e := &SealEntry{
		Version:  r.number(tree, "v"),
		Context:  r.text(tree, "context"),
		mac:      r.text(tree, "mac"),
		comments: r.text(tree, "comments"),
		spelling: r.text(tree, "spelling"),
	}
	e.merged = r.mergeRecord(tree.Get("merged"))
	if e.mac == "" && e.merged == nil {
		r.fail("seal.mac")
	}
	// Anybody may add to this list, so what is in it must not spoil the file.
	if list := tree.Get("proposals"); list != nil && list.Kind == formats.MetaList {
		e.proposals = list.Items
	}
	return e
}

// build returns the tree of m: keys in alphabetical order as sops writes them
// since 3.13, stanzas grouped by type.
func (m *Metadata) build() *formats.Meta {
	t := &formats.Meta{Kind: formats.MetaMap, Items: groupItems(m.Groups, m.Threshold)}
	if m.MACOnlyEncrypted {
		t.Items = append(t.Items, formats.Meta{Key: "mac_only_encrypted", Kind: formats.MetaBool, Text: "true"})
	}
	t.Items = append(t.Items,
		textNode("lastmodified", m.LastModified.UTC().Format(time.RFC3339)),
		textNode("mac", m.mac),
		m.Seal.build(),
		textNode(string(m.Selector.Kind), m.Selector.Pattern),
		textNode("version", m.Version))
	sortByKey(t.Items)
	return t
}

func sortByKey(items []formats.Meta) {
	slices.SortStableFunc(items, func(a, b formats.Meta) int { return strings.Compare(a.Key, b.Key) })
}

// groupItems returns what says who can read the file: lists of stanzas by their
// type or, if there are several groups, key_groups and the threshold.
func groupItems(list [][]keysources.Stanza, threshold int) []formats.Meta {
	if len(list) == 1 {
		return stanzaLists(list[0])
	}
	groups := formats.Meta{Key: "key_groups", Kind: formats.MetaList}
	for _, g := range list {
		groups.Items = append(groups.Items, formats.Meta{Kind: formats.MetaMap, Items: stanzaLists(g)})
	}
	items := []formats.Meta{groups}
	if threshold > 0 {
		items = append(items, formats.Meta{Key: "shamir_threshold", Kind: formats.MetaInt, Text: strconv.Itoa(threshold)})
	}
	return items
}

func (e *SealEntry) build() formats.Meta {
	n := formats.Meta{Key: "seal", Kind: formats.MetaMap}
	for _, f := range []formats.Meta{
		textNode("comments", e.comments), textNode("context", e.Context),
		textNode("mac", e.mac), textNode("spelling", e.spelling),
	} {
		if f.Text != "" {
			n.Items = append(n.Items, f)
		}
	}
	if len(e.proposals) > 0 {
		n.Items = append(n.Items, formats.Meta{Key: "proposals", Kind: formats.MetaList, Items: e.proposals})
	}
	if e.merged != nil {
		n.Items = append(n.Items, e.merged.build())
	}
	sortByKey(n.Items)
	n.Items = append(n.Items, formats.Meta{Key: "v", Kind: formats.MetaInt, Text: strconv.Itoa(e.Version)})
	return n
}

func textNode(key, text string) formats.Meta {
	return formats.Meta{Key: key, Kind: formats.MetaString, Text: text}
}

func stanzaLists(group []keysources.Stanza) []formats.Meta {
	var out []formats.Meta
	for _, typ := range keysources.Types() {
		list := formats.Meta{Key: typ, Kind: formats.MetaList}
		for _, s := range group {
			if s.Type == typ {
				list.Items = append(list.Items, stanzaNode(s))
			}
		}
		if len(list.Items) > 0 {
			out = append(out, list)
		}
	}
	return out
}

func stanzaNode(s keysources.Stanza) formats.Meta {
	n := formats.Meta{Kind: formats.MetaMap}
	for _, f := range s.Fields {
		n.Items = append(n.Items, textNode(f.Name, f.Value))
	}
	if s.Context != nil {
		c := formats.Meta{Key: "context", Kind: formats.MetaMap}
		for _, f := range s.Context {
			c.Items = append(c.Items, textNode(f.Name, f.Value))
		}
		n.Items = append(n.Items, c)
	}
	return n
}
