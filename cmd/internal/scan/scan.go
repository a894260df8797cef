// Package scan finds secrets that stand somewhere in plain text: by the forms that
// services give their tokens and keys, and by what a value in a configuration file is
// called. It says where one stands, of what kind it is, and never what it is.
//
// It errs on the side of silence: what it reports should nearly always be worth a look.
// What only may be a secret is marked as weak.
package scan

import (
	"bytes"

	"github.com/gitseal/gitseal/formats"
)

// Hit is a place where a secret seems to stand. It holds no part of it.
type Hit struct {
	// Pattern names what was found, in words that do not change, such as "github-token".
	Pattern string
	// Title is that for people: "a GitHub token".
	Title string
	// Weak: it may well be none, or do no harm.
	Weak bool
	// Start and End bound it in the source.
	Start, End int
	// Path is the key that it stands under, nil if that is not known.
	Path *formats.Path
}

// The patterns that are told by names and not by their form.
const (
	PatternKey        = "secret-key"
	PatternKubernetes = "kubernetes-secret"
)

// AllowMark, in a comment on the line (or on a line of its own just above), lets what
// was found there pass.
const AllowMark = "gitseal:allow"

// Source is a file to look through.
type Source struct {
	// Name tells how a text that no format reads writes its keys.
	Name string
	Text []byte
	// Doc is the file's document if it is one of a format with keys, and nil if it is
	// not, or could not be parsed.
	Doc *formats.Document
	// Format is the format that the file is meant for, if any: "yaml", "json", "dotenv"
	// or "ini".
	Format string
}

// File looks through a file. Hits are in the order of the file, and of several in one
// place only the most telling is there. more says that there are so many that some were
// left out.
func File(s Source) (hits []Hit, more bool) {
	forms := &collector{src: s.Text, allow: true}
	known(s.Text, forms)
	named := &collector{src: s.Text, allow: true}
	if s.Doc != nil {
		setPaths(s.Doc, forms.hits)
		inDocument(s.Doc, named)
	} else {
		inText(s.Text, dialectOf(s.Name, s.Format), isTest(s.Name), named)
	}
	return firstOfEach(append(forms.hits, named.hits...)), forms.more || named.more
}

// Allowed reports whether the author has let what stands at an offset pass.
func Allowed(src []byte, at int) bool {
	begin := bytes.LastIndexByte(src[:at], '\n') + 1
	end := len(src)
	if n := bytes.IndexByte(src[at:], '\n'); n >= 0 {
		end = at + n
	}
	if bytes.Contains(src[begin:end], []byte(AllowMark)) {
		return true
	}
	if begin == 0 {
		return false
	}
	above := bytes.TrimSpace(src[bytes.LastIndexByte(src[:begin-1], '\n')+1 : begin-1])
	return bytes.Contains(above, []byte(AllowMark)) && (isComment(above) || opensBlock(above))
}

// isComment reports whether a line holds nothing but a comment.
func isComment(line []byte) bool {
	for _, mark := range []string{"#", ";", "//", "--", "/*", "<!--", "*"} {
		if bytes.HasPrefix(line, []byte(mark)) {
			return true
		}
	}
	return false
}

// opensBlock reports whether the text of a YAML block scalar follows a line.
func opensBlock(line []byte) bool {
	code, _, found := bytes.Cut(line, []byte(" #"))
	code = bytes.TrimRight(bytes.TrimSpace(code), "+-0123456789")
	return found && (bytes.HasSuffix(code, []byte("|")) || bytes.HasSuffix(code, []byte(">")))
}
