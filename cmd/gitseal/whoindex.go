package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/keysources"
)

// readerID is what tells readers apart: two canonical keys are the same reader, as
// keysources.SameKey has it, if their bases are equal and so are their versions, or
// one of these is empty. Only Azure keys have versions.
type readerID struct{ base, version string }

// idOf returns the readerID of a canonical key.
func idOf(key keysources.Stanza) readerID {
	id := readerID{}
	parts := []string{key.Type}
	switch key.Type {
	case keysources.TypeKMS:
		parts = append(parts, key.Get("arn"), key.Get("role"), key.Get("aws_profile"))
	case keysources.TypeAzure:
		parts = append(parts, key.Get("vault_url"), key.Get("name"))
		id.version = key.Get("version")
	case keysources.TypeVault:
		parts = append(parts, key.Get("vault_address"), key.Get("engine_path"), key.Get("key_name"))
	default:
		parts = append(parts, key.Reader())
	}
	// The order of an encryption context means nothing.
	byName := func(a, b keysources.Field) int { return cmp.Compare(a.Name, b.Name) }
	for _, f := range slices.SortedStableFunc(slices.Values(key.Context), byName) {
		parts = append(parts, f.Name, f.Value)
	}
	id.base = fmt.Sprintf("%q", parts)
	return id
}

// readerIndex finds readers among any number of others without looking at these.
type readerIndex struct {
	exact map[readerID]*whoReader
	// first is the first reader of a base: the one whom a key without a version means.
	first map[string]*whoReader
}

func newReaderIndex() readerIndex {
	return readerIndex{exact: map[readerID]*whoReader{}, first: map[string]*whoReader{}}
}

// find returns the first reader who is the same as the one with an id, nil if there
// is none.
func (x readerIndex) find(id readerID) *whoReader {
	if id.version == "" {
		return x.first[id.base]
	}
	if r := x.exact[id]; r != nil {
		return r
	}
	return x.exact[readerID{base: id.base}]
}

func (x readerIndex) add(id readerID, r *whoReader) {
	x.exact[id] = r
	if x.first[id.base] == nil {
		x.first[id.base] = r
	}
}

// nameIndex finds the names of readers: it holds them by what a person says of a
// reader at the least.
type nameIndex map[string][]readers.Named

// calledID is the same for all keys that meansReader can find equal.
func calledID(key keysources.Stanza) string {
	if key.Type == keysources.TypeKMS {
		return key.Type + " " + key.Get("arn")
	}
	return idOf(key).base
}

func newNameIndex(names []readers.Named) nameIndex {
	x := nameIndex{}
	for _, n := range names {
		id := calledID(readers.Canonical(n.Key))
		x[id] = append(x[id], n)
	}
	return x
}

// nameOf returns the first name that means a canonical key, "" if there is none.
func (x nameIndex) nameOf(key keysources.Stanza) string {
	for _, n := range x[calledID(key)] {
		if meansReader(n.Key, key) {
			return n.Name
		}
	}
	return ""
}

// meant returns the readers whom somebody means who names some keys.
func (c *census) meant(keys []keysources.Stanza) map[*whoReader]bool {
	ids := map[string][]keysources.Stanza{}
	for _, k := range keys {
		id := calledID(readers.Canonical(k))
		ids[id] = append(ids[id], k)
	}
	out := map[*whoReader]bool{}
	for _, r := range c.readers {
		means := func(k keysources.Stanza) bool { return meansReader(k, r.key) }
		if slices.ContainsFunc(ids[calledID(r.key)], means) {
			out[r] = true
		}
	}
	return out
}
