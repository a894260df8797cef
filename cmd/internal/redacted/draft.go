package redacted

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// Error says what is wrong with an edited text, and where. It holds no value.
type Error struct {
	// Line counts from 1.
	Line int
	Path *formats.Path
	Msg  string
	// Err is that of the generator, nil for any other.
	Err error
}

// Error returns "line L: path: message".
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s: %s", e.Line, e.Path, e.Msg) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Draft is an edited redacted text with the sealed values back in their places.
type Draft struct {
	// Text is the file without its metadata block. New values are plain in it: it is a
	// secret.
	Text []byte
	// New are the leaves of Document that are to be sealed and are not.
	New      []int
	Document *formats.Document
}

// String says nothing of the content.
func (d Draft) String() string { return "<draft>" }

// GoString is String.
func (d Draft) GoString() string { return d.String() }

// Generator makes a new secret of a kind; length is 0 for the usual one.
type Generator func(kind string, length int) (string, error)

// generatePattern is what a value is written as that is to be generated.
var generatePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^<generate ([a-z0-9-]+)(?: ([0-9]+))?>$`)
})

// Read takes an edited text of the view. A token stands for its value wherever the
// value could stand in a sealed file: under the same keys, which leaves the order of
// a list's items free. A token that stands twice, elsewhere, within another text, or
// where its value would become plain is refused, and so is what only looks like a token.
//
// Its error is an [Error], which may wrap that of the generator, a [formats.Error], or
// [cipher.ErrAlreadySealed].
func (v *View) Read(f formats.Format, edited []byte, generate Generator) (*Draft, error) {
	doc, err := f.Parse(edited)
	if err != nil {
		return nil, err
	}
	if doc.Meta != nil {
		return nil, cipher.ErrAlreadySealed
	}
	r := &reader{view: v, doc: doc, generate: generate, used: map[int]bool{}, byTag: map[string][]int{}}
	for i, info := range v.Leaves {
		if info.State == cipher.StateSealed {
			tag := Tag(v.Document.Leaves[i].Text)
			r.byTag[tag] = append(r.byTag[tag], i)
		}
	}
	for i := range doc.Leaves {
		if err := r.leaf(i); err != nil {
			return nil, err
		}
	}
	d := &Draft{}
	if d.Text, err = rewrite(f, doc, v.asWas(f, doc, r.edit), r.edit); err != nil {
		return nil, err
	}
	if d.Document, err = f.Parse(d.Text); err != nil {
		return nil, err
	}
	return d, v.check(d, r.made)
}

// asWas returns the edit with the sealed values that nobody has moved spelled as they
// are in the file: a block's header, say, was made for what it held.
func (v *View) asWas(f formats.Format, doc *formats.Document, edit formats.Edit) formats.Edit {
	shown, err := f.Parse(v.Text)
	if err != nil || len(shown.Leaves) != len(v.Document.Leaves) {
		return edit
	}
	old := map[string]int{} // by ciphertext
	for i := range v.Document.Leaves {
		old[strings.TrimSuffix(v.Document.Leaves[i].Text, "\n")] = i
	}
	out := formats.Edit{Values: slices.Clone(edit.Values)}
	for n, value := range out.Values {
		i, known := old[value.Text]
		if known && value.Kind == formats.Sealed && shown.Text(i) == doc.Text(value.Leaf) {
			out.Values[n].Raw = v.Document.Text(i)
		}
	}
	return out
}

// reader replaces the tokens of one text.
type reader struct {
	view     *View
	doc      *formats.Document
	generate Generator
	byTag    map[string][]int
	used     map[int]bool
	// made are the places of generated values.
	made []*formats.Path
	edit formats.Edit
}

func (r *reader) fail(i int, msg string) error { return failAt(r.doc, i, msg) }

func failAt(doc *formats.Document, i int, msg string) error {
	e := placeOf(doc, i)
	e.Msg = msg
	return e
}

// placeOf is an error at a leaf.
func placeOf(doc *formats.Document, i int) *Error {
	return &Error{Line: 1 + bytes.Count(doc.Source[:doc.Leaves[i].Start], []byte("\n")), Path: doc.Leaves[i].Path}
}

// leaf takes one value or comment of the edited text.
func (r *reader) leaf(i int) error {
	l := &r.doc.Leaves[i]
	text := strings.TrimSpace(l.Text)
	if l.Kind != formats.String && l.Kind != formats.Comment {
		return nil
	}
	switch {
	case strings.HasPrefix(text, strings.TrimSpace(tokenStart)):
		return r.token(i, text)
	case strings.HasPrefix(text, cipher.SealedPrefix):
		return r.fail(i, "a sealed value was pasted here: only tokens of this file stand for sealed values")
	case strings.HasPrefix(text, "<generate") && l.Kind == formats.String:
		return r.generated(i, text)
	case r.mentions(l) && !r.view.shows(l):
		return r.fail(i, "a token is within other text here, where it stands for nothing: put it alone in its place, or leave it out")
	}
	return nil
}

// notQuite is what is wrong with a text that may be meant as a token.
const notQuite = "this is not quite a token: take it as gitseal view prints it, or write a new value"

func (r *reader) token(i int, text string) error {
	l := &r.doc.Leaves[i]
	tag, ok := ParseToken(text)
	if !ok {
		if l.Kind == formats.Comment && !strings.HasPrefix(text, tokenStart+formats.Comment.String()) {
			return nil // people write about tokens, too
		}
		return r.fail(i, notQuite)
	}
	if len(r.byTag[tag]) == 0 {
		return r.fail(i, "no sealed value of the file has this token: it was sealed anew since, or belongs to another file")
	}
	left := slices.DeleteFunc(slices.Clone(r.byTag[tag]), func(old int) bool { return r.used[old] })
	if len(left) == 0 {
		return r.fail(i, "this token stands twice: a value can be moved, not copied")
	}
	old := left[0]
	was := &r.view.Document.Leaves[old]
	if (was.Kind == formats.Comment) != (l.Kind == formats.Comment) {
		return r.fail(i, "a sealed comment stays a comment, and a sealed value a value")
	}
	// Which map or list a comment belongs to is not for people to see; opening tells.
	if !samePlace(was.Path, l.Path) && (l.Kind != formats.Comment || was.Path.Document() != l.Path.Document()) {
		return r.fail(i, "the value of this token is sealed for "+was.Path.String()+" and opens nowhere else: put it back, or write a new value")
	}
	if !strings.HasPrefix(text, strings.TrimSuffix(Token(r.view.Leaves[old].Kind, was.Text), ">")) {
		return r.fail(i, notQuite)
	}
	r.used[old] = true
	r.edit.Values = append(r.edit.Values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.Sealed, Text: strings.TrimSuffix(was.Text, "\n")}})
	return nil
}

// samePlace reports whether a value that is sealed for one path opens at another:
// only list indexes may differ. Documents are not mixed up either.
func samePlace(a, b *formats.Path) bool {
	return a.Document() == b.Document() && slices.Equal(a.Keys(), b.Keys())
}

func (r *reader) generated(i int, text string) error {
	m := generatePattern().FindStringSubmatch(text)
	if m == nil {
		return r.fail(i, "write <generate KIND> or <generate KIND LENGTH>")
	}
	length := 0
	if m[2] != "" {
		var err error
		if length, err = strconv.Atoi(m[2]); err != nil {
			length = math.MaxInt // it is digits alone: the generator says what its limit is
		}
		if length == 0 {
			return r.fail(i, "the length is zero")
		}
	}
	secret, err := r.generate(m[1], length)
	if err != nil {
		e := placeOf(r.doc, i)
		e.Msg, e.Err = err.Error(), err
		return e
	}
	r.made = append(r.made, r.doc.Leaves[i].Path)
	r.edit.Values = append(r.edit.Values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.String, Text: secret}})
	return nil
}

// check makes sure that nothing secret would stand plain, and finds what is new.
func (v *View) check(d *Draft, made []*formats.Path) error {
	selected := v.Metadata.Selector.Select(d.Document)
	var empty map[string]formats.Scalar // the empty values that the file has
	for i := range d.Document.Leaves {
		l := &d.Document.Leaves[i]
		sealed := strings.HasPrefix(l.Text, cipher.SealedPrefix)
		switch {
		case !selected[i] && (sealed || slices.ContainsFunc(made, l.Path.Equal) && l.Kind != formats.Comment):
			return failAt(d.Document, i, "the file's selector would leave this value plain here")
		case sealed || !selected[i] || l.Kind == formats.Comment:
			continue
		case l.Kind.Empty() || l.Text == "":
			if empty == nil {
				empty = v.emptyValues()
			}
			if old, ok := empty[l.Path.Text()]; ok && old == l.Scalar {
				continue
			}
		}
		d.New = append(d.New, i)
	}
	return nil
}

func (v *View) emptyValues() map[string]formats.Scalar {
	out := map[string]formats.Scalar{}
	for i := range v.Document.Leaves {
		if l := &v.Document.Leaves[i]; l.Kind.Empty() || l.Text == "" {
			out[l.Path.Text()] = l.Scalar
		}
	}
	return out
}
