package ini

import "strings"

const (
	backquote   = "`"
	tripleQuote = `"""`
)

// quote returns a spelling of text. For a few texts there is none (those with a
// backquote, a triple quote and a line feed): what is returned then means
// something else.
func quote(text string) string {
	switch {
	case isPlain(text):
		return text
	case !strings.Contains(text, backquote):
		return backquote + text + backquote
	}
	return tripleQuote + text + tripleQuote
}

// isPlain reports whether text means itself without quotes.
func isPlain(text string) bool {
	return !strings.ContainsAny(text, "#;\n") && strings.TrimSpace(text) == text &&
		!strings.HasPrefix(text, backquote) && !strings.HasPrefix(text, tripleQuote) &&
		!strings.HasSuffix(text, `\`) && unquote(text) == text
}

// unquote strips single or double quotes if they stand only at both ends.
func unquote(s string) string {
	for _, q := range []byte{'\'', '"'} {
		if len(s) >= 2 && s[0] == q && strings.IndexByte(s[1:], q) == len(s)-2 {
			return s[1 : len(s)-1]
		}
	}
	return s
}

// quoteKey returns a spelling of key, false if there is none.
func quoteKey(key string) (string, bool) {
	if key == "" || key == "-" || strings.TrimSpace(key) != key || strings.ContainsAny(key, "`\n") {
		return "", false
	}
	if strings.ContainsAny(key, `=:"`) || strings.ContainsAny(key[:1], "[#;") {
		return backquote + key + backquote, true
	}
	return key, true
}
