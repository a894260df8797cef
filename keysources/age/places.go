package age

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"filippo.io/age"
)

// DefaultFile returns where sops and we look for a user's identities:
// sops/age/keys.txt in the user's configuration folder, which XDG_CONFIG_HOME
// names except on Windows. Empty if there is none.
func DefaultFile(env func(string) string) string {
	dir := env("XDG_CONFIG_HOME")
	switch {
	case runtime.GOOS == "windows":
		dir = env("AppData")
	case dir != "":
	case runtime.GOOS == "darwin":
		dir = join(env("HOME"), "Library", "Application Support")
	default:
		dir = join(env("HOME"), ".config")
	}
	return join(dir, "sops", "age", "keys.txt")
}

func join(dir string, names ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, names...)...)
}

// sshFiles returns the ssh keys that are tried without being named.
func sshFiles(env func(string) string) []string {
	home := env("HOME")
	if runtime.GOOS == "windows" {
		home = env("USERPROFILE")
	}
	if home == "" {
		return nil
	}
	return []string{join(home, ".ssh", "id_ed25519"), join(home, ".ssh", "id_rsa")}
}

// load reads the places that the user has named, and the default file.
func (k *Keyring) load() {
	k.session = newSession(k.UI)
	k.keyCommand = newCommand("SOPS_AGE_KEY_CMD", false, k.env)
	k.sshCommand = newCommand("SOPS_AGE_SSH_PRIVATE_KEY_CMD", true, k.env)
	take := func(b bundle, err error) {
		k.named.add(b)
		if err != nil {
			k.errs = append(k.errs, err)
		}
	}
	if f := k.env("SOPS_AGE_SSH_PRIVATE_KEY_FILE"); f != "" {
		take(k.readFile(f))
	}
	if v := k.env("SOPS_AGE_KEY"); v != "" {
		take(parseVariable("SOPS_AGE_KEY", v))
	}
	for _, f := range k.files {
		take(k.readFile(f))
	}
	if f := k.env("SOPS_AGE_KEY_FILE"); f != "" {
		take(k.readFile(f))
	}
	f := DefaultFile(k.env)
	if f == "" {
		return
	}
	if b, err := k.readFile(f); !errors.Is(err, os.ErrNotExist) {
		take(b, err)
	}
}

// parseVariable parses the content of a variable: sops accepts identities that
// are separated by any white space, and comment lines.
func parseVariable(where, v string) (bundle, error) {
	if start := strings.TrimSpace(v); strings.HasPrefix(start, "-----BEGIN ") {
		return parseFile(where, []byte(v), noPublicKey)
	}
	var words []string
	for line := range strings.Lines(v) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			words = append(words, line)
		} else {
			words = append(words, strings.Fields(line)...)
		}
	}
	return parseFile(where, []byte(strings.Join(words, "\n")), noPublicKey)
}

func noPublicKey() []byte { return nil }

// readFile reads a file of identities or an ssh key, and warns if others may.
func (k *Keyring) readFile(name string) (bundle, error) {
	f, err := os.Open(name)
	if err != nil {
		return bundle{}, fmt.Errorf("reading identities: %w", err)
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return bundle{}, fmt.Errorf("%s: %w", name, err)
	}
	b, err := parseFile(name, data, func() []byte { return publicKeyOf(name) })
	if info, statErr := f.Stat(); statErr == nil && len(b.ids) > 0 && othersMayRead(info) {
		k.session.warn(fmt.Sprintf("%s holds private keys, and others may read it (mode %04o): chmod 600", name, info.Mode().Perm()))
	}
	return b, err
}

// othersMayRead reports whether a file's mode lets its group or everybody read it.
func othersMayRead(info os.FileInfo) bool {
	const groupOrOthers = 0o044
	return runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&groupOrOthers != 0
}

// publicKeyOf returns what stands in the .pub file of an ssh key.
func publicKeyOf(name string) []byte {
	f, err := os.Open(name + ".pub")
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return nil
	}
	return data
}

// loadSSH reads the ssh keys that nobody has named.
func (k *Keyring) loadSSH() {
	for _, name := range sshFiles(k.env) {
		data, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var b bundle
		if err == nil {
			b, err = parseFile(name, data, func() []byte { return publicKeyOf(name) })
		} else {
			err = fmt.Errorf("reading identities: %w", err)
		}
		if err != nil {
			k.sshErrs = append(k.sshErrs, err)
		}
		k.ssh.add(b)
	}
}

// sshKeys tries the ssh keys in the home folder, which are read when the first
// stanza for an ssh key has to be opened.
type sshKeys struct{ k *Keyring }

func (s sshKeys) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if !forSSH(stanzas) {
		return nil, age.ErrIncorrectIdentity
	}
	s.k.sshOnce.Do(s.k.loadSSH)
	s.k.sshRead.Store(true)
	return s.k.ssh.native().Unwrap(stanzas)
}
