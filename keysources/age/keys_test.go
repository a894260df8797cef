package age_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"strings"
	"testing"

	fage "filippo.io/age"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
)

const passphrase = "correct horse"

// sshKey is an ssh key pair made for a test.
type sshKey struct {
	public string
	// plain and locked are the private key without a passphrase and with one.
	plain, locked string
	private       crypto.PrivateKey
}

func newSSHKey(tb testing.TB, kind string) sshKey {
	tb.Helper()
	var k sshKey
	var err error
	switch kind {
	case "ed25519":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	case "rsa":
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ecdsa":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(k.private)
	if err != nil {
		tb.Fatal(err)
	}
	k.public = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	plain, err := ssh.MarshalPrivateKey(k.private, "")
	if err != nil {
		tb.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(k.private, "", []byte(passphrase))
	if err != nil {
		tb.Fatal(err)
	}
	k.plain, k.locked = string(pem.EncodeToMemory(plain)), string(pem.EncodeToMemory(locked))
	return k
}

// lockedFile encrypts identities as age -p does, with less work.
func lockedFile(tb testing.TB, text string, armored bool) string {
	tb.Helper()
	r, err := fage.NewScryptRecipient(passphrase)
	if err != nil {
		tb.Fatal(err)
	}
	r.SetWorkFactor(10)
	var b bytes.Buffer
	w, err := fage.Encrypt(&b, r)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	if !armored {
		return b.String()
	}
	var a bytes.Buffer
	aw := armor.NewWriter(&a)
	if _, err := aw.Write(b.Bytes()); err != nil {
		tb.Fatal(err)
	}
	if err := aw.Close(); err != nil {
		tb.Fatal(err)
	}
	return a.String()
}
