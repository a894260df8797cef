// Package pgptest makes key rings for tests of what uses gpg.
package pgptest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// NoSkipEnv, if not empty, makes a test that lacks gpg fail where it would be
// skipped otherwise.
const NoSkipEnv = "GITSEAL_TEST_NO_SKIP"

// maxPath is how long the path of a home may be: its agent's socket lies in it,
// and sockets have names of at most 104 bytes.
const maxPath = 60

// Home is a home folder of gpg with key rings and an agent of its own.
type Home struct {
	// Dir is its path, the value for GNUPGHOME.
	Dir string
}

// NewHome makes an empty home. It is removed at the end of the test, and its agent
// stopped. Without gpg the test is skipped, or fails if [NoSkipEnv] is set.
func NewHome(tb testing.TB) *Home {
	tb.Helper()
	for _, program := range []string{"gpg", "gpgconf", "gpg-agent"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv(NoSkipEnv) != "" {
			tb.Fatalf("%s is missing (package gnupg)", program)
		}
		tb.Skipf("%s is missing (set %s=1 to make this a failure)", program, NoSkipEnv)
	}
	base := ""
	if len(os.TempDir()) > maxPath {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "gs")
	if err != nil {
		tb.Fatal(err)
	}
	h := &Home{Dir: dir}
	// Deriving keys from passphrases takes a tenth of a second on an idle machine,
	// and more than a minute in all on a busy one.
	if err := os.WriteFile(filepath.Join(dir, "gpg-agent.conf"), []byte("s2k-count 65536\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		h.StopAgent(tb)
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return h
}

// Env returns an environment with this home and what programs need to run, and
// nothing else.
func (h *Home) Env(name string) string {
	switch name {
	case "GNUPGHOME":
		return h.Dir
	case "HOME":
		return h.Dir
	case "PATH", "TMPDIR", "SYSTEMROOT", "TEMP", "TMP":
		return os.Getenv(name)
	case "LC_ALL":
		return "C"
	}
	return ""
}

// Environ returns the same environment as a list.
func (h *Home) Environ() []string {
	var out []string
	for _, name := range []string{"GNUPGHOME", "HOME", "PATH", "TMPDIR", "SYSTEMROOT", "TEMP", "TMP", "LC_ALL"} {
		if v := h.Env(name); v != "" {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// Key is what a generated key is like.
type Key struct {
	// Name becomes the user ID NAME <NAME@example.com>.
	Name string
	// Passphrase protects the secret key.
	Passphrase string
	// RSA asks for RSA of 2048 bits; it is Curve25519 otherwise.
	RSA bool
	// Expires is what gpg takes: "seconds=2", "1y"; "" means never.
	Expires string
}

// Generate makes a key pair that can encrypt, and returns its fingerprint.
func (h *Home) Generate(tb testing.TB, k Key) string {
	tb.Helper()
	expires := k.Expires
	if expires == "" {
		expires = "never"
	}
	algorithm, subkey := "ed25519", "cv25519"
	if k.RSA {
		algorithm, subkey = "rsa2048", "rsa2048"
	}
	protect := []string{"--batch", "--pinentry-mode", "loopback", "--passphrase", k.Passphrase}
	h.GPG(tb, nil, append(protect, "--quick-generate-key", k.Name+" <"+k.Name+"@example.com>", algorithm, "sign", expires)...)
	fp := h.Fingerprints(tb, k.Name)[0]
	h.GPG(tb, nil, append(protect, "--quick-add-key", fp, subkey, "encr", expires)...)
	return fp
}

// Fingerprints returns those of all keys and subkeys that a name matches, the
// primary ones first of each key.
func (h *Home) Fingerprints(tb testing.TB, name string) []string {
	tb.Helper()
	var out []string
	for line := range strings.Lines(h.GPG(tb, nil, "--batch", "--with-colons", "--list-keys", name)) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			out = append(out, fields[9])
		}
	}
	if len(out) == 0 {
		tb.Fatalf("gpg lists no key of %q", name)
	}
	return out
}

// Import imports keys, secret ones too.
func (h *Home) Import(tb testing.TB, armored []byte) {
	tb.Helper()
	h.GPG(tb, armored, "--batch", "--import")
}

// Export returns the public key of a fingerprint.
func (h *Home) Export(tb testing.TB, fingerprint string) []byte {
	tb.Helper()
	return []byte(h.GPG(tb, nil, "--batch", "--armor", "--export", fingerprint))
}

// ExportSecret returns the secret key of a fingerprint, which must have no
// passphrase.
func (h *Home) ExportSecret(tb testing.TB, fingerprint string) []byte {
	tb.Helper()
	return []byte(h.GPG(tb, nil, "--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--armor", "--export-secret-keys", fingerprint))
}

// colon makes a revocation certificate unusable until somebody takes it away.
var colon = regexp.MustCompile(`(?m)^:(-----BEGIN)`)

// Revoke revokes a key with the certificate that was made along with it.
func (h *Home) Revoke(tb testing.TB, fingerprint string) {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(h.Dir, "openpgp-revocs.d", fingerprint+".rev"))
	if err != nil {
		tb.Fatal(err)
	}
	h.Import(tb, colon.ReplaceAll(text, []byte("$1")))
}

// Configure adds lines to a configuration file (gpg.conf, gpg-agent.conf) and
// stops the agent, so that it reads it when it is next needed.
func (h *Home) Configure(tb testing.TB, file string, lines ...string) {
	tb.Helper()
	f, err := os.OpenFile(filepath.Join(h.Dir, file), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		tb.Fatal(err)
	}
	h.StopAgent(tb)
}

// StopAgent stops the agent, which forgets all passphrases.
func (h *Home) StopAgent(tb testing.TB) {
	tb.Helper()
	cmd := exec.Command("gpgconf", "--kill", "all")
	cmd.Env = h.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Errorf("stopping the agent: %v: %s", err, out)
	}
}

// GPG runs gpg and returns what it wrote to standard output.
func (h *Home) GPG(tb testing.TB, stdin []byte, args ...string) string {
	tb.Helper()
	cmd := exec.Command("gpg", args...)
	cmd.Env, cmd.Stdin = h.Environ(), bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		tb.Fatalf("gpg: %v: %s", err, stderr.Bytes())
	}
	return stdout.String()
}
