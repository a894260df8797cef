package lsp_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/lsp"
)

func TestPositionsCountUTF16(t *testing.T) {
	for _, tt := range []struct {
		text            string
		off             int
		line, character int
	}{
		{"", 0, 0, 0},
		{"abc", 2, 0, 2},
		{"a\nb", 2, 1, 0},
		{"a\r\nb", 3, 1, 0},
		{"a\rb", 2, 1, 0},
		{"ä b", 2, 0, 1},
		{"😀b", 4, 0, 2},
		{"x\n😀ü!", 8, 1, 3},
		{"a\n", 2, 1, 0},
	} {
		line, character := lsp.Position(tt.text, tt.off)
		if line != tt.line || character != tt.character {
			t.Errorf("%q at %d: got %d:%d, want %d:%d", tt.text, tt.off, line, character, tt.line, tt.character)
		}
		if off := lsp.Offset(tt.text, tt.line, tt.character); off != tt.off {
			t.Errorf("%q at %d:%d: got %d, want %d", tt.text, tt.line, tt.character, off, tt.off)
		}
	}
}

func TestPositionsOutsideAreMovedIn(t *testing.T) {
	const text = "ab\r\ncd"
	for _, tt := range []struct{ line, character, want int }{
		{-1, 5, 0}, {0, -3, 0}, {0, 99, 2}, {1, 99, 6}, {7, 0, 6}, {1 << 40, 1 << 40, 6},
	} {
		if got := lsp.Offset(text, tt.line, tt.character); got != tt.want {
			t.Errorf("%d:%d: got %d, want %d", tt.line, tt.character, got, tt.want)
		}
	}
	if got := lsp.Offset("😀", 0, 1); got != 0 {
		t.Errorf("in the middle of a pair: got %d, want 0", got)
	}
}

// TestEditsGiveTheText: whatever two texts are, the edit makes one of the other, and
// does not touch lines that are the same at both ends.
func TestEditsGiveTheText(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "😀", "\n", "\r\n", "b\n", "", "ü\n", "\n\n"}
	text := func() string {
		var b strings.Builder
		for range random.IntN(8) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		return b.String()
	}
	for range 20_000 {
		old, want := text(), text()
		if got, _ := lsp.Edited(old, want); got != want {
			t.Fatalf("from %q: got %q, want %q", old, got, want)
		}
	}
	many := strings.Repeat("line\n", 100)
	if _, replaced := lsp.Edited(many+"x: 1\n"+many, many+"x: 2\n"+many); replaced != len("x: 1\n") {
		t.Errorf("for one line, %d bytes are replaced", replaced)
	}
}

func TestOnlyFilesHavePaths(t *testing.T) {
	for uri, want := range map[string]string{
		"file:///a/b%20c.yaml": "/a/b c.yaml", "file:///a/%2e%2e/b": "/b", "file://localhost/x": "/x",
		"untitled:Untitled-1": "", "git:/a/b": "", "file://host/x": "", "http://x/y": "", "": "", "file:": "", "file:x": "", "file:///a%00b": "", "%": "",
	} {
		if got := lsp.PathOf(uri); got != want {
			t.Errorf("%q: got %q, want %q", uri, got, want)
		}
	}
}
