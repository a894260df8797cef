package scan

import (
	"bytes"
	"strings"
)

// literal is a text in quotes, without these, and where it stands.
type literal struct{ start, end int }

// inLiterals finds texts in quotes that are given to a name: "name": "text", name =
// "text", name := "text", "name" => "text", os.environ["name"] = "text". It goes over
// the source once, and its lines may be long.
func inLiterals(src []byte, d dialect, test bool, c *collector) {
	s := &literalScan{src: src, dialect: d, test: test, collector: c}
	for i := 0; i < len(src) && !c.full(); {
		n := bytes.IndexAny(src[i:], "\"'`")
		if n < 0 {
			return
		}
		i += n
		end, closed := closing(src, i)
		if !closed {
			i = end
			continue
		}
		l := literal{i + 1, end}
		s.look(l)
		s.before = l
		i = end + 1
	}
}

type literalScan struct {
	src     []byte
	dialect dialect
	test    bool
	// before is the literal before this one.
	before literal
	// variable is what Terraform calls the variable that is being described.
	variable string
	*collector
}

// closing returns where the quote that opens at an offset closes, on the same line. If
// it does not, it returns how far that was looked for.
func closing(src []byte, at int) (int, bool) {
	const longest = 4096
	quote := src[at]
	for i := at + 1; i < len(src) && i-at <= longest; i++ {
		switch src[i] {
		case quote:
			return i, true
		case '\n':
			return i, false
		case '\\':
			i++
		}
	}
	return min(len(src), at+1+longest), false
}

// look judges one literal.
func (s *literalScan) look(l literal) {
	key, op := s.keyOf(l)
	text := string(s.src[l.start:l.end])
	if op == "" && s.dialect == terraformText {
		if key == "variable" || key == "resource" || key == "output" || key == "provider" {
			s.variable = ""
		}
		if key == "variable" {
			s.variable = text
		}
		return
	}
	if key == "default" && s.dialect == terraformText {
		key = s.variable
	}
	class := classOf(key)
	if op == "" || class == ordinary {
		return
	}
	weak, found := judge(class, key, text, false)
	if s.dialect == programText {
		weak, found = true, found && !s.test && isGenerated(text) && !s.inComment(l)
	}
	if s.dialect == terraformText {
		weak, found = weak || !isStrong(text), found && !isExpanded(text)
	}
	if found {
		s.add(Hit{Pattern: PatternKey, Title: keyTitle, Weak: weak, Start: l.start, End: l.end})
	}
}

// inComment reports whether a literal stands on a line that is a comment or, in Python's
// manner, an example.
func (s *literalScan) inComment(l literal) bool {
	const most = 300
	before := s.src[max(0, l.start-most):l.start]
	before = bytes.TrimSpace(before[bytes.LastIndexByte(before, '\n')+1:])
	return isComment(before) || bytes.HasPrefix(before, []byte(">>>")) || bytes.HasPrefix(before, []byte("... "))
}

// isGenerated reports whether a literal of a program can be nothing but a secret:
// neither a name nor a pattern, a format, a piece of code or of prose.
func isGenerated(text string) bool {
	const most = 200
	if len(text) > most || !isStrong(text) || strings.ContainsAny(text, " \t\\{}()<>[]|*%;,?") {
		return false
	}
	for _, word := range []string{"password", "passwd", "secret", "token", "key"} {
		if strings.Contains(strings.ToLower(text), word) {
			return false
		}
	}
	return strings.ContainsAny(text, "0123456789") && strings.ContainsFunc(text, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' })
}

// keyOf returns the name that a literal is given to, and by which operator; "" for none.
// Without an operator it is the word before the literal.
func (s *literalScan) keyOf(l literal) (key, op string) {
	i := s.back(l.start - 1)
	if i > 0 && isAlnum(s.src[i-1]) && i == l.start-1 { // b"…", f"…"
		i = s.back(i - 1)
	}
	begin := i
	for begin > 0 && i-begin < 2 && strings.IndexByte("=:>!<", s.src[begin-1]) >= 0 {
		begin--
	}
	switch op = string(s.src[begin:i]); op {
	case "=", ":", ":=", "=>":
	case "":
		return s.word(s.back(l.start - 1)), ""
	default:
		return "", ""
	}
	i = s.back(begin)
	if i > 0 && s.src[i-1] == ']' {
		i = s.back(i - 1)
	}
	if i > 0 && s.before.end == i-1 && i-1 > 0 {
		return string(s.src[s.before.start:s.before.end]), op
	}
	key = s.word(i)
	switch key {
	case "string", "str", "String", "Optional":
		i = s.back(i - len(key))
		for i > 0 && (s.src[i-1] == ':' || s.src[i-1] == '&') {
			i = s.back(i - 1)
		}
		key = s.word(i)
	}
	return key, op
}

// back passes over blanks before an offset.
func (s *literalScan) back(i int) int {
	const most = 32
	for n := 0; i > 0 && n < most && isBlank(s.src[i-1]); n++ {
		i--
	}
	return i
}

// word returns the identifier that ends at an offset.
func (s *literalScan) word(end int) string {
	const most = 80
	begin := end
	for begin > 0 && end-begin < most && (isWordDash(s.src[begin-1]) || s.src[begin-1] == '.' || s.src[begin-1] == '$' || s.src[begin-1] == '@') {
		begin--
	}
	return strings.TrimLeft(string(s.src[begin:end]), "$@.")
}
