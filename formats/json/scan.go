package json

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gitseal/gitseal/formats"
)

// scanner reads one file. at is the offset of the next byte.
type scanner struct {
	src  string
	at   int
	doc  *formats.Document
	root rootObject
	// maxValue is the longest value in bytes.
	maxValue int
	// paths is a block from which paths are taken one by one.
	paths []formats.Path
	// keys is a stack of the keys of the objects being read.
	keys []string
}

// document reads the whole file.
func (s *scanner) document() error {
	if strings.HasPrefix(s.src, byteOrderMark) {
		s.at, s.root.bom = len(byteOrderMark), len(byteOrderMark)
	}
	s.space()
	switch s.peek() {
	case '{':
	case '[', '"', 't', 'f', 'n', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.fail(formats.ErrNotSealable, nil, "the root is not an object")
	default:
		return s.fail(formats.ErrSyntax, nil, "not a JSON object")
	}
	if err := s.object(formats.Root(0), 1); err != nil {
		return err
	}
	s.space()
	if s.at < len(s.src) {
		return s.fail(formats.ErrSyntax, nil, "bytes after the end of the root object")
	}
	return nil
}

// value reads the value at p, which lies in depth collections.
func (s *scanner) value(p *formats.Path, depth int) error {
	start := s.at
	var scalar formats.Scalar
	var err error
	switch c := s.peek(); c {
	case '{':
		return s.object(p, depth+1)
	case '[':
		return s.list(p, depth+1)
	default:
		scalar, err = s.scalar(p, c)
	}
	if err != nil {
		return err
	}
	return s.leaf(formats.Leaf{Path: p, Scalar: scalar, Start: start, End: s.at})
}

func (s *scanner) leaf(l formats.Leaf) error {
	if len(s.doc.Leaves) >= formats.MaxLeaves {
		return s.fail(formats.ErrLimit, l.Path, "too many values")
	}
	if len(l.Text) > s.maxValue {
		return s.fail(formats.ErrLimit, l.Path, "value too long")
	}
	s.doc.Leaves = append(s.doc.Leaves, l)
	return nil
}

// scalar reads the scalar that begins with c, as sops takes it.
func (s *scanner) scalar(p *formats.Path, c byte) (formats.Scalar, error) {
	var none formats.Scalar
	switch {
	case c == '"':
		text, err := s.str(p)
		return formats.Scalar{Kind: formats.String, Text: text}, err
	case c == '-' || c >= '0' && c <= '9':
		return s.number(p)
	}
	for _, w := range words {
		if strings.HasPrefix(s.src[s.at:], w.text) {
			s.at += len(w.text)
			return w.scalar, nil
		}
	}
	if s.at == len(s.src) {
		return none, s.fail(formats.ErrSyntax, p, "the file ends where a value is expected")
	}
	return none, s.fail(formats.ErrSyntax, p, "expected a value")
}

var words = [...]struct {
	text   string
	scalar formats.Scalar
}{
	{"true", formats.Scalar{Kind: formats.Bool, Text: "True"}},
	{"false", formats.Scalar{Kind: formats.Bool, Text: "False"}},
	{"null", formats.Scalar{Kind: formats.Null}},
}

func (s *scanner) number(p *formats.Path) (formats.Scalar, error) {
	var none formats.Scalar
	literal := scanNumber(s.src[s.at:])
	if literal == "" {
		return none, s.fail(formats.ErrSyntax, p, "malformed number")
	}
	kind, text, ok := numberText(literal)
	if !ok {
		return none, s.fail(formats.ErrNotSealable, p, "number too large")
	}
	s.at += len(literal)
	return formats.Scalar{Kind: kind, Text: text}, nil
}

// numberText returns a number as sops encrypts it: an integer if it is spelled
// as one and fits 64 bits, the nearest float64 otherwise.
func numberText(literal string) (formats.Kind, string, bool) {
	if i, err := strconv.ParseInt(literal, 10, 64); err == nil {
		if literal == "-0" {
			return formats.Int, strconv.FormatInt(i, 10), true
		}
		return formats.Int, literal, true
	}
	f, err := strconv.ParseFloat(literal, 64)
	return formats.Float, strconv.FormatFloat(f, 'f', -1, 64), err == nil
}

// scanNumber returns the number that s begins with, or nothing.
func scanNumber(s string) string {
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	end := digits(i)
	if end == i || s[i] == '0' && end > i+1 {
		return ""
	}
	if i = end; i < len(s) && s[i] == '.' {
		if end = digits(i + 1); end == i+1 {
			return ""
		}
	}
	if i = end; i < len(s) && s[i]|0x20 == 'e' {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if end = digits(i); end == i {
			return ""
		}
	}
	return s[:end]
}

// str reads a string and returns what it means.
func (s *scanner) str(p *formats.Path) (string, error) {
	start := s.at + 1
	odd := false
	for i := start; i < len(s.src); i++ {
		switch c := s.src[i]; {
		case c == '"':
			s.at = i + 1
			if !odd {
				return s.src[start:i], nil
			}
			return s.decode(p, start-1)
		case c == '\\':
			odd = true
			i++
		case c < ' ':
			s.at = i
			return "", s.fail(formats.ErrSyntax, p, "control character in a string")
		case c >= utf8.RuneSelf:
			odd = true
		}
	}
	s.at = len(s.src)
	return "", s.fail(formats.ErrSyntax, p, "string does not end")
}

// decode returns what the string source[start:at] means.
func (s *scanner) decode(p *formats.Path, start int) (string, error) {
	text, ok := unquote(s.src[start+1 : s.at-1])
	if !ok {
		s.at = start
		return "", s.fail(formats.ErrSyntax, p, "malformed escape in a string")
	}
	return text, nil
}

func (s *scanner) list(p *formats.Path, depth int) error {
	start := s.at
	if err := s.open(p, depth); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.at++
		return s.leaf(formats.Leaf{Path: p, Scalar: formats.Scalar{Kind: formats.EmptyList}, Start: start, End: s.at})
	}
	for i := 0; ; i++ {
		if err := s.value(s.path(p, "", i), depth); err != nil {
			return err
		}
		if more, err := s.separator(p, ']'); err != nil || !more {
			return err
		}
	}
}

// object reads the object at p. The root has depth 1.
func (s *scanner) object(p *formats.Path, depth int) error {
	start := s.at
	if err := s.open(p, depth); err != nil {
		return err
	}
	if depth == 1 {
		s.root.open, s.root.first = start, -1
	}
	if s.peek() == '}' {
		s.at++
		if depth == 1 {
			return nil
		}
		return s.leaf(formats.Leaf{Path: p, Scalar: formats.Scalar{Kind: formats.EmptyMap}, Start: start, End: s.at})
	}
	keys := keySet{base: len(s.keys)}
	defer func() { s.keys = s.keys[:keys.base] }()
	for {
		at := s.at
		key, err := s.key(p, &keys)
		if err != nil {
			return err
		}
		if depth > 1 {
			err = s.value(s.path(p, key, formats.InMap), depth)
		} else {
			err = s.rootMember(p, key, at)
		}
		if err != nil {
			return err
		}
		if more, err := s.separator(p, '}'); err != nil || !more {
			return err
		}
	}
}

// open enters a collection.
func (s *scanner) open(p *formats.Path, depth int) error {
	if depth > formats.MaxDepth {
		return s.fail(formats.ErrLimit, p, "nested too deep")
	}
	s.at++
	s.space()
	return nil
}

// key reads a key and its colon.
func (s *scanner) key(p *formats.Path, keys *keySet) (string, error) {
	if s.peek() != '"' {
		return "", s.fail(formats.ErrSyntax, p, "expected a key in double quotes")
	}
	start := s.at
	key, err := s.str(p)
	if err != nil {
		return "", err
	}
	if !s.isNew(keys, key) {
		s.at = start
		return "", s.fail(formats.ErrDuplicate, p.At(key), "the key stands twice")
	}
	if s.space(); s.peek() != ':' {
		return "", s.fail(formats.ErrSyntax, p.At(key), "expected a colon after the key")
	}
	s.at++
	s.space()
	return key, nil
}

// separator reads what follows an item: a comma, or the end of the collection.
func (s *scanner) separator(p *formats.Path, end byte) (more bool, err error) {
	s.space()
	switch s.peek() {
	case end:
		s.at++
		return false, nil
	case ',':
		s.at++
		s.space()
		return true, nil
	}
	return false, s.fail(formats.ErrSyntax, p, "expected a comma or the end of the collection")
}

// peek returns the next byte, 0 at the end of the file.
func (s *scanner) peek() byte {
	if s.at < len(s.src) {
		return s.src[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.src) && isSpace(s.src[s.at]) {
		s.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// skipSpace returns the offset of the first byte from i on that is no space.
func skipSpace(src []byte, i int) int {
	for i < len(src) && isSpace(src[i]) {
		i++
	}
	return i
}

// skipSpaceBack returns the offset after the last byte before i that is no space.
func skipSpaceBack(src []byte, i int) int {
	return len(bytes.TrimRight(src[:i], " \n\t\r"))
}

// path returns a step below p.
func (s *scanner) path(p *formats.Path, key string, index int) *formats.Path {
	if len(s.paths) == 0 {
		s.paths = make([]formats.Path, 128)
	}
	next := &s.paths[0]
	s.paths = s.paths[1:]
	*next = formats.Path{Parent: p, Key: key, Index: index}
	return next
}

func (s *scanner) fail(cause error, p *formats.Path, msg string) *formats.Error {
	return formats.ErrorAt(cause, s.doc.Source, s.at, p, msg)
}

// keySet finds keys that stand twice in one object. Most objects are small.
type keySet struct {
	// base is where the object's keys begin on the scanner's stack.
	base int
	many map[string]struct{}
}

// isNew adds a key, which it puts on the stack, and reports whether it is new.
func (s *scanner) isNew(set *keySet, key string) bool {
	const few = 12
	if set.many != nil {
		_, old := set.many[key]
		set.many[key] = struct{}{}
		return !old
	}
	for _, old := range s.keys[set.base:] {
		if old == key {
			return false
		}
	}
	s.keys = append(s.keys, key)
	if own := s.keys[set.base:]; len(own) == few {
		set.many = make(map[string]struct{}, 4*few)
		for _, old := range own {
			set.many[old] = struct{}{}
		}
	}
	return true
}
