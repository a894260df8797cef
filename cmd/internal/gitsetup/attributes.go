// Package gitsetup knows how git is told about gitseal: lines of .gitattributes,
// drivers in git's configuration, a hook; and how these are found and taken away
// again without touching anybody else's.
package gitsetup

import (
	"bytes"
	"errors"
	"strings"
)

// Attributes are what our patterns have. -text: a sealed file is what its bytes are, and
// with other line ends (core.autocrlf) a dotenv file does not open.
const Attributes = "diff=gitseal merge=gitseal -text"

const (
	blockBegin = "# gitseal: begin"
	blockEnd   = "# gitseal: end"
	// blockAbout follows blockBegin; blockNoEnd as well if the line in front of the
	// block had no end, which SetBlock gave it and RemoveBlock takes away.
	blockAbout = ": gitseal git install writes this block, gitseal git uninstall removes it"
	blockNoEnd = " with the line end above"
)

// notOurs are the files that no pattern of ours means, whatever it matches.
var notOurs = []string{".sops.yaml", ".gitattributes"}

// ErrBlock: the lines that mark our part of a file do not fit together.
var ErrBlock = errors.New("the block of gitseal has lost its first or last line")

// block is our part of a file: src[start:end].
type block struct {
	start, end int
	// noEnd: the line end in front of it is ours.
	noEnd bool
	found bool
}

// findBlock finds our part of a file of attributes.
func findBlock(src []byte) (block, error) {
	var b block
	open, at := false, 0
	for line := range bytes.Lines(src) {
		text := strings.TrimRight(string(line), "\r\n")
		switch {
		case strings.HasPrefix(text, blockBegin):
			if open || b.found {
				return b, ErrBlock
			}
			open, b.start = true, at
			b.noEnd = strings.HasSuffix(text, blockNoEnd)
		case text == blockEnd:
			if !open {
				return b, ErrBlock
			}
			open, b.found, b.end = false, true, at+len(line)
		}
		at += len(line)
	}
	if open {
		return b, ErrBlock
	}
	return b, nil
}

// SetBlock returns src, a file of attributes, with our block holding the patterns: in
// its place, if there is one, else at the end. Every other byte stays; line ends are
// those of the file. Its error is ErrBlock.
func SetBlock(src []byte, globs []string) ([]byte, error) {
	b, err := findBlock(src)
	if err != nil {
		return nil, err
	}
	newline := "\n"
	if bytes.Contains(src, []byte("\r\n")) {
		newline = "\r\n"
	}
	head, tail := src, []byte(nil)
	if b.found {
		head, tail = src[:b.start], src[b.end:]
	} else {
		b.noEnd = len(src) > 0 && src[len(src)-1] != '\n'
	}
	var out bytes.Buffer
	out.Write(head)
	first := blockBegin + blockAbout
	if b.noEnd {
		first += blockNoEnd
		if !b.found {
			out.WriteString(newline)
		}
	}
	out.WriteString(first + newline)
	for _, g := range globs {
		out.WriteString(quoteGlob(g) + " " + Attributes + newline)
	}
	// What others are merged by is itself text.
	for _, name := range notOurs {
		out.WriteString(name + " !diff !merge !text" + newline)
	}
	out.WriteString(blockEnd + newline)
	out.Write(tail)
	return out.Bytes(), nil
}

// RemoveBlock returns src as it was before SetBlock, whatever was written around the
// block since. Its error is ErrBlock.
func RemoveBlock(src []byte) ([]byte, error) {
	b, err := findBlock(src)
	if err != nil || !b.found {
		return src, err
	}
	head, tail := src[:b.start], src[b.end:]
	if b.noEnd && len(tail) == 0 {
		head = bytes.TrimSuffix(bytes.TrimSuffix(head, []byte("\n")), []byte("\r"))
	}
	return append(bytes.Clone(head), tail...), nil
}

// HasBlock reports whether our block is in a file of attributes, or a part of it.
func HasBlock(src []byte) bool {
	b, err := findBlock(src)
	return err != nil || b.found
}
