package scan

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/gitseal/gitseal/cipher"
)

// inText finds values under keys that promise a secret in text that no format reads:
// templates, TOML, properties, scripts, programs, YAML that no sealed file can hold.
func inText(src []byte, d dialect, test bool, c *collector) {
	switch d {
	case noKeys:
	case configText, envText, blockText:
		s := &configScan{careless: d == envText, strict: d == blockText, collector: c}
		eachLine(src, c, s.line)
		if d == blockText {
			eachLine(src, c, func(line string, at int) { inShell(line, at, false, test, c) })
		}
	case shellText, dockerText:
		eachLine(src, c, func(line string, at int) { inShell(line, at, d == dockerText, test, c) })
	case netrcText:
		inNetrc(string(src), c)
	default:
		inLiterals(src, d, test, c)
	}
}

// eachLine calls do with each line, and where it begins, while hits are taken.
func eachLine(src []byte, c *collector, do func(line string, at int)) {
	const longest = 4096
	for begin := 0; begin < len(src) && !c.full(); {
		end := len(src)
		if n := bytes.IndexByte(src[begin:], '\n'); n >= 0 {
			end = begin + n
		}
		if end-begin <= longest {
			do(string(src[begin:end]), begin)
		}
		begin = end + 1
	}
}

// configScan looks at lines of the form "key: value" and "key = value".
type configScan struct {
	careless bool
	// strict: only values that look generated count.
	strict bool
	// name is what the line before calls a value: name: DB_PASSWORD, value: …
	name string
	// secret: a Kubernetes Secret is being described. data is the key of its data while
	// that is being described.
	secret bool
	data   string
	*collector
}

func (s *configScan) line(line string, at int) {
	e, ok := entryOf(line)
	if s.kubernetes(line, e, ok) {
		s.add(Hit{Pattern: PatternKubernetes, Title: "a plain value of a Kubernetes Secret", Start: at + e.from, End: at + e.from + len(e.value)})
		return
	}
	key := e.key
	if strings.EqualFold(key, "value") && s.name != "" {
		key = s.name
	}
	s.name = ""
	if !ok {
		return
	}
	if strings.EqualFold(e.key, "name") && classOf(e.value) != ordinary {
		s.name = e.value
	}
	if weak, found := judge(classOf(key), key, e.value, s.careless); found && (!s.strict || isStrong(e.value) && !isExpanded(e.value)) {
		s.add(Hit{Pattern: PatternKey, Title: keyTitle, Weak: weak, Start: at + e.from, End: at + e.from + len(e.value)})
	}
}

// kubernetes follows a Secret through a template, line by line, and reports whether this
// line is one of its values. Its kind has to stand before its data.
func (s *configScan) kubernetes(line string, e entry, ok bool) bool {
	trimmed := strings.TrimRight(line, " \t\r")
	switch {
	case strings.HasPrefix(trimmed, "---"):
		s.secret, s.data = false, ""
	case trimmed == "kind: Secret", trimmed == `kind: "Secret"`:
		s.secret = true
	case s.secret && (trimmed == "data:" || trimmed == "stringData:"):
		s.data = strings.TrimSuffix(trimmed, ":")
	case trimmed != "" && trimmed[0] != ' ' && trimmed[0] != '{' && trimmed[0] != '#':
		s.data = ""
	case s.data != "" && ok && trimmed[0] == ' ' && !strings.HasPrefix(e.value, cipher.SealedPrefix):
		return isSecretText(s.data, e.value)
	}
	return false
}

// isSecretText reports whether a text is a plain value among a Secret's data.
func isSecretText(data, text string) bool {
	if data == "stringData" {
		return !isTemplated(text)
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	return err != nil && !isTemplated(text) || len(plain) > 0 && !isTemplated(string(plain))
}

// entry is a key and its value, which begins at from in the line.
type entry struct {
	key, value string
	from       int
}

func entryOf(line string) (entry, bool) {
	start := len(line) - len(strings.TrimLeft(line, " \t\ufeff"))
	rest := line[start:]
	for _, skip := range []string{"- ", "export "} {
		if after, ok := strings.CutPrefix(rest, skip); ok {
			start, rest = start+len(skip), after
		}
	}
	if strings.HasPrefix(rest, "//") { // .npmrc: //registry.npmjs.org/:_authToken=…
		if n := strings.Index(rest, "/:"); n >= 0 {
			start, rest = start+n+2, rest[n+2:]
		}
	}
	at := strings.IndexAny(rest, ":=")
	if at <= 0 || strings.HasPrefix(rest, "#") {
		return entry{}, false
	}
	key := strings.Trim(rest[:at], " \t\"'")
	if key == "" || strings.ContainsAny(key, " \t(){}[]<>$;/*\"'") {
		return entry{}, false
	}
	value := rest[at+1:]
	from := start + at + 1 + len(value) - len(strings.TrimLeft(value, " \t"))
	value, from, ok := unquoted(strings.TrimLeft(value, " \t"), from)
	return entry{key: key, value: value, from: from}, ok
}

// unquoted takes the quotes and what follows them, or a comment, off a value.
func unquoted(value string, from int) (string, int, bool) {
	if value == "" {
		return "", from, false
	}
	if q := value[0]; q == '"' || q == '\'' {
		n := strings.IndexByte(value[1:], q)
		if n < 0 {
			return "", from, false
		}
		return value[1 : 1+n], from + 1, true
	}
	if n := strings.Index(value, " #"); n >= 0 {
		value = value[:n]
	}
	return strings.TrimRight(value, " \t\r,;"), from, !strings.ContainsAny(value, "(){}[]*&|>")
}
