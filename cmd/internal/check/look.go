package check

import (
	"bytes"
	"path"
	"strings"

	"github.com/gitseal/gitseal/cipher"
)

// LooksSealed reports whether a file has what sealed files have, whatever its format.
func LooksSealed(data []byte) bool {
	return bytes.Contains(data, []byte(cipher.SealedPrefix)) && bytes.Contains(data, []byte("sops"))
}

// sealedElsewhere reports whether a file is sealed by another program.
func sealedElsewhere(data []byte) bool {
	for _, mark := range []string{"kind: SealedSecret", `"kind": "SealedSecret"`, "$ANSIBLE_VAULT;", "BEGIN AGE ENCRYPTED FILE", "BEGIN PGP MESSAGE", "\x00GITCRYPT"} {
		if bytes.Contains(data, []byte(mark)) {
			return true
		}
	}
	return false
}

// suggestsSealed reports whether a name says that the file is sealed: x.enc.yaml,
// x.sealed.json, x.sops.yaml, x.yaml.enc, secrets.encrypted.env.
func suggestsSealed(name string) bool {
	base := strings.ToLower(path.Base(slashed(name)))
	if base == ConfigName {
		return false
	}
	for _, word := range []string{".enc", ".sealed", ".sops", ".encrypted"} {
		if strings.Contains(base, word+".") || strings.HasSuffix(base, word) {
			return !strings.HasSuffix(base, ".example") && !strings.HasSuffix(base, ".md")
		}
	}
	return false
}

// mayHoldSecrets reports whether a file has any of the words in it without which no key
// promises a secret: it saves parsing most files.
func mayHoldSecrets(data []byte) bool {
	const wordsBegin = "psctkPSCTK"
	for i := 0; i+3 <= len(data); i++ {
		if strings.IndexByte(wordsBegin, data[i]) < 0 {
			continue
		}
		switch data[i] | 0x20 {
		case 'p':
			if folded(data[i:], "pass") || folded(data[i:], "pwd") || folded(data[i:], "pat") {
				return true
			}
		case 's':
			if folded(data[i:], "secret") {
				return true
			}
		case 'c':
			if folded(data[i:], "cred") {
				return true
			}
		case 't':
			if folded(data[i:], "token") {
				return true
			}
		case 'k':
			if folded(data[i:], "key") {
				return true
			}
		}
	}
	return false
}

// mayHide reports whether a file may hold text that only shows when its values are read:
// escaped, folded, or the data of a Kubernetes object in base64.
func mayHide(data []byte) bool {
	for _, mark := range []string{`\u00`, `\x`, "\\\n", "\\\r\n", "ata:", `ata":`, `ata" :`} {
		if bytes.Contains(data, []byte(mark)) {
			return true
		}
	}
	return false
}

func folded(data []byte, word string) bool {
	return len(data) >= len(word) && strings.EqualFold(string(data[:len(word)]), word)
}

// conflictAt returns where a merge conflict that git has left begins, or -1.
func conflictAt(data []byte) int {
	at := lineWith(data, "<<<<<<< ", 0)
	if at < 0 {
		return -1
	}
	middle := lineWith(data, "=======", at)
	if middle < 0 || lineWith(data, ">>>>>>> ", middle) < 0 {
		return -1
	}
	return at
}

// lineWith returns where the first line at or behind an offset that begins so begins.
func lineWith(data []byte, mark string, from int) int {
	for from < len(data) {
		n := bytes.Index(data[from:], []byte(mark))
		if n < 0 {
			return -1
		}
		if at := from + n; at == 0 || data[at-1] == '\n' {
			return at
		}
		from += n + 1
	}
	return -1
}

// Leftovers returns the names, in the same folder, of sealed files of which a file of
// this base name would be a plain copy, or what an editor or another tool has left.
func Leftovers(base string) []string {
	var of []string
	cut := func(prefix, suffix string) {
		if rest, ok := strings.CutPrefix(base, prefix); ok {
			if rest, ok = strings.CutSuffix(rest, suffix); ok && rest != "" {
				of = append(of, rest)
			}
		}
	}
	cut(".decrypted~", "")
	cut("#", "#")
	cut(".#", "")
	for _, suffix := range []string{".swp", ".swo", ".swn", ".swx", ".un~"} {
		cut(".", suffix)
		cut("", suffix)
	}
	for _, suffix := range []string{"~", ".dec", ".decrypted", ".plain", ".plaintext", ".clear", ".bak", ".backup", ".orig", ".old", ".save", ".tmp"} {
		cut("", suffix)
	}
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	for _, word := range []string{".dec", ".decrypted", ".plain", ".plaintext", ".clear", ".tmp"} {
		if name, ok := strings.CutSuffix(stem, word); ok && name != "" {
			of = append(of, name+ext, name+".enc"+ext, name+".sops"+ext, name+".sealed"+ext)
		}
	}
	if stem != "" && ext != "" {
		of = append(of, stem+".enc"+ext, stem+".sops"+ext, stem+".sealed"+ext, stem+".encrypted"+ext)
	}
	return append(of, base+".enc", base+".sealed", base+".sops")
}

// isTwin reports whether a name is that of the plain file beside a sealed one that is
// called so: x.yaml beside x.enc.yaml.
func isTwin(base, sealed string) bool {
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	for _, word := range []string{".enc", ".sops", ".sealed", ".encrypted"} {
		if sealed == stem+word+ext || sealed == base+word {
			return true
		}
	}
	return false
}
