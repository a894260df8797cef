package gitsetup

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// maxGlobs is how many patterns of git one regular expression may become.
const maxGlobs = 64

// Globs returns patterns of .gitattributes for the files below a folder (with
// slashes, "" for the top of the work tree) whose path, seen from that folder, a
// regular expression of a rule matches. All of these files are covered, and a few
// others may be: that is harmless, since our drivers leave alone what is not sealed.
// Where it can be said in no such way, or would be every file there is, ok is false.
//
// A dot that matches any character stands for none that is a slash here.
func Globs(folder, pathRegex string) (globs []string, ok bool) {
	re, err := syntax.Parse(pathRegex, syntax.Perl)
	if err != nil {
		return nil, false
	}
	alternatives, ok := expand(re.Simplify())
	if !ok {
		return nil, false
	}
	for _, tokens := range alternatives {
		tokens, possible := anchor(tokens)
		if !possible {
			continue
		}
		spelled, ok := spell(tokens)
		if !ok {
			return nil, false
		}
		for _, g := range spelled {
			g, ok := below(folder, g)
			if !ok {
				return nil, false
			}
			globs = append(globs, g)
		}
		if len(globs) > maxGlobs {
			return nil, false
		}
	}
	globs = distinct(globs)
	return globs, len(globs) > 0
}

// distinct drops what other patterns say, too.
func distinct(globs []string) []string {
	var out []string
	for _, g := range globs {
		anywhere := "/**" + g
		if !slices.Contains(out, g) && (strings.HasPrefix(g, "/**/") || !slices.Contains(globs, anywhere) && !slices.Contains(globs, g[1:])) {
			out = append(out, g)
		}
	}
	return out
}

// token is a step of a pattern.
type token struct {
	kind tokenKind
	// text is what a literal or a class is spelled as in a pattern of git.
	text string
}

type tokenKind uint8

const (
	literal tokenKind = iota // text, without a slash
	slash
	one     // any character but a slash
	segment // any characters but slashes, or none
	any     // any characters, or none
	begin
	end
)

// expand returns the alternatives that a regular expression is made of.
func expand(re *syntax.Regexp) ([][]token, bool) {
	single := func(t ...token) ([][]token, bool) { return [][]token{t}, true }
	switch re.Op {
	case syntax.OpEmptyMatch:
		return single()
	case syntax.OpLiteral:
		return single(literals(re)...)
	case syntax.OpCharClass:
		return expandClass(re)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return single(token{kind: one})
	case syntax.OpBeginText:
		return single(token{kind: begin})
	case syntax.OpEndText:
		return single(token{kind: end})
	case syntax.OpCapture:
		return expand(re.Sub[0])
	case syntax.OpStar:
		t, ok := repeated(re.Sub[0])
		return [][]token{{t}}, ok
	case syntax.OpPlus:
		return expandPlus(re)
	case syntax.OpQuest:
		sub, ok := expand(re.Sub[0])
		return append(sub, nil), ok
	case syntax.OpAlternate:
		return expandEach(re.Sub)
	case syntax.OpConcat:
		return expandSequence(re.Sub)
	}
	return nil, false
}

func expandPlus(re *syntax.Regexp) ([][]token, bool) {
	more, ok := repeated(re.Sub[0])
	if !ok {
		return nil, false
	}
	first, ok := expand(re.Sub[0])
	for i := range first {
		first[i] = append(slices.Clip(first[i]), more)
	}
	return first, ok
}

func expandEach(subs []*syntax.Regexp) ([][]token, bool) {
	var out [][]token
	for _, sub := range subs {
		alternatives, ok := expand(sub)
		if !ok {
			return nil, false
		}
		out = append(out, alternatives...)
	}
	return out, len(out) <= maxGlobs
}

func expandSequence(subs []*syntax.Regexp) ([][]token, bool) {
	out := [][]token{nil}
	for i, sub := range subs {
		alternatives, ok := expand(sub)
		if i == 0 && isBoundary(sub) {
			alternatives = [][]token{{{kind: begin}, {kind: any}, {kind: slash}}}
		}
		if !ok || len(out)*len(alternatives) > maxGlobs {
			return nil, false
		}
		var next [][]token
		for _, head := range out {
			for _, tail := range alternatives {
				next = append(next, slices.Concat(head, tail))
			}
		}
		out = next
	}
	return out, true
}

// isBoundary reports whether re is (^|/), as it stands in front of the name of a file
// or folder that may be anywhere. In git's patterns that is one thing: "**/", which
// may be no folder at all.
func isBoundary(re *syntax.Regexp) bool {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	if re.Op != syntax.OpAlternate || len(re.Sub) != 2 {
		return false
	}
	a, b := re.Sub[0], re.Sub[1]
	if a.Op != syntax.OpBeginText {
		a, b = b, a
	}
	return a.Op == syntax.OpBeginText && b.Op == syntax.OpLiteral && string(b.Rune) == "/"
}

// repeated is what any number of something is, or covers: any characters.
func repeated(re *syntax.Regexp) (token, bool) {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return token{kind: any}, true
	case syntax.OpCharClass:
		if inClass(re, '/') {
			return token{kind: any}, true
		}
		return token{kind: segment}, true
	case syntax.OpLiteral:
		return token{kind: segment}, !slices.Contains(re.Rune, '/')
	}
	return token{}, false
}

func literals(re *syntax.Regexp) []token {
	var out []token
	for _, r := range re.Rune {
		text := escape(r)
		switch {
		case r == '/':
			out = append(out, token{kind: slash})
			continue
		case re.Flags&syntax.FoldCase != 0 && unicode.ToLower(r) != unicode.ToUpper(r):
			if r > unicode.MaxASCII {
				out = append(out, token{kind: segment}) // git's classes are of bytes
				continue
			}
			text = "[" + string(unicode.ToLower(r)) + string(unicode.ToUpper(r)) + "]"
		}
		out = append(out, token{kind: literal, text: text})
	}
	return out
}

// escape spells a character that stands for itself.
func escape(r rune) string {
	if strings.ContainsRune(`*?[]\!`, r) {
		return `\` + string(r)
	}
	return string(r)
}

func inClass(re *syntax.Regexp, r rune) bool {
	for i := 0; i+1 < len(re.Rune); i += 2 {
		if re.Rune[i] <= r && r <= re.Rune[i+1] {
			return true
		}
	}
	return false
}

// expandClass spells a class of plain characters, or takes any character but a slash.
func expandClass(re *syntax.Regexp) ([][]token, bool) {
	var b strings.Builder
	b.WriteByte('[')
	plain := true
	for i := 0; i+1 < len(re.Rune); i += 2 {
		lo, hi := re.Rune[i], re.Rune[i+1]
		isWord := func(r rune) bool {
			return r <= unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '.')
		}
		switch {
		case !isWord(lo) && !(lo == hi && lo == '-') || !isWord(hi) && !(lo == hi && hi == '-'):
			plain = false
		case lo == hi && lo == '-':
			b.WriteString(`\-`)
		case lo == hi:
			b.WriteRune(lo)
		default:
			b.WriteRune(lo)
			b.WriteByte('-')
			b.WriteRune(hi)
		}
	}
	b.WriteByte(']')
	out := [][]token{{{kind: one}}}
	if plain && len(re.Rune) > 0 {
		out = [][]token{{{kind: literal, text: b.String()}}}
	}
	// A negated class, such as [^a], has the slash in it without meaning it; one that
	// lists it does.
	if inClass(re, '/') && !inClass(re, unicode.MaxRune) {
		out = append(out, []token{{kind: slash}})
	}
	return out, true
}
