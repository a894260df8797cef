package editor_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/editor"
)

// TestNotes: notes stand on top of the text, with its line endings, and leave
// nothing behind.
func TestNotes(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"lines", "a: 1\n", "#~ gitseal: one\n#~ gitseal: two\n#~ gitseal: three\na: 1\n"},
		{"nothing", "", "#~ gitseal: one\n#~ gitseal: two\n#~ gitseal: three\n"},
		{"CRLF", "a: 1\r\nb: 2\r\n", "#~ gitseal: one\r\n#~ gitseal: two\r\n#~ gitseal: three\r\na: 1\r\nb: 2\r\n"},
		{"byte order mark", "\ufeffa: 1", "\ufeff#~ gitseal: one\n#~ gitseal: two\n#~ gitseal: three\na: 1"},
		{"a comment of its own", "# a\n\n", "#~ gitseal: one\n#~ gitseal: two\n#~ gitseal: three\n# a\n\n"},
	} {
		got, notes := editor.Annotate([]byte(tt.text), "#", []string{"one", "two\nthree"})
		if diff := cmp.Diff(tt.want, string(got)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if back := notes.Strip(got); string(back) != tt.text {
			t.Errorf("%s: got back %q", tt.name, back)
		}
	}
	got, notes := editor.Annotate([]byte("{}"), "", []string{"x"})
	if back := notes.Strip(got); string(got) != "{}" || string(back) != "{}" {
		t.Errorf("without comments: got %q, %q", got, back)
	}
}

// TestNotesAfterEditing: of what editors and people make of a text, exactly the notes
// are taken away.
func TestNotesAfterEditing(t *testing.T) {
	_, notes := editor.Annotate([]byte("a: 1\n"), "#", []string{"one", "\n", "two", "two"})
	for in, want := range map[string]string{
		"#~ gitseal: one\n#~ gitseal:\na: 1\n":                "a: 1\n", // no space at the end
		"#~ gitseal: one":                                     "",       // no line break
		"b: 2\n#~ gitseal: two\n#~ gitseal: one\na\n":         "b: 2\na\n",
		"#~ gitseal: one\r\na: 1\r\n":                         "a: 1\r\n",
		"#~ gitseal: mine\na: 1\n":                            "#~ gitseal: mine\na: 1\n",
		"#~ gitseal: two\n#~ gitseal: two\n#~ gitseal: two\n": "#~ gitseal: two\n",
	} {
		if got := notes.Strip([]byte(in)); string(got) != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestNotesOfTheText: lines of the text that look like notes are not ours, whether or
// not there are notes on top of them, and whether or not people leave those there.
func TestNotesOfTheText(t *testing.T) {
	const text = "#~ gitseal: one\n#~ gitseal: mine\na: 1\n"
	got, notes := editor.Annotate([]byte(text), "#", nil)
	if back := notes.Strip(got); string(got) != text || string(back) != text {
		t.Errorf("without notes: got %q, %q", got, back)
	}
	got, notes = editor.Annotate([]byte(text), "#", []string{"one"})
	if back := notes.Strip(got); string(back) != text {
		t.Errorf("with notes: got %q from %q", back, got)
	}
	if back := notes.Strip([]byte(text)); string(back) != text {
		t.Errorf("with the notes deleted: got %q", back)
	}
}

func FuzzNotes(f *testing.F) {
	f.Add([]byte("a: 1\n"), "note")
	f.Add([]byte("\ufeffa: 1\r\n"), "two\nlines")
	f.Add([]byte("#~ gitseal: note\n"), "note")
	f.Fuzz(func(t *testing.T, text []byte, note string) {
		got, notes := editor.Annotate(text, "#", []string{note})
		if back := notes.Strip(got); !bytes.Equal(back, text) {
			t.Errorf("got %q, want %q", back, text)
		}
		if back := notes.Strip(text); !bytes.Equal(back, text) {
			t.Errorf("without its notes: got %q, want %q", back, text)
		}
	})
}
