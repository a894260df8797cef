package sealedsecrettest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Controller is a pair of keys as a controller of SealedSecrets makes it.
type Controller struct {
	Key *rsa.PrivateKey
	// PEM is the private key, Certificate the name of a file with its certificate,
	// KeyFile of one with the key.
	PEM                  []byte
	Certificate, KeyFile string
}

// NewController makes a pair of keys of so many bits.
func NewController(tb testing.TB, bits int) Controller {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	usage := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, KeyUsage: x509.KeyUsageEncipherOnly,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, usage, usage, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	c := Controller{
		Key: key, PEM: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		Certificate: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"),
	}
	certText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	for name, text := range map[string][]byte{c.Certificate: certText, c.KeyFile: c.PEM} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// Backup returns controllers' keys as kubectl get -o yaml prints their Secrets.
func Backup(controllers ...Controller) []byte {
	text := "apiVersion: v1\nitems:\n"
	for i, c := range controllers {
		text += fmt.Sprintf(`- apiVersion: v1
  data:
    tls.crt: ""
    tls.key: %s
  kind: Secret
  metadata:
    creationTimestamp: "2026-01-02T03:04:05Z"
    labels:
      sealedsecrets.bitnami.com/sealed-secrets-key: active
    name: sealed-secrets-key%d
    namespace: kube-system
  type: kubernetes.io/tls
`, base64.StdEncoding.EncodeToString(c.PEM), i)
	}
	return []byte(text + "kind: List\nmetadata:\n  resourceVersion: \"\"\n")
}
