package scan

import (
	"strings"
	"unicode/utf8"

	"github.com/gitseal/gitseal/formats"
)

// keyClass says what a key's name promises of its value.
type keyClass uint8

const (
	ordinary keyClass = iota
	// tokenKey: a token or key, which a program has made.
	tokenKey
	// passwordKey: a password or secret, which a person may have made.
	passwordKey
)

// classOf tells what a key holds by its last words: db_password does hold a password,
// password_file and tokenUrl do not.
func classOf(key string) keyClass {
	words := splitWords(key)
	for len(words) > 1 && isQualifier(words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	if len(words) == 0 || len(words) > 8 {
		return ordinary
	}
	last, before := words[len(words)-1], ""
	if len(words) > 1 {
		before = words[len(words)-2]
	}
	switch last {
	case "password", "passwd", "passphrase", "pwd", "pass", "secret", "credential", "credentials", "pw":
		return passwordKey
	case "token", "apikey", "pat":
		return tokenKey
	case "key":
		switch before {
		case "api", "private", "access", "secret", "auth", "encryption", "signing", "master", "account", "shared", "storage", "admin", "service", "app", "hmac", "jwt":
			return tokenKey
		}
		return ordinary
	}
	for _, end := range []string{"password", "passwd", "passphrase", "clientsecret", "appsecret", "sharedsecret"} {
		if strings.HasSuffix(last, end) {
			return passwordKey
		}
	}
	for _, end := range []string{"apikey", "secretkey", "privatekey", "accesskey", "authtoken", "accesstoken", "refreshtoken", "apitoken", "bearertoken", "encryptionkey", "signingkey", "authkey"} {
		if strings.HasSuffix(last, end) {
			return tokenKey
		}
	}
	return ordinary
}

// isQualifier reports whether a word at the end of a key changes nothing about what the
// key holds.
func isQualifier(word string) bool {
	if strings.Trim(word, "0123456789") == "" {
		return true
	}
	switch word {
	case "base64", "b64", "hex", "plain", "plaintext", "raw", "value", "prod", "production", "staging", "dev", "old", "new", "primary", "secondary", "live", "default":
		return true
	}
	return false
}

// judge reports whether the value under a key is a secret, and whether it may well be
// none. careless is set where people keep secrets rather than prose: in dotenv files.
func judge(class keyClass, key, value string, careless bool) (weak, found bool) {
	value = strings.TrimSpace(value)
	const least, most = 6, 4096
	if class == ordinary || len(value) < least || len(value) > most || !utf8.ValidString(value) || IsPlaceholder(value) || strings.EqualFold(key, value) {
		return false, false
	}
	if strings.ContainsAny(value, " \t\n") {
		return true, class == passwordKey && !isProse(value)
	}
	if isStrong(value) {
		return false, true
	}
	if class == tokenKey || strings.HasSuffix(strings.ToLower(key), "secret") && isName(value) {
		return false, false
	}
	return isWords(value) && !careless, true
}

// isName reports whether a value is the kind of name that objects have: lower-case words
// with dashes.
func isName(value string) bool {
	return value == strings.ToLower(value) && strings.ContainsAny(value, "-.") && isWords(value)
}

// isProse reports whether a value is written for people: the label of a field, a message.
func isProse(value string) bool {
	low := strings.ToLower(value)
	for _, word := range []string{"password", "passwd", "secret", "token", "key", "passphrase", "credential"} {
		if strings.Contains(low, word) {
			return true
		}
	}
	return strings.ContainsAny(value, ".:!?()\n,;…") || value[0] >= 'A' && value[0] <= 'Z' || strings.ContainsFunc(value, func(r rune) bool { return r > 127 })
}

// isFlat reports whether a document has no nesting at all, as dotenv files have none.
func isFlat(doc *formats.Document) bool {
	for i := range doc.Leaves {
		if p := doc.Leaves[i].Path; doc.Leaves[i].Kind != formats.Comment && (p.Parent == nil || p.Parent.Parent != nil) {
			return false
		}
	}
	upper := 0
	for i := range doc.Leaves {
		if key := doc.Leaves[i].Path.Key; key != "" && key == strings.ToUpper(key) {
			upper++
		}
	}
	return upper > 0
}

// keyOf returns the last map key on the way to a value.
func keyOf(p *formats.Path) string {
	for p.Parent != nil && p.Index != formats.InMap {
		p = p.Parent
	}
	return p.Key
}

// isSchema reports whether a value describes others: a description in a JSON schema or
// a text of a translation.
func isSchema(p *formats.Path) bool {
	for ; p.Parent != nil; p = p.Parent {
		switch strings.ToLower(p.Key) {
		case "description", "properties", "messages", "translations", "i18n", "labels", "annotations", "definitions", "parameters", "dependencies", "devdependencies", "scripts", "compileroptions", "secretkeyref", "configmapkeyref":
			return p.Index == formats.InMap
		}
	}
	return false
}

// secretsOf returns the documents that are Kubernetes Secrets.
func secretsOf(doc *formats.Document) map[int]bool {
	var out map[int]bool
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		if l.Text != "Secret" || l.Path == nil || l.Path.Key != "kind" || l.Path.Parent == nil || l.Path.Parent.Parent != nil {
			continue
		}
		if out == nil {
			out = map[int]bool{}
		}
		out[l.Path.Document()] = true
	}
	return out
}

// inSecret reports whether a leaf is a plain value of a Secret's data.
func inSecret(l *formats.Leaf) bool {
	p := l.Path.Parent
	if p == nil || p.Parent == nil || p.Parent.Parent != nil || p.Index != formats.InMap || l.Text == "" {
		return false
	}
	return (p.Key == "data" || p.Key == "stringData") && isSecretText(p.Key, l.Text)
}

// isTemplated reports whether a program fills a value in. In a Secret nothing else but
// that, and what says so itself, is taken for a stand-in.
func isTemplated(s string) bool {
	s = strings.TrimSpace(s)
	low := strings.ToLower(s)
	return s == "" || isTemplate(s) && !strings.Contains(s, "\n") || len(s) < 64 && (strings.Contains(low, "changeme") || strings.Contains(low, "placeholder") || strings.Contains(low, "redacted"))
}
