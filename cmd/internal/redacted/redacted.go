// Package redacted shows a sealed file without its values: each sealed value is
// replaced by a token that says what kind of value it is and tells it from others.
// No key is needed, and nothing secret is in the result.
package redacted

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/ini"
)

// tagSize is the number of characters of a tag: 50 bits.
const tagSize = 10

// Tag names a sealed value by the hash of its ciphertext: equal tags are the same
// ciphertext, and another tag says that the value was sealed anew, not that it is
// another value.
func Tag(sealed string) string {
	sum := sha256.Sum256([]byte(strings.TrimSuffix(sealed, "\n")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:tagSize]
}

// Token returns what stands for a sealed value, as in <sealed string 3fz7q2abcd>.
func Token(kind formats.Kind, sealed string) string { return token(kind, sealed, "") }

// token is Token with a note on what the value looks like.
func token(kind formats.Kind, sealed, note string) string {
	if note != "" {
		note = " (" + note + ")"
	}
	return tokenStart + kind.String() + " " + Tag(sealed) + note + ">"
}

// tokenStart is what every token begins with.
const tokenStart = "<sealed "

var tokenPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^<sealed ([a-z ]+) ([a-z2-7]{10})(?: \([^<>()\n]*\))?>$`)
})

// ParseToken returns the tag of a text that is a token, with or without a note.
func ParseToken(text string) (tag string, ok bool) {
	m := tokenPattern().FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return "", false
	}
	return m[2], true
}

// View is a sealed file as it can be shown.
type View struct {
	// Text is the file with tokens in place of the sealed values and comments,
	// without its metadata block, and otherwise as it is.
	Text     []byte
	Metadata *cipher.Metadata
	// Document is the sealed file, Leaves what is known of each of its leaves.
	Document *formats.Document
	Leaves   []cipher.ValueInfo
	// Descriptions say what the values look like, parallel to Leaves; nil if the file
	// was not opened.
	Descriptions []Description
}

// New returns the view of a sealed file. Its error is one of [cipher.Inspect].
func New(f formats.Format, src []byte) (*View, error) {
	return newView(f, src, func(*View) []Description { return nil })
}

func newView(f formats.Format, src []byte, describe func(*View) []Description) (*View, error) {
	doc, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	m, err := cipher.ParseMetadata(doc)
	if err != nil {
		return nil, err
	}
	v := &View{Metadata: m, Document: doc, Leaves: cipher.InspectLeaves(m, doc)}
	v.Descriptions = describe(v)
	edit := formats.Edit{Meta: formats.MetaEdit{Remove: true}}
	for i, info := range v.Leaves {
		if info.State == cipher.StateSealed {
			edit.Values = append(edit.Values, formats.Value{Leaf: i, Scalar: v.scalar(f, i)})
		}
	}
	v.Text, err = f.Rewrite(doc, edit)
	return v, err
}

// scalar is what stands for the sealed leaf i. A blank sets the token of a comment off
// from its marker, but in INI, where it would be no part of the comment: reading the text
// again would not take it away.
func (v *View) scalar(f formats.Format, i int) formats.Scalar {
	if v.Document.Leaves[i].Kind == formats.Comment {
		text := v.Token(i)
		if _, isINI := f.(ini.Format); !isINI {
			text = " " + text
		}
		return formats.Scalar{Kind: formats.Comment, Text: text}
	}
	return formats.Scalar{Kind: formats.String, Text: v.Token(i)}
}

// Token returns the token of leaf i, with the note on what it looks like if there is
// one.
func (v *View) Token(i int) string {
	note := ""
	if v.Descriptions != nil {
		note = v.Descriptions[i].String()
	}
	return token(v.Leaves[i].Kind, v.Document.Leaves[i].Text, note)
}
