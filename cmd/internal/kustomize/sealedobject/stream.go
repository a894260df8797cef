package sealedobject

import (
	"bytes"
	"context"
	"fmt"

	"github.com/gitseal/gitseal/formats"
)

// Part is one document of a YAML stream, as text. The parts of a stream, one after
// another with their separators, are the stream.
type Part struct {
	// Separator is the line that stands before it, "" before the first.
	Separator []byte
	// Text goes up to the next separator.
	Text []byte
}

// IsBlank reports whether there is nothing but white space and comments.
func (p Part) IsBlank() bool {
	for line := range bytes.Lines(p.Text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// Split divides a stream of YAML documents at the lines that begin with ---. It copies
// nothing. What stands behind the dashes on their line is part of the separator if it is
// a comment, and else of the document.
func Split(src []byte) []Part {
	out := []Part{{}}
	start := 0
	for at := 0; at < len(src); {
		end := len(src)
		if i := bytes.IndexByte(src[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if n := separatorLength(src[at:end]); n > 0 {
			out[len(out)-1].Text = src[start:at]
			out = append(out, Part{Separator: src[at : at+n]})
			start = at + n
		}
		at = end
	}
	out[len(out)-1].Text = src[start:]
	return out
}

// separatorLength is how much of a line is a separator.
func separatorLength(line []byte) int {
	const dashes = "---"
	if !bytes.HasPrefix(line, []byte(dashes)) {
		return 0
	}
	rest := line[len(dashes):]
	if len(rest) > 0 && rest[0] != ' ' && rest[0] != '\t' && rest[0] != '\r' && rest[0] != '\n' {
		return 0
	}
	if text := bytes.TrimSpace(rest); len(text) > 0 && text[0] != '#' {
		return len(dashes)
	}
	return len(line)
}

// Stream opens the sealed objects in a stream of YAML documents and returns the stream
// with nothing else changed. each calls work for 0 … n-1, some at a time.
func Stream(ctx context.Context, o *Opener, src []byte, each func(ctx context.Context, n int, work func(i int) error) error) ([]byte, []string, error) {
	parts := Split(src)
	opened := make([]*Opened, len(parts))
	err := each(ctx, len(parts), func(i int) error {
		if o.Mode == Passthrough || !MayBeSealed(parts[i].Text) || parts[i].IsBlank() {
			return nil
		}
		n, err := ParseYAML(parts[i].Text)
		if err != nil {
			return fromSource(parts[i], nil, &Error{Msg: fmt.Sprintf("document %d, which may be sealed", i+1), Err: err,
				Hint: "it has to be one YAML map whose keys are strings"})
		}
		opened[i], err = o.Treat(ctx, &n, src)
		return fromSource(parts[i], &n, err)
	})
	if err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	var warnings []string
	for i, p := range parts {
		b.Write(p.Separator)
		if opened[i] == nil {
			b.Write(p.Text)
			continue
		}
		warnings = append(warnings, opened[i].Warnings...)
		if err := writeDocuments(&b, p, opened[i].Objects); err != nil {
			return nil, nil, err
		}
	}
	return b.Bytes(), warnings, nil
}

// fromSource names the template that an object is from, if Helm has left a note of it.
func fromSource(p Part, n *formats.Node, err error) error {
	if err == nil {
		return nil
	}
	source := ""
	if n != nil {
		source = Text(n, "metadata", "annotations", "postrenderer.helm.sh/postrender-filename")
	}
	for line := range bytes.Lines(p.Text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			break
		}
		if name, ok := bytes.CutPrefix(line, []byte("# Source: ")); ok {
			source = string(name)
		}
	}
	if source == "" || len(source) > maxShown {
		return err
	}
	return &Error{Object: source, Err: err, Hint: hintOf(err)}
}

// writeDocuments writes objects in place of a document. The comments at its beginning
// stay: Helm's say which template it is from.
func writeDocuments(b *bytes.Buffer, p Part, objects []formats.Node) error {
	if len(p.Separator) > 0 && p.Separator[len(p.Separator)-1] != '\n' {
		b.WriteByte('\n')
	}
	var comments []byte
	for line := range bytes.Lines(p.Text) {
		if text := bytes.TrimSpace(line); len(text) > 0 && text[0] != '#' {
			break
		}
		comments = append(comments, line...)
	}
	for i := range objects {
		text, err := YAML(objects[i])
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteString("---\n")
		}
		b.Write(comments)
		b.Write(text)
	}
	return nil
}
