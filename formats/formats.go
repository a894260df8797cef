// Package formats finds the values in a configuration file and writes the file
// back with some of them replaced, leaving every other byte as it was.
//
// A [Format] never emits a document: [Format.Parse] reports where each value
// stands, and [Format.Rewrite] splices. It knows how sops (the wire format is
// sops's own) reads a file: which values, comments and metadata it sees, in
// which order and under which keys. It never sees a key or a ciphertext's
// meaning; package cipher does.
package formats

// Kind says what a scalar means, not how it is spelled.
type Kind uint8

// The kinds. Null, EmptyMap and EmptyList carry no bytes that could be sealed:
// sops writes them as they are, and so do we.
const (
	Null Kind = iota
	EmptyMap
	EmptyList
	String
	Int
	Float
	Bool
	Time
	Comment
	// Sealed is a replacement only, never the kind of a parsed leaf: its text is
	// an ENC[…] string, which a format must write so that sops reads exactly it
	// (a trailing line feed aside) as a string at that place.
	Sealed
)

// Empty reports whether values of this kind hold nothing that can be sealed.
func (k Kind) Empty() bool { return k <= EmptyList }

// String returns the kind's name.
func (k Kind) String() string {
	return [...]string{"null", "empty map", "empty list", "string", "int", "float", "bool", "time", "comment", "sealed"}[k]
}

// Scalar is a value as it is meant.
//
// Text is the byte string that sops encrypts and hashes for the value
// (sops.ToBytes): a string's or comment's own bytes, a decimal int, a float as
// strconv.FormatFloat(f, 'f', -1, 64), True or False, a time as RFC 3339 with
// nanoseconds. It is empty for the empty kinds. A comment's text leaves out the
// comment character.
//
// A Scalar may be a secret: it prints redacted.
type Scalar struct {
	Kind Kind
	Text string
}

// String returns the kind in angle brackets and never the text.
func (s Scalar) String() string { return "<" + s.Kind.String() + ">" }

// GoString is String: %#v must not print a secret either.
func (s Scalar) GoString() string { return s.String() }

// Leaf is one scalar, empty collection or comment of a document, and where it
// stands in the source.
//
// Replacing source[Start:End] replaces the leaf as a whole: for a string that
// includes its quotes, for a block scalar its header, for a comment only the
// text after the comment character.
type Leaf struct {
	// Path leads to the value. For a comment it is the path of the map or list
	// that sops takes the comment to belong to.
	Path *Path
	Scalar
	// Style is the format's own note of how the leaf is spelled.
	Style uint32
	// Start and End bound the leaf in the source. A leaf that stands for a part
	// of what an alias repeats has the bounds of the whole alias.
	Start, End int
}

// Alias is a place where the source repeats another part of itself by name
// (YAML's *name). sops reads the repeated values there, so they can be selected
// and sealed there too; then the alias has to be written out.
type Alias struct {
	// Path is where the alias stands.
	Path *Path
	// Text is the alias as spelled.
	Text string
	// First and Last bound the leaves it repeats, Leaves[First:Last].
	First, Last int
	// Target holds, for each of those leaves, the index of the leaf repeated.
	Target []int
}

// Tag is a note in the source on how to read a node beyond its spelling: a YAML
// tag. sops sees none of them, other programs do.
type Tag struct {
	// Path is where the node stands.
	Path *Path
	// Text is the tag with its handle resolved.
	Text string
	// OfKey: the tag is that of the key that leads to Path.
	OfKey bool
	// Leaf is the leaf whose span has the tag in it, so that it goes away when the
	// leaf is sealed; -1 if the tag stays whatever happens.
	Leaf int
}

// Document is a parsed file. It refers to the source, which must not change
// while the document is in use.
type Document struct {
	Source []byte
	// Documents is the number of documents in the file; 0 means 1.
	Documents int
	// Leaves are all values and comments in the order in which sops walks them
	// (documents in turn, depth first, a comment before the item that it belongs
	// to). This is not always the order of their bytes. The metadata block is
	// not among them.
	Leaves []Leaf
	// Aliases are in the order of their bytes; one never lies in another.
	Aliases []Alias
	// Tags are the explicit tags, in the order of their bytes, but for those inside
	// the metadata block.
	Tags []Tag
	// Meta is the metadata block as a map node, nil if the file has none.
	Meta *Meta
	// Shape is what the format itself needs for Rewrite.
	Shape any
}

// Text returns the source of leaf i.
func (d *Document) Text(i int) string {
	return string(d.Source[d.Leaves[i].Start:d.Leaves[i].End])
}

// Format reads and rewrites one file format. Implementations hold no state and
// may be used from several goroutines.
type Format interface {
	// Parse finds the leaves and the metadata block of src. It refuses, with an
	// error as described at [Error], what sops could not hold or would read
	// ambiguously: duplicate keys, keys that are not strings, a root that is not
	// a map, metadata that differs between documents, bytes after the end; and
	// whatever exceeds the limits of this package. It never panics.
	Parse(src []byte) (*Document, error)

	// Spell returns the text that Rewrite gives leaf i of d for the scalar s
	// when no exact spelling is given. It uses only what sealing the leaf leaves
	// standing: for any leaf i of a plain document d, and d' the document parsed
	// after sealing it, Spell(d, i, s) == Spell(d', i', s).
	// The text means s at that place.
	Spell(d *Document, i int, s Scalar) string

	// Rewrite returns d's source with the edit applied and every other byte as
	// it was.
	Rewrite(d *Document, e Edit) ([]byte, error)
}

// Edit is what Rewrite is to change.
type Edit struct {
	// Values are the new values, at most one for each leaf, in any order.
	// An alias of which any leaf has a new value is written out in full.
	Values []Value
	// Folds turn collections or values back into aliases. They are applied in
	// place of any values inside them. One whose path leads nowhere is ignored.
	Folds []Fold
	// Meta is what becomes of the metadata block.
	Meta MetaEdit
}

// Value is the new value of a leaf.
type Value struct {
	// Leaf is an index into Document.Leaves.
	Leaf int
	Scalar
	// Raw, if not empty, is written verbatim in place of Spell's text.
	Raw string
}

// Fold replaces whatever stands at a path by an alias.
type Fold struct {
	Path *Path
	Text string
}

// MetaEdit says what becomes of the metadata block. Its zero value keeps it.
//
// Setting where there is no block adds it at the end of every document of the
// file, so that removing it gives the source back; only a line feed that had to
// be added at the very end of the file, or a byte order mark that sops could
// not read, is not put back. Setting where there is a block changes only the
// bytes that differ if the tree keeps its shape, and replaces the block in its
// place otherwise.
type MetaEdit struct {
	Set    *Meta
	Remove bool
}
