package cipher

import (
	"bytes"
	"encoding/hex"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// MergeRecord names the versions that a half-merged file was made of, by the ids
// that git gives their contents: lower-case hexadecimal of 20 or 32 bytes. It is
// kept as the map sops.seal.merged (docs/FORMAT.md §4).
type MergeRecord struct {
	// Base is empty if both sides have added the file.
	Base, Ours, Theirs string
}

// Merged returns what a half-merged file was made of, nil if the file is not one.
// Nobody vouches for it.
func (m *Metadata) Merged() *MergeRecord {
	if m.Seal == nil {
		return nil
	}
	return m.Seal.merged
}

func (r *MergeRecord) build() formats.Meta {
	n := formats.Meta{Key: "merged", Kind: formats.MetaMap}
	for _, f := range []formats.Meta{textNode("base", r.Base), textNode("ours", r.Ours), textNode("theirs", r.Theirs)} {
		if f.Text != "" {
			n.Items = append(n.Items, f)
		}
	}
	return n
}

func (r *metadataReader) mergeRecord(tree *formats.Meta) *MergeRecord {
	if tree == nil {
		return nil
	}
	rec := &MergeRecord{Base: r.text(tree, "base"), Ours: r.text(tree, "ours"), Theirs: r.text(tree, "theirs")}
	if tree.Kind != formats.MetaMap || !isObjectID(rec.Ours) || !isObjectID(rec.Theirs) || rec.Base != "" && !isObjectID(rec.Base) {
		r.fail("seal.merged")
	}
	return rec
}

// isObjectID reports whether a text is one of git's ids, and nothing that git would
// read as something else.
func isObjectID(s string) bool {
	b, err := hex.DecodeString(s)
	const sha1Size, sha256Size = 20, 32
	return err == nil && (len(b) == sha1Size || len(b) == sha256Size) && s == strings.ToLower(s)
}

// bare is a sealed file without its metadata block, as text to merge.
type bare struct {
	doc  *formats.Document // with the block
	meta *Metadata
	text []byte
}

// readBare takes the block of a sealed file away.
func readBare(f formats.Format, src []byte) (*bare, error) {
	doc, m, err := parseSealed(f, src)
	if err == nil {
		err = checkPaths(doc)
	}
	if err != nil {
		return nil, err
	}
	text, err := f.Rewrite(doc, formats.Edit{Meta: formats.MetaEdit{Remove: true}})
	if err != nil {
		return nil, err
	}
	return &bare{doc: doc, meta: m, text: text}, nil
}

// dress is the inverse of readBare: it puts a block on a text of sealed values.
func dress(f formats.Format, text []byte, block *formats.Meta) ([]byte, error) {
	doc, err := f.Parse(text)
	if err != nil {
		return nil, err
	}
	if doc.Meta != nil {
		return nil, sealedOrReserved(doc.Meta)
	}
	out, err := f.Rewrite(doc, formats.Edit{Meta: formats.MetaEdit{Set: block}})
	if err != nil {
		return nil, err
	}
	// Not every format could hold every block; what it cannot hold must not pass.
	back, err := readBare(f, out)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(back.text, text) && !bytes.Equal(bytes.TrimRight(back.text, "\r\n"), bytes.TrimRight(text, "\r\n")) {
		return nil, &formats.Error{Cause: formats.ErrNotSealable, Msg: "the merged text does not keep its layout with a metadata block"}
	}
	return out, nil
}
