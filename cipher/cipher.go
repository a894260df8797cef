// Package cipher seals and unseals files.
//
// [Seal] replaces chosen values of a document by values encrypted under one
// random data key, wraps that key for each recipient, and attaches the result as
// sops's metadata block. [Open] reverses it: it unwraps the key with an
// identity, verifies the file, and gives the plain bytes back exactly.
//
// The file format is sops's, plus the entry sops.seal, which holds our own MAC
// and what the plain file's spelling needs; docs/FORMAT.md specifies it.
//
// Errors never hold a value, a hash of one, or a piece of the input other than
// its keys.
package cipher

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// keySize is the size of a data key in bytes.
const keySize = 32

// dataKey is the key of one file. It prints redacted.
type dataKey struct{ b [keySize]byte }

// String hides the key.
func (dataKey) String() string { return "<data key>" }

// GoString hides the key.
func (dataKey) GoString() string { return "<data key>" }

func newDataKey() dataKey {
	var k dataKey
	rand.Read(k.b[:]) // never fails
	return k
}

// dataKeyFrom takes an unwrapped key; it refuses any that is not 32 bytes long.
func dataKeyFrom(b []byte) (dataKey, bool) {
	var k dataKey
	return k, copy(k.b[:], b) == keySize && len(b) == keySize
}

// derive returns the 32-byte subkey for a purpose: HKDF-SHA-256 with an empty
// salt. Values are encrypted under the data key itself, as sops does; nothing
// else is.
func (k dataKey) derive(purpose string) []byte {
	sub, err := hkdf.Key(sha256.New, k.b[:], nil, "gitseal/v1 "+purpose, keySize)
	if err != nil {
		panic(fmt.Sprintf("cipher: internal error: deriving a subkey: %v", err))
	}
	return sub
}

// aead returns AES-256-GCM with nonces of n bytes.
func aead(key []byte, n int) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(fmt.Sprintf("cipher: internal error: %v", err))
	}
	g, err := cipher.NewGCMWithNonceSize(block, n)
	if err != nil {
		panic(fmt.Sprintf("cipher: internal error: %v", err))
	}
	return g
}
