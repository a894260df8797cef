package redacted_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/redacted"
	"github.com/gitseal/gitseal/keysources/age"
)

func armored(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestLooks(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sshKey, err := ssh.MarshalPrivateKey(edKey, "")
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, ecErr := x509.MarshalECPrivateKey(ecKey)
	edDER, edErr := x509.MarshalPKCS8PrivateKey(edKey)
	jwt := func(claims string) string {
		e := base64.RawURLEncoding
		return e.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + e.EncodeToString([]byte(claims)) + ".c2ln"
	}
	for _, tt := range []struct{ text, want string }{
		{armored(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), "pem rsa-2048 private key"},
		{armored(t, "EC PRIVATE KEY", ecDER, ecErr), "pem ec p-256 private key"},
		{armored(t, "PRIVATE KEY", edDER, edErr), "pem ed25519 private key"},
		{string(pem.EncodeToMemory(sshKey)), "ssh-ed25519 private key"},
		{"-----BEGIN X-----\nnothing", "pem, damaged"},
		{id.SecretText(), "age key"},
		{"ghp_0123456789abcdefghij", "github token"},
		{"ghp_short", ""},
		{jwt(`{"exp":1798761600}`), "jwt, expires 2027-01-01"},
		{jwt(`{}`), "jwt"},
		{"postgres://carol:pass@db.internal:5432/shop", "url, postgres, with a password"},
		{"https://carol@example.org/", "url, https"},
		{"sekrit-scheme://host", "url"},
		{"$2b$12$abcdefghijklmnopqrstuv", "password hash, bcrypt"},
		{`{"a": 1}`, "json"},
		{"10.0.0.1", "ip address, v4"},
		{"123e4567-e89b-12d3-a456-426614174000", "uuid"},
		{"00112233445566778899aabbccddeeff", "hex"},
		{"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "hex, long"},
		{base64.StdEncoding.EncodeToString([]byte("\xff\x01Some bytes that are not text?")), "base64, long"},
		{"correct horse battery staple", ""},
		{"short", ""},
		{"a sentence that has more than thirty-two characters", "long"},
		{"one\ntwo", "multi-line"},
		{"a\xff", "bytes"},
		{"", ""},
	} {
		if got := redacted.Looks(tt.text); got != tt.want {
			t.Errorf("%.20q…: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestEqualValuesAreTold(t *testing.T) {
	const plain = "a: same same same\nb: same same same\nc: another one\nd: short\ne: short\nf: true\ng: true\n"
	s := seal(t, "yaml", plain, cipher.SealOptions{})
	v, err := redacted.Describe(s.format, s.bytes, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 1, 0, 0, 0, 0, 0} {
		if got := v.Descriptions[i].Same; got != want {
			t.Errorf("value %d: got group %d, want %d", i, got, want)
		}
	}
}

// FuzzLooks: what is said of a text is made of words that were there before it, and
// fits into a token.
func FuzzLooks(f *testing.F) {
	f.Add("postgres://u:p@h/d")
	f.Add("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")
	f.Add("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln")
	known := regexp.MustCompile(`^[a-z0-9 ,+-]*$`)
	f.Fuzz(func(t *testing.T, text string) {
		got := redacted.Looks(text)
		const most = 60
		if !known.MatchString(got) || len(got) > most || strings.TrimSpace(got) != got {
			t.Errorf("got %q", got)
		}
	})
}
