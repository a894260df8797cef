package editor

import (
	"bytes"
	"crypto/rand"
	"strings"
)

// markWord follows the comment character in the lines of a note.
const markWord = "~ gitseal"

// byteOrderMark may be the first of a text.
const byteOrderMark = "\ufeff"

// Notes are the lines that were put on top of a text.
type Notes struct{ lines []string }

// Annotate puts notes on top of a text, as comments that begin with the characters
// of comment, and returns what takes them away again. They begin as no line of the
// text does. Without notes, or comments, it is the text.
func Annotate(text []byte, comment string, notes []string) ([]byte, Notes) {
	if len(notes) == 0 || comment == "" {
		return text, Notes{}
	}
	mark, rest := splitMark(text)
	end := "\n"
	if first, _, ok := bytes.Cut(rest, []byte("\n")); ok && bytes.HasSuffix(first, []byte("\r")) {
		end = "\r\n"
	}
	prefix := unusedPrefix(rest, comment)
	var own Notes
	var b bytes.Buffer
	b.Write(mark)
	for _, note := range notes {
		for line := range strings.Lines(note) {
			line = prefix + strings.TrimRight(line, "\r\n")
			own.lines = append(own.lines, trimmed(line))
			b.WriteString(line + end)
		}
	}
	b.Write(rest)
	return b.Bytes(), own
}

// unusedPrefix returns what no line of a text begins with. It is the same for almost
// all texts.
func unusedPrefix(text []byte, comment string) string {
	const letters = 4
	for word := markWord; ; word = markWord + " " + strings.ToLower(rand.Text()[:letters]) {
		start := []byte(comment + word + ":")
		if !bytes.HasPrefix(text, start) && !bytes.Contains(text, append([]byte("\n"), start...)) {
			return string(start) + " "
		}
	}
}

// Strip removes the notes from a text, wherever it has them now. Lines that were not
// among the notes stay, whatever they look like.
func (n Notes) Strip(text []byte) []byte {
	if len(n.lines) == 0 {
		return text
	}
	left := map[string]int{}
	for _, line := range n.lines {
		left[line]++
	}
	mark, rest := splitMark(text)
	out := bytes.Clone(mark)
	for line := range bytes.Lines(rest) {
		if key := trimmed(string(line)); left[key] > 0 {
			left[key]--
			continue
		}
		out = append(out, line...)
	}
	return out
}

// trimmed is a line without what editors may take away from its end.
func trimmed(line string) string { return strings.TrimRight(line, " \t\r\n") }

func splitMark(text []byte) (mark, rest []byte) {
	if bytes.HasPrefix(text, []byte(byteOrderMark)) {
		return text[:len(byteOrderMark)], text[len(byteOrderMark):]
	}
	return nil, text
}
