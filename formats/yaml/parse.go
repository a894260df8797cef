package yaml

import (
	"bytes"
	"slices"

	"github.com/gitseal/gitseal/formats"
)

// shape is what Rewrite needs to know of a file beyond its leaves.
type shape struct {
	src     string // the source again
	docs    []document
	newline string
}

// Parse finds the leaves and the metadata block of src: see [formats.Format].
func (Format) Parse(src []byte) (*formats.Document, error) {
	if len(src) > formats.MaxSealed {
		return nil, &formats.Error{Cause: formats.ErrLimit, Msg: "file too large"}
	}
	if err := checkChars(src); err != nil {
		return nil, err
	}
	p := newParser(src)
	if !p.stream() {
		return nil, p.err
	}
	meta, ok := p.metadata()
	if !ok {
		return nil, p.err
	}
	if len(p.docs) == 0 {
		p.docs = []document{{path: p.at, end: len(src), early: -1}}
	}
	sh := &shape{src: p.s, docs: p.docs, newline: newlineOf(src)}
	if !p.placeComments(sh) {
		return nil, p.err
	}
	return &formats.Document{Source: src, Documents: len(sh.docs), Leaves: p.trimmed(), Aliases: p.aliases, Tags: p.tags, Meta: meta, Shape: sh}, nil
}

// trimmed returns the leaves without much unused room behind them.
func (p *parser) trimmed() []formats.Leaf {
	if cap(p.leaves) > len(p.leaves)+len(p.leaves)/4+64 {
		return slices.Clone(p.leaves)
	}
	return p.leaves
}

// newlineOf returns the line break that the file uses.
func newlineOf(src []byte) string {
	if i := bytes.IndexByte(src, '\n'); i > 0 && src[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
