package sealedsecret

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"sync/atomic"
)

// maxKeyBits is the longest RSA key that is taken.
const maxKeyBits = 16384

// Keys are private keys of a controller. They print redacted. The zero value
// holds none.
type Keys struct {
	keys []*rsa.PrivateKey
	// last is the key that fitted last: most often the next value is its, too.
	last atomic.Int32
}

// String says how many there are.
func (k *Keys) String() string { return fmt.Sprintf("<%d sealing keys>", len(k.keys)) }

// GoString is String: %#v must not print a key either.
func (k *Keys) GoString() string { return k.String() }

// Len returns the number of different keys.
func (k *Keys) Len() int { return len(k.keys) }

// Add reads a file of private keys: PEM (PKCS #1 or PKCS #8), or a backup of the
// controller's keys as kubectl prints it, a Secret or a list of Secrets in YAML or
// JSON with the PEM text under tls.key. Its errors wrap ErrKeys.
func (k *Keys) Add(src []byte) error {
	if bytes.Contains(src, []byte("-----BEGIN ")) && !bytes.Contains(src, []byte("apiVersion")) {
		return k.addPEM(src)
	}
	trees, err := readTrees(src)
	if err != nil {
		return keysError("neither PEM nor a backup of Secrets")
	}
	found := 0
	for _, tree := range trees {
		if fields, ok := tree.(map[string]any); ok {
			n, err := k.addObject(object{fields: fields})
			if err != nil {
				return err
			}
			found += n
		}
	}
	if found == 0 {
		return keysError("no Secret in it has a tls.key")
	}
	return nil
}

func keysError(msg string) error { return &Error{Cause: ErrKeys, Msg: msg} }

// addObject takes the keys of a Secret, or those of a list of Secrets, and says in
// how many Secrets there were any.
func (k *Keys) addObject(o object) (int, error) {
	if _, sealed := o.fields["sops"]; sealed {
		return 0, keysError("the backup is itself sealed: unseal it first")
	}
	items, err := o.list("items")
	if err != nil {
		return 0, keysError("not a backup of Secrets")
	}
	found := 0
	for _, item := range items {
		fields, _ := item.(map[string]any)
		if _, nested := fields["items"]; nested {
			return 0, keysError("a list in a list")
		}
		n, err := k.addObject(object{fields: fields})
		if err != nil {
			return 0, err
		}
		found += n
	}
	if kind, _ := o.text("kind"); kind != "Secret" {
		return found, nil
	}
	text, err := tlsKey(o)
	if err != nil || text == nil {
		return found, err
	}
	return found + 1, k.addPEM(text)
}

// tlsKey returns the private key in a Secret, nil if it has none.
func tlsKey(o object) ([]byte, error) {
	data, err := o.textsOrNull("data")
	if err != nil {
		return nil, keysError("a Secret's data is not a map of strings")
	}
	if text, ok := data["tls.key"]; ok {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, keysError("a tls.key is not base64")
		}
		return key, nil
	}
	plain, err := o.textsOrNull("stringData")
	if err != nil {
		return nil, keysError("a Secret's stringData is not a map of strings")
	}
	if text, ok := plain["tls.key"]; ok {
		return []byte(text), nil
	}
	return nil, nil
}

// addPEM takes all private keys of a PEM file.
func (k *Keys) addPEM(src []byte) error {
	found := 0
	for {
		block, rest := pem.Decode(src)
		if block == nil {
			break
		}
		src = rest
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		key, err := parseKey(block)
		if err != nil {
			return err
		}
		k.add(key)
		found++
	}
	if found == 0 {
		return keysError("the PEM text holds no private key (a certificate is not enough)")
	}
	return nil
}

func parseKey(block *pem.Block) (*rsa.PrivateKey, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, keysError("the private key is protected by a passphrase: decrypt it first (openssl rsa -in FILE)")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, keysError("the private key is not an RSA key")
	}
	if err != nil {
		// The cause may say something about the key.
		return nil, keysError("the private key cannot be read: it is damaged or of an unknown kind")
	}
	out, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, keysError("the private key is not an RSA key")
	}
	if out.N.BitLen() > maxKeyBits {
		return nil, keysError("the private key is longer than any that a controller makes")
	}
	return out, nil
}

// add takes a key once.
func (k *Keys) add(key *rsa.PrivateKey) {
	for _, have := range k.keys {
		if have.Equal(key) {
			return
		}
	}
	k.keys = append(k.keys, key)
}
