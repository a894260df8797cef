package pgp_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/pgp"
	"github.com/gitseal/gitseal/keysources/pgp/pgptest"
)

// TestOnlyMessagesToAKeyReachGPG: gpg itself would print what is not encrypted,
// and ask for the passphrase of what is encrypted with one.
func TestOnlyMessagesToAKeyReachGPG(t *testing.T) {
	h := pgptest.NewHome(t)
	fp := h.Generate(t, pgptest.Key{Name: "me"})
	folder := t.TempDir()
	script := filepath.Join(folder, "gpg")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch '"+folder+"/called'\nexec gpg \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := pgp.New(with(h.Env, "SOPS_GPG_EXEC", script))
	in := dataKey()
	loopback := []string{"--batch", "--pinentry-mode", "loopback", "--passphrase", "x", "--armor"}
	to := append(loopback, "--trust-model", "always", "--recipient", fp)
	good := h.GPG(t, in, append(to, "--encrypt")...)
	for name, enc := range map[string]string{
		"not encrypted":                      h.GPG(t, in, append(loopback, "--store")...),
		"encrypted with a passphrase":        h.GPG(t, in, append(loopback, "--symmetric")...),
		"encrypted to a key or a passphrase": h.GPG(t, in, append(to, "--symmetric", "--encrypt")...),
		"signed":                             h.GPG(t, in, append(loopback, "--sign")...),
		"clear text with a signature":        h.GPG(t, in, append(loopback, "--clearsign")...),
		"a key":                              string(h.Export(t, fp)),
		"nothing":                            "",
		"no OpenPGP":                         "hello",
		"two messages":                       good + good,
		"text before":                        "hello\n" + good,
		"text after":                         good + "hello",
		"too much":                           strings.Replace(good, "\n\n", "\n\n"+strings.Repeat(strings.Repeat("A", 64)+"\n", 2000), 1),
		"without integrity protection":       withoutIntegrity(t, good),
		"a packet after":                     rearmor(t, good, func(b []byte) []byte { return append(b, 0xcb, 1, 'b') }),
		"a packet before":                    rearmor(t, good, func(b []byte) []byte { return append([]byte{0xcb, 1, 'b'}, b...) }),
		"cut off":                            rearmor(t, good, func(b []byte) []byte { return b[:len(b)-1] }),
		"a wrong checksum":                   wrongChecksum(good),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Unwrap(t.Context(), stanza(fp, enc))
			if r := keysources.ReasonOf(err); got != nil || r != keysources.Malformed && r != keysources.Damaged {
				t.Errorf("got %d bytes, error %v", len(got), err)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(folder, "called")); err == nil {
		t.Error("gpg was called")
	}
	unwraps(t, s, stanza(fp, good))
}

// TestArmorAsItIsFound: what passes through files and other programs.
func TestArmorAsItIsFound(t *testing.T) {
	h := pgptest.NewHome(t)
	fp := h.Generate(t, pgptest.Key{Name: "me"})
	s := pgp.New(h.Env)
	good := wrap(t, s, fp).Get("enc")
	lines := strings.Split(good, "\n")
	for name, enc := range map[string]string{
		"as written":         good,
		"an empty line more": "\n" + good + "\n\n",
		"CRLF":               strings.ReplaceAll(good, "\n", "\r\n"),
		"blanks at the ends": strings.ReplaceAll(good, "\n", " \t\n"),
		"headers":            strings.Replace(good, "\n\n", "\nVersion: GnuPG v1\nComment: made by: hand\n\n", 1),
		"no checksum":        strings.Join(append(append([]string(nil), lines[:len(lines)-2]...), lines[len(lines)-1]), "\n"),
		"one long line":      rearmor(t, good, func(b []byte) []byte { return b }),
	} {
		t.Run(name, func(t *testing.T) { unwraps(t, s, stanza(fp, enc)) })
	}
}

// TestDamageThatOnlyGPGSees: in the session key, the data, and its detection code.
func TestDamageThatOnlyGPGSees(t *testing.T) {
	h := pgptest.NewHome(t)
	s := pgp.New(h.Env)
	for name, rsa := range map[string]bool{"RSA": true, "Curve25519": false} {
		fp := h.Generate(t, pgptest.Key{Name: name, RSA: rsa})
		good := wrap(t, s, fp).Get("enc")
		size := len(body(t, good))
		for _, i := range []int{40, 60, size - 40, size - 10, size - 1} {
			bad := rearmor(t, good, func(b []byte) []byte { b[i] ^= 1; return b })
			got, err := s.Unwrap(t.Context(), stanza(fp, bad))
			if e := wantReason(t, err, keysources.Damaged); got != nil {
				t.Errorf("%s, byte %d: got %d bytes, too, and %v", name, i, len(got), e)
			}
		}
	}
}

// TestSuccessWithoutProof: a program that writes something and ends well has not
// said that nothing was changed.
func TestSuccessWithoutProof(t *testing.T) {
	h := pgptest.NewHome(t)
	st := wrap(t, pgp.New(h.Env), h.Generate(t, pgptest.Key{Name: "me"}))
	for name, status := range map[string]string{
		"nothing": "", "no detection code": "DECRYPTION_OKAY", "no success": "GOODMDC", "both": "DECRYPTION_OKAY\n[GNUPG:] GOODMDC\n[GNUPG:] DECRYPTION_FAILED",
	} {
		t.Run(name, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "gpg")
			text := "#!/bin/sh\nprintf 'some other key'\nprintf '[GNUPG:] " + status + "\\n' >&2\n"
			if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			got, err := pgp.New(with(h.Env, "SOPS_GPG_EXEC", script)).Unwrap(t.Context(), st)
			if err == nil || got != nil {
				t.Errorf("got %q, error %v", got, err)
			}
		})
	}
}

// body returns the bytes in an armor that was written by gpg.
func body(t *testing.T, armored string) []byte {
	t.Helper()
	_, rest, _ := strings.Cut(strings.TrimSpace(armored), "\n\n")
	text, _, ok := strings.Cut(rest, "\n=")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !ok {
		t.Fatalf("no armor: %v", err)
	}
	return data
}

// rearmor changes the bytes in an armor, without a checksum.
func rearmor(t *testing.T, armored string, f func([]byte) []byte) string {
	t.Helper()
	return "-----BEGIN PGP MESSAGE-----\n\n" + base64.StdEncoding.EncodeToString(f(body(t, armored))) + "\n-----END PGP MESSAGE-----\n"
}

// withoutIntegrity gives the packet of encrypted data the tag of the form that had
// no modification detection.
func withoutIntegrity(t *testing.T, armored string) string {
	t.Helper()
	return rearmor(t, armored, func(b []byte) []byte {
		for i := range b {
			if b[i] == 0xd2 && i+2 < len(b) && b[i+2] == 1 && i+2+int(b[i+1]) == len(b) {
				b[i] = 0xc9
				return b
			}
		}
		// gpg writes the length as one octet for so short a message.
		t.Fatal("no such packet")
		return nil
	})
}

func wrongChecksum(armored string) string {
	i := strings.LastIndex(armored, "\n=") + 2
	flipped := byte('A')
	if armored[i] == 'A' {
		flipped = 'B'
	}
	return armored[:i] + string(flipped) + armored[i+1:]
}

// FuzzUnwrap: no text makes the parser panic, and none reaches gpg (there is none)
// without being a message to a key.
func FuzzUnwrap(f *testing.F) {
	for _, data := range [][]byte{
		{0xc1, 1, 0, 0xd2, 1, 0}, {0x84, 1, 0, 0xd2, 1, 0}, {0xc1, 0xe0, 0, 0, 0xd2, 0xff, 0, 0, 0, 1, 0}, {0xc1, 192, 0}, {0xcb, 1, 0}, {0x87, 1}, {0xc1, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		f.Add("-----BEGIN PGP MESSAGE-----\n\n" + base64.StdEncoding.EncodeToString(data) + "\n-----END PGP MESSAGE-----\n")
	}
	f.Add("-----BEGIN PGP MESSAGE-----\nVersion: x\n\n=AAAA\n-----END PGP MESSAGE-----")
	s := pgp.New(func(name string) string {
		if name == "SOPS_GPG_EXEC" {
			return "/nonexistent/gpg"
		}
		return ""
	})
	f.Fuzz(func(t *testing.T, enc string) {
		got, err := s.Unwrap(t.Context(), stanza("F", enc))
		switch r := keysources.ReasonOf(err); r {
		case keysources.Malformed, keysources.Damaged:
		case keysources.Unavailable:
			if !strings.Contains(enc, "-----BEGIN PGP MESSAGE-----") {
				t.Errorf("%q was taken for a message", enc)
			}
		default:
			t.Errorf("got %d bytes, reason %q", len(got), r)
		}
	})
}
