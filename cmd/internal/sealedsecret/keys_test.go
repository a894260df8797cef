package sealedsecret_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
)

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func keySecret(field, text string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: sealed-secrets-key1}\n" + field + ": {tls.crt: '', tls.key: " + text + "}\n"
}

func TestReadsKeys(t *testing.T) {
	text := pkcs1(testKey())
	b64 := base64.StdEncoding.EncodeToString(text)
	inline, err := json.Marshal(string(text))
	if err != nil {
		t.Fatal(err)
	}
	cert := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	asJSON, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{
		map[string]any{"apiVersion": "v1", "kind": "Secret", "data": map[string]string{"tls.key": b64}},
		map[string]any{"apiVersion": "v1", "kind": "Secret", "data": map[string]string{"other": "eA=="}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]string{
		"PKCS #1":              string(text),
		"PKCS #8":              string(pkcs8(t, testKey())),
		"with a certificate":   cert + string(text),
		"with text around":     "Bag Attributes\n" + string(text) + "end\n",
		"twice the same":       string(text) + string(pkcs8(t, testKey())),
		"Secret":               keySecret("data", b64),
		"Secret in plain text": keySecret("stringData", string(inline)),
		"two documents":        "---\n" + keySecret("data", b64) + "---\n" + keySecret("data", b64),
		"list in JSON":         string(asJSON),
	} {
		t.Run(name, func(t *testing.T) {
			if k := keysOf(t, []byte(src)); k.Len() != 1 {
				t.Errorf("got %d keys, want 1", k.Len())
			}
		})
	}
}

func TestRefusesKeys(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecText, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, data []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	}
	for _, tt := range []struct{ name, text, msg string }{
		{"nothing", "", "no Secret"},
		{"prose", "see the wiki", "no Secret"},
		{"broken YAML", "a: [", "neither PEM nor"},
		{"certificate alone", block("CERTIFICATE", []byte("x")), "a certificate is not enough"},
		{"passphrase", block("ENCRYPTED PRIVATE KEY", []byte("x")), "passphrase"},
		{"old passphrase", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "passphrase"},
		{"elliptic curve", block("EC PRIVATE KEY", ecText), "not an RSA key"},
		{"elliptic curve in PKCS #8", string(pkcs8(t, ec)), "not an RSA key"},
		{"OpenSSH", block("OPENSSH PRIVATE KEY", []byte("x")), "not an RSA key"},
		{"damaged", block("RSA PRIVATE KEY", []byte("x")), "damaged"},
		{"cut", strings.Repeat("A", 10) + string(pkcs1(testKey())[:200]), "neither PEM nor|no Secret|no private key"},
		{"Secret without", "apiVersion: v1\nkind: Secret\ndata: {a: eA==}\n", "no Secret in it"},
		{"not base64", keySecret("data", "'*'"), "not base64"},
		{"not PEM", keySecret("data", "eA=="), "no private key"},
		{"sealed backup", keySecret("data", "'ENC[AES256_GCM,data:x]'") + "sops: {mac: x}\n", "itself sealed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var k sealedsecret.Keys
			err := k.Add([]byte(tt.text))
			found := false
			for msg := range strings.SplitSeq(tt.msg, "|") {
				found = found || err != nil && strings.Contains(err.Error(), msg)
			}
			if !errors.Is(err, sealedsecret.ErrKeys) || !found || k.Len() != 0 {
				t.Errorf("got error %v and %d keys, want %q", err, k.Len(), tt.msg)
			}
		})
	}
}
