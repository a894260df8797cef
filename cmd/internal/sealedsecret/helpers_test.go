package sealedsecret_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"sync"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
)

// testKey is made once: making one takes a while.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pkcs1(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func keysOf(t testing.TB, texts ...[]byte) *sealedsecret.Keys {
	t.Helper()
	var k sealedsecret.Keys
	for _, text := range texts {
		if err := k.Add(text); err != nil {
			t.Fatal(err)
		}
	}
	return &k
}

// sealRaw seals a value by the description of the format, independently of the
// code under test; the tests with the real kubeseal confirm the description.
func sealRaw(t testing.TB, label, value string) []byte {
	t.Helper()
	session := make([]byte, 32)
	rand.Read(session)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &testKey().PublicKey, session, []byte(label))
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(session)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(len(wrapped)))
	return gcm.Seal(append(out, wrapped...), make([]byte, 12), []byte(value), nil)
}

func seal(t testing.TB, label, value string) string {
	return base64.StdEncoding.EncodeToString(sealRaw(t, label, value))
}
