package scan

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// pemKey is a private key between BEGIN and END, with at least the beginning of a body:
// a mere mention in a program or manual is none. One that a passphrase protects is weak.
func pemKey(src []byte, at int) (span, bool) {
	begin := at + len("-----BEGIN ")
	n := bytes.Index(src[begin:min(len(src), begin+64)], []byte("-----"))
	if n < 0 {
		return span{}, false
	}
	label := string(src[begin : begin+n])
	if !strings.HasSuffix(label, "PRIVATE KEY") && label != "PGP PRIVATE KEY BLOCK" {
		return span{}, false
	}
	body := src[begin+n+len("-----"):]
	const most = 16 << 10
	body = body[:min(len(body), most)]
	length := len(body)
	if e := bytes.Index(body, []byte("-----")); e >= 0 { // its end, or another's beginning
		body, length = body[:e], e
	}
	text, protected := pemBody(string(body))
	const least = 40
	if len(text) < least || distinct([]byte(text)) < 16 || hasMadeUpWord([]byte(text)) {
		return span{}, false
	}
	weak := protected || strings.HasPrefix(label, "ENCRYPTED") || strings.HasPrefix(label, "OPENSSH") && isLockedSSH(text)
	return span{start: at, end: begin + n + length, weak: weak}, true
}

// pemBody returns the base64 text of a body, however its lines are written: indented,
// quoted, with line feeds escaped, each a string of its own. protected says that its
// headers name a passphrase's cipher.
func pemBody(body string) (text string, protected bool) {
	protected = strings.Contains(body, "Proc-Type: 4,ENCRYPTED")
	body = strings.NewReplacer(`\r`, "\n", `\n`, "\n").Replace(body)
	var b strings.Builder
	for line := range strings.Lines(body) {
		line = strings.Trim(line, " \t\r\n\"'`,+\\>|#*")
		if line == "" || strings.Contains(line, ": ") {
			continue
		}
		for i := range len(line) {
			if !isBase64(line[i]) {
				return b.String(), protected
			}
		}
		b.WriteString(line)
	}
	return b.String(), protected
}

// isLockedSSH reports whether the body of an OpenSSH key names a cipher
// (PROTOCOL.key: "openssh-key-v1", 0, string ciphername, …).
func isLockedSSH(text string) bool {
	head, err := base64.StdEncoding.DecodeString(text[:min(len(text), 40)/4*4])
	if err != nil {
		return false
	}
	rest, found := bytes.CutPrefix(head, []byte("openssh-key-v1\x00"))
	return found && len(rest) > 8 && !bytes.HasPrefix(rest[4:], []byte("none"))
}
