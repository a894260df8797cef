package redacted

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
)

// looksArmored knows PEM and what is spelled like it.
func looksArmored(text string) string {
	if !strings.HasPrefix(strings.TrimSpace(text), "-----BEGIN ") {
		return ""
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		if strings.Contains(text, "BEGIN PGP PRIVATE KEY BLOCK") {
			return "pgp private key"
		}
		return "pem, damaged"
	}
	switch block.Type {
	case "CERTIFICATE":
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			return "pem certificate, expires " + c.NotAfter.UTC().Format(time.DateOnly)
		}
		return "pem certificate"
	case "OPENSSH PRIVATE KEY":
		return looksOpenSSH(text)
	case "ENCRYPTED PRIVATE KEY":
		return "pem private key with a passphrase"
	case "PGP PRIVATE KEY BLOCK":
		return "pgp private key"
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return "pem public key"
	case "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY":
		return "pem " + keyName(block) + "private key"
	}
	return "pem"
}

// keyName names the kind of a private key, with a space behind it, "" if it is not
// known.
func keyName(block *pem.Block) string {
	var key any
	if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		key = k
	} else if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		key = k
	} else if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		key = k
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return fmt.Sprintf("rsa-%d ", k.N.BitLen())
	case *ecdsa.PrivateKey:
		return "ec " + strings.ToLower(k.Curve.Params().Name) + " "
	case ed25519.PrivateKey:
		return "ed25519 "
	}
	return ""
}

func looksOpenSSH(text string) string {
	signer, err := ssh.ParsePrivateKey([]byte(text))
	if _, locked := err.(*ssh.PassphraseMissingError); locked {
		return "ssh private key with a passphrase"
	}
	if err != nil {
		return "ssh private key"
	}
	return signer.PublicKey().Type() + " private key"
}

// looksToken knows what says itself whose it is.
func looksToken(text string) string {
	if strings.ContainsAny(text, " \n") {
		return ""
	}
	for _, t := range [][2]string{
		{"AGE-SECRET-KEY-PQ-1", "age key, post-quantum"}, {"AGE-SECRET-KEY-1", "age key"}, {"AGE-PLUGIN-", "age plugin identity"},
		{"github_pat_", "github token"}, {"ghp_", "github token"}, {"gho_", "github token"}, {"ghu_", "github token"}, {"ghs_", "github token"}, {"ghr_", "github token"},
		{"glpat-", "gitlab token"}, {"xoxb-", "slack token"}, {"xoxp-", "slack token"}, {"xapp-", "slack token"},
		{"AKIA", "aws access key id"}, {"ASIA", "aws access key id"}, {"AIza", "google api key"},
		{"sk_live_", "stripe key"}, {"rk_live_", "stripe key"}, {"sk_test_", "stripe test key"},
		{"sk-ant-", "anthropic api key"}, {"sk-proj-", "openai api key"}, {"npm_", "npm token"}, {"pypi-", "pypi token"},
		{"dckr_pat_", "docker token"}, {"hvs.", "vault token"}, {"SG.", "sendgrid key"},
	} {
		const least = 16
		if strings.HasPrefix(text, t[0]) && len(text) >= least {
			return t[1]
		}
	}
	return ""
}

// looksJWT knows signed JSON Web Tokens, RFC 7519. When one expires is no secret.
func looksJWT(text string) string {
	parts := strings.Split(strings.TrimSpace(text), ".")
	if len(parts) != 3 {
		return ""
	}
	var header struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if !decodePart(parts[0], &header) || header.Alg == "" {
		return ""
	}
	const lastYear = 253402300799 // of four digits
	if !decodePart(parts[1], &claims) || claims.Exp <= 0 || claims.Exp > lastYear {
		return "jwt"
	}
	return "jwt, expires " + time.Unix(int64(claims.Exp), 0).UTC().Format(time.DateOnly)
}

func decodePart(part string, dst any) bool {
	data, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(data, dst) == nil
}

// schemes are those of URLs that are named: any other might be somebody's choice.
func schemes() []string {
	return []string{
		"http", "https", "ws", "wss", "postgres", "postgresql", "mysql", "mariadb", "mongodb", "mongodb+srv", "redis", "rediss", "amqp", "amqps",
		"mqtt", "mqtts", "smtp", "smtps", "imap", "imaps", "ldap", "ldaps", "ftp", "ftps", "sftp", "ssh", "git", "nats", "kafka", "sqlserver",
		"oracle", "clickhouse", "cassandra", "memcached", "s3", "gs", "file", "otpauth",
	}
}

// looksURL tells a URL's scheme, and whether there is a password in it. The host and
// the user are not told: they can be as secret as the rest, and who needs them keeps
// them in a plain value.
func looksURL(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme == "" || !strings.Contains(text, "://") {
		return ""
	}
	out := "url"
	if slices.Contains(schemes(), u.Scheme) {
		out += ", " + strings.ReplaceAll(u.Scheme, "+", " ")
	}
	if _, has := u.User.Password(); has {
		out += ", with a password"
	}
	return out
}

// looksHash knows hashes of passwords.
func looksHash(text string) string {
	for _, h := range [][2]string{
		{"$2a$", "bcrypt"}, {"$2b$", "bcrypt"}, {"$2y$", "bcrypt"}, {"$argon2", "argon2"}, {"$6$", "sha512-crypt"}, {"$5$", "sha256-crypt"}, {"$y$", "yescrypt"}, {"$apr1$", "apr1"},
	} {
		if strings.HasPrefix(text, h[0]) {
			return "password hash, " + h[1]
		}
	}
	return ""
}

func looksStructured(text string) string {
	trimmed := strings.TrimSpace(text)
	if (strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")) && json.Valid([]byte(trimmed)) {
		return "json"
	}
	for _, k := range []string{"ssh-ed25519 ", "ssh-rsa ", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"} {
		if strings.HasPrefix(trimmed, k) {
			return "ssh public key"
		}
	}
	if strings.HasPrefix(trimmed, "<?xml") {
		return "xml"
	}
	return ""
}

// looksNamed knows addresses and UUIDs.
func looksNamed(text string) string {
	if a, err := netip.ParseAddr(text); err == nil {
		if a.Is4() {
			return "ip address, v4"
		}
		return "ip address, v6"
	}
	const uuid = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(text) != len(uuid) {
		return ""
	}
	for i := range text {
		if (uuid[i] == '-') != (text[i] == '-') || uuid[i] == 'x' && !isHex(text[i]) {
			return ""
		}
	}
	return "uuid"
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// looksEncoded knows hexadecimal and base64, of texts that are long enough not to be
// a word.
func looksEncoded(text string) string {
	const least = 16
	line := strings.TrimRight(text, "\r\n")
	joined := strings.NewReplacer("\n", "", "\r", "").Replace(line)
	switch {
	case !utf8.ValidString(text):
		return "bytes"
	case len(joined) < least || strings.ContainsAny(joined, " \t"):
		return ""
	case len(joined)%2 == 0 && !strings.ContainsFunc(joined, func(r rune) bool { return r > 'f' || !isHex(byte(r)) }):
		return withLength("hex", joined)
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(joined); err == nil && isMixed(joined) {
		return withLength("base64", joined)
	}
	if _, err := base64.RawURLEncoding.Strict().DecodeString(joined); err == nil && isMixed(joined) && strings.ContainsAny(joined, "-_") {
		return withLength("base64url", joined)
	}
	return ""
}

// isMixed reports whether a text has letters of both cases and digits, as what is
// random has and words have not.
func isMixed(text string) bool {
	upper := strings.ContainsFunc(text, func(r rune) bool { return r >= 'A' && r <= 'Z' })
	lower := strings.ContainsFunc(text, func(r rune) bool { return r >= 'a' && r <= 'z' })
	return upper && lower && strings.ContainsAny(text, "0123456789+/=")
}

func withLength(what, text string) string {
	if len(text) > long {
		return what + ", long"
	}
	return what
}
