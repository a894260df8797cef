// Package yaml finds the values in a YAML file and splices new ones in.
//
// # Reading
//
// The package has its own parser, because no library tells where a scalar ends.
// What it accepts, go.yaml.in/yaml/v3 (with which sops reads our files) accepts
// too, with the same tree, values and types. It refuses more:
//
//   - what no sops file can hold: a root that is not a map, keys that are not
//     strings, merge keys whose value is not a map (all [formats.ErrNotSealable])
//     and duplicate keys in any map ([formats.ErrDuplicate]);
//   - UTF-16, raw U+0085, U+2028 and U+2029 (line breaks in YAML 1.1, text in
//     1.2) and a byte order mark inside the file (yaml.v3 may swallow a letter);
//   - an alias to an anchor of an earlier document, or to one that it lies in;
//   - a tab at the start of a line outside of scalars and flow collections;
//   - in a sealed file, anchors and aliases inside the metadata block.
//
// # Comments
//
// A comment line is a leaf. It belongs to the map or list that yaml.v3 and sops
// attach it to; the package asks yaml.v3, once for a file with comments, about a
// copy in which every comment is a number and every document has a metadata
// block. A comment that yaml.v3 loses belongs to the collection around it; sops
// does not see it. A comment behind an alias that repeats a collection is taken
// to belong to that collection, as sops does once the alias is written out.
// Comments inside the metadata block and on directive lines are no leaves.
package yaml

import "github.com/gitseal/gitseal/formats"

// Format is YAML. Its zero value is ready for use.
type Format struct{}

var _ formats.Format = Format{}

// form is how a scalar is spelled: the lowest bits of a leaf's Style.
type form uint32

const (
	formPlain form = iota // also nothing at all, {} and []
	formSingle
	formDouble
	formLiteral
	formFolded
)

// The bits of a leaf's Style above its form.
const (
	formMask uint32 = 7
	// styleFlow: inside [ ] or { }.
	styleFlow uint32 = 1 << 3
	// styleStr: a !!str tag stands before the span.
	styleStr uint32 = 1 << 4
	// styleBody: the span of a block scalar begins after its header, because the
	// header line ends in a comment, which is a leaf of its own.
	styleBody uint32 = 1 << 5
	// styleFixed: the value cannot be replaced, as something else that must stay
	// stands in it: a comment in {}, an anchor between a tag and its content.
	styleFixed uint32 = 1 << 6
	// styleNoColon: an absent value after a key without a colon.
	styleNoColon uint32 = 1 << 7
	// styleKeep and styleStrip are a block scalar's chomping.
	styleKeep  uint32 = 1 << 8
	styleStrip uint32 = 1 << 9
	// styleItem: an item of a block list, as opposed to a map's value.
	styleItem uint32 = 1 << 10
	// styleDigit is where a block scalar's indentation indicator is (4 bits).
	styleDigit = 11
	// styleIndent is where the column of the enclosing block, plus 1, is.
	styleIndent = 16
)

// maxColumn bounds the columns that a Style can hold.
const maxColumn = 1<<16 - 16

func formOf(style uint32) form { return form(style & formMask) }

// parentIndent returns the column of the block collection around the leaf, -1 if
// there is none.
func parentIndent(style uint32) int { return int(style>>styleIndent) - 1 }

func (f form) block() bool { return f == formLiteral || f == formFolded }
