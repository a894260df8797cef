package cipher

import (
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// A merge by ciphertext puts comments where nobody had them: two that are one comment
// to the format now (INI takes all lines above a key for one), or one of another map
// than it was, if keys came or went around it. What they say is looked up in the
// versions that were merged.

// movedComments are what opens the comments of a file that was merged without a key.
type movedComments struct {
	// known are the comments of versions, :: ciphertext → text; nil if there are none
	// and comments stand where they were sealed.
	known map[string]string
	// pieces are the sealed lines of comments that are not as they were sealed, parallel
	// to the leaves; their ciphertexts are of no use where they stand.
	pieces [][]commentPiece
}

// commentPiece is a sealed line of a comment.
type commentPiece struct{ sealed, text string }

// note takes over the comments of a version.
func (g *merger) note(o *Opened) *Opened {
	for i, v := range o.values {
		if v != "" && o.content.doc.Leaves[i].Kind == formats.Comment {
			g.comments[v] = o.content.scalars[i].Text
		}
	}
	return o
}

// moved opens a comment line by line. Lines that are plain stay.
func (w *leafOpener) moved(i int) error {
	l := &w.o.content.doc.Leaves[i]
	if w.opensHere(i) {
		return nil
	}
	var pieces []commentPiece
	for _, sealed := range commentLines(l.Text) {
		if !looksSealed(sealed) {
			continue
		}
		text, ok := w.movedText(i, sealed)
		if !ok {
			return &TamperedError{Reason: ReasonComments, Path: l.Path}
		}
		pieces = append(pieces, commentPiece{sealed, text})
	}
	if len(pieces) == 0 {
		return nil
	}
	w.o.content.scalars[i].Text = openPieces(l.Text, pieces, nil)
	w.o.values[i], w.o.moved.pieces[i] = l.Text, pieces
	return nil
}

// opensHere opens a comment that is as it was sealed.
func (w *leafOpener) opensHere(i int) bool {
	l := &w.o.content.doc.Leaves[i]
	v, ok := parseValue(l.Text)
	if !ok || v.typ != "comment" {
		return false
	}
	text, reason := w.values.openBytes(v, appendAAD(nil, l.Path))
	if reason != "" {
		return false
	}
	w.o.content.scalars[i].Text, w.o.values[i] = w.texts.keep(text), l.Text
	return true
}

// hasSealedLine reports whether a line of a comment is sealed.
func hasSealedLine(text string) bool {
	return slices.ContainsFunc(commentLines(text), looksSealed)
}

// commentLines returns the lines of a comment that say something.
func commentLines(text string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = commentLine(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// commentLine returns a line of a comment without what makes it one.
func commentLine(line string) string {
	return strings.TrimSpace(strings.TrimLeft(line, "#; \t"))
}

// openPieces replaces the sealed lines of a comment by their texts, or by how they were
// spelled.
func openPieces(text string, pieces []commentPiece, spelled map[valueTag]string) string {
	var b strings.Builder
	for _, p := range pieces {
		before, after, found := strings.Cut(text, p.sealed)
		if !found {
			break
		}
		b.WriteString(before)
		if raw := spelled[tagOf(p.sealed)]; raw != "" {
			b.WriteString(raw)
		} else {
			b.WriteString(p.text)
		}
		text = after
	}
	return b.String() + text
}

// movedText returns the text of a sealed comment that stands near leaf i.
func (w *leafOpener) movedText(i int, sealed string) (string, bool) {
	if text, ok := w.o.moved.known[sealed]; ok {
		return text, true
	}
	v, ok := parseValue(sealed)
	if !ok || v.typ != "comment" {
		return "", false
	}
	places := w.containersAround(i)
	if w.o.moved.known != nil {
		places = append(places, w.containersNear(i)...)
	}
	for _, p := range places {
		if text, reason := w.values.openBytes(v, appendAAD(nil, p)); reason == "" {
			return w.texts.keep(text), true
		}
	}
	return "", false
}

// containersNear returns the containers of the comments around a leaf and of the values
// next to them.
func (w *leafOpener) containersNear(i int) []*formats.Path {
	const looked = 16 // a comment that nobody vouches for is not worth more
	leaves := w.o.content.doc.Leaves
	var out []*formats.Path
	for _, step := range []int{-1, 1} {
		for j := i + step; j >= 0 && j < len(leaves) && max(i-j, j-i) <= looked; j += step {
			p := leaves[j].Path
			for ; p != nil; p = p.Parent {
				if !slices.ContainsFunc(out, p.Equal) {
					out = append(out, p)
				}
			}
			if leaves[j].Kind != formats.Comment {
				break
			}
		}
	}
	return out
}
