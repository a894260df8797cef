package lsp

// Position and Offset are there for tests of the conversion.
func Position(text string, off int) (line, character int) {
	p := newLines([]byte(text)).position(off)
	return p.Line, p.Character
}

func Offset(text string, line, character int) int {
	return newLines([]byte(text)).offset(position{line, character})
}

// Edited makes an edit of two texts and applies it to the first, as an editor does.
func Edited(old, text string) (result string, replaced int) {
	l := newLines([]byte(old))
	e := editBetween(l, []byte(text))
	start, end := l.offset(e.Range.Start), l.offset(e.Range.End)
	return old[:start] + e.NewText + old[end:], end - start
}

// PathOf is there for tests.
func PathOf(uri string) string { return pathOf(uri) }

// The limits.
const (
	MaxText    = maxText
	MaxMessage = maxMessage
	MaxRunning = maxRunning
)
