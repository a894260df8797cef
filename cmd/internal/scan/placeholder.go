package scan

import (
	"strings"
	"unicode"

	"github.com/gitseal/gitseal/cipher"
)

// IsPlaceholder reports whether a value stands for a secret rather than being one: it
// is empty, a variable, a template, a reference, a path, a word such as changeme.
func IsPlaceholder(s string) bool {
	s = strings.TrimSpace(s)
	low := strings.ToLower(s)
	switch {
	case len(s) < 4, distinct([]byte(s)) < 3, repeats([]byte(s)):
		return true
	case isTemplate(s), isReference(low), isPath(s), isStandIn(low):
		return true
	}
	return strings.HasPrefix(s, cipher.SealedPrefix) || countsUp([]byte(s)) && !isStrong(s)
}

// isTemplate reports whether a value is filled in by some program.
func isTemplate(s string) bool {
	for _, mark := range []string{"${", "$(", "{{", "<%", "%(", "#{", "[[", "@{", "<<", "...", "…"} {
		if strings.Contains(s, mark) {
			return true
		}
	}
	pair := string([]byte{s[0], s[len(s)-1]})
	switch pair {
	case "<>", "[]", "{}", "%%", "@@", "()", "__":
		return true
	}
	// $NAME, $1, but not a hash of crypt(3): $6$… is one.
	return s[0] == '$' && !strings.Contains(s[1:], "$") && isWords(strings.Trim(s[1:], "_"))
}

// isReference reports whether a value says where a secret is.
func isReference(low string) bool {
	for _, prefix := range []string{
		"op://", "ref+", "vault:", "env:", "file:", "secret:", "secrets.", "secretref:", "ssm:", "sm://", "gcp:", "awssm:", "arn:aws:",
		"projects/", "keyring:", "keychain:", "!vault", "!secret", "!ref", "process.env", "os.environ", "var.", "local.", "data.", "module.", "http://", "https://", "git@",
		"sha256:", "urn:", "kms:", "pass:", "bws:", "age1", "ssh-rsa ", "ssh-ed25519 ", "enc[", "{cipher}", "$ansible_vault",
	} {
		if strings.HasPrefix(low, prefix) {
			return true
		}
	}
	return strings.Contains(low, "://") && !strings.Contains(low, "@")
}

// isPath reports whether a value is the path of a file or key.
func isPath(s string) bool {
	for _, prefix := range []string{"/", "./", "../", "~/", `C:\`} {
		if strings.HasPrefix(s, prefix) && !isStrong(strings.TrimLeft(s, "./~")) {
			return true
		}
	}
	for _, ext := range []string{".pem", ".key", ".crt", ".json", ".yaml", ".yml", ".txt", ".env", ".p12", ".jks", ".pfx", ".properties"} {
		if strings.HasSuffix(strings.ToLower(s), ext) {
			return true
		}
	}
	// a/b/c of words
	parts := strings.Split(s, "/")
	if len(parts) < 2 {
		return false
	}
	for _, p := range parts {
		if p != "" && !isWords(p) {
			return false
		}
	}
	return true
}

// standIns are words that no secret has in it, and wholes that are words only.
var (
	standIns = [...]string{
		"changeme", "change-me", "change_me", "changeit", "change this", "changethis", "change-this", "example", "placeholder", "your-", "your_", "your ", "<your", "yourpassword", "yoursecret", "yourtoken",
		"replace", "redacted", "dummy", "sample", "todo", "fixme", "xxxx", "****", "insert", "not-a-", "not_a_", "notreal", "goes-here", "goes_here", "goeshere", "fake", "set-me", "setme", "set_me", "fill-in", "fillme", "enter ", "my-secret", "mysecret", "my_secret",
		"supersecret", "super-secret", "super_secret", "topsecret", "mypassword", "my-password", "my_password", "somepassword", "testtest", "qwerty", "unused", "undefined", "generated", "lorem",
	}
	wholes = [...]string{
		"password", "passwd", "secret", "token", "null", "none", "nil", "true", "false", "yes", "no", "off", "on", "test", "testing", "foobar", "default", "disabled", "enabled", "required", "optional", "hidden", "string", "bearer", "basic", "apikey", "api_key", "api-key",
		"admin", "root", "user", "guest", "postgres", "mysql", "mariadb", "redis", "mongo", "rabbitmq", "wordpress", "letmein", "welcome", "inherit", "auto", "random", "unknown", "empty", "value", "username", "private", "public", "client_secret_post", "client_secret_basic",
	}
)

func isStandIn(low string) bool {
	for _, word := range standIns {
		if strings.Contains(low, word) {
			return true
		}
	}
	bare := strings.TrimFunc(low, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, word := range wholes {
		if bare == word {
			return true
		}
	}
	return false
}
