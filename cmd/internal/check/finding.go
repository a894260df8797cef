// Package check looks for what is wrong with the secrets of a repository: files that a
// rule says are sealed and that are not, or not completely, or for others than the rule
// says, and secrets that stand somewhere in plain text. It needs no key, and what it
// reports holds no value nor any part of one.
//
// [File] checks one file in memory; [Run] checks the files of a work tree, an index, or
// commits.
package check

import (
	"cmp"
	"slices"
	"strings"
)

// Level says how bad a finding is.
type Level uint8

// The levels.
const (
	// Note is good to know.
	Note Level = iota
	// Warning should be looked at.
	Warning
	// Error must not stay.
	Error
)

// String returns error, warning or note.
func (l Level) String() string { return [...]string{"note", "warning", "error"}[l] }

// ParseLevel is the inverse of String.
func ParseLevel(s string) (Level, bool) {
	for _, l := range []Level{Note, Warning, Error} {
		if l.String() == s {
			return l, true
		}
	}
	return 0, false
}

// Finding is something that was found in a file.
type Finding struct {
	// ID is what kind of finding it is, one of [Kinds].
	ID    string
	Level Level
	// File is the file by the name it was given to be called by.
	File string
	// Line and Column count from 1, Column in bytes; 0 if there is no one place. Rune is
	// the column in Unicode code points.
	Line, Column, Rune int
	// Path is the key's path in full, "" if there is none.
	Path string
	// Pattern is, for the ID secret, which form of secret it is.
	Pattern string
	// Message says what is wrong, Hint what to do.
	Message, Hint string
	// Commit is the commit in which it was found, "" if that was not asked for.
	Commit string
}

// The IDs of findings. They do not change.
const (
	IDNotSealed     = "not-sealed"
	IDName          = "name-suggests-sealed"
	IDUnsealed      = "unsealed"
	IDPlainValue    = "plain-value"
	IDMalformed     = "malformed"
	IDEmptyValue    = "empty-value"
	IDNothing       = "nothing-to-seal"
	IDMissing       = "readers-missing"
	IDStale         = "readers-stale"
	IDGroups        = "groups-differ"
	IDSelector      = "selector-differs"
	IDMACOnly       = "mac-only-differs"
	IDNoRule        = "no-rule"
	IDNoMAC         = "no-mac"
	IDDuplicate     = "duplicate-key"
	IDHalfMerged    = "half-merged"
	IDConflict      = "conflict-markers"
	IDProposals     = "proposals"
	IDLeftover      = "leftover"
	IDConfig        = "config"
	IDSecret        = "secret"
	IDPrivateLocked = "locked-private-key"
	IDNotScanned    = "not-scanned"
	IDTampered      = "tampered"
	IDCannotOpen    = "cannot-open"
	IDLeaked        = "leaked-value"
	IDAncestor      = "plain-ancestor"
	IDManifest      = "manifest"
	IDContext       = "context-differs"
)

// Kind describes the findings with one ID.
type Kind struct {
	ID    string
	Level Level // the usual one
	About string
}

// Kinds lists all kinds of findings.
func Kinds() []Kind {
	return []Kind{
		{IDNotSealed, Error, "a rule says that the file is sealed, and it is plain"},
		{IDName, Error, "the file's name says that it is sealed, and it is plain"},
		{IDUnsealed, Error, "the file was sealed in git, here or elsewhere, and is plain now (--staged, --range)"},
		{IDPlainValue, Error, "a value of a sealed file that its selector selects is plain"},
		{IDMalformed, Error, "the sealed file, a sealed value in it, or its metadata is not well-formed"},
		{IDDuplicate, Error, "a key stands twice in one map of a sealed file"},
		{IDMissing, Error, "readers whom the rule names cannot open the file"},
		{IDStale, Error, "readers whom the rule does not name can open the file"},
		{IDGroups, Error, "key groups or their threshold are not as the rule says"},
		{IDSelector, Error, "the file's selector is not that of the rule"},
		{IDMACOnly, Error, "mac_only_encrypted is not as the rule says"},
		{IDManifest, Error, "a SealedManifest that a cluster would refuse"},
		{IDContext, Error, "a SealedManifest that is sealed for another namespace or name, or for none"},
		{IDHalfMerged, Error, "the file was merged without a key and not sealed again since"},
		{IDConflict, Error, "marks of a merge conflict"},
		{IDConfig, Error, "a configuration file that cannot be used"},
		{IDSecret, Error, "something in plain text that has the form or the name of a secret"},
		{IDTampered, Error, "the file is not as it was sealed"},
		{IDLeaked, Error, "a value stood plain in an earlier version, and is still the same or may be (--history)"},
		{IDAncestor, Warning, "the file, or some of its values, were plain in an earlier version (--history)"},
		{IDLeftover, Warning, "a plain copy of a sealed file, or what an editor has left of one"},
		{IDProposals, Warning, "proposed values wait to be accepted or dropped"},
		{IDNotScanned, Warning, "the file, or its rest, was not looked through for secrets: it is too large, or there are too many"},
		{IDNoMAC, Note, "only sops's own MAC protects the file"},
		{IDPrivateLocked, Note, "a private key that is protected by a passphrase"},
		{IDEmptyValue, Note, "a value that the selector selects is empty"},
		{IDNothing, Note, "a rule means the file, but its selector selects no value of it"},
		{IDNoRule, Note, "the file is sealed, but no rule says for whom"},
		{IDCannotOpen, Note, "the MACs could not be checked: no identity opens the file"},
	}
}

// level is the usual level of an ID.
func level(id string) Level {
	for _, k := range Kinds() {
		if k.ID == id {
			return k.Level
		}
	}
	return Error
}

// Sort orders findings by file and place.
func Sort(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// AtLeast counts the findings of a level or worse.
func AtLeast(list []Finding, l Level) int {
	n := 0
	for i := range list {
		if list[i].Level >= l {
			n++
		}
	}
	return n
}
